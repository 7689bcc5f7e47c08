"""From labels as they were found to what models learn: the task, and classes by number."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from raysel.errors import DataError
from raysel.finetune.data import Split
from raysel.finetune.part import Part
from raysel.target import Task

_FEW = 50  # distinct whole numbers are still classes; more of them are quantities


def guessed(labels: "pd.Series[Any]") -> Task:
    """Fractions, or many whole numbers, are quantities; names, and few whole numbers, are classes.

    >>> guessed(pd.Series([0, 1, 1])), guessed(pd.Series([0.5, 1.0])), guessed(pd.Series(["a", "b"]))
    ('classification', 'regression', 'classification')
    """
    if not pd.api.types.is_numeric_dtype(labels) or pd.api.types.is_bool_dtype(labels):
        return "classification"
    whole = bool((np.isfinite(labels) & (labels == labels.round())).all())
    return "classification" if whole and labels.nunique() <= _FEW else "regression"


def numbered(parts: Mapping[str, Part], task: Task, column: str) -> tuple[dict[str, Split], tuple[str, ...] | None]:
    """The splits with labels as models learn them, and the names of the classes in the order of their numbers.

    Raises:
        DataError: If a label is missing or no number where one is due; if there is one class only, two that look alike,
            or one in another split that there is no training data of.
    """
    for part in parts.values():
        missing = np.flatnonzero(part.labels.isna())
        if len(missing):
            raise part.refused(int(missing[0]), column, None, "a label")
    return (_quantities(parts, column), None) if task == "regression" else _classes(parts, column)


def _quantities(parts: Mapping[str, Part], column: str) -> dict[str, Split]:
    found = {}
    for split, part in parts.items():
        values = pd.to_numeric(part.labels, errors="coerce").to_numpy(np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise part.refused(int(bad[0]), column, part.labels.astype(object)[bad[0]], "a finite number")
        found[split] = Split(part.inputs, values)
    return found


def _classes(parts: Mapping[str, Part], column: str) -> tuple[dict[str, Split], tuple[str, ...]]:
    for part in parts.values():
        for sample, value in enumerate(part.labels):
            if isinstance(value, float) and not value.is_integer():
                raise part.refused(sample, column, value, "a name or a whole number, to be a class")
    train = parts["train"]
    classes = _ordered(train.labels.unique())
    names = tuple(_name(value) for value in classes)
    if len(classes) < 2:
        raise DataError(column, names[0], "one of several classes", source=train.source)
    alike = [value for value, name in zip(classes, names, strict=True) if names.count(name) > 1]
    if alike:
        sample = int(np.flatnonzero([value == alike[0] for value in train.labels])[0])
        raise train.refused(sample, column, alike[0], f"of one type throughout; {alike[1]!r} is another class")
    number = {value: index for index, value in enumerate(classes)}
    found = {}
    for split, part in parts.items():
        for sample, value in enumerate(part.labels):
            if value not in number:
                raise part.refused(sample, column, value, "a class that there is training data of")
        found[split] = Split(part.inputs, np.array([number[value] for value in part.labels], np.int64))
    return found, names


def _name(value: Hashable) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _ordered(values: Iterable[Any]) -> list[Any]:
    """By size where they are numbers, else by name; as Python has them."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    try:
        return sorted(plain)
    except TypeError:  # names and numbers
        return sorted(plain, key=str)
