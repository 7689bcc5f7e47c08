import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_score

from raysel.recall.silhouette import silhouettes


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [3, 4, 10, 60])
@pytest.mark.parametrize("decimals", [0, 1, 8])  # few decimals: ties and distances of 0
def test_every_cut_agrees_with_scikit_learn(n, decimals, seed):
    apart = squareform(pdist(np.random.default_rng(seed).normal(size=(n, 3))).round(decimals))
    merges = linkage(squareform(apart), "average")
    found = silhouettes(apart, merges)
    labels = np.arange(n)
    for step in range(n - 2):
        labels[np.isin(labels, merges[step, :2])] = n + step  # scipy's cut_tree takes other merges among equals
        assert found[step] == pytest.approx(silhouette_score(apart, labels, metric="precomputed"), abs=1e-12)
    assert found[-1] == -1
