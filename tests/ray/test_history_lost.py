"""A history that is out of reach, or on a full disk, while a selection runs on Ray."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from raysel import History, HistoryRecorder, RecallSearcher, TrendScheduler
from raysel.errors import HistoryError
from tests.ray.table import FEW, MODELS, STEPS, TARGET, planted_history, table_trainable, target_table

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("local_ray")]


class At(tune.Callback):
    """Does something at a result."""

    def __init__(self, **actions: Callable[[], Any]) -> None:
        self._actions, self._results = actions, 0

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        self._results += 1
        self._actions.get(f"result_{self._results}", lambda: None)()


def select(folder: Path, *callbacks: tune.Callback, history: History, resume: bool = False) -> dict[str, Any]:
    """The curve of every model, as the scheduler knows it."""
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    recorder = HistoryRecorder(history, target=TARGET, scheduler=scheduler, publish_every=0)
    analysis = tune.run(
        table_trainable(target_table(), log=folder / "log"),
        search_alg=RecallSearcher(history, target=TARGET, top_k=4),
        scheduler=scheduler,
        config={"model": tune.choice(list(MODELS))},
        metric="accuracy",
        mode="max",
        num_samples=-1,
        max_concurrent_trials=4,
        storage_path=str(folder / "results"),
        name="run",
        resume="AUTO" if resume else None,
        callbacks=[recorder, *callbacks],
        verbose=0,
    )
    assert analysis.best_config["model"] == "m00"
    return {trial.config["model"]: scheduler.selection.curve(trial.trial_id) for trial in analysis.trials}


def recorded(folder: Path) -> dict[str, Any]:
    curves = History(folder / "history").curves(dataset=TARGET)
    return {curve.model: dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True)) for curve in curves}


@pytest.mark.parametrize("back", [True, False])
def test_out_of_reach_in_the_middle_curves_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture, back: bool) -> None:
    history = planted_history(tmp_path, datasets=FEW)
    here, elsewhere = tmp_path / "history", tmp_path / "elsewhere"
    actions: dict[str, Callable[[], Any]] = {"result_2": lambda: here.rename(elsewhere)}
    if back:
        actions["result_5"] = lambda: elsewhere.rename(here)
    reported = select(tmp_path, At(**actions), history=history)
    assert sum(map(len, reported.values())) > 6
    assert caplog.text.count("cannot be written to") == 1
    if back:
        assert "can be written to again" in caplog.text
    else:
        assert not here.exists(), "nothing was made in its place"
        assert "they stay with the run, and going on with it" in caplog.text
        elsewhere.rename(here)
        assert recorded(tmp_path) != reported
        made = (tmp_path / "log").read_text()
        assert select(tmp_path, history=History(here), resume=True) == reported
        assert (tmp_path / "log").read_text() == made, "nothing is trained again"
    assert recorded(tmp_path) == reported
    assert History(here).check() == []
    assert not History(here).pins()


def test_out_of_reach_at_the_start_nothing_is_trained(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    (tmp_path / "history").rename(tmp_path / "elsewhere")
    with pytest.raises(HistoryError, match="cannot be written to"):
        select(tmp_path, history=history)
    assert not (tmp_path / "log").exists()
