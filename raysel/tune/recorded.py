"""One trial's run, and the dataset, as `HistoryRecorder` files them."""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.tune.result import AUTO_RESULT_KEYS

from raysel.history import History
from raysel.target import Target

logger = logging.getLogger(__name__)

_THEN, _LONGEST = ", then ", 500  # characters that a history takes
_OF_TUNE = ("done", "trial_id", "experiment_tag")  # among the keys of results, beside AUTO_RESULT_KEYS


@dataclass(kw_only=True)
class RecordedRun:
    """What is known of a run, and which of its points are not in the history yet.

    Args:
        model: The model that it fine-tunes.
        config: The other hyperparameters, as JSON.
        seed: Their seed, if they have one.
        trial: The id of its trial.
        planned_steps: Where it is to end.
        status: As in the history.
        reason: Why it was stopped, or failed.
        last_step: The highest step that it made, minus infinity before the first.
        points: Not in the history yet: step, split, metric, value and seconds.
        due: Whether anything is not in the history yet.
        reused: Whether it only tells again of a run that is on record.
        scored: Whether it has ever reported a score.
        hardware: What its seconds were spent on, in the order that it came there; empty where nobody says.
        revision: That of the model; empty where nobody says.
    """

    model: str
    config: str
    seed: int | None
    trial: str
    planned_steps: float
    status: str = "running"
    reason: str | None = None
    last_step: float = -math.inf
    points: list[dict[str, Any]] = field(default_factory=list)
    due: bool = True
    reused: bool = False
    scored: bool = False
    hardware: str = ""
    revision: str = ""

    def note(self, point: dict[str, Any]) -> None:
        """Keep a point in place of one at the same step: a run that is cut off may make a step twice."""
        at = (point["step"], point["split"], point["metric"])
        kept = [known for known in self.points if (known["step"], known["split"], known["metric"]) != at]
        self.points = [*kept, point]

    def told(self, result: Mapping[str, Any]) -> None:
        """It reported, and may have said where from, and the revision of its model."""
        hardware, revision = result.get("hardware"), result.get("revision")
        if isinstance(hardware, str) and hardware:
            self.computes_on(hardware)
        if isinstance(revision, str):
            self.revision = self.revision or revision[:_LONGEST]  # what it began with

    def computes_on(self, hardware: str) -> None:
        """It reported from there. Seconds on several kinds, as after a restart elsewhere, are those of none of them."""
        before = self.hardware.split(_THEN) if self.hardware else []
        if hardware not in before:
            self.hardware = _THEN.join([*before, hardware])[:_LONGEST]

    def complete(self, metric: str, *, reported: Iterable[str]) -> None:
        """It ended by itself: with nothing more to show, even before its last step; without any score it failed.

        Args:
            metric: What scores are reported as.
            reported: The keys of its last result.
        """
        if not (self.scored or self.reused):
            told = ", ".join(sorted(set(reported).difference(AUTO_RESULT_KEYS, _OF_TUNE))) or "nothing"
            self.end("failed", f"it never reported a number as {metric}, only: {told}"[:_LONGEST])
            logger.warning("%s (%s) failed: %s", self.model, self.trial, self.reason)
            return
        self.status, self.due = "completed", True
        self.planned_steps = self.last_step if self.last_step > 0 else self.planned_steps

    def end(self, status: str, reason: str | None) -> None:
        """It was stopped, or failed."""
        self.status, self.reason, self.due = status, reason, True

    def observations(self, run_id: str) -> list[dict[str, Any]]:
        """Its points as rows of the history."""
        return [{"run_id": run_id, **point} for point in self.points]

    def row(self, run_id: str, target: Target) -> dict[str, Any]:
        """Itself as a row of the history."""
        return {
            "run_id": run_id,
            "model": self.model,
            "revision": self.revision,
            "dataset": target.name,
            "fingerprint": target.fingerprint,
            "config": self.config,
            "seed": self.seed,
            "hardware": self.hardware,
            "status": self.status,
            "reason": self.reason,
            "planned_steps": self.planned_steps,
        }


def dataset_row(target: Target, history: History, *, metric: str, mode: str) -> dict[str, Any]:
    """The target as a row of the history; a task that is on record stays where the target has none."""
    return {
        "dataset": target.name,
        "task": target.task or history.tasks().get(target.name, ""),
        "classes": target.classes,
        "size": target.size,
        "primary_metric": metric,
        "mode": mode,
    }
