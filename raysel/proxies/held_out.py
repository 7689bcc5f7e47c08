"""How good predictions of samples are that took no part in making them."""

import numpy as np

from raysel.arrays import FloatArray, IntArray


def hits(scores: FloatArray, labels: IntArray) -> FloatArray:
    """(n,) the chance that the highest scored class is the label, where equal scores are drawn by lot.

    So no class is preferred for its number, and features that tell nothing are right as often as chance is.

    Args:
        scores: (n, n_classes) about 1, higher for the more likely class; equal within 1e-9, more than rounding.
        labels: (n,) class numbers from 0.

    >>> hits(np.array([[2.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), np.array([0, 1, 1])).tolist()
    [1.0, 0.5, 0.0]
    """
    best = scores >= scores.max(axis=1, keepdims=True) - 1e-9
    right: FloatArray = best[np.arange(len(labels)), labels] / best.sum(axis=1)
    return right


def r_squared(predictions: FloatArray, labels: FloatArray) -> float:
    """One less the squared error as a share of that of the labels' mean; negative where it is worse than the mean.

    Args:
        predictions: (n,).
        labels: (n,) not all equal.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])).__round__(3)
    0.786
    """
    return float(1 - np.sum((labels - predictions) ** 2) / np.sum((labels - labels.mean()) ** 2))
