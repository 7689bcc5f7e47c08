"""How far a proxy is to be trusted, learned from what it was worth on benchmark datasets.

Notation, on one benchmark dataset: z the z-scores of the models' finals, p their prior from the *other* datasets, q the
z-scores of their proxy scores there.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raysel.history import PerformanceMatrix
from raysel.recall.prior import standardise

MIN_MODELS = 5
"""Models that must be both scored and measured on a dataset for it to teach anything."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The weight of a proxy's z-score: z-scores of the final that one deviation of the proxy is worth.

    Args:
        beside_prior: For a model with history, on top of its prior; not negative.
        alone: For a model without; not negative.
        n_datasets: The benchmark datasets it was learned on.
    """

    beside_prior: float
    alone: float
    n_datasets: int


def learn(matrix: PerformanceMatrix, recorded: Mapping[tuple[str, str], float]) -> Trust:
    """Learn trust from a proxy's recorded scores.

    On each dataset the least-squares slope of what the prior leaves unexplained, z - p, on q is what one deviation of
    the proxy adds there; trust is the mean of these slopes, shrunk as if two more datasets had shown the proxy to be
    worthless, and not below 0: Σ_d slope_d / (n_datasets + 2). A worthless proxy has slopes about 0. `alone` is the
    same with p = 0.

    Args:
        matrix: The history, the target left out.
        recorded: Proxy scores by (model, dataset); what is not finite, or not measured in `matrix`, is passed over.

    >>> models, datasets = tuple("abcdef"), ("x", "y")
    >>> values = np.array([[1.0, 6.0], [2.0, 4.0], [3.0, 5.0], [4.0, 2.0], [5.0, 3.0], [6.0, 1.0]])
    >>> matrix = PerformanceMatrix(models=models, datasets=datasets, values=values)
    >>> oracle = {(m, d): values[i, j] for i, m in enumerate(models) for j, d in enumerate(datasets)}
    >>> learn(matrix, oracle)
    Trust(beside_prior=0.647..., alone=0.5, n_datasets=2)
    """
    z = standardise(matrix.values)
    measured = ~np.isnan(z)
    # As `prior` of the other datasets, for every dataset at once.
    others = np.nansum(z, axis=1, keepdims=True) - np.nan_to_num(z)
    p = others / (measured.sum(axis=1, keepdims=True) - measured + 2)
    column = {dataset: index for index, dataset in enumerate(matrix.datasets)}
    rows: dict[int, list[int]] = defaultdict(list)
    scores: dict[int, list[float]] = defaultdict(list)
    for (model, dataset), score in recorded.items():
        i, j = matrix.row.get(model), column.get(dataset)
        if i is not None and j is not None and measured[i, j] and np.isfinite(score):
            rows[j].append(i)
            scores[j].append(score)
    beside, alone = [], []
    for j, taught in sorted(rows.items()):
        if len(taught) >= MIN_MODELS:
            q = standardise(np.array(scores[j]))
            beside.append(float(np.mean(q * (z[taught, j] - p[taught, j]))))
            alone.append(float(np.mean(q * z[taught, j])))
    return Trust(
        beside_prior=max(0.0, sum(beside) / (len(beside) + 2)),
        alone=max(0.0, sum(alone) / (len(alone) + 2)),
        n_datasets=len(alone),
    )
