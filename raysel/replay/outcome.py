"""What a replay costs and what it finds: plain values, no Ray."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from raysel.errors import OptionError
from raysel.history.curves import Curve


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a trial's worker is busy with besides training, in units of the virtual clock; each at least 0.

    Args:
        start: Starting a trial for the first time (an actor, its imports, its model).
        pause: Saving a trial before its worker is free.
        resume: Starting a paused trial again and restoring it.

    Raises:
        OptionError: If a cost is negative or not finite.

    >>> Costs(start=6.0)
    Costs(start=6.0, pause=0.0, resume=0.0)
    """

    start: float = 0.0
    pause: float = 0.0
    resume: float = 0.0

    def __post_init__(self) -> None:
        for name, cost in vars(self).items():
            if not 0 <= cost < math.inf:
                raise OptionError(name, cost, "a finite cost of at least 0")


def unit(runs: Iterable[Curve]) -> float:
    """What a scheduler that counts in epochs counts in: the planned steps by how often runs report after step 0.

    Runs that report every step have a unit of 1, those that report in a geometric series one that says more of the
    budget than their first step.

    Args:
        runs: At least one; the median number of reports counts, and the longest plan.

    >>> steps = np.array([0.0, 16.0, 64.0, 256.0])
    >>> unit([Curve(run_id="r", model="m", dataset="d", status="completed", planned_steps=256, steps=steps,
    ...             values=steps, final=1.0)])
    85.33333333333333
    """
    runs = list(runs)
    reports = max(1.0, float(np.median([np.sum(run.steps > 0) for run in runs])))
    return max(run.planned_steps for run in runs) / reports


@dataclass(frozen=True, kw_only=True)
class Event:
    """One reported result.

    Args:
        time: When, by the virtual clock.
        model: Whose trial reported.
        step: The step that it reported at.
        score: What it reported, higher is better.
        decision: What the scheduler answered, as Ray names it: `CONTINUE`, `PAUSE` or `STOP`.
    """

    time: float
    model: str
    step: float
    score: float
    decision: str


@dataclass(frozen=True, kw_only=True)
class ReplayedTrial:
    """What became of one trial.

    Args:
        model: The model that it fine-tuned.
        steps: The last step that it reported; 0 if it reported none.
        seconds: How long it kept a worker busy, by the virtual clock, costs of starting and pausing included.
        stopped_at: The step at which it was ended early; `None` if it came to its end.
        score: Its last score, higher is better; `None` if it reported none.
    """

    model: str
    steps: float
    seconds: float
    stopped_at: float | None
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a searcher and a scheduler made of recorded runs.

    Args:
        trials: In the order in which they were proposed; at least one.
        makespan: When the last trial ended, by the virtual clock.
        ended: `finished`, or `time budget` if the clock ran out first.
        proxy_seconds: How long computing proxy scores took before the first trial, on one worker; in no other number.
        events: Every reported result, in order of time.
    """

    trials: tuple[ReplayedTrial, ...]
    makespan: float
    ended: str = "finished"
    proxy_seconds: float = 0.0
    events: tuple[Event, ...] = field(default=(), repr=False)

    @property
    def selected(self) -> str:
        """The best last score of the trials that came furthest; of equal ones the first proposed."""
        furthest = max(trial.steps for trial in self.trials)
        left = [trial for trial in self.trials if trial.steps >= furthest * (1 - 1e-9)]
        return max(left, key=lambda trial: -math.inf if trial.score is None else trial.score).model

    @property
    def steps(self) -> float:
        """Steps of all trials together."""
        return sum(trial.steps for trial in self.trials)

    @property
    def busy(self) -> float:
        """How long workers were busy, all together."""
        return sum(trial.seconds for trial in self.trials)
