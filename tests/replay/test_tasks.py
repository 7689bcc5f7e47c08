"""Tasks and snapshots: what of a history can be replayed, and what a target may learn from."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ray.tune.search.sample import Categorical

from raysel import History
from raysel.errors import OptionError, UnknownNameError
from raysel.recall import cluster
from raysel.replay.engine import RecordedRecall
from raysel.replay.snapshot import Snapshot
from raysel.replay.tasks import targets, task
from tests.replay.recorded import DATASETS, MODELS, planted, run, tables


def history_of(tmp_path, *curves):
    history = History.create(str(tmp_path / "history"))
    history.append(**tables(curves))
    return Snapshot(history)


def test_a_snapshot_reads_as_its_history(tmp_path):
    history = planted(tmp_path)
    snapshot = Snapshot(history)
    for without in (None, "a", "unknown"):
        assert [c.run_id for c in snapshot.curves(without=without)] == [
            c.run_id for c in history.curves(without=without)
        ]
        mine, theirs = snapshot.matrix(without=without), history.matrix(without=without)
        assert (mine.models, mine.datasets) == (theirs.models, theirs.datasets)
        assert np.array_equal(mine.values, theirs.values)
    assert [c.model for c in snapshot.curves(dataset="b", models=["m01"])] == ["m01"]
    assert snapshot.pinned(snapshot.parts()) is snapshot
    assert pickle.loads(pickle.dumps(snapshot)).matrix().datasets == DATASETS  # noqa: S301


def test_a_snapshot_holds_one_moment_and_cannot_be_written_to(tmp_path):
    history = planted(tmp_path)
    snapshot = Snapshot(history)
    history.append(**tables([run("new", [0.5], dataset="e")]))
    assert "e" not in {c.dataset for c in snapshot.curves()}
    with pytest.raises(OptionError, match="written to"):
        snapshot.append(**tables([run("new", [0.5], dataset="e")]))
    with pytest.raises(OptionError, match="parts"):
        snapshot.pinned(history.parts())


def test_near_duplicates_are_left_out_together(tmp_path):
    snapshot = Snapshot(planted(tmp_path), together=[("a", "c")])
    assert snapshot.matrix(without="a").datasets == snapshot.matrix(without="c").datasets == ("b", "d")
    assert {c.dataset for c in snapshot.curves(without="c")} == {"b", "d"}
    assert snapshot.matrix(without="b").datasets == ("a", "c", "d")
    assert {c.dataset for c in snapshot.curves(dataset="a")} == {"a"}
    with pytest.raises(OptionError, match="together"):
        Snapshot(planted(tmp_path / "again"), together=[("a", "c"), ("c", "d")])


def test_a_task_knows_the_best_and_what_fine_tuning_all_would_select(tmp_path):
    curves = [run("late", [0.1, 0.9], final=0.6), run("good", [0.7, 0.8], final=0.7), run("bad", [0.2, 0.3])]
    found = task(history_of(tmp_path, *curves), "target")
    assert found.finals == {"late": 0.6, "good": 0.7, "bad": 0.3}
    assert (found.best, found.after_all, found.max_t, found.unit, found.timed) == ("good", "late", 2, 1, True)


def test_only_completed_runs_of_the_common_length_are_replayed(tmp_path):
    stopped = replace(run("stopped", [0.5, 0.6]), status="stopped", final=None)
    curves = [run("a", [0.5, 0.6]), run("b", [0.5, 0.6]), run("long", [0.5, 0.6, 0.7]), stopped]
    assert set(task(history_of(tmp_path, *curves), "target").runs) == {"a", "b"}


def test_seeds_take_turns_in_the_runs_of_a_model(tmp_path):
    curves = [replace(run("a", [0.5, 0.1 * seed]), run_id=f"a{seed}", seed=seed) for seed in range(3)] + [
        run("b", [0.5, 0.6])
    ]
    history = history_of(tmp_path, *curves)
    assert [task(history, "target", seed=seed).runs["a"].run_id for seed in range(4)] == ["a0", "a1", "a2", "a0"]
    assert [task(history, "target", seed=seed).runs["b"].model for seed in range(4)] == ["b"] * 4


def test_the_best_configuration_is_replayed(tmp_path):
    history = History.create(str(tmp_path / "history"))
    curves = [replace(run("a", [0.5, score]), run_id=f"a{number}") for number, score in enumerate([0.6, 0.9, 0.7])] + [
        run("b", [0.1, 0.2])
    ]
    given = tables(curves)
    given["runs"]["config"] = ['{"lr":1}', '{"lr":2}', '{"lr":2}', "{}"]  # mean validation: 0.6 and 0.8
    history.append(**given)
    assert [task(Snapshot(history), "target", seed=seed).runs["a"].run_id for seed in (0, 1)] == ["a1", "a2"]


def test_targets_have_models_to_choose_from(tmp_path):
    history = Snapshot(planted(tmp_path))
    assert targets(history, more_than=7) == DATASETS
    assert targets(history, more_than=len(MODELS)) == ()


def test_bad_targets_are_refused(tmp_path):
    history = history_of(tmp_path, run("a", [0.5, 0.6]))
    with pytest.raises(UnknownNameError, match="target"):
        task(history, "tarket")
    with pytest.raises(OptionError, match="at least two models"):
        task(history, "target")


@pytest.mark.parametrize(("target", "compared"), [("a", ["b"]), ("c", ["d"])])
def test_recall_takes_the_type_of_output_that_is_on_record(tmp_path, target, compared):
    history = planted(tmp_path)
    tasks = {"a": "classification", "b": "classification", "c": "regression", "d": "regression"}
    rows = [{"dataset": d, "task": task, "primary_metric": "score", "mode": "max"} for d, task in tasks.items()]
    history.append(datasets=pd.DataFrame(rows))
    searcher = RecordedRecall(Snapshot(history), target=target, method="default", top_k=3, seed=0)
    searcher.set_search_properties("score", "max", {"model": Categorical(list(MODELS))})
    assert "on the 1 of these with the target's type of output" in searcher.shortlist.regime
    matrix = history.matrix(without=target)
    assert searcher.shortlist.clusters == cluster(matrix, alike=compared).clusters
