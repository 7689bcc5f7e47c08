"""What the recorded history shows: whether the choice of a model matters on this zoo."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from raysel import zoo
from raysel.arrays import FloatArray
from raysel.history import History, PerformanceMatrix


@dataclass(frozen=True)
class DatasetFigures:
    """One dataset: who wins, by how much, and how noisy that is.

    Args:
        dataset: Its name.
        best: The winning model.
        final: The winner's final, in the dataset's metric.
        over_median: Best minus median of all models, in points.
        average_loses: Best minus the model of the best average, in points.
        noise: Deviation between seeds of one cell, in points: root mean square over the cells with several.
    """

    dataset: str
    best: str
    final: float
    over_median: float
    average_loses: float
    noise: float


@dataclass(frozen=True)
class Figures:
    """The whole zoo.

    A point is a hundredth of accuracy, or a hundredth of the median model's error where the metric is an error.

    Args:
        datasets: One a dataset.
        average: The model of the best average over datasets, each standardised over models.
        pretraining: One row a pre-trained model: its accuracy on its own source, fine-tuned on a small part of it from
            the checkpoint (`tuned`) and from scratch (`scratch_tuned`).
    """

    datasets: tuple[DatasetFigures, ...]
    average: str
    pretraining: pd.DataFrame

    @property
    def winners(self) -> set[str]:
        """The models that win somewhere."""
        return {figures.best for figures in self.datasets}


def figures() -> Figures:
    """The figures of the history that ships."""
    history = History(str(zoo.history_path()))
    matrix = history.matrix()
    standard = (matrix.values - matrix.values.mean(axis=0)) / matrix.values.std(axis=0)
    average = int(standard.mean(axis=1).argmax())
    noise = _noise(history)
    rows = []
    for column, dataset in enumerate(matrix.datasets):
        finals, unit = matrix.values[:, column], _point(matrix, column)
        best = int(finals.argmax())
        rows.append(
            DatasetFigures(
                dataset=dataset,
                best=matrix.models[best],
                final=float(abs(finals[best])),
                over_median=float((finals[best] - np.median(finals)) / unit),
                average_loses=float((finals[best] - finals[average]) / unit),
                noise=float(noise.get(dataset, np.nan) / unit),
            )
        )
    return Figures(tuple(rows), matrix.models[average], _pretraining())


def _point(matrix: PerformanceMatrix, column: int) -> float:
    finals: FloatArray = matrix.values[:, column]
    return float(abs(np.median(finals))) / 100 if matrix.lower_is_better[column] else 0.01


def _noise(history: History) -> dict[str, float]:
    curves = [curve for curve in history.curves() if curve.final is not None]
    finals = pd.DataFrame({"dataset": c.dataset, "model": c.model, "final": c.final} for c in curves)
    spread = finals.groupby(["dataset", "model"])["final"].agg(["var", "size"]).query("size > 1")["var"]
    return {str(dataset): float(value) for dataset, value in np.sqrt(spread.groupby("dataset").mean()).items()}


def _pretraining() -> pd.DataFrame:
    files = [zoo.checkpoint_path(model) / "pretraining.json" for model in zoo.models()]
    return pd.DataFrame(json.loads(file.read_text()) for file in files).dropna(subset=["tuned"])
