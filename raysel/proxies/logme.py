"""LogME, the logarithm of maximum evidence.

You, Liu, Wang, Long 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning" (arXiv 2102.11005).

Notation: F (n, d) features; y (n,) one output, for classification one class against the rest as 1 and 0; a linear head
with weights of prior N(0, 1/alpha) and noise of variance 1/beta; m (d,) the posterior mean of its weights; sigma (r,)
the eigenvalues of F'F that are not 0; z (r,) the part of y along each left singular vector of F; ratio = alpha / beta.
"""

import numpy as np
from numpy.typing import ArrayLike

from raysel.arrays import FloatArray
from raysel.proxies.arrays import check_task, checked_inputs, outputs
from raysel.proxies.proxy import Proxy
from raysel.proxies.spectrum import Spectrum
from raysel.target import Task

TOLERANCE = 1e-6
"""The iteration of an output ends when its ratio changes by no more than this part of itself."""
MAX_ITERATIONS = 1000
"""It ends here at the latest."""

_FLAT = 1e-8  # a ratio this far outside the eigenvalues changes the evidence no more
_PERFECT = 1e-10  # the least noise, as part of |y|^2: a perfect fit has large evidence rather than infinite
_TASKS: tuple[Task, ...] = ("classification", "regression")


def logme(features: ArrayLike, labels: ArrayLike, *, task: Task = "classification") -> float:
    """The evidence for a linear head on the features, in nats per sample, averaged over outputs.

    A head fitted to the features would overfit; the evidence p(y | F) integrates over all heads instead, and is taken
    where alpha and beta make it largest. By algorithm 1 of the paper, for each output by itself, from alpha = beta = 1
    until they settle,

        m = beta (alpha I + beta F'F)^-1 F'y,          gamma = sum_i beta sigma_i / (alpha + beta sigma_i),
        alpha <- gamma / |m|^2,                        beta <- (n - gamma) / |Fm - y|^2,

        L = n/2 log beta + d/2 log alpha - n/2 log 2pi - beta/2 |Fm - y|^2 - alpha/2 |m|^2
            - 1/2 log |alpha I + beta F'F|,

    and LogME is the mean of L / n over the outputs. As in the paper, nothing is centred and there is no intercept.
    Singular values below some 1e-6 of the largest count as 0.

    Args:
        features: (n, d) finite.
        labels: (n,) integers for classification, finite numbers for regression.
        task: `classification` or `regression`.

    Returns:
        Nats per sample, higher is better; comparable between models on the same labels.

    Raises:
        OptionError: If an array breaks its rule, lengths differ, or the labels are all equal.

    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(60) % 3
    >>> telling = np.eye(3)[labels] + 0.1 * rng.normal(size=(60, 3))
    >>> logme(telling, labels) > logme(rng.normal(size=(60, 3)), labels)
    True
    """
    check_task(task, "logme", _TASKS)
    F = checked_inputs("features", features).astype(np.float64, copy=False)
    Y = outputs(labels, len(F), task)
    spectrum = Spectrum.of(F)
    return float(np.mean(_evidence(spectrum.sigma, spectrum.project(Y) ** 2, np.sum(Y**2, axis=0), len(F))) / len(F))


def _evidence(sigma: FloatArray, z2: FloatArray, y2: FloatArray, n: int) -> FloatArray:
    """(n_outputs,) L of each output, from z^2 (r, n_outputs) and |y|^2 (n_outputs,).

    In the basis of singular vectors, with shrunk = ratio / (sigma + ratio),

        n - gamma = n - r + sum shrunk,
        |m|^2 = sum z^2 (1 - shrunk)^2 / sigma,
        |Fm - y|^2 = sum (z shrunk)^2 + outside,

    where `outside` is what of |y|^2 no head can fit. Where alpha and beta have settled, n = beta (|Fm - y|^2 + ratio
    |m|^2), with which L comes down to what is returned.
    """
    r = len(sigma)
    # Without room for noise (r = n) there is nothing outside; with it, what rounding leaves is no evidence.
    outside = np.maximum(y2 - z2.sum(axis=0), _PERFECT * y2) if r < n else np.zeros_like(y2)
    least, most = (_FLAT * sigma[0], sigma[-1] / _FLAT) if r else (1.0, 1.0)
    sigma = sigma[:, None]
    ratio = np.ones_like(y2)
    open_ = np.arange(len(y2))  # the outputs that have not settled
    for _ in range(MAX_ITERATIONS):
        shrunk = ratio[open_] / (sigma + ratio[open_])
        noise = n - r + shrunk.sum(axis=0)
        m2 = np.sum(z2[:, open_] * (1 - shrunk) ** 2 / sigma, axis=0)
        residual = np.sum(z2[:, open_] * shrunk**2, axis=0) + outside[open_]
        with np.errstate(divide="ignore", invalid="ignore"):
            settled = np.nan_to_num((n - noise) / m2 * residual / noise, nan=most)
        settled = np.clip(settled, least, most)
        moving = np.abs(settled - ratio[open_]) > TOLERANCE * ratio[open_]
        ratio[open_] = settled
        open_ = open_[moving]
        if not len(open_):
            break
    shrunk = ratio / (sigma + ratio)
    energy = np.sum(z2 * shrunk, axis=0) + outside
    evidence: FloatArray = n / 2 * np.log(n / (2 * np.pi * energy)) - n / 2 + np.sum(np.log(shrunk), axis=0) / 2
    return evidence


LOGME = Proxy(name="logme", version="1", needs="features", tasks=_TASKS, score=logme)
