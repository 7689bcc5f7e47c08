"""The nearest neighbours' labels.

As a proxy: Renggli, Pinto, Rimanic, Puigcerver, Riquelme, Zhang, Lucic 2022, "Which Model to Transfer? Finding the
Needle in the Growing Haystack" (arXiv 2010.06402); Sorkhei, Matsoukas, Fredin Haslum, Smith 2025, "k-NN as a Simple and
Effective Estimator of Transferability" (arXiv 2503.18528).

Notation: F (n, d) features, each sample scaled to length 1; S = FF' (n, n) the cosines; Y (n, n_outputs) labels, one
column for each class or the numbers to be regressed on.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raysel.arrays import FloatArray
from raysel.proxies.arrays import check_task, checked_inputs, outputs
from raysel.proxies.held_out import hits, r_squared
from raysel.proxies.proxy import Proxy
from raysel.target import Task

NEIGHBOURS = 5
"""How many neighbours each sample asks, or all others where there are fewer."""
TIE = 1e-6
"""Cosines that differ by no more are equal: they are computed in single precision."""

_BLOCK = 2**21  # cosines at a time
_TASKS: tuple[Task, ...] = ("classification", "regression")


def knn(features: ArrayLike, labels: ArrayLike, *, task: Task = "classification") -> float:
    """How often the vote of a sample's nearest neighbours is its label; for regression, how close their mean is.

    Each sample is left out in turn and asks the `NEIGHBOURS` others of the largest cosine,

        votes_i = 1/k sum over neighbours j of Y_j,        S_ij = f_i'f_j / (|f_i| |f_j|).

    Nothing depends on the order of samples or classes: neighbours as near as the last one share the votes that are left
    to them, and classes of equal votes are drawn by lot. A sample without length has cosine 0 to all.

    Args:
        features: (n, d) finite.
        labels: (n,) integers for classification, finite numbers for regression.
        task: `classification` or `regression`.

    Returns:
        For classification the accuracy, in [0, 1]; for regression R^2, at most 1 and negative where the neighbours are
        worse than the mean.

    Raises:
        OptionError: If an array breaks its rule, lengths differ, or the labels are all equal.

    >>> labels = np.arange(60) % 3
    >>> rng = np.random.default_rng(0)
    >>> knn(np.eye(3)[labels] + 0.1 * rng.normal(size=(60, 3)), labels)
    1.0
    """
    check_task(task, "knn", _TASKS)
    F = _directions(checked_inputs("features", features))
    Y = outputs(labels, len(F), task)
    votes = np.vstack([_votes(F, Y, start) for start in range(0, len(F), _rows(len(F)))])
    if task == "regression":
        return r_squared(votes[:, 0], Y[:, 0])
    return float(hits(votes, Y.argmax(axis=1)).mean())


def _directions(F: NDArray[np.floating]) -> NDArray[np.float32]:
    """Each sample at length 1, or 0. Scaled by its largest part first, so that no square is without bound."""
    largest = np.maximum(F.max(axis=1, keepdims=True), -F.min(axis=1, keepdims=True))
    unit = np.zeros(F.shape, np.float32)
    np.divide(F, largest, out=unit, where=largest > 0, casting="same_kind")
    length = np.sqrt(np.einsum("ij,ij->i", unit, unit, dtype=np.float64))[:, None]
    np.divide(unit, length, out=unit, where=length > 0, casting="same_kind")
    return unit


def _rows(n: int) -> int:
    return max(1, _BLOCK // n)


def _votes(F: NDArray[np.float32], Y: FloatArray, start: int) -> FloatArray:
    """(rows, n_outputs) the votes for a block of samples."""
    n, k = len(F), min(NEIGHBOURS, len(F) - 1)
    S = F[start : start + _rows(n)] @ F.T
    S[np.arange(len(S)), np.arange(start, start + len(S))] = -np.inf
    last = np.partition(S, n - k, axis=1)[:, n - k, None]
    rows, columns = np.nonzero(last - S <= TIE)
    nearer = S[rows, columns] > last[rows, 0] + TIE
    sure = np.bincount(rows[nearer], minlength=len(S))
    tied = np.bincount(rows[~nearer], minlength=len(S))
    weight = np.where(nearer, 1.0, ((k - sure) / tied)[rows]) / k
    votes = [np.bincount(rows, weight * output[columns], minlength=len(S)) for output in Y.T]
    return np.stack(votes, axis=1)


KNN = Proxy(name="knn", version="1", needs="features", tasks=_TASKS, score=knn)
