"""Ctrl-C in the middle of a selection: nothing is selected, what was learned is kept, and it can go on."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from raysel import History, Target
from raysel.errors import InterruptedSelectionError, NothingToRecallError
from raysel.tune import Selected, run_selection
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


class Never(tune.Stopper):
    """A budget that is spent before anything was bought."""

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return True


def select(folder: Path, **options: Any) -> Selected:
    return run_selection(
        table_trainable(noisy_table(3), log=folder / "log"),
        history=History(folder / "history"),
        target=Target(TARGET, classes=2, size=70, fingerprint="f00d"),
        models=MODELS,
        metric="accuracy",
        mode="max",
        max_t=STEPS,
        space={},
        top_k=4,
        max_concurrent=2,
        storage_path=str(folder / "results"),
        name="run",
        **options,
    )


def told(selected: Selected) -> Any:
    return selected.selected, [(t.model, t.curve, t.stopped_at, t.reason) for t in selected.trials]


def test_ctrl_c_selects_nothing_and_the_run_goes_on_as_if_undisturbed(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        planted_history(folder, datasets=FEW)
    expected = select(undisturbed)

    with pytest.raises(InterruptedSelectionError, match=r"what was learned is in .*/history; resume run to go on"):
        select(disturbed, callbacks=[PressesCtrlC(at=3)])
    learned = History(disturbed / "history").curves(dataset=TARGET)
    assert sum(len(curve.steps) for curve in learned) == 3, "every reported score is in the history"
    assert {curve.status for curve in learned} <= {"running", "stopped"}

    assert told(select(disturbed, resume=True)) == told(expected)
    recorded = History(disturbed / "history")
    assert set(recorded.runs().query("dataset == @TARGET")["fingerprint"]) == {"f00d"}
    assert recorded.datasets().set_index("dataset").loc[TARGET, ["classes", "size"]].tolist() == [2, 70]
    points = recorded.observations()
    assert not points.duplicated(["run_id", "step", "split", "metric"]).any()


def test_a_budget_that_is_spent_at_once_is_told_from_failures(tmp_path: Path) -> None:
    planted_history(tmp_path, datasets=FEW)
    with pytest.raises(NothingToRecallError, match="every trial was ended before it reported a score"):
        select(tmp_path, stop=Never())
