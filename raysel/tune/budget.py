"""What a selection may spend, and the stopper that keeps it."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.stopper import NoopStopper

from raysel.errors import OptionError
from raysel.tune.scheduler import TrendScheduler

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_LEAST_GRACE = 60.0  # seconds
_GRACE = 0.1  # of the time so far


@dataclass(frozen=True, kw_only=True)
class Budget:
    """An amount of time, by the clock or of the GPUs in use.

    Args:
        seconds: How much, above 0.
        of_gpus: Whether it is the seconds of all trials, each times its GPUs, instead of those on the clock.
    """

    seconds: float
    of_gpus: bool

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """From what people write.

        Raises:
            OptionError: If it is no amount of time.

        >>> Budget.parse("1.5gpu-h"), Budget.parse("45min")
        (Budget(seconds=5400.0, of_gpus=True), Budget(seconds=2700.0, of_gpus=False))
        """
        found = re.fullmatch(r"(\d+(?:\.\d+)?) *(gpu-)?(s|min|h)", text.strip())
        if found is None or float(found[1]) == 0:
            raise OptionError("budget", text, "an amount of time such as 45min, 3h or 2gpu-h")
        return cls(seconds=float(found[1]) * _UNITS[found[3]], of_gpus=found[2] is not None)

    def __str__(self) -> str:
        unit, size = next(
            (unit, size) for unit, size in reversed(_UNITS.items()) if self.seconds >= size or unit == "s"
        )
        return f"{self.seconds / size:g} {'GPU-' if self.of_gpus else ''}{unit}"


class BudgetStopper(tune.Stopper, tune.Callback):
    """Ends the experiment when the budget is spent, each trial at its next report: what it was trained for counts.

    Nothing starts from then on. A trial that does not report within a tenth of the time so far, or a minute where that
    is more, is ended as it is. Tune needs it both as `stop` and among the `callbacks`.

    Args:
        budget: What may be spent.
        gpus: GPUs of one trial; without any, the trials' own seconds count as those of one GPU.
        scheduler: The run's scheduler, which holds the trials.
        clock: Tells seconds.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        gpus: float,
        scheduler: TrendScheduler,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget, self._gpus, self._scheduler, self._clock = budget, gpus or 1.0, scheduler, clock
        self._began, self._until = clock(), 0.0
        self._spent: dict[str, float] = {}
        self._awaited: set[str] = set()
        self.over = False

    def __reduce__(self) -> tuple[Callable[[], tune.Stopper], tuple[()]]:
        # Tune saves the stopper and, where it resumes a run, puts the saved one in place of that which it is given.
        return _in_force, ()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Note what a trial has spent; no trial is stopped by itself."""
        self._spent[trial_id] = float(result.get("time_total_s", 0.0))
        return False

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Before each of Tune's steps: hold the trials once the budget is spent, and see who still runs."""
        running = {trial.trial_id for trial in trials if trial.status == Trial.RUNNING}
        now = self._clock()
        passed = now - self._began
        spent = sum(self._spent.values()) * self._gpus if self._budget.of_gpus else passed
        if not self.over and spent >= self._budget.seconds:
            self.over, self._awaited = True, running
            self._until = now + max(_LEAST_GRACE, passed * _GRACE)
            self._scheduler.selection.hold()
        self._awaited &= running  # not those that started, or are tried again, meanwhile

    def stop_all(self) -> bool:
        """Whether the budget is spent and nobody's report is waited for any more."""
        return self.over and (not self._awaited or self._clock() >= self._until)


_budgets: list[BudgetStopper | None] = []


@contextmanager
def in_force(budget: BudgetStopper | None) -> Iterator[None]:
    """Have a run that Tune resumes meanwhile keep this budget, or none, whatever it was begun with."""
    _budgets.append(budget)
    try:
        yield
    finally:
        _budgets.pop()


def _in_force() -> tune.Stopper:
    budget = _budgets[-1] if _budgets else None
    return NoopStopper() if budget is None else budget
