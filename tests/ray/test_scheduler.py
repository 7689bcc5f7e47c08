"""`TrendScheduler` and `HistoryRecorder`: options that are refused before any trial."""

from pathlib import Path
from typing import Any

import pytest
from ray.train._internal.storage import StorageContext
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.search_generator import SearchGenerator

from raysel import HistoryRecorder, TrendScheduler
from raysel.errors import DataError, OptionError, RayselError, UnknownNameError
from tests.ray.table import BENCHMARKS, STEPS, TARGET, planted_history

NAN = float("nan")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"history": None}, OptionError, "history"),
        ({"target": ""}, OptionError, "target"),
        ({"max_t": 0}, OptionError, "max_t"),
        ({"max_t": -5}, OptionError, "max_t"),
        ({"max_t": NAN}, OptionError, "max_t"),
        ({"max_t": "5"}, OptionError, "max_t"),
        ({"grace_period": 6}, OptionError, "grace_period"),
        ({"grace_period": -1}, OptionError, "grace_period"),
        ({"method": "best"}, UnknownNameError, "default, paper"),
        ({"policy": "later"}, OptionError, "policy"),
        ({"mode": "up"}, OptionError, "mode"),
        ({"margin": -0.1, "method": "paper"}, OptionError, "margin"),
        ({"margin": NAN, "method": "paper"}, OptionError, "margin"),
        ({"margin": 0.1}, OptionError, "margin"),
        ({"seed": -1}, OptionError, "seed"),
        ({"seed": 1.5}, OptionError, "seed"),
        ({"report_timeout": 0}, OptionError, "report_timeout"),
    ],
)
def test_bad_scheduler_options_are_refused_at_once(
    tmp_path: Path, options: dict[str, Any], error: type[RayselError], words: str
) -> None:
    given = {"history": planted_history(tmp_path), "target": TARGET, "max_t": STEPS, **options}
    with pytest.raises(error, match=words):
        TrendScheduler(given.pop("history"), **given)


