"""What the recorded history shows: whether the choice of a model matters on this zoo."""

import json
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from raysel import zoo
from raysel.arrays import FloatArray
from raysel.history import History, PerformanceMatrix
from raysel.zoo.members import MEMBERS


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
class OwnSource:
    """A pre-trained model on its own source.

    Args:
        model: Its name.
        source: What it was trained on.
        samples: How much of it.
        accuracy: Its test accuracy after pre-training.
        tuned: Its test accuracy with a fresh head, fine-tuned on a small part of the source.
        scratch_tuned: The same of a model of its architecture that starts from random weights.
    """

    model: str
    source: str
    samples: int
    accuracy: float
    tuned: float
    scratch_tuned: float


@dataclass(frozen=True)
class Figures:
    """The whole zoo.

    A point is a hundredth of accuracy, or a hundredth of the median model's error where the metric is an error.

    Args:
        datasets: One a dataset.
        average: The model of the best average over datasets, each standardised over models.
        pretraining: One a pre-trained model.
    """

    datasets: tuple[DatasetFigures, ...]
    average: str
    pretraining: tuple[OwnSource, ...]

    @property
    def winners(self) -> set[str]:
        """The models that win somewhere."""
        return {figures.best for figures in self.datasets}


def figures(inputs: zoo.Inputs = "images") -> Figures:
    """The figures of the history that ships for models of these inputs."""
    history = History(zoo.history_path(inputs))
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
    return Figures(tuple(rows), matrix.models[average], _pretraining(inputs))


def _point(matrix: PerformanceMatrix, column: int) -> float:
    finals: FloatArray = matrix.values[:, column]
    return float(abs(np.median(finals))) / 100 if matrix.lower_is_better[column] else 0.01


def _noise(history: History) -> dict[str, float]:
    curves = [curve for curve in history.curves() if curve.final is not None]
    finals = pd.DataFrame({"dataset": c.dataset, "model": c.model, "final": c.final} for c in curves)
    spread = finals.groupby(["dataset", "model"])["final"].agg(["var", "size"]).query("size > 1")["var"]
    return {str(dataset): float(value) for dataset, value in np.sqrt(spread.groupby("dataset").mean()).items()}


def _pretraining(inputs: zoo.Inputs) -> tuple[OwnSource, ...]:
    notes = {
        name: json.loads((zoo.checkpoint_path(name) / "pretraining.json").read_text())
        for name, member in MEMBERS.items()
        if member.pretrained and member.made_by.inputs == inputs
    }
    shown = [field.name for field in fields(OwnSource)]
    return tuple(OwnSource(**{field: note[field] for field in shown}) for note in notes.values())
