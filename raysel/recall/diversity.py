"""Recalling models that are good for different reasons: the expected best of a shortlist, over what the target may be.

Models of a cluster rise and fall together from dataset to dataset, so a second one of the same kind adds little. Each
benchmark dataset is a scenario of how the target may favour the clusters; a shortlist is worth what its best model is
expected to score over the scenarios, and is filled greedily (Nemhauser, Wolsey, Fisher 1978: at least 1 - 1/e of the
best).

Notation
    e (n,)     expected z-scores on the target
    R (n, D)   residuals on the benchmark datasets, z - prior, 0 where not measured
    L (n, D)   the mean of R over a model's cluster, shrunk as if one more member were average everywhere
    Z (s, n)   scenarios: e + L[:, d] + noise of the deviation of R - L, each d about as often
"""

import numpy as np

from raysel.arrays import FloatArray, IntArray
from raysel.recall.clustering import ward
from raysel.recall.prior import prior

_SCENARIOS = 400
_LEAST_DATASETS = 3
_TRIED = 50  # datasets, drawn where there are more: the mean of as many is known well enough
_POOL = 50
"""So many models for each that is recalled are looked among, the best expected: what is far below never gets in."""


def residuals(z: FloatArray) -> FloatArray:
    """R: what the prior leaves of z-scores, 0 where not measured."""
    left: FloatArray = np.nan_to_num(z - prior(z)[:, None])
    return left


def diverse(expected: FloatArray, z: FloatArray, clusters: IntArray, *, top_k: int, seed: int) -> IntArray:
    """The `top_k` models whose best is expected to score most, in the order in which they are chosen.

    Args:
        expected: (n,) e.
        z: (n, D) z-scores on the benchmark datasets, NaN where not measured.
        clusters: (n,) the number of each model's cluster.
        top_k: How many, at least 1.
        seed: Draws the noise.

    >>> z = np.array([[1.0, -1.0], [0.9, -0.9], [-0.8, 0.8]])
    >>> diverse(np.array([0.3, 0.2, 0.0]), z, np.array([0, 0, 1]), top_k=2, seed=0).tolist()
    [0, 2]
    """
    pool = np.argsort(-expected.round(12), kind="stable")[: _POOL * top_k]
    R, together = residuals(z[pool]), np.zeros((len(pool), z.shape[1]))
    for number in np.unique(clusters[pool]):
        members = clusters[pool] == number
        together[members] = R[members].sum(axis=0) / (members.sum() + 1)
    noise = float(np.sqrt(np.mean((R - together) ** 2)))
    count = max(_SCENARIOS, z.shape[1])  # so that every dataset is among them
    drawn = np.random.default_rng(seed).standard_normal((count, len(pool)))
    scenarios = (expected[pool, None] + together[:, np.arange(count) % z.shape[1]]).T + noise * drawn
    return pool[_greedy(scenarios, min(top_k, len(pool)))]


def gain(z: FloatArray, *, top_k: int, seed: int) -> tuple[float, int]:
    """How much better models diversity would have found than the prior alone, each benchmark dataset left out in turn.

    Args:
        z: (n, D) z-scores on the benchmark datasets, NaN where not measured.
        top_k: How many models are recalled.
        seed: Draws the noise.

    Returns:
        By how many deviations of the finals the best recalled was better on average, below 0 where it was worse; and on
        how many datasets that was tried: (0.0, 0) where there are too few to tell.
    """
    gains = []
    n_datasets = z.shape[1] if z.shape[1] > _LEAST_DATASETS else 0
    for column in np.random.default_rng(seed).permutation(n_datasets)[:_TRIED]:
        known = np.flatnonzero(~np.isnan(z[:, column]))
        if len(known) <= top_k + 1:
            continue
        others, finals = np.delete(z[known], column, axis=1), z[known, column]
        p = prior(others)
        plain = np.argsort(-p.round(12), kind="stable")
        pool = plain[: _POOL * top_k]
        clusters, _ = ward(residuals(others[pool]))
        chosen = pool[diverse(p[pool], others[pool], clusters, top_k=top_k, seed=seed)]
        gains.append(float(finals[chosen].max() - finals[plain[:top_k]].max()))
    return (float(np.mean(gains)), len(gains)) if len(gains) >= _LEAST_DATASETS else (0.0, 0)


def _greedy(scenarios: FloatArray, count: int) -> IntArray:
    chosen: list[int] = []
    best = np.full(len(scenarios), -np.inf)
    for _ in range(count):
        worth = np.maximum(scenarios, best[:, None]).mean(axis=0)
        worth[chosen] = -np.inf
        chosen.append(int(worth.round(12).argmax()))
        best = np.maximum(best, scenarios[:, chosen[-1]])
    return np.array(chosen, dtype=np.int64)
