"""Clusters of models that score alike, and the model that stands for each."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from raysel.arrays import FloatArray, IntArray
from raysel.errors import OptionError
from raysel.recall.silhouette import silhouettes

_MEMBERS = 4  # models to a cluster of `ward`
_SLACK = 1 + 1e-9  # scores have two or three decimals, so distances equal to tau up to the last bit are common


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """The clusters of a zoo, largest first.

    Args:
        method: The method whose distances made them.
        clusters: The models of each cluster, best first by what the method calls mean performance.
        representatives: The best model of each cluster, which is scored in place of the others.
        tau: The linkage distance up to which clusters were merged; 0 where only equal models were.

    Raises:
        OptionError: If a model is in two clusters, a cluster is empty, or a representative is not in its cluster.

    >>> clusters = Clustering.of([["c"], ["a", "b"]], {"a": 0.5, "b": 0.7, "c": 0.9}, method="paper", tau=0.1)
    >>> clusters.clusters, clusters.representatives
    ((('b', 'a'), ('c',)), ('b', 'c'))
    """

    method: str
    clusters: tuple[tuple[str, ...], ...]
    representatives: tuple[str, ...]
    tau: float

    def __post_init__(self) -> None:
        if len(self.number) != sum(map(len, self.clusters)):
            raise OptionError("clusters", self.clusters, "disjoint")
        if len(self.representatives) != len(self.clusters):
            raise OptionError("representatives", len(self.representatives), f"one for each of {len(self.clusters)}")
        for cluster, representative in zip(self.clusters, self.representatives, strict=True):
            if representative not in cluster:
                raise OptionError("representatives", representative, f"a member of its cluster {cluster}")

    @classmethod
    def of(
        cls, groups: Iterable[Collection[str]], standing: Mapping[str, float], *, method: str, tau: float
    ) -> "Clustering":
        """The clustering of the groups that are not empty; `standing` says how good each model is on average."""
        clusters = [tuple(sorted(group, key=lambda model: (-round(standing[model], 12), model))) for group in groups]
        clusters = sorted((cluster for cluster in clusters if cluster), key=lambda cluster: (-len(cluster), cluster))
        return cls(method=method, clusters=tuple(clusters), representatives=tuple(c[0] for c in clusters), tau=tau)

    @cached_property
    def number(self) -> dict[str, int]:
        """The number of its cluster by model."""
        return {model: index for index, cluster in enumerate(self.clusters) for model in cluster}

    @property
    def standing_for_others(self) -> tuple[str, ...]:
        """Representatives of clusters of two or more; if every cluster is a singleton, every model."""
        several = [r for r, cluster in zip(self.representatives, self.clusters, strict=True) if len(cluster) > 1]
        return tuple(several) or self.representatives

    def among(self, models: Collection[str], standing: Mapping[str, float]) -> "Clustering":
        """The same clusters with only `models` left in them, each represented by the best that is left."""
        groups = [[model for model in cluster if model in models] for cluster in self.clusters]
        return Clustering.of(groups, standing, method=self.method, tau=self.tau)


def cut(distances: FloatArray, tau: float | None = None) -> tuple[IntArray, float]:
    """Cluster numbers by agglomerative average linkage, merging while the linkage distance is at most tau.

    Without tau, it is the cut of the dendrogram with the best silhouette among those that leave at least two clusters
    and fewer clusters than models (the first of equals); where there is no such cut, only equal models are merged.

    Args:
        distances: (n, n) symmetric, zero on the diagonal, infinite between models that may not be merged.
        tau: Positive, in units of `distances`.

    Returns:
        (n,) cluster numbers from 0, and the tau in force.

    Raises:
        OptionError: If tau is not a positive number.

    >>> cut(np.array([[0.0, 0.1, 0.9], [0.1, 0.0, 0.8], [0.9, 0.8, 0.0]]))
    (array([0, 0, 1]), 0.1)
    """
    if tau is not None and not (isfinite(tau) and tau > 0):
        raise OptionError("tau", tau, "a positive number")
    n = len(distances)
    if n < 2:
        return np.zeros(n, dtype=np.int64), tau or 0.0
    # A distance that no average over pairs can dilute below the largest finite one, nor below tau, acts as infinite.
    largest = float(np.max(distances, initial=tau or 0.0, where=np.isfinite(distances)))
    finite = np.where(np.isfinite(distances), distances, n**2 * (largest + 1))
    merges = linkage(squareform(finite, checks=False), method="average")
    if tau is None:
        tau = _best_cut(finite, merges, largest)
    return fcluster(merges, tau * _SLACK, criterion="distance").astype(np.int64) - 1, tau


def ward(values: FloatArray, tau: float | None = None) -> tuple[IntArray, float]:
    """Cluster numbers by Ward's linkage (Ward 1963), which keeps the variance within clusters least.

    Without tau there is a cluster to every four models: on public result tables neither a third nor a fifth was better.

    Args:
        values: (n, d) finite.
        tau: Positive; merging while the linkage distance is at most tau.

    Returns:
        (n,) cluster numbers from 0, and the tau in force.

    Raises:
        OptionError: If tau is not a positive number.

    >>> ward(np.array([[0.0], [0.1], [0.1], [5.0], [5.2]]))[0].tolist()
    [0, 0, 0, 1, 1]
    """
    if tau is not None and not (isfinite(tau) and tau > 0):
        raise OptionError("tau", tau, "a positive number")
    n = len(values)
    if n < 2:
        return np.zeros(n, dtype=np.int64), tau or 0.0
    merges = linkage(pdist(values), method="ward")  # of values themselves that look like distances scipy warns
    if tau is None:
        tau = float(merges[n - 1 - -(-n // _MEMBERS), 2])
    return fcluster(merges, tau * _SLACK, criterion="distance").astype(np.int64) - 1, tau


def join(values: FloatArray, numbers: IntArray, tau: float) -> IntArray:
    """Cluster numbers with newcomers placed: each joins its nearest cluster, or founds one where none is near enough.

    Near is what Ward's linkage takes for near: to merge a model x into a cluster of s models about c costs
    sqrt(2 s / (s + 1)) |x - c|, and up to tau it is done. Newcomers come in their order; nobody else moves.

    Args:
        values: (n, d) finite.
        numbers: (n,) from 0, -1 for newcomers.
        tau: The cut of the clusters, at least 0.

    Returns:
        (n,) numbers; clusters that newcomers found come after the others.

    >>> join(np.array([[0.0], [0.2], [5.0], [0.1], [9.0], [9.1]]), np.array([0, 0, 1, -1, -1, -1]), 1.0).tolist()
    [0, 0, 1, 0, 2, 2]
    """
    numbers, count = numbers.copy(), int(numbers.max(initial=-1)) + 1
    newcomers = np.flatnonzero(numbers < 0)
    sizes = np.bincount(numbers[numbers >= 0], minlength=count + len(newcomers)).astype(float)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, numbers[numbers >= 0], values[numbers >= 0])
    for row in newcomers:
        apart = np.linalg.norm(values[row] - sums[:count] / np.maximum(sizes[:count, None], 1), axis=1)
        costs = np.where(sizes[:count] > 0, np.sqrt(2 * sizes[:count] / (sizes[:count] + 1)) * apart, np.inf)
        if count and costs.min() <= tau * _SLACK:
            numbers[row] = costs.argmin()
        else:
            numbers[row], count = count, count + 1
        sizes[numbers[row]] += 1
        sums[numbers[row]] += values[row]
    return numbers


def _best_cut(distances: FloatArray, merges: FloatArray, largest: float) -> float:
    heights = merges[:, 2]
    # Merges at one height are one cut, and what is infinitely far apart is never merged.
    complete = np.append(heights[1:] > heights[:-1] * _SLACK, True) & (heights <= largest)
    complete[-1] = False  # leaves one cluster
    if not complete.any():
        return 0.0
    scores = np.where(complete, silhouettes(distances, merges).round(9), -np.inf)
    return float(heights[scores.argmax()])