@pytest.mark.parametrize(
    ("given", "from_tune", "taken"),
    [
        ({}, ("accuracy", "max"), True),
        ({"metric": "accuracy"}, (None, "max"), True),
        ({"metric": "accuracy", "mode": "min"}, (None, None), True),
        ({"metric": "accuracy"}, ("accuracy", "max"), False),
        ({"mode": "max"}, ("accuracy", "max"), False),
    ],
)
def test_metric_and_mode_come_from_one_side_only(
    tmp_path: Path, given: dict[str, str], from_tune: tuple[str | None, str | None], taken: bool
) -> None:
    scheduler = TrendScheduler(planted_history(tmp_path), target=TARGET, max_t=STEPS, **given)
    assert scheduler.set_search_properties(*from_tune) is taken
    if taken:
        assert scheduler.metric == "accuracy"
        assert scheduler.mode == (given.get("mode") or from_tune[1] or "max")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"history": None}, "history"),
        ({"target": ""}, "target"),
        ({"publish_every": -1}, "publish_every"),
        ({"publish_every": NAN}, "publish_every"),
        ({"scheduler": None}, "metric"),
        ({"scheduler": AsyncHyperBandScheduler(), "metric": "accuracy", "mode": "max", "time_attr": "t"}, "max_t"),
        ({"scheduler": None, "metric": "a", "mode": "up", "time_attr": "t", "max_t": 5}, "mode"),
    ],
)
def test_bad_recorder_options_are_refused_at_once(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    history = planted_history(tmp_path)
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    given = {"history": history, "target": TARGET, "scheduler": scheduler, **options}
    with pytest.raises(OptionError, match=words):
        HistoryRecorder(given.pop("history"), **given)


def test_a_metric_with_the_other_direction_is_refused_before_any_trial(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    scheduler = TrendScheduler(history, target=BENCHMARKS[0], max_t=STEPS)
    scheduler.set_search_properties("accuracy", "min")
    with pytest.raises(DataError, match="mode"):
        HistoryRecorder(history, target=BENCHMARKS[0], scheduler=scheduler).setup()


class Controller:
    """As much of Tune's controller as a scheduler looks at."""

    search_alg = None

    def __init__(self, *trials: Trial) -> None:
        self._trials = list(trials)

    def get_trials(self) -> list[Trial]:
        return self._trials


@pytest.fixture
def begun(tmp_path: Path) -> tuple[TrendScheduler, Any, Trial]:
    """A scheduler with one trial, which is all that Tune knows of."""
    scheduler = TrendScheduler(planted_history(tmp_path), target=TARGET, max_t=STEPS, time_attr="epoch", policy="async")
    scheduler.set_search_properties("accuracy", "max")
    trial = Trial("any", stub=True, trial_id="t", config={"model": "m00"})
    controller: Any = Controller(trial)
    scheduler.on_trial_add(controller, trial)
    return scheduler, controller, trial


def test_a_trial_that_ends_without_a_result_has_failed(begun: tuple[TrendScheduler, Any, Trial]) -> None:
    scheduler, controller, trial = begun
    scheduler.on_trial_complete(controller, trial, {"done": True})
    assert scheduler.selection.standing("t") == "failed"
    assert scheduler.failures == {"t": "failed: it ended without a result"}
    assert scheduler.selection.winner() is None


def test_what_a_trial_reports_of_steps_behind_it_does_not_count(begun: tuple[TrendScheduler, Any, Trial]) -> None:
    scheduler, controller, trial = begun
    controller.search_alg = Finished()
    for epoch, accuracy in ((2, 0.5), (1, 0.9), (2, 0.8), (3, 0.6)):
        given = {"epoch": epoch, "accuracy": accuracy}
        assert scheduler.on_trial_result(controller, trial, given) == TrialScheduler.CONTINUE
    assert scheduler.selection.curve("t") == {2: 0.5, 3: 0.6}


class Finished:
    """A search that proposes nothing more."""

    def is_finished(self) -> bool:
        return True


def test_a_trial_whose_machine_was_lost_while_it_waited_waits_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = TrendScheduler(planted_history(tmp_path), target=TARGET, max_t=STEPS, policy="sync")
    scheduler.set_search_properties("accuracy", "max")
    monkeypatch.setattr(Trial, "checkpoint", property(lambda trial: "somewhere"))
    monkeypatch.setattr(Trial, "error_file", None)
    storage = StorageContext(storage_path=str(tmp_path), experiment_dir_name="run")
    one, other = (
        Trial("any", stub=True, trial_id=name, config={"model": name}, storage=storage) for name in ("m00", "m01")
    )
    controller = TuneController(search_alg=SearchGenerator(Searcher()), scheduler=scheduler, storage=storage)
    for trial in (one, other):
        trial.create_placement_group_factory()
        scheduler.on_trial_add(controller, trial)
        controller._trials.append(trial)
        controller._pending_trials.add(trial)
        controller._set_trial_status(trial, Trial.RUNNING)
    given = {"training_iteration": 1, "accuracy": 0.5, SHOULD_CHECKPOINT: True}
    assert scheduler.on_trial_result(controller, one, given) == TrialScheduler.PAUSE
    controller._set_trial_status(one, Trial.ERROR)  # as Tune does before it tries again
    controller._requeue_trial(one)
    assert one.status == Trial.PAUSED
    assert (one in controller._paused_trials, one in controller._pending_trials) == (True, False)


def test_the_state_of_a_scheduler_outlives_it(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    old, new = (TrendScheduler(history, target=TARGET, max_t=STEPS) for _ in range(2))
    old.set_search_properties("accuracy", "max")
    new.set_search_properties("accuracy", "max")
    for rank, model in enumerate(("m00", "m01", "m02")):
        old.selection.add(model, model=model, rank=rank)
        old.selection.report(model, 1, 0.5 - rank / 10)
    old.selection.judge(arrivals=False)
    new.restore_state(old.state())
    assert new.selection.standings() == old.selection.standings() == {"m00": "live", "m01": "stopped", "m02": "stopped"}
    assert new.decisions == old.decisions
