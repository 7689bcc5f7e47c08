"""What is learned from the benchmark datasets, kept beside the history; and the shortlist that comes of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysel.errors import HistoryError, OptionError
from raysel.history import History, PerformanceMatrix
from raysel.history.derived import Kept
from raysel.recall import Shortlist, cluster, rank
from raysel.recall import weights as module
from raysel.recall.front import Front
from raysel.recall.kept import Zoo
from raysel.recall.trust import Trust
from raysel.recall.weights import Weights, diversity, weights
from tests.recall.zoos import minority

KEPT = "The weights of proxies and of diversity were kept"


def front(matrix: PerformanceMatrix) -> Front:
    """The zoo as if it were the front of a larger one."""
    z = (matrix.values - matrix.values.mean(axis=0)) / matrix.values.std(axis=0)
    return Front(**vars(matrix), z=z, beyond=70)


ZOO, SCORES = minority(0)
FRONT = front(ZOO)


def proxies(proxy: str, *, noise: float, datasets: tuple[str, ...] = ZOO.datasets) -> pd.DataFrame:
    """Scores of a proxy that sees finals through noise."""
    rng = np.random.default_rng(len(proxy))
    rows = [
        (model, dataset, proxy, ZOO.values[i, ZOO.datasets.index(dataset)] + noise * rng.normal())
        for i, model in enumerate(ZOO.models)
        for dataset in datasets
    ]
    return pd.DataFrame(rows, columns=["model", "dataset", "proxy", "value"])


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = History.create(tmp_path / "history")
    made.append(proxies=pd.concat([proxies("p", noise=0.1), proxies("quite", noise=0.5)]))
    return made


def asked(history: History, zoo: Front = FRONT, *, names: str = "p", top_k: int = 4, store: bool = True, **options):
    recorded = {proxy: history.proxy_scores(proxy, without="target") for proxy in names.split()}
    return weights(history, zoo, recorded, top_k=top_k, seed=0, store=store, **options)


def never(*given: object, **options: object) -> None:
    raise AssertionError("what has not changed is learned again")


def test_what_is_kept_is_what_is_learned(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    found, told = asked(history, names="p quite")
    assert told == "The weights of proxies and of diversity were learned anew: none were kept"
    assert found.trust.n_datasets == len(ZOO.datasets)
    assert found.trust.beside_prior["p"] > found.trust.beside_prior["quite"] > 0
    assert (found.diversity, found.tried) == diversity(FRONT, top_k=4, seed=0)
    assert found.diversity > 0
    monkeypatch.setattr(module, "learn", never)
    monkeypatch.setattr(module, "gain", never)
    assert asked(history, names="quite p") == (found, KEPT)
    assert asked(History(history.uri), names="p quite") == (found, KEPT)


def scored_on_target(history: History) -> None:
    history.append(proxies=proxies("p", noise=0.1, datasets=("d00",)).assign(dataset="target"))


def scored_again(history: History) -> None:
    history.append(proxies=proxies("p", noise=0.2, datasets=("d00",)))


def ran_again(history: History) -> None:
    history.append(datasets=pd.DataFrame({"dataset": ["other"], "primary_metric": ["accuracy"], "mode": ["max"]}))


OTHER = front(replace(ZOO, values=np.where(ZOO.values == ZOO.values[0, 0], 0.1, ZOO.values)))


@pytest.mark.parametrize(
    ("change", "options", "reason", "learned"),
    [
        (scored_on_target, {}, "", ""),
        (ran_again, {}, "", ""),
        (scored_again, {}, "recorded scores of p have changed", "trust"),
        (None, {"names": "p quite"}, "other proxies were asked for", "trust"),
        (None, {"top_k": 5}, "another shortlist was asked for", "diversity"),
        (None, {"alike": ZOO.datasets[:6]}, "another shortlist was asked for", "diversity"),
        (None, {"alike": (*ZOO.datasets, "else")}, "another shortlist was asked for", "diversity"),
        (None, {"zoo": OTHER}, "the models that lead, or what they scored, have changed", "trust diversity"),
    ],
)
def test_only_what_came_from_something_else_is_learned_anew(
    history: History,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[History], None] | None,
    options: dict,
    reason: str,
    learned: str,
) -> None:
    asked(history)
    if change is not None:
        change(history)
    plain, _ = asked(history, store=False, **options)
    if "trust" not in learned:
        monkeypatch.setattr(module, "learn", never)
    if "diversity" not in learned:
        monkeypatch.setattr(module, "gain", never)
    found, told = asked(history, **options)
    assert found == plain
    assert told == (f"The weights of proxies and of diversity were learned anew: {reason}" if reason else KEPT)
    assert asked(history, **options) == (found, KEPT)


def test_they_depend_on_nothing_else(history: History) -> None:
    first, _ = asked(history, names="p quite", store=False)
    with_others = history.proxy_scores("p") | {("nobody", "d00"): 3.0, ("a00", "nowhere"): 2.0}
    recorded = {"quite": history.proxy_scores("quite"), "p": with_others}
    again, _ = weights(history, front(ZOO), recorded, top_k=4, seed=0)
    assert again == first


@pytest.mark.parametrize(
    ("notes", "column"),
    [
        ({"trust": {"prior": "much"}}, None),
        ({"trust": {"weight": 1.0}}, None),
        ({"diversity": float("nan")}, None),
        ({"origin": {}}, None),
        ({"tried": None}, None),
        ({}, "alone"),
    ],
)
def test_what_is_no_weights_is_passed_over(history: History, notes: dict, column: str | None) -> None:
    found, _ = asked(history)
    kept = history.derived("weights")
    assert kept is not None
    rows = kept.rows if column is None else kept.rows.drop_columns(column)
    history.derive("weights", Kept(rows=rows, parts=kept.parts, notes={**kept.notes, **notes}))
    assert asked(history) == (found, "The weights of proxies and of diversity were learned anew: none were kept")
    assert asked(history) == (found, KEPT)


def test_readers_keep_nothing_and_a_history_that_cannot_be_written_to_only_warns(
    history: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found, _ = asked(history, store=False)
    assert history.derived("weights") is None

    def refuse(*given: object, **options: object) -> None:
        raise HistoryError("read-only")

    monkeypatch.setattr(History, "derive", refuse)
    assert asked(history)[0] == found
    assert "the weights of recall could not be kept: read-only" in caplog.text


# The shortlist ------------------------------------------------------------------------------------------------------


def shortlisted(history: History, matrix: PerformanceMatrix, given: dict) -> tuple[Shortlist, list[str]]:
    """The shortlist of a zoo, and what is told."""
    found = Zoo(matrix=matrix, clustering=cluster(matrix), candidates=matrix.models, method="default", without="target")
    told: list[str] = []
    shortlist = found.rank(
        history, top_k=4, proxy_scores=given, propagate="representative", seed=0, store=True, tell=told.append
    )
    return shortlist, told


@pytest.mark.parametrize("given", [{}, {"p": SCORES}, {"p": SCORES, "quite": dict.fromkeys(SCORES, float("nan"))}])
def test_kept_weights_give_the_shortlist_that_the_history_gives(history: History, given: dict) -> None:
    recorded = {proxy: history.proxy_scores(proxy) for proxy in given}
    expected = rank(FRONT, FRONT.models, top_k=4, proxy_scores=given, recorded=recorded)
    first, told = shortlisted(history, FRONT, given)
    assert told == ["The weights of proxies and of diversity were learned anew: none were kept"]
    again, told = shortlisted(history, FRONT, given)
    assert told == [KEPT]
    assert first == again == expected


def test_of_a_small_zoo_nothing_is_kept(history: History) -> None:
    shortlist, told = shortlisted(history, ZOO, {"p": SCORES})
    assert (told, history.derived("weights")) == ([], None)
    recorded = {"p": history.proxy_scores("p")}
    assert shortlist == rank(ZOO, ZOO.models, top_k=4, proxy_scores={"p": SCORES}, recorded=recorded)


def test_weights_of_other_proxies_are_refused() -> None:
    of_p = Weights(trust=Trust(beside_prior={"p": 0.5}, alone={"p": 0.5}))
    with pytest.raises(OptionError, match="weights"):
        rank(FRONT, FRONT.models, weights=of_p)
