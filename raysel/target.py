"""The target: the dataset that a model is wanted for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from raysel.errors import OptionError

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Target:
    """The dataset that a model is wanted for.

    Its name is what new curves are filed under, and it is left out of the history that it is judged by.

    Args:
        name: Names the dataset in the history.
        task: `classification` or `regression`; empty where it is what the history records, if it does.
        samples: Called without arguments on a worker, returns `(inputs, labels)`: labelled training samples that
            proxies look at. Inputs are indexable by an integer array and are handed as they are to the function that
            extracts features; labels are (n_samples,), integers from 0 for classification, floats for regression.
            `None` if no proxy is to be computed. It must be picklable (Ray ships it).
        classes: How many classes there are, for the record.
        size: How many training samples, for the record.
        fingerprint: What changes when the data does, for the record of runs.

    Raises:
        OptionError: If the name is empty or the task unknown.

    >>> Target("my-data", task="classification").name
    'my-data'
    """

    name: str
    task: Task | Literal[""] = field(default="classification", kw_only=True)
    samples: Callable[[], tuple[Any, Any]] | None = field(default=None, kw_only=True)
    classes: int | None = field(default=None, kw_only=True)
    size: int | None = field(default=None, kw_only=True)
    fingerprint: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise OptionError("target", self.name, "a name")
        if self.task not in ("", *get_args(Task)):
            raise OptionError("task", self.task, f"one of {', '.join(get_args(Task))}")

    @classmethod
    def of(cls, target: "Target | str") -> "Target":
        """The target itself, or one that a plain name stands for, whose task is what the history records."""
        return cls(target, task="") if isinstance(target, str) else target
