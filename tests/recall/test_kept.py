"""What is kept of a large zoo, how newer runs are worked into it, and when it is made anew."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysel.history import History, PerformanceMatrix
from raysel.recall import cluster, rank
from raysel.recall.front import Front
from raysel.recall.kept import zoo
from tests.recall.zoos import permuted, planted, with_holes

SIZE = 18


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that the zoos of these tests exceed."""
    for module in ("rank", "kept"):
        monkeypatch.setattr(importlib.import_module(f"raysel.recall.{module}"), "EXACT", SIZE)
    front = importlib.import_module("raysel.recall.front").front
    monkeypatch.setitem(front.__kwdefaults__, "most", SIZE)
    monkeypatch.setattr(importlib.import_module("raysel.recall.kept"), "_ENOUGH", 3)


def add(history: History, matrix: PerformanceMatrix, *, status: str = "completed") -> None:
    """Record the matrix's cells as runs of one step."""
    cells = [(i, j) for i, j in np.argwhere(~np.isnan(matrix.values))]
    ids = [f"{matrix.models[i]}/{matrix.datasets[j]}" for i, j in cells]
    history.append(
        datasets=pd.DataFrame({"dataset": matrix.datasets, "primary_metric": "accuracy", "mode": "max"}),
        runs=pd.DataFrame(
            {
                "run_id": ids,
                "model": [matrix.models[i] for i, _ in cells],
                "dataset": [matrix.datasets[j] for _, j in cells],
                "status": status,
                "planned_steps": 1.0,
            }
        ),
        observations=pd.DataFrame(
            {
                "run_id": ids,
                "step": 1.0,
                "split": "val",
                "metric": "accuracy",
                "value": [matrix.values[i, j] for i, j in cells],
            }
        ),
    )


def history_of(matrix: PerformanceMatrix, folder: Path) -> History:
    history = History.create(folder / "history")
    add(history, matrix)
    return history


def newcomers(matrix: PerformanceMatrix, *like: str, shift: float = 0.0, holes: bool = False) -> PerformanceMatrix:
    """Models that score like others but for a shift, the first dataset not measured if asked for."""
    values = np.array([matrix.values[matrix.row[model]] for model in like]) + shift
    if holes:
        values[:, 0] = np.nan
    return PerformanceMatrix(
        models=tuple(f"new-{model}" for model in like), datasets=matrix.datasets, values=values.clip(0, 1)
    )


def fresh(history: History) -> tuple[Front, object]:
    """The same from scratch."""
    matrix = history.matrix()
    found = importlib.import_module("raysel.recall.front").front(matrix)
    assert isinstance(found, Front)
    return found, cluster(found)


def test_readers_keep_nothing_unless_asked_to(tmp_path: Path) -> None:
    history = history_of(planted(2)[0], tmp_path)
    zoo(history)
    assert history.derived("front") is None
    assert "none were kept" in zoo(history, store=True).told
    assert history.derived("front") is not None


def test_what_is_kept_gives_the_shortlist_that_the_history_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, _ = planted(2)
    history = history_of(matrix, tmp_path)
    zoo(history, store=True)
    whole = rank(history.matrix(), matrix.models, top_k=5)
    monkeypatch.setattr(History, "matrix", None)  # is not read
    kept = zoo(history, [*matrix.models, "unheard-of"])
    assert isinstance(kept.matrix, Front)
    assert "unheard-of" in kept.candidates
    assert len(kept.candidates) == SIZE + 1
    assert rank(kept.matrix, kept.matrix.models, clustering=kept.clustering, top_k=5) == whole


def test_few_candidates_are_compared_with_one_another(tmp_path: Path) -> None:
    matrix, _ = planted(2)
    history = history_of(matrix, tmp_path)
    zoo(history, store=True)
    chosen = [*matrix.models[::3], "unheard-of"]
    found = zoo(history, chosen, without="d3")
    alone = matrix.without("d3").restricted(chosen)
    assert found.clustering == cluster(alone)
    assert rank(found.matrix, found.candidates, clustering=found.clustering) == rank(alone, chosen)


def test_a_known_target_is_left_out_of_what_is_kept(tmp_path: Path) -> None:
    matrix = with_holes(planted(4)[0], 0.3, 4)
    history = history_of(matrix, tmp_path)
    zoo(history, store=True)
    found = zoo(history, without="d5")
    again = rank(history.matrix(without="d5"), matrix.models, top_k=4)
    shortlist = rank(found.matrix, found.candidates, clustering=found.clustering, top_k=4)
    assert "d5" not in found.matrix.datasets
    assert shortlist.models == again.models
    assert [e.score for e in shortlist.entries] == pytest.approx([e.score for e in again.entries])


def test_candidates_that_do_not_lead_are_ranked_among_themselves(tmp_path: Path) -> None:
    matrix, _ = planted(1)
    history = history_of(matrix, tmp_path)
    leading = zoo(history, store=True).matrix
    others = [model for model in matrix.models if model not in leading.row]
    many = [*others, *leading.models[:2], *(f"unheard-of-{i}" for i in range(9))]
    found = zoo(history, many)
    assert set(found.candidates) == set(many)
    one = rank(found.matrix, found.candidates, clustering=found.clustering, top_k=len(many))
    other = rank(matrix, many, top_k=len(many))
    with_history = [[e for e in shortlist.entries if e.cluster is not None] for shortlist in (one, other)]
    assert with_history[0] == with_history[1]
    assert {*one.models} == {*other.models} == {*many}


