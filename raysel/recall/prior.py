"""How good a model is on average, before anything is known of it on the target."""

import numpy as np

from raysel.arrays import FloatArray

_BLOCK = 2_000_000  # cells standardised at once


def standardise(values: FloatArray) -> FloatArray:
    """Each column's z-scores over what is measured in it: mean 0 and deviation 1, all 0 where all are equal.

    Args:
        values: (n_models, n_datasets), or (n_models,) for one column; NaN where not measured.

    Returns:
        The same shape, NaN where not measured.

    >>> standardise(np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0], [nan, 0.0]]
    """
    if values.size > _BLOCK and values.ndim == 2 and values.shape[1] > 1:  # in blocks of columns: memory for few
        z = np.empty(values.shape, order="F")
        width = max(1, _BLOCK // len(values))
        for start in range(0, values.shape[1], width):
            z[:, start : start + width] = standardise(values[:, start : start + width])
        return z
    measured = ~np.isnan(values)
    count = np.maximum(measured.sum(axis=0), 1)
    mean = np.sum(values, axis=0, where=measured) / count
    centred = values - mean
    spread = np.sqrt(np.sum(centred**2, axis=0, where=measured) / count)
    largest = np.max(np.abs(values), axis=0, where=measured, initial=0.0)
    varied = spread > 1e-12 * largest  # less is rounding
    z = np.where(measured, 0.0, np.nan)
    np.divide(centred, spread, out=z, where=varied & measured)
    return z


def prior(z: FloatArray) -> FloatArray:
    """The mean z-score, shrunk towards 0 as if two more datasets had shown each model to be average.

    p = Σ_d z[m, d] / (number measured + 2), so that a model without history has p = 0.

    Args:
        z: (n_models, n_datasets) z-scores, NaN where not measured.

    Returns:
        (n_models,)

    >>> prior(np.array([[1.0, 2.0], [np.nan, 1.5], [np.nan, np.nan]])).tolist()
    [0.75, 0.5, 0.0]
    """
    measured = ~np.isnan(z)
    shrunk: FloatArray = np.sum(z, axis=1, where=measured) / (measured.sum(axis=1) + 2)
    return shrunk


def uncertainty(z: FloatArray) -> FloatArray:
    """The deviation of each model's standing about its prior, the less the more datasets it was measured on.

    sqrt(w / (number measured + 2)), w the variance of z-scores about their model's mean: to be pulled to 0 as if by two
    more datasets is to expect standings to vary by w / 2.

    Args:
        z: (n_models, n_datasets) z-scores, NaN where not measured.

    Returns:
        (n_models,)

    >>> uncertainty(np.array([[1.0, 2.0], [1.0, 0.0], [np.nan, np.nan]])).round(2).tolist()
    [0.35, 0.35, 0.5]
    """
    count = (~np.isnan(z)).sum(axis=1)
    wide: FloatArray = np.sqrt(within(z) / (count + 2))
    return wide


def within(z: FloatArray) -> float:
    """The variance of z-scores about their model's mean; 1, that of a column, where no model has two.

    Args:
        z: (n_models, n_datasets) z-scores, NaN where not measured.
    """
    measured = ~np.isnan(z)
    count = measured.sum(axis=1, keepdims=True)
    about = z - np.sum(z, axis=1, where=measured, keepdims=True) / np.maximum(count, 1)
    free = int(np.sum(np.maximum(count - 1, 0)))
    return float(np.sum(about**2, where=measured)) / free if free else 1.0


def prior_elsewhere(z: FloatArray) -> FloatArray:
    """The prior of every model from all datasets but one, for each dataset left out in turn.

    Args:
        z: (n_models, n_datasets) z-scores, NaN where not measured.

    Returns:
        (n_models, n_datasets); in a column, the prior from the others.

    >>> prior_elsewhere(np.array([[1.0, 2.0], [np.nan, 1.5]])).round(2).tolist()
    [[0.67, 0.33], [0.5, 0.0]]
    """
    measured = ~np.isnan(z)
    total, count = np.sum(z, axis=1, where=measured, keepdims=True), measured.sum(axis=1, keepdims=True)
    shrunk: FloatArray = (total - np.nan_to_num(z)) / (count - measured + 2)
    return shrunk
