"""Curves: what one model scored on one dataset, step by step."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from raysel.arrays import FloatArray
from raysel.errors import OptionError

Status = Literal["running", "completed", "stopped", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A run's validation scores by step, turned so that higher is better.

    Only a completed run has a `final`. A run that was stopped is a censored curve: it informs trends, never the
    performance matrix.

    Args:
        run_id: Names the run; unique in a history.
        model: The model that was fine-tuned.
        dataset: The dataset it was fine-tuned on.
        status: `running` (points seen so far), `completed`, `stopped` or `failed`.
        planned_steps: Where the run was to end, in steps; positive.
        steps: (n_points,) strictly increasing, not negative.
        values: (n_points,) finite validation scores at `steps`, higher is better.
        seconds: (n_points,) seconds since the run began at `steps`, or `None` where not recorded.
        final: The test score at the last planned step (the validation score where no test was recorded), higher is
            better; `None` unless completed.
        lower_is_better: True when the recorded metric was to be minimised, so that `values` and `final` are negated.
        seed: The run's seed, or `None`.
        config: The run's other hyperparameters.
        hardware: What `seconds` were measured on; empty where not recorded.

    Raises:
        OptionError: If shapes differ, steps do not increase, or a score is not finite.

    >>> curve = Curve(run_id="r1", model="m", dataset="d", status="completed", planned_steps=4,
    ...               steps=np.array([1.0, 2.0, 4.0]), values=np.array([0.5, 0.6, 0.8]), final=0.79)
    >>> curve.at(0.75)
    0.7
    """

    run_id: str
    model: str
    dataset: str
    status: Status
    planned_steps: float
    steps: FloatArray
    values: FloatArray
    seconds: FloatArray | None = None
    final: float | None = None
    lower_is_better: bool = False
    seed: int | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    hardware: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise OptionError("status", self.status, f"one of {', '.join(STATUSES)}")
        if not self.planned_steps > 0:
            raise OptionError("planned_steps", self.planned_steps, "positive")
        if self.steps.ndim != 1 or self.steps.shape != self.values.shape:
            raise OptionError("values", self.values.shape, f"of the one-dimensional shape of steps, {self.steps.shape}")
        if self.seconds is not None and self.seconds.shape != self.steps.shape:
            raise OptionError("seconds", self.seconds.shape, f"of the shape of steps, {self.steps.shape}")
        if len(self.steps) and (self.steps[0] < 0 or np.any(np.diff(self.steps) <= 0)):
            raise OptionError("steps", self.steps.tolist(), "strictly increasing and not negative")
        if not np.all(np.isfinite(self.values)):
            raise OptionError("values", self.values.tolist(), "finite")
        if self.final is not None and (self.status != "completed" or not np.isfinite(self.final)):
            raise OptionError("final", self.final, "None unless the run completed, and finite")

    @property
    def fractions(self) -> FloatArray:
        """(n_points,) steps as fractions of the planned steps."""
        return self.steps / self.planned_steps

    def at(self, fraction: float) -> float:
        """The validation score at a fraction of the planned steps, interpolated; NaN outside what was measured."""
        # A tolerance, since 3 steps of 5 and 0.6 differ in the last bit.
        fractions, slack = self.fractions, 1e-9
        if not len(fractions) or fraction < fractions[0] - slack or fraction > fractions[-1] + slack:
            return float("nan")
        return float(np.interp(fraction, fractions, self.values))


def timed(curves: Collection[Curve]) -> bool:
    """Whether the seconds of all of them are recorded and can be compared: measured on the same hardware, if on any.

    >>> run = {"run_id": "r", "model": "m", "dataset": "d", "status": "running", "planned_steps": 1.0}
    >>> points = {"steps": np.array([1.0]), "values": np.array([0.5]), "seconds": np.array([9.0])}
    >>> timed([Curve(**run, **points, hardware="1 x GPU"), Curve(**run, **points, hardware="1 x CPU")])
    False
    """
    return all(curve.seconds is not None for curve in curves) and len({curve.hardware for curve in curves}) <= 1
