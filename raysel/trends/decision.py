"""What fine selection is asked, and what it answers."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from raysel.errors import OptionError

Action = Literal["continue", "stop"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is known of one live trial when a stage is judged.

    Args:
        trial: Names the trial.
        model: The model that it fine-tunes.
        score: Its validation score at the stage, higher is better; NaN where it diverged or reported none.
        rank: Its place on the shortlist, 0 the best; ties go to the better recalled.
        prior: Its recall score standardised over the shortlist, 0 where unknown.
    """

    trial: str
    model: str
    score: float
    rank: int = 0
    prior: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do with one trial after a stage, and why.

    Args:
        action: `continue` or `stop`.
        reason: Why, as a sentence with the numbers in it; never empty.
        predicted_final: The final score predicted for the trial, higher is better; `None` where nothing can be said.
        interval: Bounds of `predicted_final` from what runs in the history did, or `None`.

    Raises:
        OptionError: If the action is unknown, the reason is empty or the interval is turned round.
    """

    action: Action
    reason: str
    predicted_final: float | None = None
    interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise OptionError("action", self.action, f"one of {', '.join(get_args(Action))}")
        if not self.reason:
            raise OptionError("reason", self.reason, "a sentence")
        if self.predicted_final is not None and not np.isfinite(self.predicted_final):
            raise OptionError("predicted_final", self.predicted_final, "finite or None")
        if self.interval is not None and not self.interval[0] <= self.interval[1]:
            raise OptionError("interval", self.interval, "(low, high)")
