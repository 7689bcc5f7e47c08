"""A linear probe, cross-validated in closed form.

As a proxy: Renggli, Pinto, Rimanic, Puigcerver, Riquelme, Zhang, Lucic 2022, "Which Model to Transfer? Finding the
Needle in the Growing Haystack" (arXiv 2010.06402). Leaving out by formula: Allen 1974, "The Relationship Between
Variable Selection and Data Augmentation and a Method for Prediction".

Notation: F (n, d) features less their mean; Y (n, k) outputs less their mean, one column for each class (1 and 0) or
the numbers to be regressed on; W (d, k) the head; ridge, the weight of |W|^2; sigma (r,) the eigenvalues of F'F that
are not 0; U (n, r) the left singular vectors of F; z = U'Y (r, k).
"""

import numpy as np
from numpy.typing import ArrayLike

from raysel.arrays import FloatArray
from raysel.proxies.arrays import check_task, checked_inputs, outputs
from raysel.proxies.held_out import hits, r_squared
from raysel.proxies.proxy import Proxy
from raysel.proxies.spectrum import Spectrum, centred
from raysel.target import Task

RIDGES = tuple(10.0**power for power in range(-6, 1))
"""The ridges tried, as parts of |F|^2."""

_BLOCK = 2**20  # numbers of U or of the predictions at a time
_TASKS: tuple[Task, ...] = ("classification", "regression")


def linear_probe(features: ArrayLike, labels: ArrayLike, *, task: Task = "classification") -> float:
    """How well a linear head predicts the labels of samples that it was not fitted to.

    A head fitted to all samples, W = (F'F + ridge I)^-1 F'Y, tells for each what the head fitted to all others would
    predict. With shrunk = sigma / (sigma + ridge),

        fit_i = sum_j U_ij shrunk_j z_j,        h_i = sum_j U_ij^2 shrunk_j,
        left_out_i = Y_i - (Y_i - fit_i) / (1 - h_i).

    So each sample is a fold: none has to be drawn, and the order of samples does not matter. The ridge is the one of
    `RIDGES` of the least squared error of left_out. A class is predicted by the largest output. The means of features
    and labels are those of all samples, as stratified folds would keep the shares of the classes: left out with its
    sample, a class would be the rarer for it, and features that tell nothing be right less often than chance.

    Args:
        features: (n, d) finite.
        labels: (n,) integers for classification, finite numbers for regression.
        task: `classification` or `regression`.

    Returns:
        For classification the accuracy, in [0, 1]; for regression R^2, at most 1 and negative where the head is worse
        than the mean.

    Raises:
        OptionError: If an array breaks its rule, lengths differ, or the labels are all equal.

    >>> labels = np.arange(60) % 3
    >>> rng = np.random.default_rng(0)
    >>> linear_probe(np.eye(3)[labels] + 0.1 * rng.normal(size=(60, 3)), labels)
    1.0
    """
    check_task(task, "linear_probe", _TASKS)
    F = centred(checked_inputs("features", features))
    Y = outputs(labels, len(F), task)
    mean = Y.mean(axis=0)
    predicted = mean + _left_out(Spectrum.of(F), Y - mean)
    if task == "regression":
        return r_squared(predicted[:, 0], Y[:, 0])
    return float(hits(predicted, Y.argmax(axis=1)).mean())


def _left_out(spectrum: Spectrum, Y: FloatArray) -> FloatArray:
    """(n, k) what is predicted for each sample by a head fitted to the others, with the best ridge."""
    n, r = len(Y), len(spectrum.sigma)
    z = spectrum.project(Y)
    shrunk = [spectrum.sigma / (spectrum.sigma + ridge * spectrum.sigma.sum()) for ridge in RIDGES]
    rows = max(1, _BLOCK // max(r, 1))
    blocks = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
    error = np.zeros(len(RIDGES))
    for block in blocks:
        U = spectrum.left(block)
        error += [np.sum(_residual(U, z, kept, Y[block]) ** 2) for kept in shrunk]
    kept = shrunk[int(error.argmin())]
    return np.vstack([Y[block] - _residual(spectrum.left(block), z, kept, Y[block]) for block in blocks])


def _residual(U: FloatArray, z: FloatArray, shrunk: FloatArray, Y: FloatArray) -> FloatArray:
    """Labels less the predictions of the heads that were not fitted to them."""
    residual: FloatArray = (Y - U @ (shrunk[:, None] * z)) / (1 - U**2 @ shrunk)[:, None]
    return residual


LINEAR_PROBE = Proxy(name="linear_probe", version="1", needs="features", tasks=_TASKS, score=linear_probe)
