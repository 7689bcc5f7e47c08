"""H-score with shrinkage.

Bao, Li, Huang, Zhang, Zheng, Zamir, Guibas 2019, "An Information-Theoretic Approach to Transferability in Task
Transfer Learning" (arXiv 2212.10082); its covariance shrunk as in Ibrahim, Ponomareva, Mazumder 2021, "Newer is not
always better: Rethinking transferability metrics, their peculiarities, stability and performance" (arXiv 2110.06893).

Notation: F (n, d) features less their mean; C = F'F / n their covariance, lambda (r,) its eigenvalues that are not 0,
mu = tr C / d; B (d, d) the covariance of the class means, each as often as it has samples; alpha in [0, 1] the
shrinkage; U (n, r) the left singular vectors of F; n_c samples are of class c, and 1_c (n,) marks them.
"""

import numpy as np
from numpy.typing import ArrayLike

from raysel.arrays import FloatArray
from raysel.proxies.arrays import check_task, checked_inputs, outputs
from raysel.proxies.proxy import Proxy
from raysel.proxies.spectrum import Spectrum, centred
from raysel.target import Task

_TASKS: tuple[Task, ...] = ("classification",)


def hscore(features: ArrayLike, labels: ArrayLike, *, task: Task = "classification") -> float:
    """How much of the features' variance lies between the classes, in units of the variance of each direction.

    With as many features as samples the covariance is not to be trusted, so it is drawn towards a multiple of the
    identity as far as Ledoit and Wolf 2004 ("A well-conditioned estimator for large-dimensional covariance matrices")
    find best,

        C_alpha = (1 - alpha) C + alpha mu I,        H_alpha = tr(C_alpha^-1 (1 - alpha) B),

        alpha = min(b, delta) / delta,    delta = |C - mu I|^2,    b = 1/n^2 sum_i |f_i f_i' - C|^2.

    In the singular directions of F that is a sum, of the share of each direction's variance that lies between classes
    and the trust in it:

        H_alpha = sum_j (1 - alpha) lambda_j / ((1 - alpha) lambda_j + alpha mu)  sum_c (u_j' 1_c)^2 / n_c.

    All covariances are divided by n. Not offered for regression, where there are no class means.

    Args:
        features: (n, d) finite.
        labels: (n,) integers.
        task: `classification`, the only task it is defined for.

    Returns:
        From 0, class means that are all the same, to the number of classes less one.

    Raises:
        OptionError: If an array breaks its rule, lengths differ, or there is but one class.

    >>> labels = np.arange(60) % 3
    >>> rng = np.random.default_rng(0)
    >>> round(hscore(np.eye(3)[labels] + 0.01 * rng.normal(size=(60, 3)), labels), 2)
    1.93
    """
    check_task(task, "hscore", _TASKS)
    F = centred(checked_inputs("features", features))
    Y = outputs(labels, len(F), task)
    spectrum = Spectrum.of(F)
    between = np.sum(spectrum.project(Y / np.sqrt(Y.sum(axis=0))) ** 2, axis=1)
    variance = spectrum.sigma / len(F)
    alpha = _shrinkage(F, variance)
    trusted = (1 - alpha) * variance
    return float(np.sum(trusted / (trusted + alpha * variance.sum() / F.shape[1]) * between))


def _shrinkage(F: FloatArray, variance: FloatArray) -> float:
    """Alpha, from |C|^2 = sum lambda^2 and |f_i f_i' - C|^2 summed to sum |f_i|^4 - n |C|^2."""
    n, d = F.shape
    delta = np.sum(variance**2) - variance.sum() ** 2 / d
    b = np.mean(np.einsum("ij,ij->i", F, F) ** 2) - np.sum(variance**2)
    return float(np.clip(b / n, 0, delta) / delta) if delta > 0 else 0.0


HSCORE = Proxy(name="hscore", version="1", needs="features", tasks=_TASKS, score=hscore)
