"""Ctrl-C in the middle of a selection: nothing is selected, what was learned is kept, and it can go on."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from raysel import History, Target
from raysel.errors import InterruptedSelectionError, NothingToRecallError
from raysel.tune import RecallSearcher, Selected, TrendScheduler, run_selection
from raysel.tune.budget import Budget, BudgetStopper
from tests.ray.table import FEW, MODELS, STEPS, TARGET, noisy_table, planted_history, table_trainable

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


class PressesCtrlC(tune.Callback):
    """Interrupts this process at a result."""

    def __init__(self, at: int) -> None:
        self._left = at

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGINT)


def select(
    folder: Path,
    *,
    top_k: int = 4,
    grace_period: int = 1,
    fault: Callable[[str, int], None] | None = None,
    budget: Budget | None = None,
    clock: Callable[[], float] = time.monotonic,
    **options: Any,
) -> Selected:
    history = History(folder / "history")
    target = Target(TARGET, classes=2, size=70, fingerprint="f00d")
    scheduler = TrendScheduler(history, target=target, max_t=STEPS, grace_period=grace_period)
    stopper = None if budget is None else BudgetStopper(budget, gpus=0, scheduler=scheduler, clock=clock)
    return run_selection(
        table_trainable(noisy_table(3), log=folder / "log", fault=fault),
        searcher=RecallSearcher(history, target=target, top_k=top_k),
        scheduler=scheduler,
        history=history,
        target=target,
        models=MODELS,
        metric="accuracy",
        mode="max",
        space={},
        budget=stopper,
        max_concurrent=2,
        storage_path=str(folder / "results"),
        name="run",
        **options,
    )


def told(selected: Selected) -> Any:
    return selected.selected, [(t.model, t.curve, t.stopped_at, t.reason) for t in selected.trials]


@pytest.mark.parametrize("cut_off", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_ctrl_c_selects_nothing_and_the_run_goes_on_as_if_undisturbed(tmp_path: Path, cut_off: bool) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        planted_history(folder, datasets=FEW)
    expected = select(undisturbed)

    with pytest.raises(InterruptedSelectionError, match=r"what was learned is in .*/history; resume run to go on"):
        select(disturbed, budget=Budget.parse("9h"), callbacks=[PressesCtrlC(at=3)])
    learned = History(disturbed / "history").curves(dataset=TARGET)
    assert sum(len(curve.steps) for curve in learned) == 3, "every reported score is in the history"
    assert {curve.status for curve in learned} <= {"running", "stopped"}

    if cut_off:  # as a kill leaves it that comes while Tune writes
        last = max((disturbed / "results" / "run").glob("experiment_state-*.json"))
        last.write_bytes(last.read_bytes()[:1000])
    assert told(select(disturbed, resume=True)) == told(expected), "whatever the first one might have spent"
    recorded = History(disturbed / "history")
    assert set(recorded.runs().query("dataset == @TARGET")["fingerprint"]) == {"f00d"}
    assert recorded.datasets().set_index("dataset").loc[TARGET, ["classes", "size"]].tolist() == [2, 70]
    points = recorded.observations()
    assert not points.duplicated(["run_id", "step", "split", "metric"]).any()


class Both:
    """Lets no trial make its second step before two have begun."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, model: str, step: int) -> None:
        (self._folder / model).touch()
        while step == 2 and len(list(self._folder.iterdir())) < 2:
            time.sleep(0.01)


class SpendsAt(tune.Callback):
    """Its clock stands still until a trial has made some step; then hours have passed."""

    def __init__(self, step: int) -> None:
        self._step, self._hours = step, 0

    def clock(self) -> float:
        return 3600.0 * self._hours

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        self._hours = max(self._hours, result["training_iteration"] >= self._step)


@pytest.mark.slow
def test_when_the_budget_is_spent_each_trial_ends_at_its_next_report(tmp_path: Path) -> None:
    planted_history(tmp_path, datasets=FEW)
    (tmp_path / "begun").mkdir()
    spends = SpendsAt(2)
    selected = select(
        tmp_path,
        top_k=2,
        grace_period=STEPS,  # nobody is judged before
        fault=Both(tmp_path / "begun"),
        budget=Budget.parse("1h"),
        clock=spends.clock,
        callbacks=[spends],
    )
    # The second step of one spends it: that one ends after its third, the other after its second.
    assert sorted(len(trial.curve) for trial in selected.trials) == [2, 3]
    assert all("cut off at step" in trial.reason for trial in selected.trials)
    made = (tmp_path / "log").read_text().splitlines()
    assert len(made) == 5, "what was trained was reported"
    for trial in selected.trials:
        assert trial.checkpoint is not None
        with trial.checkpoint.as_directory() as folder:
            assert json.loads(Path(folder, "state.json").read_text())["step"] == len(trial.curve)
    assert selected.validation_score == max(trial.curve[-1][1] for trial in selected.trials)
    recorded = History(tmp_path / "history").curves(dataset=TARGET)
    assert sum(len(curve.steps) for curve in recorded) == 5
    assert {curve.status for curve in recorded} == {"stopped"}


def test_a_budget_that_is_spent_at_once_is_told_from_failures(tmp_path: Path) -> None:
    planted_history(tmp_path, datasets=FEW)
    with pytest.raises(NothingToRecallError, match="the budget was spent before any trial reported"):
        select(tmp_path, budget=Budget(seconds=1e-9, of_gpus=False))
