"""The silhouette of every cut of a dendrogram, in one pass.

scikit-learn's `silhouette_score` looks at one cut at a time, which for a thousand models and a thousand cuts takes
minutes. Between one cut and the next only two clusters change, and so do few models' silhouettes.

Notation: a(i) the mean distance of model i to the other members of its cluster, b(i) to the nearest other cluster,
s(i) = (b - a) / max(a, b), and 0 for a model alone (Rousseeuw 1987).
"""

import numpy as np

from raysel.arrays import FloatArray


def silhouettes(distances: FloatArray, merges: FloatArray) -> FloatArray:
    """The mean silhouette after each merge of a dendrogram.

    The mean distance to a union lies between the mean distances to its parts, so a model's nearest other cluster
    changes only where one of its parts was the nearest.

    Args:
        distances: (n, n) symmetric, finite, zero on the diagonal.
        merges: (n - 1, 4) as `scipy.cluster.hierarchy.linkage` gives them.

    Returns:
        (n - 1,) the silhouette of the clusters left after each merge; -1, the least, for the last, which leaves one.

    >>> from scipy.cluster.hierarchy import linkage
    >>> points = np.array([0.0, 1.0, 10.0, 11.0])
    >>> apart = np.abs(points[:, None] - points)
    >>> silhouettes(apart, linkage(points[:, None], "average")).round(2).tolist()
    [0.45, 0.9, -1.0]
    """
    n = len(distances)
    sums = distances.copy()  # (n, slot): from a model to all members of a cluster
    sizes = np.ones(n)
    slot = np.arange(n)  # the cluster of each model
    slot_of_node = [*range(n)]  # the cluster of each node of the dendrogram
    apart = sums + np.diag(np.full(n, np.inf))
    nearest = apart.argmin(axis=1)
    within, between = np.zeros(n), apart.min(axis=1)
    result = np.full(n - 1, -1.0)
    active = np.ones(n, dtype=bool)
    for step, (first, second) in enumerate(merges[:-1, :2].astype(int)):
        kept, gone = slot_of_node[first], slot_of_node[second]
        slot_of_node.append(kept)
        sums[:, kept] += sums[:, gone]
        sizes[kept] += sizes[gone]
        active[gone] = False
        slot[slot == gone] = kept
        members = np.flatnonzero(slot == kept)
        within[members] = sums[members, kept] / (sizes[kept] - 1)

        stale = np.flatnonzero((nearest == kept) | (nearest == gone))
        others = np.flatnonzero(active)
        means = sums[np.ix_(stale, others)] / sizes[others]
        means[slot[stale][:, None] == others] = np.inf
        nearest[stale] = others[means.argmin(axis=1)]
        between[stale] = means.min(axis=1)

        larger = np.maximum(within, between)
        score = np.divide(between - within, larger, out=np.zeros(n), where=(larger > 0) & (sizes[slot] > 1))
        result[step] = score.mean()
    return result