def test_a_small_history_has_its_whole_matrix_compared(tmp_path: Path) -> None:
    matrix = planted(2)[0].restricted([f"m{i}-{j}" for i in range(3) for j in range(4)])
    history = history_of(matrix, tmp_path)
    found = zoo(history, store=True)
    assert found.clustering == cluster(history.matrix())
    assert found.matrix.models == history.matrix().models
    assert (found.told, history.derived("front")) == ("", None)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_new_model_joins_the_clusters_that_are_there(tmp_path: Path, seed: int, holes: bool) -> None:
    matrix, _ = planted(seed)
    history = history_of(matrix, tmp_path)
    first = zoo(history, store=True)
    best = first.clustering.clusters[0][0]
    add(history, newcomers(matrix, best, holes=holes))
    later = zoo(history)
    expected, _ = fresh(history)
    assert "1 new or changed model" in later.told
    assert later.matrix.models == expected.models
    assert isinstance(later.matrix, Front)
    np.testing.assert_allclose(later.matrix.z, expected.z, atol=1e-9)
    assert later.matrix.beyond == expected.beyond
    if not holes:
        assert later.clustering.number[f"new-{best}"] == later.clustering.number[best]
    stayed = [model for model in later.matrix.models if model in first.matrix.row]
    for one in stayed:
        for other in stayed:
            numbers, before = later.clustering.number, first.clustering.number
            assert (numbers[one] == numbers[other]) == (before[one] == before[other])
    shortlist = rank(later.matrix, later.candidates, clustering=later.clustering, top_k=5)
    again = rank(history.matrix(), history.names(), top_k=5)
    # Chosen across clusters, which differ a little from those made from scratch.
    assert [e.score for e in shortlist.entries] == pytest.approx([e.score for e in again.entries], rel=0.05)


def test_a_new_model_that_does_not_lead_is_left_out(tmp_path: Path) -> None:
    matrix, _ = planted(3, clusters=12)
    history = history_of(matrix, tmp_path)
    first = zoo(history, store=True)
    poor = newcomers(matrix, next(m for m in matrix.models if m not in first.matrix.row), shift=-0.05)
    add(history, poor)
    later = zoo(history, [*matrix.models, *poor.models])
    assert {*later.candidates} == {*later.matrix.models} == {*first.matrix.models}
    assert later.matrix.beyond == first.matrix.beyond + 1


def test_a_new_model_unlike_any_other_founds_a_cluster(tmp_path: Path) -> None:
    matrix, _ = planted(3, clusters=12)
    history = history_of(matrix, tmp_path)
    first = zoo(history, store=True)
    odd = np.where(np.arange(12) % 2, 1.0, 0.55)[None]
    add(history, PerformanceMatrix(models=("odd",), datasets=matrix.datasets, values=odd))
    later = zoo(history)
    assert ("odd",) in later.clustering.clusters
    assert "1 new or changed models among those that lead have joined their clusters, 1 founded" in later.told
    assert len(first.matrix.models) == len(later.matrix.models) == SIZE


def test_what_says_nothing_of_finals_changes_nothing(tmp_path: Path) -> None:
    matrix, _ = planted(3)
    history = history_of(matrix, tmp_path)
    first = zoo(history, store=True)
    stopped = newcomers(matrix, matrix.models[0])
    add(history, stopped, status="stopped")
    later = zoo(history, [*matrix.models, *stopped.models])
    assert later.matrix.models == first.matrix.models
    assert later.clustering == first.clustering
    assert stopped.models[0] in later.candidates, "it has no final, so it counts as without history"


def test_many_changes_make_the_clusters_anew_with_the_reason(tmp_path: Path) -> None:
    matrix, _ = planted(5)
    history = history_of(matrix, tmp_path)
    zoo(history, store=True)
    add(history, newcomers(matrix, *zoo(history).matrix.models[:3], shift=0.01))
    later = zoo(history, store=True)
    assert "of those that lead are new or changed, more than 10%" in later.told
    assert later.clustering == fresh(history)[1]
    assert zoo(history).told.endswith("were kept")


def test_runs_that_move_a_scale_make_the_clusters_anew_with_the_reason(tmp_path: Path) -> None:
    matrix, _ = planted(6)
    history = history_of(matrix, tmp_path)
    zoo(history, store=True)
    worst = newcomers(matrix, *matrix.models, shift=-0.9)
    add(history, worst)
    later = zoo(history)
    assert "moved the z-scores of the others" in later.told
    assert later.clustering == fresh(history)[1]


def test_another_metric_makes_everything_anew(tmp_path: Path) -> None:
    matrix, _ = planted(6)
    history = history_of(matrix, tmp_path)
    zoo(history, store=True)
    history.append(datasets=pd.DataFrame({"dataset": ["d0"], "primary_metric": ["loss"], "mode": ["min"]}))
    later = zoo(history)
    assert "the metric of a dataset may have changed" in later.told
    assert "d0" not in later.matrix.datasets


def test_a_history_that_cannot_be_written_to_only_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from raysel.errors import HistoryError

    history = history_of(planted(2)[0], tmp_path)

    def refuse(*given: object, **options: object) -> None:
        raise HistoryError("read-only")

    monkeypatch.setattr(History, "derive", refuse)
    found = zoo(history, [*history.names(), "unheard-of"], store=True)
    assert isinstance(found.matrix, Front)
    assert {*found.candidates} == {*found.matrix.models, "unheard-of"}
    assert "could not be kept: read-only" in caplog.text


def test_the_order_of_models_and_datasets_does_not_matter(tmp_path: Path) -> None:
    matrix, _ = planted(2)
    one, other = history_of(matrix, tmp_path / "a"), history_of(permuted(matrix, 1), tmp_path / "b")
    assert zoo(one).clustering == zoo(other).clustering
