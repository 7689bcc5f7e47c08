"""What a selection may spend, and the stopper that keeps it."""

import re
import time
from dataclasses import dataclass
from typing import Any

from ray import tune

from raysel.errors import OptionError

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


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


class BudgetStopper(tune.Stopper):
    """Ends the experiment when the budget is spent.

    Args:
        budget: What may be spent.
        gpus: GPUs of one trial; without any, the trials' own seconds count as those of one GPU.
    """

    def __init__(self, budget: Budget, *, gpus: float) -> None:
        self._budget, self._gpus = budget, gpus or 1.0
        self._began = time.monotonic()
        self._spent: dict[str, float] = {}
        self.over = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Note what a trial has spent; no trial is stopped by itself."""
        self._spent[trial_id] = float(result.get("time_total_s", 0.0))
        return False

    def stop_all(self) -> bool:
        """Whether the budget is spent."""
        clock = time.monotonic() - self._began
        spent = sum(self._spent.values()) * self._gpus if self._budget.of_gpus else clock
        self.over = self.over or spent >= self._budget.seconds
        return self.over
