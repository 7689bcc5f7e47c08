"""Checking the arrays that proxies are given, and the outputs that a head is to fit."""

from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raysel.arrays import FloatArray, IntArray
from raysel.errors import OptionError, UnknownNameError
from raysel.target import Task


def checked_inputs(name: str, values: ArrayLike) -> NDArray[np.floating]:
    """(n, width) finite numbers; floats keep their precision, integers become float64.

    Raises:
        OptionError: If they are not two-dimensional, empty, not numbers or not finite.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise OptionError(name, f"of type {array.dtype}", "numbers")
    if array.ndim != 2 or 0 in array.shape:
        raise OptionError(name, f"of shape {array.shape}", "of shape (n_samples, width), not empty")
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    # The sum is finite unless some value is not (or it overflows), and needs no second array of this size.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(array.sum(dtype=np.float64))
    if suspicious and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise OptionError(name, f"not finite in row {row}", "finite")
    return array


def checked_classes(labels: ArrayLike, n_samples: int) -> tuple[IntArray, int]:
    """(n,) class numbers from 0, renumbered so that each occurs, and how many there are.

    Raises:
        OptionError: If they are not n integers, or are of fewer than two classes.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iub":
        raise OptionError("labels", f"of type {array.dtype}", "integers, as the task is classification")
    _check_length(array, n_samples)
    classes, numbers = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise OptionError("labels", f"all of class {classes[0]}", "of two classes or more")
    return numbers.astype(np.int64), len(classes)


def checked_numbers(labels: ArrayLike, n_samples: int) -> FloatArray:
    """(n,) finite numbers to be regressed on.

    Raises:
        OptionError: If they are not n finite numbers, or all equal.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "fiub":
        raise OptionError("labels", f"of type {array.dtype}", "numbers, as the task is regression")
    _check_length(array, n_samples)
    if not np.isfinite(array).all():
        raise OptionError("labels", f"not finite in row {int(np.flatnonzero(~np.isfinite(array))[0])}", "finite")
    if np.all(array == array[0]):
        raise OptionError("labels", f"all {array[0]}", "of two different values or more")
    return array.astype(np.float64)


def outputs(labels: ArrayLike, n_samples: int, task: Task) -> FloatArray:
    """(n, k) what a head is to fit: one column for each class, 1 for its members and 0 for others, or the numbers.

    Raises:
        OptionError: See `checked_classes` and `checked_numbers`.
    """
    if task == "regression":
        return checked_numbers(labels, n_samples)[:, None]
    y, n_classes = checked_classes(labels, n_samples)
    columns = np.zeros((n_samples, n_classes))
    columns[np.arange(n_samples), y] = 1.0
    return columns


def check_task(task: str, proxy: str, tasks: tuple[Task, ...]) -> None:
    """Raise unless the proxy is defined for the task.

    Raises:
        UnknownNameError: If there is no such task.
        OptionError: If the proxy is not defined for it.
    """
    if task not in get_args(Task):
        raise UnknownNameError("task", task, get_args(Task))
    if task not in tasks:
        raise OptionError("task", task, f"{' or '.join(tasks)} for {proxy}")


def _check_length(labels: NDArray[np.generic], n_samples: int) -> None:
    if labels.shape != (n_samples,):
        raise OptionError("labels", f"of shape {labels.shape}", f"of shape ({n_samples},), one for each sample")
