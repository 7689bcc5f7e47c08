"""What a selection may spend."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.stopper import NoopStopper

from raysel import History, TrendScheduler
from raysel.errors import OptionError
from raysel.tune.budget import Budget, BudgetStopper, in_force


@pytest.mark.parametrize(
    ("text", "seconds", "of_gpus"),
    [
        ("90s", 90, False),
        ("45min", 2700, False),
        ("3h", 10800, False),
        ("0.5gpu-h", 1800, True),
        ("2 gpu-min", 120, True),
    ],
)
def test_amounts(text: str, seconds: float, of_gpus: bool) -> None:
    assert Budget.parse(text) == Budget(seconds=seconds, of_gpus=of_gpus)
    assert Budget.parse(str(Budget.parse(text)).replace("GPU-", "gpu-")) == Budget.parse(text)


@pytest.mark.parametrize("text", ["", "3", "0h", "-1h", "h", "3 days", "1e3s", "gpu-h"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(OptionError, match="budget"):
        Budget.parse(text)


class Told:
    """A stopper whose time is told, and what Tune shows it."""

    def __init__(self, folder: Path, budget: str, *, gpus: float = 0.0) -> None:
        history = History.create(folder / "history")
        self.scheduler = TrendScheduler(history, target="ours", max_t=5, metric="accuracy", mode="max")
        self.now = 1000.0
        self.stopper = BudgetStopper(Budget.parse(budget), gpus=gpus, scheduler=self.scheduler, clock=lambda: self.now)

    def ends(self, at: float, **trials: str) -> bool:
        """Whether the experiment ends in a step so many seconds after its start, with trials in these states."""
        self.now = 1000.0 + at
        shown: Any = [SimpleNamespace(trial_id=name, status=status) for name, status in trials.items()]
        self.stopper.on_step_begin(0, shown)
        return self.stopper.stop_all()


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path, "100s")


def test_the_seconds_of_gpus_add_up(tmp_path: Path) -> None:
    told = Told(tmp_path, "100gpu-s", gpus=0.5)
    for trial, seconds in (("a", 60.0), ("b", 80.0), ("a", 90.0)):
        assert not told.stopper(trial, {"time_total_s": seconds})
        assert not told.ends(500)
    told.stopper("b", {"time_total_s": 110.0})
    assert told.ends(500)
    assert told.stopper.over


def test_the_reports_of_those_that_run_are_waited_for(told: Told) -> None:
    assert not told.ends(99.9, a="RUNNING", b="RUNNING", c="PAUSED")
    assert not told.stopper.over
    assert not told.scheduler.selection.held
    assert not told.ends(100, a="RUNNING", b="RUNNING", c="PAUSED")
    assert told.stopper.over
    assert told.scheduler.selection.held
    assert not told.ends(105, a="RUNNING", b="PAUSED", c="PAUSED")
    assert told.ends(110, a="PAUSED", b="PAUSED", c="PAUSED")


def test_those_that_start_meanwhile_are_not_waited_for(told: Told) -> None:
    assert not told.ends(100, a="RUNNING", b="PENDING")
    assert not told.ends(105, a="RUNNING", b="RUNNING")
    assert told.ends(110, a="PAUSED", b="RUNNING")
    assert told.ends(111, a="RUNNING", b="RUNNING"), "nor one that is tried again"


def test_a_budget_that_is_spent_while_nobody_runs_ends_at_once(told: Told) -> None:
    assert told.ends(100, a="PAUSED", b="TERMINATED")


@pytest.mark.parametrize(("budget", "until"), [("100s", 160.0), ("20min", 1320.0)])
def test_a_report_is_not_waited_for_without_end(tmp_path: Path, budget: str, until: float) -> None:
    told = Told(tmp_path, budget)
    assert not told.ends(Budget.parse(budget).seconds, a="RUNNING")
    assert not told.ends(until - 0.1, a="RUNNING")
    assert told.ends(until, a="RUNNING")


def test_a_resumed_run_keeps_the_budget_that_is_given_now(told: Told, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Told(tmp_path / "other", "1h").stopper
    saved = pickle.dumps(other)
    with in_force(told.stopper):
        assert pickle.loads(saved) is told.stopper  # noqa: S301  (as Tune does)
        with in_force(None):
            assert isinstance(pickle.loads(saved), NoopStopper)  # noqa: S301
    assert isinstance(pickle.loads(saved), NoopStopper)  # noqa: S301
