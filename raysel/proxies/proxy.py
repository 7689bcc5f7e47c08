"""What raysel knows of a proxy besides its formula."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from raysel.target import Task


class Score(Protocol):
    """A proxy's formula: inputs (n, ...) and labels (n,) to a score, higher is better."""

    def __call__(self, inputs: Any, labels: Any, /, *, task: Task) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy by name.

    Args:
        name: Names it in options and in the history.
        version: Changes whenever the same arrays would score otherwise, so that recorded scores are not mixed.
        needs: The arrays it looks at: the model's `features`, which enter its head; its `layers`, features averaged
            over a text's tokens and the hidden layers; or the class `probabilities` of its original head.
        tasks: The tasks it is defined for.
        score: Its formula.
    """

    name: str
    version: str
    needs: Literal["probabilities", "features", "layers"]
    tasks: tuple[Task, ...]
    score: Score
