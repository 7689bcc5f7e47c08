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
from raysel.recall.prior import standardise

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
    names = [matrix.models[row] for row in rows]
    target = _likeness(np.array([scores[model] for model in names]), z)
    if not np.isfinite(target).any():
        return None
    usual = []
    for j, dataset in enumerate(matrix.datasets):
        own = np.array([recorded.get((model, dataset), np.nan) for model in names])
        likeness = np.delete(_likeness(own, z), j)
        if np.isfinite(likeness).any():
            usual.append(np.nanmax(likeness))
    if 1 / (len(usual) + 1) > LEVEL:
        return None
    nearest = int(np.nanargmax(target))
    lower = int(np.sum(np.array(usual) <= target[nearest]))
    return Resemblance(
        nearest=matrix.datasets[nearest],
        correlation=float(target[nearest]),
        chance=(lower + 1) / (len(usual) + 1),
    )


def _likeness(q: FloatArray, z: FloatArray) -> FloatArray:
    """(D,) the correlation of q with each column, over what is known of both; NaN where that is too little."""
    both = np.isfinite(q)[:, None] & np.isfinite(z)
    one = standardise(np.where(both, q[:, None], np.nan))
    other = standardise(np.where(both, z, np.nan))
    count = both.sum(axis=0)
    r = np.sum(one * other, axis=0, where=both) / np.maximum(count, 1)
    return np.where(count >= MIN_MODELS, r, np.nan)
