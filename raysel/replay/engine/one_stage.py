"""The plainest early stopping: one stage, and only the best goes on."""

from typing import TYPE_CHECKING, Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController


class OneStage(FIFOScheduler):
    """Pauses every trial at one stage; when all are there, the best goes on to its end and the others are stopped.

    Args:
        at: The first step at which a trial is judged.
    """

    def __init__(self, *, at: float) -> None:
        super().__init__()
        self._at = at
        self._scores: dict[Trial, float] = {}
        self._best: Trial | None = None

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and direction."""
        self._metric, self._sign = str(metric), -1.0 if mode == "min" else 1.0
        return True

    def on_trial_result(self, tune_controller: "TuneController", trial: Trial, result: dict[str, Any]) -> str:
        """Pause at the stage."""
        if trial is self._best or result["step"] < self._at:
            return TrialScheduler.CONTINUE
        self._scores[trial] = self._sign * result[str(self._metric)]
        return TrialScheduler.PAUSE

    def choose_trial_to_run(self, tune_controller: "TuneController") -> Trial | None:
        """A pending trial, else the best once all are judged."""
        live = [trial for trial in tune_controller.get_trials() if not trial.is_finished()]
        pending = next((trial for trial in live if trial.status == Trial.PENDING), None)
        if pending is not None or self._best is not None or not live or not tune_controller.search_alg.is_finished():
            return pending
        if any(trial.status != Trial.PAUSED for trial in live):
            return None
        self._best = max(live, key=lambda trial: self._scores[trial])
        for trial in live:
            if trial is not self._best:
                tune_controller.stop_trial(trial)
        return self._best
