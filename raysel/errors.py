"""Every error that raysel raises on purpose.

::

    RayselError
    ├── OptionError (ValueError)        an option's value breaks its rule
    ├── UnknownNameError (LookupError)  a name that nothing here answers to
    ├── ModelError                      a model that is named cannot be had
    ├── DataError (ValueError)          a row of the input breaks a rule
    ├── HistoryError
    │   ├── HistoryNotFoundError        the place holds no history
    │   ├── HistoryExistsError          the place holds one already
    │   └── CorruptPartError            a part file cannot be read
    ├── NothingToRecallError            no model is left to recall
    ├── InterruptedSelectionError       somebody stopped a selection before its end
    ├── RayStartError                   Ray cannot be started, or not be joined
    ├── CheckpointError                 a trainable cannot be paused
    └── OutOfMemoryError                a batch does not fit, even in half

Each message names the parameter, the value and the rule in one line. The command line prints it and exits with 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RayselError(Exception):
    """Base of every error that raysel raises on purpose."""


class OptionError(RayselError, ValueError):
    """An option's value breaks its rule.

    >>> str(OptionError("top_k", 0, "an integer of at least 1"))
    '`top_k` is 0, but must be an integer of at least 1'
    """

    def __init__(self, parameter: str, value: object, rule: str) -> None:
        super().__init__(parameter, value, rule)
        self.parameter, self.value, self.rule = parameter, value, rule

    def __str__(self) -> str:
        return f"`{self.parameter}` is {self.value!r}, but must be {self.rule}"


class UnknownNameError(RayselError, LookupError):
    """A name that nothing here answers to; the message lists the nearest valid ones.

    >>> str(UnknownNameError("proxy", "logmee", ["leep", "logme"]))
    "no proxy is named 'logmee'; did you mean logme? (2 known: leep, logme)"
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = tuple(known)
        super().__init__(kind, name, known)
        self.kind, self.name, self.known = kind, name, known

    def __str__(self) -> str:
        near = get_close_matches(self.name, self.known, n=3, cutoff=0.7)
        listed = ", ".join(self.known[:8]) + (", ..." if len(self.known) > 8 else "")
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return f"no {self.kind} is named {self.name!r}{hint} ({len(self.known)} known{': ' if listed else ''}{listed})"


class ModelError(RayselError):
    """A model that is named cannot be had: it is missing or gated, or there is no network and it is in no cache.

    >>> str(ModelError("hf/org/net", "is gated: ask for access and set HF_TOKEN"))
    'model hf/org/net is gated: ask for access and set HF_TOKEN'
    """

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"model {self.model} {self.reason}"


class DataError(RayselError, ValueError):
    """A row of the input breaks a rule; nothing of that input is kept.

    >>> str(DataError("value", "nan", "a finite number", source="runs.csv", row=7))
    "runs.csv, row 7: column `value` is 'nan', but must be a finite number"
    """

    def __init__(
        self, column: str, value: object, rule: str, source: str | None = None, row: int | None = None
    ) -> None:
        super().__init__(column, value, rule, source, row)
        self.column, self.value, self.rule, self.source, self.row = column, value, rule, source, row

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.source, None if self.row is None else f"row {self.row}") if part)
        return f"{place + ': ' if place else ''}column `{self.column}` is {self.value!r}, but must be {self.rule}"


class HistoryError(RayselError):
    """A history cannot be used as asked."""


class HistoryNotFoundError(HistoryError):
    """The place holds no history."""


class HistoryExistsError(HistoryError):
    """The place holds a history already."""


class CorruptPartError(HistoryError):
    """A part file of a history cannot be read."""


class NothingToRecallError(RayselError):
    """No model is left to recall."""


class InterruptedSelectionError(RayselError):
    """Somebody stopped a selection before its end (Ctrl-C); it can be resumed."""


class RayStartError(RayselError):
    """Ray cannot be started on this machine, or the cluster that runs not be joined."""


class CheckpointError(RayselError):
    """A trainable cannot be paused because it reported no checkpoint where one is due."""


class OutOfMemoryError(RayselError):
    """A batch does not fit the device's memory, even in half.

    >>> str(OutOfMemoryError("timm/x", 4, "CUDA out of memory"))
    'model timm/x runs out of memory with 4 samples at once: raise `accumulate` or give it more (CUDA out of memory)'
    """

    def __init__(self, model: str, samples: int, reason: str) -> None:
        super().__init__(model, samples, reason)
        self.model, self.samples, self.reason = model, samples, reason

    def __str__(self) -> str:
        advice = "raise `accumulate` or give it more"
        return f"model {self.model} runs out of memory with {self.samples} samples at once: {advice} ({self.reason})"
