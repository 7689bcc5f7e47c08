"""How unlike two models are, from what they scored on the same datasets.

Notation: V (n_models, n_datasets) scores on a scale on which differences compare, n models, k the differences kept.
"""

import numpy as np

from raysel.arrays import FloatArray
from raysel.errors import OptionError

MIN_SHARED = 6
"""Datasets that two models must share, or all there are where that is fewer."""

_BLOCK = 200_000  # differences held at once; about what a processor's cache holds, which is where the time goes


def distances(values: FloatArray, *, k: int = 5) -> FloatArray:
    """The mean of the k largest differences between every two models over the datasets that both were measured on.

    Two models that agree everywhere but on one or two datasets are not alike for one who must choose between them, so
    only the largest differences count.

    From Cui et al. 2024 (arXiv 2404.00069), as released: distance(a, b) = mean of the k largest |V[a, d] - V[b, d]|
    over shared d; the mean of all where fewer than k are shared; infinite where fewer than min(6, n_datasets) are.

    Args:
        values: (n_models, n_datasets), NaN where a model is not to be compared on a dataset.
        k: How many of the largest differences count.

    Returns:
        (n_models, n_models), symmetric, zero on the diagonal, infinite where too little is shared.

    Raises:
        OptionError: If k is below 1.

    >>> distances(np.array([[0.5, 0.9], [0.7, 0.8], [0.5, np.nan]])).round(2).tolist()
    [[0.0, 0.15, inf], [0.15, 0.0, inf], [inf, inf, 0.0]]
    """
    if k < 1:
        raise OptionError("k", k, "at least 1")
    n_models, n_datasets = values.shape
    measured = ~np.isnan(values)
    filled = np.where(measured, values, 0.0)
    largest = np.zeros((n_models, n_models))
    kept = min(k, n_datasets)
    start = 0
    while start < n_models and kept:
        stop = start + max(1, _BLOCK // ((n_models - start) * n_datasets))
        rows, rest = slice(start, stop), slice(start, n_models)
        differences = filled[rows, None] - filled[None, rest]
        np.abs(differences, out=differences)
        differences *= measured[rows, None] & measured[None, rest]  # what is not shared adds 0 to the largest
        differences.partition(n_datasets - kept, axis=2)
        largest[rows, rest] = differences[:, :, n_datasets - kept :].sum(axis=2)
        start = stop
    shared = measured.astype(float) @ measured.T.astype(float)
    enough = shared >= max(1, min(MIN_SHARED, n_datasets))
    upper = np.triu(np.where(enough, largest / np.clip(shared, 1, k), np.inf), 1)
    return upper + upper.T
