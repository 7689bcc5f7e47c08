"""`HistoryRecorder` without a cluster: what it writes, and what it does while it cannot."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ray.train._internal.storage import StorageContext
from ray.tune import Checkpoint
from ray.tune.experiment import Trial

from raysel import History, HistoryRecorder, Target
from raysel.errors import HistoryError, OptionError
from raysel.tune import journal

Points = dict[float, float]
GIVEN: dict[str, Any] = {"metric": "accuracy", "mode": "max", "time_attr": "epoch", "max_t": 3}


def recorder(history: History) -> HistoryRecorder:
    return HistoryRecorder(history, target="d", publish_every=0, **GIVEN)


def trial() -> Trial:
    return Trial("any", stub=True, trial_id="t", config={"model": "m"})


def report(to: HistoryRecorder, what: Trial, epoch: float, accuracy: float) -> None:
    to.on_trial_result(1, [what], what, {"epoch": epoch, "accuracy": accuracy, "seconds": 1.0})


def recorded(history: History) -> Points:
    """The points of the only curve."""
    curves = history.curves(dataset="d")
    return dict(zip(curves[0].steps.tolist(), curves[0].values.tolist(), strict=True)) if curves else {}


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond a few bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_curves_wait_and_arrive_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    history, one = History.create(tmp_path / "history"), trial()
    kept = recorder(history)
    kept.setup()
    report(kept, one, 1, 0.5)
    with full_disk():
        report(kept, one, 2, 0.6)
        kept.publish()
        assert recorded(history) == {1.0: 0.5}, "what is there stays readable"
    assert caplog.text.count("1 curves wait") == 1
    kept.publish()
    assert "can be written to again: 1 curves have arrived" in caplog.text
    report(kept, one, 3, 0.7)
    kept.publish()
    assert recorded(history) == {1.0: 0.5, 2.0: 0.6, 3.0: 0.7}
    assert not history.observations().duplicated(["run_id", "step"]).any()
    assert history.check() == []


def test_a_share_that_is_gone_is_not_made_anew_and_curves_stay_with_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, elsewhere = tmp_path / "history", tmp_path / "elsewhere"
    history, one = History.create(here), trial()
    kept = recorder(history)
    kept.setup()
    here.rename(elsewhere)
    here.mkdir()  # where it is mounted
    report(kept, one, 1, 0.5)
    kept.on_experiment_end([one])
    assert "1 curves are not in" in caplog.text
    with pytest.raises(HistoryError, match="cannot be written to"):
        recorder(history).setup()
    assert not any(here.iterdir())
    here.rmdir()
    elsewhere.rename(here)
    again = recorder(History(here))
    again.set_state(kept.get_state())
    again.on_experiment_end([one])
    assert recorded(History(here)) == {1.0: 0.5}


@pytest.mark.parametrize(
    ("reports", "counted"),
    [
        ([(0, 0.1), (1, 0.5)], {0: 0.1, 1: 0.5}),
        ([(1, 0.5), (2, 0.6), (1, 0.9), (3, 0.7)], {1: 0.5, 2: 0.6, 3: 0.7}),
        ([(2, 0.6), (1, 0.5), (3, 0.7)], {2: 0.6, 3: 0.7}),
        ([(1, 0.5), (1, 0.6)], {1: 0.5}),
        ([(1, float("nan")), (2, 0.6)], {2: 0.6}),
        ([(-1, 0.5), (float("nan"), 0.5)], {}),
    ],
)
def test_a_step_counts_once_and_forwards(tmp_path: Path, reports: list[tuple[float, float]], counted: Points) -> None:
    history, one = History.create(tmp_path / "history"), trial()
    kept = recorder(history)
    kept.setup()
    for epoch, accuracy in reports:
        report(kept, one, epoch, accuracy)
    kept.publish()
    assert recorded(history) == counted


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ([None, None], ""),
        (["1 x A10G", "1 x A10G"], "1 x A10G"),
        (["1 x A10G", "1 x T4", "1 x A10G"], "1 x A10G, then 1 x T4"),
        ([7, "x" * 600], "x" * 500),
    ],
)
def test_seconds_are_kept_with_what_they_were_spent_on(tmp_path: Path, told: list[object], kept: str) -> None:
    history, one = History.create(tmp_path / "history"), trial()
    to = recorder(history)
    to.setup()
    for epoch, hardware in enumerate(told, start=1):
        to.on_trial_result(1, [one], one, {"epoch": epoch, "accuracy": 0.5, "seconds": 1.0, "hardware": hardware})
    assert [curve.hardware for curve in history.curves()] == [kept]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ([None], ""),
        (["abc", "abc"], "abc"),
        (["abc", None], "abc"),
        (["abc", "def"], "abc"),
        ([7, "x" * 600], "x" * 500),
    ],
    ids=["nobody says", "told", "resumed", "what it began with", "no text, and too long"],
)
def test_a_run_is_of_the_revision_that_it_began_with(tmp_path: Path, told: list[object], kept: str) -> None:
    history, one = History.create(tmp_path / "history"), trial()
    to = recorder(history)
    to.setup()
    for epoch, revision in enumerate(told, start=1):
        to.on_trial_result(1, [one], one, {"epoch": epoch, "accuracy": 0.5, "seconds": 1.0, "revision": revision})
    assert history.runs()["revision"].tolist() == [kept]


def test_what_is_reported_after_the_last_checkpoint_is_in_the_journal(tmp_path: Path) -> None:
    storage = StorageContext(str(tmp_path / "results"), "run", trial_dir_name="t")
    one = Trial("any", stub=True, trial_id="t", config={"model": "m"}, storage=storage)
    kept = HistoryRecorder(History.create(tmp_path / "history"), target="d", publish_every=3600, **GIVEN)
    kept.setup()
    kept.publish()  # nothing yet, and not again for an hour
    report(kept, one, 1, 0.5)
    (run_id,) = kept.get_state()["runs"]
    assert journal.read(one, run_id) is None, "without a checkpoint it would begin anew"
    one.run_metadata.last_result = {"epoch": 1}
    kept.on_checkpoint(1, [one], one, Checkpoint(str(tmp_path / "one"), storage.storage_filesystem))
    report(kept, one, 2, 0.6)
    entry = journal.read(one, run_id)
    assert entry is not None
    assert entry.metrics["epoch"] == 1
    assert [(point["step"], point["value"]) for point in entry.points] == [(1, 0.5), (2, 0.6)]


@pytest.mark.parametrize(
    ("target", "task"),
    [("d", "regression"), (Target("d"), "classification"), ("e", ""), (Target("e"), "classification")],
)
def test_a_plain_name_keeps_the_task_on_record(tmp_path: Path, target: Target | str, task: str) -> None:
    history = History.create(tmp_path / "history")
    history.append(datasets=pd.DataFrame({"dataset": ["d"], "task": ["regression"]}))
    HistoryRecorder(history, target=target, **GIVEN).setup()
    assert history.tasks().get(Target.of(target).name, "") == task


def test_other_metrics_are_recorded_under_their_names_and_decide_nothing(tmp_path: Path) -> None:
    history, one = History.create(tmp_path / "history"), trial()
    kept = HistoryRecorder(history, target="d", publish_every=0, other_metrics=["f1", "accuracy", "absent"], **GIVEN)
    kept.setup()
    for epoch in (1, 2, 3):
        last = {"test_accuracy": 0.7, "test_f1": 0.2} if epoch == 3 else {}
        told = {"epoch": epoch, "accuracy": epoch / 4, "f1": epoch / 10, "loss": 9.0, **last}
        kept.on_trial_result(1, [one], one, told)
    kept.on_trial_complete(1, [one], one)
    points = history.observations().groupby(["metric", "split"])["value"].agg(list).to_dict()
    assert points == {
        ("accuracy", "val"): [0.25, 0.5, 0.75],
        ("accuracy", "test"): [0.7],
        ("f1", "val"): [0.1, 0.2, 0.3],
        ("f1", "test"): [0.2],
    }
    assert recorded(history) == {1.0: 0.25, 2.0: 0.5, 3.0: 0.75}
    assert history.matrix().values.tolist() == [[0.7]]
    assert history.check() == []
    # Whoever lets another decide from now on has the past in it.
    history.append(datasets=pd.DataFrame({"dataset": ["d"], "primary_metric": ["f1"], "mode": ["max"]}))
    assert history.matrix().values.tolist() == [[0.2]]
    with pytest.raises(OptionError, match="other_metrics"):
        HistoryRecorder(history, target="d", other_metrics="f1", **GIVEN)


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ({"acc": 0.5, "loss": 1.0}, "it never reported a number as accuracy, only: acc, epoch, loss"),
        ({"accuracy": float("nan")}, "it never reported a number as accuracy, only: accuracy, epoch"),
    ],
)
def test_a_trial_that_never_reports_the_metric_failed_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, reported: dict[str, float], reason: str
) -> None:
    history, one = History.create(tmp_path / "history"), trial()
    kept = HistoryRecorder(history, target="d", publish_every=0, other_metrics=["loss"], **GIVEN)
    kept.setup()
    result = {"epoch": 3.0, "training_iteration": 3, "trial_id": "t", **reported}
    kept.on_trial_result(1, [one], one, result)
    one.update_last_result(result)
    kept.on_trial_complete(1, [one], one)
    (run,) = history.runs().to_dict("records")
    assert (run["status"], run["reason"]) == ("failed", reason)
    assert f"m (t) failed: {reason}" in caplog.text
