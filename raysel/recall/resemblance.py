"""Whether a target is like any benchmark: only then does it tell what models are worth that the history is asked for.

Notation, on models that were scored on the target: q (n,) their proxy scores there, z (n, D) the z-scores of their
finals on the benchmark datasets.

A benchmark is like the target as far as its finals go with the target's proxy scores, r = max_d cor(q, z[:, d]). How
large r usually is depends on the proxy, and on who was scored: so it is held against the r of each benchmark dataset,
its own recorded scores of the same models beside the others' finals. By chance alone the target's would be among the
lowest tenth in one target of ten (conformal p-value, Vovk et al. 2005).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raysel.arrays import FloatArray
from raysel.history import PerformanceMatrix
from raysel.recall.front import z_scores
from raysel.recall.trust import scores_of

LEVEL = 0.1
MIN_MODELS = 5
"""Models that must be both scored and measured for a correlation to tell anything."""


@dataclass(frozen=True, kw_only=True)
class Resemblance:
    """How like the benchmark datasets a target is.

    Args:
        nearest: The dataset that is most like it.
        correlation: Of its finals with the target's proxy scores.
        chance: The part of targets that would be as unlike the rest, were this one drawn from where the benchmark
            datasets were, in (0, 1].
    """

    nearest: str
    correlation: float
    chance: float

    @property
    def none(self) -> bool:
        """Whether the target is like no benchmark dataset."""
        return self.chance <= LEVEL


def resemblance(
    matrix: PerformanceMatrix, scores: Mapping[str, float], recorded: Mapping[tuple[str, str], float]
) -> Resemblance | None:
    """How like the benchmark datasets the target is, by one proxy.

    Args:
        matrix: The history, the target left out.
        scores: The proxy's scores on the target, by model.
        recorded: Its scores by (model, dataset).

    Returns:
        `None` where too few models were scored, or too few datasets have recorded scores, for a target to stand out.

    >>> rng = np.random.default_rng(0)
    >>> kinds = rng.normal(size=(20, 1)) + 0.3 * rng.normal(size=(20, 12))
    >>> matrix = PerformanceMatrix(models=tuple("abcdefghijklmnopqrst"), datasets=tuple("ABCDEFGHIJKL"), values=kinds)
    >>> recorded = {(m, d): kinds[i, j] for i, m in enumerate(matrix.models) for j, d in enumerate(matrix.datasets)}
    >>> resemblance(matrix, dict(zip(matrix.models, -kinds[:, 0])), recorded).none
    True
    >>> resemblance(matrix, dict(zip(matrix.models, kinds[:, 0] + kinds[:, 1])), recorded).none
    False
    """
    rows = [row for model, row in matrix.row.items() if model in scores]
    z = z_scores(matrix)[rows]
    target = _likeness(np.array([[scores[matrix.models[row]]] for row in rows]), z)[0]
    if not np.isfinite(target).any():
        return None
    likeness = _likeness(scores_of(recorded, matrix)[rows], z)
    np.fill_diagonal(likeness, np.nan)
    usual = np.nanmax(likeness[np.isfinite(likeness).any(axis=1)], axis=1, initial=-1.0)
    if 1 / (len(usual) + 1) > LEVEL:
        return None
    nearest = int(np.nanargmax(target))
    return Resemblance(
        nearest=matrix.datasets[nearest],
        correlation=float(target[nearest]),
        chance=(int(np.sum(usual <= target[nearest])) + 1) / (len(usual) + 1),
    )


def _likeness(q: FloatArray, z: FloatArray) -> FloatArray:
    """(E, D) the correlation of each column of q (n, E) with each of z (n, D), over what is known of both.

    NaN where that is too little; 0 where either is all the same there.
    """
    of_q, of_z = (np.isfinite(x).astype(float) for x in (q, z))
    # About the means, which takes nothing from the correlation and leaves less to rounding.
    q, z = (
        np.nan_to_num(x - np.sum(x, axis=0, where=k > 0) / np.maximum(k.sum(axis=0), 1))
        for x, k in ((q, of_q), (z, of_z))
    )
    count = of_q.T @ of_z
    sum_q, sum_z, squares_q, squares_z = q.T @ of_z, of_q.T @ z, (q**2).T @ of_z, of_q.T @ z**2
    n = np.maximum(count, 1)
    spread_q, spread_z = squares_q - sum_q**2 / n, squares_z - sum_z**2 / n
    varied = (spread_q > 1e-12 * squares_q) & (spread_z > 1e-12 * squares_z)  # less is rounding
    r = np.zeros_like(count)
    np.divide(q.T @ z - sum_q * sum_z / n, np.sqrt(np.abs(spread_q * spread_z)), out=r, where=varied)
    return np.where(count >= MIN_MODELS, r, np.nan)
