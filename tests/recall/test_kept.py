"""What is kept of a large zoo, how newer runs are worked into it, and when it is made anew."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raysel.history import History, PerformanceMatrix
from raysel.history.revisions import Revised
from raysel.recall import cluster, rank
from raysel.recall.front import Front
from raysel.recall.kept import zoo
from raysel.replay.snapshot import Snapshot
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


# Types of output ----------------------------------------------------------------------------------------------------

NUMBERS = ("d8", "d9", "d10", "d11")
CLASSES = tuple(f"d{j}" for j in range(8))


def mixed(folder: Path, seed: int = 2, *, of: dict[str, str] | None = None) -> History:
    """Models that go together on the classes and otherwise on the numbers, of which the last has no task on record."""
    matrix, values = planted(seed)[0], planted(seed)[0].values.copy()
    values[:, 8:] = values[np.random.default_rng(seed).permutation(len(values)), 8:]
    history = history_of(PerformanceMatrix(models=matrix.models, datasets=matrix.datasets, values=values), folder)
    tasks = dict.fromkeys(CLASSES, "classification") | dict.fromkeys(NUMBERS[:3], "regression")
    if tasks := tasks if of is None else of:
        file_tasks(history, tasks)
    return history


def file_tasks(history: History, tasks: dict[str, str]) -> None:
    rows = {"dataset": list(tasks), "task": list(tasks.values()), "primary_metric": "accuracy", "mode": "max"}
    history.append(datasets=pd.DataFrame(rows))


@pytest.fixture(scope="module")
def two_types(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Snapshot(mixed(tmp_path_factory.mktemp("types")))


@pytest.mark.parametrize(
    ("options", "compared"),
    [
        ({"task": "classification"}, {*CLASSES, "d11"}),
        ({"task": "regression"}, {*NUMBERS}),
        ({"task": "regression", "without": "d8"}, {"d9", "d10", "d11"}),
        ({"without": "d0"}, {*CLASSES, "d11"} - {"d0"}),  # as it is on record
        ({"without": "d0", "task": "regression"}, {*NUMBERS}),  # what is said counts
        ({"without": "d11"}, None),
        ({"without": "new"}, None),
        ({"without": "new", "task": "ranking"}, {"d11"}),
        ({"task": "regression", "across_tasks": True}, None),
    ],
)
def test_models_are_compared_on_datasets_of_the_target_s_type(
    two_types: Snapshot, options: dict[str, object], compared: set[str] | None
) -> None:
    few = [f"m{i}-{j}" for i in range(6) for j in range(2)]
    found, large = (zoo(two_types, candidates, **options) for candidates in (few, None))
    assert isinstance(large.matrix, Front)
    assert found.alike == large.alike == compared
    assert found.clustering == cluster(found.matrix, alike=compared)
    assert large.clustering == cluster(large.matrix, alike=compared)
    told = found.rank(two_types, top_k=3, proxy_scores={}, propagate="own", seed=0).regime
    said = f"compared on the {len(compared)} of these with the target's type" if compared else "No proxy score"
    assert said in told
    assert ("Models are compared" in told) is (compared is not None)


@pytest.mark.parametrize("method", ["default", "paper"])
@pytest.mark.parametrize("of", [{}, dict.fromkeys(CLASSES, "classification")])
def test_with_one_type_of_output_nothing_changes(tmp_path: Path, method: str, of: dict[str, str]) -> None:
    history = mixed(tmp_path, of=of)
    options = {"without": "d3", "method": method}
    one, all_of_them = zoo(history, **options), zoo(history, across_tasks=True, **options)
    assert one.alike is None
    assert one.clustering == all_of_them.clustering == cluster(one.matrix, method=method)
    asked = {"top_k": 4, "proxy_scores": {}, "propagate": "own", "seed": 0}
    assert one.rank(history, **asked) == rank(one.matrix, one.candidates, method=method, top_k=4)


def test_without_a_dataset_of_its_type_each_model_is_alone(tmp_path: Path) -> None:
    history = Snapshot(mixed(tmp_path, of=dict.fromkeys((*CLASSES, *NUMBERS), "classification")))
    few = history.names()[:10]
    found = zoo(history, few, task="regression")
    assert found.alike == frozenset()
    assert sorted(found.to_score("representative")) == sorted(few)
    shortlist = found.rank(history, top_k=4, proxy_scores={}, propagate="own", seed=0)
    assert len(shortlist.models) == 6
    assert "none has its type of output: 2 more are recalled" in shortlist.regime


def test_clusters_are_kept_for_each_type_of_output(tmp_path: Path) -> None:
    history = mixed(tmp_path)
    tasks = ("classification", "regression", "")
    made = {task: zoo(history, task=task, store=True).clustering for task in tasks[:2]}
    made[""] = zoo(history).clustering  # kept beside the first
    assert len({one.clusters for one in made.values()}) == 3
    for task in tasks:
        again = zoo(history, task=task)
        assert "were kept" in again.told
        assert again.clustering == made[task]
        assert again.clustering == cluster(again.matrix, alike=again.alike)


def test_a_new_model_joins_by_datasets_of_the_target_s_type(tmp_path: Path) -> None:
    history = mixed(tmp_path)
    leading = zoo(history, task="classification", store=True)
    number, row = leading.clustering.number, leading.matrix.row
    numbers = [leading.matrix.datasets.index(name) for name in NUMBERS[:3]]
    good = dict(zip(leading.matrix.models, leading.matrix.values.mean(axis=1), strict=True))
    like = max(good, key=lambda model: good[model])
    unlike = max(
        (model for model in number if number[model] != number[like]),
        key=lambda model: leading.matrix.values[row[model], numbers].mean(),
    )
    values = leading.matrix.values[[row[like]]]
    values[0, numbers] = leading.matrix.values[row[unlike], numbers]
    tasks = history.tasks()
    add(history, PerformanceMatrix(models=("new",), datasets=leading.matrix.datasets, values=values))
    file_tasks(history, tasks)
    later = zoo(history, task="classification")
    assert "joined their clusters, 0 founded" in later.told
    number = later.clustering.number
    assert number["new"] == number[like] != number[unlike]


def test_another_type_on_record_makes_the_clusters_anew(tmp_path: Path) -> None:
    history = mixed(tmp_path)
    zoo(history, task="classification", store=True)
    file_tasks(history, {"d7": "regression"})
    later = zoo(history, task="classification")
    assert "another type of output is on record" in later.told
    assert later.alike == {*CLASSES, "d11"} - {"d7"}
    assert later.clustering == cluster(later.matrix, alike=later.alike)


# Uploaded again ------------------------------------------------------------------------------------------------------

OLD, NEW = "a" * 40, "b" * 40


def uploaded_again(history: History, model: str) -> Revised:
    """The history as it reads when all runs of a model were made with an older upload."""
    runs = history.runs()
    history.append(runs=runs[runs["model"] == model].assign(revision=OLD))
    return Revised(history, {model: NEW})


@pytest.mark.parametrize("method", ["default", "paper"])
def test_few_candidates_are_compared_with_their_older_uploads(tmp_path: Path, method: Any) -> None:
    matrix, _ = planted(2)
    history = history_of(matrix, tmp_path)
    best = zoo(history).clustering.clusters[0][0]
    view = uploaded_again(history, best)
    chosen = [best, *(model for model in matrix.models[::3] if model != best)]
    found = zoo(view, chosen, method=method)
    assert found.candidates == tuple(chosen)
    assert (f"{best}@{OLD[:12]}" in found.matrix.row) == (method == "default")
    assert best not in found.matrix.row
    asked: dict[str, Any] = {"top_k": len(chosen), "proxy_scores": {}, "propagate": "own", "seed": 0}
    shortlist = found.rank(view, **asked)
    entry = next(entry for entry in shortlist.entries if entry.model == best)
    assert entry.cluster is None
    if method == "default":
        assert entry.reason.startswith(f"no history since it was uploaded again: as {best}@{OLD[:12]} stood")
        assert entry.score > 0
    # The same as if the older upload had been renamed by hand.
    history.rename(best, f"{best}@{OLD[:12]}")
    assert zoo(history, chosen, method=method).rank(history, **asked) == shortlist


@pytest.mark.parametrize("new_runs", [False, True])
def test_an_older_upload_takes_the_place_among_those_that_lead(tmp_path: Path, new_runs: bool) -> None:
    matrix, _ = planted(3, clusters=12)
    history = history_of(matrix, tmp_path)
    first = zoo(history, store=True)
    best = first.clustering.clusters[0][0]
    view = uploaded_again(history, best)
    if new_runs:
        one = newcomers(matrix, best)
        history.append(
            runs=pd.DataFrame(
                {"run_id": ["new"], "model": best, "revision": NEW, "dataset": "d0", "status": "completed"}
            ).assign(planned_steps=1.0),
            observations=pd.DataFrame({"run_id": ["new"], "step": 1.0, "split": "val", "metric": "accuracy"}).assign(
                value=one.values[0, 0]
            ),
        )
    older = f"{best}@{OLD[:12]}"
    found = zoo(view, [*matrix.models, "unheard-of"], store=True)
    assert older in found.matrix.row
    assert (best in found.matrix.row) <= new_runs
    assert (best in found.candidates) or new_runs, "a new upload counts as without history"
    assert older not in found.candidates
    assert found.clustering.number[older] == found.clustering.number[first.clustering.clusters[0][1]]
    assert zoo(history).matrix.row.keys() == first.matrix.row.keys(), "to others nothing has changed"
    if not new_runs:
        shortlist = found.rank(view, top_k=30, proxy_scores={}, propagate="own", seed=0)
        entry = next(entry for entry in shortlist.entries if entry.model == best)
        assert entry.reason.startswith(f"no history since it was uploaded again: as {older} stood, prior +")
        assert 0 < entry.score < np.nanmean(found.matrix.z[found.matrix.row[older]])
