"""Models that were uploaded again under their old name."""

import pickle

import pandas as pd
import pytest

from raysel.history import History
from raysel.history.revisions import Revised
from tests.history.rows import datasets, points, proxies, runs

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40
AS_OLD = f"net@{OLD[:12]}"


def run(history: History, name: str, model: str, revision: str, final: float, *, dataset: str = "d") -> None:
    history.append(
        observations=points(name, [0.1, final]), runs=runs(name, model=model, revision=revision, dataset=dataset)
    )


@pytest.fixture
def filled(history: History) -> History:
    """A model with runs of one revision on two datasets, and one that has none recorded."""
    history.append(
        datasets=datasets("d", "e"),
        models=pd.DataFrame({"model": ["net", "plain"], "family": ["vit", ""]}),
        proxies=pd.concat(
            [
                proxies("net", 1.0, revision=OLD),
                proxies("net", 2.0, revision=NEW, dataset="e"),
                proxies("plain", 3.0),
            ]
        ),
    )
    run(history, "1", "net", OLD, 0.5)
    run(history, "2", "net", OLD, 0.6, dataset="e")
    run(history, "3", "plain", "", 0.7)
    return history


def finals(history: History, **options: object) -> dict[str, list[float | None]]:
    matrix = history.matrix(**options)  # type: ignore[arg-type]
    rows = matrix.values.round(3).astype(object)
    rows[rows != rows] = None
    return dict(zip(matrix.models, rows.tolist(), strict=True))


@pytest.mark.parametrize("kept", [False, True])
def test_an_older_upload_is_a_model_of_its_own(filled: History, kept: bool) -> None:
    if kept:
        filled.compact()
    view = Revised(filled, {"net": NEW, "plain": OTHER, "unheard-of": NEW})
    assert view.again == {"net"}
    assert finals(view) == {AS_OLD: [0.5, 0.6], "plain": [0.7, None]}
    assert finals(view, models=["net", "plain"]) == {"plain": [0.7, None]}
    assert finals(view, models=[AS_OLD]) == {AS_OLD: [0.5, 0.6]}
    assert finals(view, without="e") == {AS_OLD: [0.5], "plain": [0.7]}
    assert [(curve.model, curve.dataset) for curve in view.curves()] == [(AS_OLD, "d"), ("plain", "d"), (AS_OLD, "e")]
    assert [curve.model for curve in view.curves(models=["net"])] == []
    assert [curve.model for curve in view.curves(models=[AS_OLD], dataset="d")] == [AS_OLD]
    assert view.proxy_scores("leep") == {(AS_OLD, "d"): 1.0, ("net", "e"): 2.0, ("plain", "d"): 3.0}
    assert view.proxy_scores("leep", models=["net"]) == {("net", "e"): 2.0}
    assert view.proxy_scores("leep", models=[AS_OLD]) == {(AS_OLD, "d"): 1.0}
    assert {name: told.family for name, told in view.described(["net", AS_OLD]).items()} == {
        "net": "vit",
        AS_OLD: "vit",
    }
    assert view.uploads(["net", "plain"]) == (AS_OLD,)
    assert view.runs().set_index("run_id")["model"].to_dict() == {"1": AS_OLD, "2": AS_OLD, "3": "plain"}
    # Whoever has the old upload, or does not ask, reads what was there before.
    assert finals(filled) == {"net": [0.5, 0.6], "plain": [0.7, None]}
    assert filled.uploads(["net", "plain"]) == ()


@pytest.mark.parametrize("current", [{"net": OLD}, {"plain": NEW}, {"net": "0123abcd"}, {"net": "main"}, {}])
def test_nothing_changes_where_nothing_tells_that_it_is_another(filled: History, current: dict[str, str]) -> None:
    view = Revised(filled, current)
    assert view.again == frozenset()
    assert finals(view) == finals(filled)
    assert view.proxy_scores("leep") == filled.proxy_scores("leep")
    assert view.uploads(["net"]) == ()


def test_each_upload_keeps_its_own_runs(filled: History) -> None:
    run(filled, "4", "net", NEW, 0.9)
    run(filled, "5", "net", OTHER, 0.2)
    run(filled, "6", "net", "", 0.8, dataset="e")
    expected = {"net": [0.9, 0.8], AS_OLD: [0.5, 0.6], f"net@{OTHER[:12]}": [0.2, None], "plain": [0.7, None]}
    assert finals(Revised(filled, {"net": NEW})) == expected


def test_a_name_that_was_given_before_is_the_same_model(filled: History) -> None:
    filled.rename("net", AS_OLD)
    run(filled, "4", "net", OLD, 0.9)
    view = Revised(filled, {"net": NEW})
    assert filled.uploads(["net"]) == (AS_OLD,)
    assert view.uploads(["net"]) == (AS_OLD,)
    assert finals(view) == {AS_OLD: [0.7, 0.6], "plain": [0.7, None]}, "the mean over its runs"


def test_views_of_it_and_copies_stay_one(filled: History) -> None:
    view = Revised(filled, {"net": NEW})
    pinned = pickle.loads(pickle.dumps(view.pinned(view.parts())))  # noqa: S301
    run(filled, "4", "plain", "", 0.9, dataset="e")
    assert finals(pinned) == {AS_OLD: [0.5, 0.6], "plain": [0.7, None]}
    assert finals(view) == {AS_OLD: [0.5, 0.6], "plain": [0.7, 0.9]}


@pytest.mark.parametrize("newer", [False, True])
def test_what_is_kept_is_brought_up_to_date(filled: History, newer: bool) -> None:
    filled.compact()
    kept = filled.derived("matrix")
    assert kept is not None
    if newer:
        run(filled, "4", "net", NEW, 0.9)
    changes = Revised(filled, {"net": NEW}).changes(kept.parts)
    assert changes is not None
    assert set(changes.models) == {"net", AS_OLD}
    assert changes.before.models == ("net",)
    assert changes.after.models == (("net", AS_OLD) if newer else (AS_OLD,))
    assert Revised(filled, {"net": NEW}).unmeasured(["net", "plain", "new"], since=kept.parts) == {"net", "new"}
    assert filled.unmeasured(["net", "plain", "new"], since=kept.parts) == {"new"}
