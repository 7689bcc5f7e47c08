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


def _macro_f1(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    from sklearn.metrics import f1_score  # a second to import

    return float(f1_score(labels, predictions, average="macro", zero_division=0.0))


def _spearman(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    from scipy.stats import spearmanr  # a second to import

    # Predictions that are all the same order nothing; scipy says NaN, which would pass for a run that diverged.
    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(spearmanr(predictions, labels).statistic)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "max", "classification", _accuracy),
        Metric("macro_f1", "max", "classification", _macro_f1),
        Metric("rmse", "min", "regression", _rmse),
        Metric("spearman", "max", "regression", _spearman),
    )
}
"""By name; a task's first one is its default."""
