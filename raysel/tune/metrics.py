"""What a selection does, as metrics that Ray exports to Prometheus beside its own.

All are gauges with the label `dataset`, under these names (Ray puts `ray_` before them):

    raysel_trials              trials by `standing`: live, finished, stopped or failed
    raysel_trials_stopped      stopped ones by `reason`: diverged, or behind (others were predicted to do better)
    raysel_score               the best last score of those in play, in the metric's own direction
    raysel_predicted_final     what it is predicted to end at, by `bound`: middle, low, high; absent where not predicted
    raysel_steps               steps of all trials, by `what`: spent, or saved by stopping trials before their end
    raysel_seconds             the same in seconds of training
"""

import math
from collections.abc import Mapping
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.util.metrics import Gauge

from raysel.target import Target
from raysel.trends import Selection
from raysel.tune.controller import seconds_of
from raysel.tune.scheduler import TrendScheduler

Sample = tuple[str, str, str]
"""A metric's name, and its label beside `dataset` with the value; both empty where it has none."""

LABELS: Mapping[str, str] = {
    "raysel_trials": "standing",
    "raysel_trials_stopped": "reason",
    "raysel_score": "",
    "raysel_predicted_final": "bound",
    "raysel_steps": "what",
    "raysel_seconds": "what",
}
"""The names, each with its label beside `dataset`."""


def samples(selection: Selection, seconds: Mapping[str, float], *, lower_is_better: bool) -> dict[Sample, float]:
    """The value of every metric.

    Args:
        selection: What trials reported, and what became of them.
        seconds: That each trial has trained, by its id; it saves as many a step.
        lower_is_better: The metric's direction.
    """
    standings, sign = selection.standings(), -1.0 if lower_is_better else 1.0
    found: dict[Sample, float] = {}
    for standing in ("live", "finished", "stopped", "failed"):
        found["raysel_trials", "standing", standing] = float(list(standings.values()).count(standing))
    last = {trial: curve[max(curve)] for trial in standings if (curve := selection.curve(trial))}
    reasons = [
        "behind" if math.isfinite(last[trial]) else "diverged"
        for trial, standing in standings.items()
        if standing == "stopped"
    ]
    for kind in ("diverged", "behind"):
        found["raysel_trials_stopped", "reason", kind] = float(reasons.count(kind))
    best = selection.winner()
    if best is not None:
        found["raysel_score", "", ""] = sign * last[best]
        decision = selection.decisions.get(best)
        if decision is not None and decision.predicted_final is not None:
            found["raysel_predicted_final", "bound", "middle"] = sign * decision.predicted_final
            if decision.interval is not None:
                low, high = sorted(sign * bound for bound in decision.interval)
                found["raysel_predicted_final", "bound", "low"] = low
                found["raysel_predicted_final", "bound", "high"] = high
    for name in ("raysel_steps", "raysel_seconds"):
        for what in ("spent", "saved"):
            found[name, "what", what] = 0.0
    for trial, standing in standings.items():
        spent = max(selection.curve(trial), default=0.0)
        each = seconds.get(trial, 0.0) / spent if spent else 0.0
        saved = max(selection.max_t - spent, 0.0) if standing == "stopped" else 0.0
        for what, steps in (("spent", spent), ("saved", saved)):
            found["raysel_steps", "what", what] += steps
            found["raysel_seconds", "what", what] += steps * each
    return {sample: value for sample, value in found.items() if math.isfinite(value)}


class SelectionMetrics(tune.Callback):
    """Exports what a selection does, whenever a trial reports or ends.

    Args:
        scheduler: The run's `TrendScheduler`.
        target: The dataset that the metrics are labelled with, or its name.
    """

    def __init__(self, scheduler: TrendScheduler, *, target: Target | str) -> None:
        self._scheduler, self._dataset = scheduler, Target.of(target).name
        self._gauges: dict[str, Gauge] = {}
        self._seconds: dict[str, float] = {}

    def setup(self, stop: Any = None, num_samples: Any = None, total_num_samples: Any = None, **info: Any) -> None:
        """Announce the metrics to Ray."""
        self._gauges = {
            name: Gauge(
                name, description=f"See raysel.tune.metrics: {name}.", tag_keys=("dataset", *filter(None, [key]))
            )
            for name, key in LABELS.items()
        }

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reported a score."""
        self._seconds[trial.trial_id] = seconds_of(result) or 0.0
        self._export()

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial ended, or was stopped."""
        self._export()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial failed for good."""
        self._export()

    def _export(self) -> None:
        lower = self._scheduler.mode == "min"
        for (name, label, value), measured in samples(
            self._scheduler.selection, self._seconds, lower_is_better=lower
        ).items():
            self._gauges[name].set(measured, tags={"dataset": self._dataset, **({label: value} if label else {})})
