"""How far proxies are to be trusted beside the history, learned from what they were worth on benchmark datasets.

Notation, on one benchmark dataset: z (n_models,) the z-scores of the models' finals, p their prior from the *other*
datasets, q (n_models, n_proxies) the z-scores of their proxy scores there, 0 where a proxy has none.

    z ~ b p + q t,   b and t least squares over all benchmark datasets that have proxy scores, each of weight 1,
                     pulled towards b = 1, t = 0 as if two more datasets had shown the prior alone to be right, t >= 0

A model without history has no p; in its place stands where it is expected to be by what is known of it
(`raysel.recall.kinship`), for the benchmark models without their own runs.

A worthless proxy has t about 0; proxies that say the same share their weight; and the better they are, the less is left
to the prior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import lsq_linear

from raysel.arrays import FloatArray, IntArray
from raysel.history import PerformanceMatrix
from raysel.recall.front import z_scores
from raysel.recall.prior import prior_elsewhere, standardise

MIN_MODELS = 5
"""Models that must be both scored and measured on a dataset for it to teach anything."""

_PULL = 2.0  # datasets
_ALONE = 1.0  # trust in proxies without any record: the best guess there is

Recorded = Mapping[str, Mapping[tuple[str, str], float]]
"""Proxy scores by proxy, then (model, dataset)."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Weights of the prior and of proxies' z-scores in the expected z-score of a model's final.

    Args:
        prior: The weight of the prior of a model with history; not negative.
        beside_prior: The weight of each proxy beside it, by name; not negative.
        alone: The weight of each proxy for a model without history; not negative.
        kinship: The weight of where such a model is expected to stand by what is known of it; not negative.
        n_datasets: The benchmark datasets it was learned on.
    """

    prior: float = 1.0
    beside_prior: Mapping[str, float] = field(default_factory=dict)
    alone: Mapping[str, float] = field(default_factory=dict)
    kinship: float = 1.0
    n_datasets: int = 0


def learn(matrix: PerformanceMatrix, recorded: Recorded, placed: Mapping[str, FloatArray] | None = None) -> Trust:
    """Learn trust from recorded scores.

    Args:
        matrix: The history, the target left out.
        recorded: Scores by proxy and (model, dataset); what is not finite, or not measured in `matrix`, is passed over.
        placed: Where models would be expected to stand without runs of their own, by model: (n_datasets,), in a column
            of `matrix` what the others say; 0 for those that are not named.

    >>> models, datasets = tuple("abcdef"), ("x", "y")
    >>> values = np.array([[1.0, 6.0], [2.0, 4.0], [3.0, 5.0], [4.0, 2.0], [5.0, 3.0], [6.0, 1.0]])
    >>> matrix = PerformanceMatrix(models=models, datasets=datasets, values=values)
    >>> oracle = {(m, d): values[i, j] for i, m in enumerate(models) for j, d in enumerate(datasets)}
    >>> trust = learn(matrix, {"oracle": oracle})
    >>> round(trust.beside_prior["oracle"], 2), round(trust.alone["oracle"], 2), trust.n_datasets
    (0.62, 0.5, 2)
    """
    names = sorted(recorded)
    z = z_scores(matrix)
    taught = _taught(matrix, recorded, names, ~np.isnan(z))
    if not taught:
        return Trust(beside_prior=dict.fromkeys(names, 0.0), alone=dict.fromkeys(names, 0.0))
    average = np.zeros(len(matrix.datasets))
    known = np.array([(placed or {}).get(model, average) for model in matrix.models])
    p, inputs, outcomes = prior_elsewhere(z), [], []
    for j, (rows, q) in taught.items():
        weight = len(rows) ** -0.5
        inputs.append(weight * np.column_stack([p[rows, j], known[rows, j], q]))
        outcomes.append(weight * z[rows, j])
    X, y = np.vstack(inputs), np.concatenate(outcomes)
    towards = np.array([1.0, *np.zeros(len(names))])
    weights, alone = _pulled(np.delete(X, 1, axis=1), y, towards), _pulled(X[:, 1:], y, towards)
    return Trust(
        prior=float(weights[0]),
        beside_prior=dict(zip(names, weights[1:].tolist(), strict=True)),
        alone=dict(zip(names, alone[1:].tolist(), strict=True)),
        kinship=float(alone[0]),
        n_datasets=len(taught),
    )


def scores_of(found: Mapping[tuple[str, str], float], matrix: PerformanceMatrix) -> FloatArray:
    """(n_models, n_datasets) a proxy's recorded scores in the places of a matrix, NaN where there is none."""
    scores = np.full(matrix.values.shape, np.nan)
    column = {dataset: j for j, dataset in enumerate(matrix.datasets)}
    for (model, dataset), score in found.items():
        i, j = matrix.row.get(model), column.get(dataset)
        if i is not None and j is not None:
            scores[i, j] = score
    scores[~np.isfinite(scores)] = np.nan
    return scores


def unlearned(names: Sequence[str]) -> Trust:
    """Trust where no model has history, so that how far to trust the proxies beside it does not arise: equal shares."""
    share = _ALONE / max(1, len(names))
    return Trust(beside_prior=dict.fromkeys(names, 0.0), alone=dict.fromkeys(names, share))


def _taught(
    matrix: PerformanceMatrix, recorded: Recorded, names: Sequence[str], measured: np.ndarray
) -> dict[int, tuple[IntArray, FloatArray]]:
    """By column of `matrix`, the rows that are scored and measured there, and their (n_rows, n_proxies) q."""
    scores = np.array([scores_of(recorded[name], matrix) for name in names]).reshape(len(names), *measured.shape)
    scores[:, ~measured] = np.nan
    found = {}
    for j in range(measured.shape[1]):
        table = scores[:, :, j].T
        rows = np.flatnonzero(~np.isnan(table).all(axis=1)) if names else np.array([], dtype=np.int64)
        if len(rows) >= MIN_MODELS:
            found[j] = (rows, np.nan_to_num(standardise(table[rows])))
    return found


def _pulled(X: FloatArray, y: FloatArray, towards: FloatArray) -> FloatArray:
    """Non-negative least squares with a ridge about `towards`."""
    ridge = np.sqrt(_PULL) * np.eye(X.shape[1])
    solved = lsq_linear(np.vstack([X, ridge]), np.concatenate([y, ridge @ towards]), bounds=(0, np.inf), method="bvls")
    weights: FloatArray = np.maximum(solved.x, 0.0)
    return weights
