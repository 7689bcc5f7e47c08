"""`TrendScheduler`: fine selection as a Ray Tune scheduler. It translates; `raysel.trends` decides."""

import logging
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from ray.tune.experiment import Trial
from ray.tune.result import DEFAULT_METRIC
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raysel.errors import CheckpointError, OptionError
from raysel.history import History
from raysel.target import Target
from raysel.trends import Decision, Past, Selection, Standing, Trends, check_risk, stages
from raysel.tune.controller import arrivals, can_pause, is_full, pause_added, place_of, step_of, tell_searcher
from raysel.tune.failures import PATIENCE, Failures

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController

    from raysel.tune.recorder import HistoryRecorder

logger = logging.getLogger(__name__)

PolicyOption = Literal["auto", "sync", "async"]


class TrendScheduler(FIFOScheduler):
    """Stops early the trials that convergence trends of past runs say cannot win.

    Trials end at `max_t`. Before that they are judged at stages (ten equal ones; with `method="paper"` every step).
    With the synchronous policy a trial pauses at a stage until all are there, so that decisions never rest on timing;
    survivors resume from their checkpoints. With the asynchronous one each is judged, or held, when it arrives.

    Args:
        history: The past runs; the target's own are left out.
        target: The dataset that a model is wanted for, or its name.
        max_t: The step at which a trial ends, in units of `time_attr`; positive.
        method: `default`, or `paper` for arXiv 2404.00069 to the letter.
        policy: `sync`; `async`; or `auto`: `sync`, falling back to `async` with a warning where a trial reports no
            checkpoint at a stage and so cannot be paused.
        grace_period: No trial is judged before this step; 0 < grace_period <= max_t.
        time_attr: The result that counts steps.
        metric: The result to optimise; from Tune where not given.
        mode: `max` or `min`; from Tune where not given.
        risk: The probability that the model that would have won is dropped and more than `tolerance` is lost, above 0
            and below 1 (not for `method="paper"`); see `raysel.trends.risk`. By default none is promised.
        tolerance: What may be lost without counting, in the unit of the metric; at least 0.
        margin: By how much another's predicted final must lie above a trial's to drop it (`method="paper"`).
        report_timeout: Seconds that a running trial may take for a step, above 0; the start of its process counts,
            waiting does not. One that hangs longer is ended, and fails as if its process had died.
        seed: Seeds the clustering of trends.

    Raises:
        OptionError: If an option breaks its rule.
        CheckpointError: With `policy="sync"`, if a trial reports no checkpoint at a stage (Tune ends the run with a
            `TuneError` that quotes it).

    A result whose metric is NaN or infinite counts as diverged: the trial is dropped at its next stage. A result
    without the metric counts with the trial's last score; one whose step is not above all before, not at all. A trial
    that ends without a result has failed. That a machine was lost is not counted by `max_failures`, if that is not 0.

    >>> import tempfile
    >>> history = History.create(tempfile.mkdtemp() + "/history")
    >>> TrendScheduler(history, target="digits", max_t=5).debug_string()
    'TrendScheduler (default, auto): 0 live, 0 finished, 0 stopped, 0 failed'
    """

    _supports_buffered_results = False

    def __init__(
        self,
        history: History,
        *,
        target: Target | str,
        max_t: float,
        method: str = "default",
        policy: PolicyOption = "auto",
        grace_period: float = 1,
        time_attr: str = "training_iteration",
        metric: str | None = None,
        mode: str | None = None,
        risk: float | None = None,
        tolerance: float = 0.0,
        margin: float = 0.0,
        report_timeout: float = PATIENCE,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(history, History):
            raise OptionError("history", history, "a raysel.History")
        if policy not in get_args(PolicyOption):
            raise OptionError("policy", policy, f"one of {', '.join(get_args(PolicyOption))}")
        if mode not in (None, "max", "min"):
            raise OptionError("mode", mode, "max or min")
        check_risk(risk, tolerance, method=method)
        if not margin >= 0 or (margin and method != "paper"):
            raise OptionError("margin", margin, 'at least 0, and 0 unless method is "paper"')
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise OptionError("seed", seed, "an integer from 0 to 2^32 - 1")
        self._stages = stages(method=method, max_t=max_t, grace_period=grace_period)
        self._history = history.pinned(history.parts())
        self._target = Target.of(target)
        self._method, self._policy, self._margin, self._seed = method, policy, margin, seed
        self._risk, self._tolerance = risk, tolerance
        self._time_attr, self._metric, self._mode = time_attr, metric, mode
        self._selection: Selection | None = None
        self._failures = Failures(report_timeout)
        self._idle = 0
        self.recorder: HistoryRecorder | None = None

    @property
    def selection(self) -> Selection:
        """The state of the fine selection; made when metric and mode are known."""
        if self._selection is None:
            self._selection = Selection(
                method=self._method,
                policy="async" if self._policy == "async" else "sync",
                stages=self._stages,
                trends=self.mined(),
                risk=self._risk,
                tolerance=self._tolerance,
                margin=self._margin,
                seed=self._seed,
            )
        return self._selection

    def mined(self) -> Trends | Past:
        """What past runs tell, the target's own left out."""
        return Past(self._history, without=self._target.name, method=self._method, lower_is_better=self._mode == "min")

    @property
    def decisions(self) -> Mapping[str, Decision]:
        """The latest decision on every judged trial, by trial id."""
        return self.selection.decisions

    @property
    def failures(self) -> Mapping[str, str]:
        """Why the trials that failed for good did, by trial id."""
        return self._failures.reasons

    @property
    def history(self) -> History:
        """The history as it was when the run started."""
        return self._history

    @property
    def max_t(self) -> float:
        """The step at which a trial ends."""
        return self._stages[-1]

    @property
    def time_attr(self) -> str:
        """The result that counts steps."""
        return self._time_attr

    @property
    def mode(self) -> str:
        """`max` or `min`."""
        return self._mode or "max"

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and mode from Tune; refused where the constructor was given them too."""
        if (self._metric and metric) or (self._mode and mode):
            return False
        self._metric, self._mode = metric or self._metric or DEFAULT_METRIC, mode or self._mode
        return True

    def on_trial_add(self, tune_controller: "TuneController", trial: Trial) -> None:
        """A new trial, one that is tried again, or one restored."""
        if trial.is_finished():
            self.selection.finish(trial.trial_id)
            return
        tried_again = self._failures.forget(trial)
        self.selection.add(trial.trial_id, **vars(place_of(tune_controller, trial)))
        known_curve = self.recorder.resume(trial) if self.recorder is not None else {}
        for step, score in known_curve.items():
            self.selection.report(trial.trial_id, step, score)
        over = self.selection.standing(trial.trial_id) != "live"
        if trial.status == Trial.PENDING and (over or (self.selection.waiting(trial.trial_id) and trial.checkpoint)):
            # Lost or restored while it waited at a stage, or Tune had not noted its end yet: it would start it.
            pause_added(tune_controller, trial, again=tried_again)
        # A restored searcher may remember otherwise.
        tell_searcher(tune_controller, trial, paused=trial.status == Trial.PAUSED)

    def on_trial_result(self, tune_controller: "TuneController", trial: Trial, result: dict[str, Any]) -> str:
        """Note a score and judge what can be judged."""
        if self.selection.standing(trial.trial_id) != "live":
            return TrialScheduler.STOP
        step = step_of(result, self._time_attr)
        self._failures.report(trial, step)
        self.selection.report(trial.trial_id, step, self._score(trial, result))
        if self.selection.at_end(trial.trial_id):
            return TrialScheduler.STOP
        if not self.selection.waiting(trial.trial_id):
            return TrialScheduler.CONTINUE
        self._judge(tune_controller, reporting=trial, pausable=self._pausable(trial, result))
        if self.selection.standing(trial.trial_id) == "stopped":
            return TrialScheduler.STOP
        if self.selection.waiting(trial.trial_id):
            tell_searcher(tune_controller, trial, paused=not self.selection.held)  # held, it makes no room
            return TrialScheduler.PAUSE
        return TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: "TuneController", trial: Trial, result: dict[str, Any]) -> None:
        """A trial ended: at `max_t`, by itself, or because it was stopped."""
        if self.selection.standing(trial.trial_id) == "live" and result.get(str(self._metric)) is not None:
            self.selection.report(trial.trial_id, step_of(result, self._time_attr), self._score(trial, result))
        if not self.selection.curve(trial.trial_id):
            self._fail(trial, "failed: it ended without a result")
        self.selection.finish(trial.trial_id)

    def on_trial_remove(self, tune_controller: "TuneController", trial: Trial) -> None:
        """A waiting trial was stopped, here or by somebody else."""
        self.selection.fail(trial.trial_id)

    def on_trial_error(self, tune_controller: "TuneController", trial: Trial) -> None:
        """A trial failed; Tune adds it again if it is to be retried."""
        self._fail(trial)

    def choose_trial_to_run(self, tune_controller: "TuneController") -> Trial | None:
        """A pending trial, else a paused one that may go on."""
        trials = tune_controller.get_trials()
        under_way = any(trial.status in (Trial.PENDING, Trial.RUNNING) for trial in trials)
        self._idle = 0 if under_way else self._idle + 1
        self._failures.end_hanging(trials)
        # The last trial that a stage waited for may have ended without a result.
        self._judge(tune_controller)
        for trial in trials:
            if trial.status == Trial.PAUSED and self.selection.standing(trial.trial_id) != "live":
                tune_controller.stop_trial(trial)
            elif trial.status == Trial.ERROR and trial.trial_id not in self.failures:
                # It was to take over another's process and could not; Tune tells nobody.
                self._fail(trial)
                tune_controller.search_alg.on_trial_complete(trial.trial_id, error=True)
        if (pending := next((t for t in trials if t.status == Trial.PENDING), None)) is not None:
            return pending
        if is_full(tune_controller):
            return None
        for trial in trials:
            if trial.status == Trial.PAUSED and not self.selection.waiting(trial.trial_id):
                tell_searcher(tune_controller, trial, paused=False)
                return trial
        return None

    def debug_string(self) -> str:
        """One line for Tune's status."""
        standings = list(self._selection.standings().values()) if self._selection else []
        counts = ", ".join(f"{standings.count(s)} {s}" for s in get_args(Standing))
        return f"TrendScheduler ({self._method}, {self._policy}): {counts}"

    def state(self) -> dict[str, Any]:
        """What `HistoryRecorder` carries through a restore: plain data."""
        return {"parts": self._history.parts(), "selection": self.selection.state(), "failures": dict(self.failures)}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Take up where `state` was written, on the history as it was then."""
        self._history = self._history.pinned(tuple(state["parts"]))
        self._selection = None
        self.selection.restore(state["selection"])
        self._failures.restore(state["failures"])

    def _fail(self, trial: Trial, reason: str | None = None) -> None:
        self._failures.note(trial, reason)
        self.selection.fail(trial.trial_id)

    def _judge(
        self, tune_controller: "TuneController", *, reporting: Trial | None = None, pausable: bool = True
    ) -> None:
        unpausable = () if pausable or reporting is None else (reporting.trial_id,)
        made = self.selection.judge(arrivals=arrivals(tune_controller, idle=self._idle), unpausable=unpausable)
        trials = {t.trial_id: t for t in tune_controller.get_trials()} if made else {}
        if made and self._risk is not None:
            logger.info("%s", self.selection.calibration(self._risk).told)
        for name, decision in made.items():
            logger.info("%s: %s", name, decision.reason)
            if decision.action == "stop" and trials[name] is not reporting:
                tune_controller.stop_trial(trials[name])

    def _score(self, trial: Trial, result: Mapping[str, Any]) -> float:
        if (value := result.get(str(self._metric))) is None:
            curve = self.selection.curve(trial.trial_id)
            return curve[max(curve)] if curve else math.nan
        score = float(value) if self.mode == "max" else -float(value)
        return score if math.isfinite(score) else math.nan

    def _pausable(self, trial: Trial, result: Mapping[str, Any]) -> bool:
        if (pausable := self.selection.held or can_pause(trial, result)) or self.selection.policy == "async":
            return pausable
        step = step_of(result, self._time_attr)
        where = f"{trial.trial_id} reported no checkpoint at {self._time_attr} {step:g}, where it is to be paused"
        if self._policy == "sync":
            raise CheckpointError(f"{where}: report one with each result, or use TrendScheduler(policy='async')")
        warnings.warn(f"{where}; trials are judged one by one instead (`policy='async'`)", stacklevel=2)
        self.selection.judge_at_once()
        return False
