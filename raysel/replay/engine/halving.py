"""Plain successive halving: at each stage the best go on, by their score there alone."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raysel.errors import OptionError

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController


class Halving(FIFOScheduler):
    """Pauses every trial at each stage; when all live ones are there, the best go on and the others are stopped.

    It knows no history and no recall: what other ways of choosing are compared with.

    Jamieson, Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016.

    Args:
        stages: The steps at which trials are judged, ascending; at least one. A trial counts with its first score at or
            after a stage.
        reduction: Of n trials max(1, n // reduction) go on, at least 1; with `inf` the best alone.
        time_attr: The result that counts steps.

    Raises:
        OptionError: If an option breaks its rule.
    """

    def __init__(self, *, stages: Sequence[float], reduction: float = 2, time_attr: str = "step") -> None:
        super().__init__()
        if not stages or any(a >= b for a, b in pairwise(stages)):
            raise OptionError("stages", stages, "at least one step, strictly ascending")
        if not reduction >= 1:
            raise OptionError("reduction", reduction, "a number of at least 1")
        self._stages, self._reduction, self._time_attr = tuple(stages), reduction, time_attr
        self._scores: dict[Trial, list[float]] = {}  # at each stage that the trial has reached
        self._judged = 0

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and direction."""
        self._score_key, self._sign = str(metric), -1.0 if mode == "min" else 1.0
        return True

    def on_trial_result(self, tune_controller: "TuneController", trial: Trial, result: dict[str, Any]) -> str:
        """Pause at a stage that is not judged yet."""
        scores, score = self._scores.setdefault(trial, []), self._sign * float(result[self._score_key])
        while len(scores) < len(self._stages) and result[self._time_attr] >= self._stages[len(scores)]:
            scores.append(-math.inf if math.isnan(score) else score)
        return TrialScheduler.PAUSE if len(scores) > self._judged else TrialScheduler.CONTINUE

    def choose_trial_to_run(self, tune_controller: "TuneController") -> Trial | None:
        """A pending trial, else one that may go on."""
        live = [trial for trial in tune_controller.get_trials() if not trial.is_finished()]
        pending = next((trial for trial in live if trial.status == Trial.PENDING), None)
        if pending is not None or not tune_controller.search_alg.is_finished():
            return pending
        while live and all(trial.status == Trial.PAUSED and self._waits(trial) for trial in live):
            ranked = sorted(live, key=lambda trial: -self._scores[trial][self._judged])
            going_on = ranked[: max(1, int(len(live) // self._reduction))]
            for trial in live:
                if trial not in going_on:
                    tune_controller.stop_trial(trial)
            live = [trial for trial in live if trial in going_on]
            self._judged += 1
        return next((trial for trial in live if trial.status == Trial.PAUSED and not self._waits(trial)), None)

    def _waits(self, trial: Trial) -> bool:
        return len(self._scores.get(trial, ())) > self._judged
