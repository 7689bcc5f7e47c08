"""How predictions are judged: the metrics that fine-tuning reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raysel.target import Task


@dataclass(frozen=True)
class Metric:
    """A named score of predictions.

    Args:
        name: What it is reported as.
        mode: `max` where higher is better, else `min`.
        task: What it is for.
        score: From predictions and labels, both (n,), to a number; predictions are classes or numbers.
    """

    name: str
    mode: Literal["max", "min"]
    task: Task
    score: Callable[[NDArray[Any], NDArray[Any]], float]


def _accuracy(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(np.mean(predictions == labels))


def _rmse(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean((predictions - labels) ** 2)))


def _mae(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(np.mean(np.abs(predictions - labels)))


def _r2(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    around = float(np.sum((labels - labels.mean()) ** 2))
    # Labels that are all the same have nothing to be explained; NaN would pass for a run that diverged.
    return 1 - float(np.sum((predictions - labels) ** 2)) / around if around > 0 else 0.0


# These two are in scikit-learn and scipy, which take a trial's process a second to import.
def _macro_f1(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    classes = int(max(predictions.max(), labels.max())) + 1
    hits = np.bincount(labels[predictions == labels], minlength=classes)
    named = np.bincount(labels, minlength=classes) + np.bincount(predictions, minlength=classes)
    return float(np.mean(2 * hits[named > 0] / named[named > 0]))


def _spearman(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    # Predictions that are all the same order nothing; NaN would pass for a run that diverged.
    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(predictions), _ranks(labels))[0, 1])


def _ranks(values: NDArray[Any]) -> NDArray[Any]:
    """(n,) ranks from 1; equals share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[Any] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "max", "classification", _accuracy),
        Metric("macro_f1", "max", "classification", _macro_f1),
        Metric("rmse", "min", "regression", _rmse),
        Metric("mae", "min", "regression", _mae),
        Metric("r2", "max", "regression", _r2),
        Metric("spearman", "max", "regression", _spearman),
    )
}
"""By name; a task's first one is its default."""


def metrics_of(task: Task) -> tuple[str, ...]:
    """The names of a task's metrics, its default first.

    >>> metrics_of("classification")
    ('accuracy', 'macro_f1')
    """
    return tuple(name for name, metric in METRICS.items() if metric.task == task)
