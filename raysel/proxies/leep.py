"""LEEP, the log expected empirical prediction.

Nguyen, Hassner, Seeger, Archambeau 2020, "LEEP: A New Measure to Evaluate Transferability of Learned Representations"
(arXiv 2002.12462).

Notation: theta (n, n_source) the probabilities that the model's original head gives to its own classes z, y (n,) the
target labels.
"""

import numpy as np
from numpy.typing import ArrayLike

from raysel.errors import OptionError
from raysel.proxies.arrays import check_task, checked_classes, checked_inputs
from raysel.proxies.proxy import Proxy
from raysel.target import Task

_TASKS: tuple[Task, ...] = ("classification",)


def leep(probabilities: ArrayLike, labels: ArrayLike, *, task: Task = "classification") -> float:
    """The mean log-probability of the labels under the crudest transfer: relabelling the model's own classes.

    The model's head, untouched, names a source class z; how often target label y meets z on these samples says what z
    means here. With P(y, z) = 1/n sum over samples i of label y of theta[i, z] and P(y | z) = P(y, z) / P(z),

        LEEP = 1/n sum_i log sum_z P(y_i | z) theta[i, z].        (section 3 of the paper)

    Args:
        probabilities: (n, n_source) each row in [0, 1] and of sum 1.
        labels: (n,) integers.
        task: `classification`, the only task it is defined for.

    Returns:
        At most 0, which is a perfect relabelling.

    Raises:
        OptionError: If an array breaks its rule, lengths differ, or there is but one class.

    >>> leep([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0, 0, 1, 1])
    0.0
    >>> round(leep([[0.5, 0.5], [0.5, 0.5]], [0, 1]), 4)  # the head says nothing: the entropy of the labels
    -0.6931
    """
    check_task(task, "leep", _TASKS)
    theta = checked_inputs("probabilities", probabilities)
    y, n_classes = checked_classes(labels, len(theta))
    total = theta.sum(axis=1, dtype=np.float64)
    # Half precision keeps three decimals of each probability.
    wrong = np.flatnonzero((theta.min(axis=1) < 0) | (np.abs(total - 1) > 1e-2))
    if len(wrong):
        raise OptionError("probabilities", f"of sum {total[wrong[0]]:.4g} in row {wrong[0]}", "at least 0 and of sum 1")

    members = [np.flatnonzero(y == label) for label in range(n_classes)]
    joint = np.stack([theta[rows].sum(axis=0, dtype=np.float64) for rows in members])  # (n_classes, n_source)
    marginal = joint.sum(axis=0)
    conditional = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
    likelihood = [theta[rows] @ conditional[label] for label, rows in enumerate(members)]
    return float(np.mean(np.log(np.concatenate(likelihood))))


LEEP = Proxy(name="leep", version="1", needs="probabilities", tasks=_TASKS, score=leep)
