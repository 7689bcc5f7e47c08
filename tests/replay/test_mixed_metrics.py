"""Benchmarks in metrics of their own, some of which are to be minimised: from the history to what is selected."""

from dataclasses import replace

import numpy as np
import pytest

from raysel import History
from raysel.recall.kept import zoo
from raysel.replay.comparison import compare
from raysel.replay.snapshot import Snapshot
from raysel.trends import mine
from tests.replay.recorded import run, tables

MODELS = tuple(f"m{i:02d}" for i in range(12))
DATASETS = tuple("abcdefg")
STEPS = 10


def curves():
    """Accuracies: models differ by what they are, by the dataset, and early on by chance."""
    rng = np.random.default_rng(5)
    good = rng.uniform(0.4, 0.8, len(MODELS))[:, None] + rng.normal(0, 0.05, (len(MODELS), len(DATASETS)))
    rise = 1 - 0.6 ** np.arange(1, STEPS + 1)
    noise = rng.normal(0, 0.04, (len(MODELS), len(DATASETS), STEPS)) * (1 - rise)
    values = np.clip(good[..., None] * rise + noise, 0.01, 0.99)
    return [
        run(model, values[i, j], dataset=dataset, final=float(good[i, j]))
        for i, model in enumerate(MODELS)
        for j, dataset in enumerate(DATASETS)
    ]


def turned(curve, scale, offset, lower):
    """A score s as the metric offset + scale s, or as offset - scale s that is to be minimised."""
    shift = -offset if lower else offset  # a curve has what is to be minimised negated
    return replace(curve, values=scale * curve.values + shift, final=scale * curve.final + shift, lower_is_better=lower)


METRICS = {"per_cent": (100.0, 0.0, False), "r2": (2.0, -1.0, False), "error": (1.0, 1.0, True), "rmse": (40, 90, True)}


def history_of(folder, metrics):
    """The curves, those of some datasets in other metrics."""
    found = [turned(c, *METRICS[metrics[c.dataset]]) if c.dataset in metrics else c for c in curves()]
    rows = tables(found)
    metric_of = {dataset: metrics.get(dataset, "accuracy") for dataset in DATASETS}
    named = rows["observations"]["run_id"].str[0].map(metric_of)
    datasets = rows["datasets"].assign(primary_metric=rows["datasets"]["dataset"].map(metric_of))
    history = History.create(str(folder))
    history.append(runs=rows["runs"], observations=rows["observations"].assign(metric=named), datasets=datasets)
    return Snapshot(history)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return history_of(tmp_path_factory.mktemp("plain") / "history", {})


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    metrics = {"b": "per_cent", "c": "error", "d": "rmse", "e": "r2"}
    return history_of(tmp_path_factory.mktemp("mixed") / "history", metrics)


def test_the_matrix_has_each_column_in_its_own_metric_higher_being_better(plain, mixed):
    matrix = mixed.matrix()
    assert matrix.lower_is_better == tuple(dataset in "cd" for dataset in DATASETS)
    accuracy = plain.matrix().values
    expected = accuracy.copy()
    expected[:, 1], expected[:, 2] = 100 * accuracy[:, 1], accuracy[:, 2] - 1
    expected[:, 3], expected[:, 4] = 40 * accuracy[:, 3] - 90, 2 * accuracy[:, 4] - 1
    np.testing.assert_allclose(matrix.values, expected)


@pytest.mark.parametrize("target", ["a", "c", "new"])
def test_recall_takes_each_column_for_what_it_says_of_models(plain, mixed, target):
    one, other = (
        zoo(history, without=target).rank(history, top_k=4, proxy_scores={}, propagate="own", seed=0)
        for history in (plain, mixed)
    )
    assert one.models == other.models
    assert one.clusters == other.clusters
    assert [e.score for e in one.entries] == pytest.approx([e.score for e in other.entries])


def outcome(history, target):
    (row,) = compare(history, methods=["default"], leave_out=[target], gpus=(1,), seeds=1, top_k=6)
    return row.selected, row.steps, row.best_dropped_at, pytest.approx(row.relative_regret)


@pytest.mark.parametrize(
    "metrics",
    [
        {"b": "per_cent", "c": "r2"},
        dict.fromkeys(DATASETS[1:], "per_cent"),
        dict.fromkeys(DATASETS, "error"),
        {**dict.fromkeys(DATASETS, "rmse"), "b": "error", "c": "error"},
    ],
    ids=["other scales", "all but the target's", "lower is better", "lower is better, other scales"],
)
def test_fine_selection_is_the_same_in_whatever_metric_the_past_and_the_target_are(plain, tmp_path, metrics):
    assert outcome(history_of(tmp_path / "history", metrics), "a") == outcome(plain, "a")


def test_curves_of_the_other_direction_say_nothing_of_trends(mixed, tmp_path):
    # What is minimised has its place in the matrix, and so in recall; trends are those of the target's direction.
    assert mine(mixed.curves(without="a"), lower_is_better=False).datasets == ("b", "e", "f", "g")
    assert mine(mixed.curves(without="c"), lower_is_better=True).datasets == ("d",)
    selected, steps, *_ = outcome(mixed, "c")
    assert selected in MODELS
    assert steps < 6 * STEPS
