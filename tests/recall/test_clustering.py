import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.errors import OptionError
from raysel.recall.clustering import Clustering, cut

INF = np.inf


def groups(numbers):
    return sorted(np.flatnonzero(numbers == c).tolist() for c in np.unique(numbers))


def line(*points):
    """Distances of points on a line."""
    return np.abs(np.subtract.outer(points, points)).astype(float)


@pytest.mark.parametrize(
    ("distances", "tau", "expected"),
    [
        (line(0, 1, 10, 11), 2, [[0, 1], [2, 3]]),
        (line(0, 1, 10, 11), 9.9, [[0, 1], [2, 3]]),
        (line(0, 1, 10, 11), 10, [[0, 1, 2, 3]]),  # the average between the two is 10: at most tau
        (line(0, 1, 10, 11), 0.5, [[0], [1], [2], [3]]),
        (line(0.35, 0.44), 0.09, [[0, 1]]),  # 0.09000000000000002 in floating point
        (np.array([[0, 1, INF], [1, 0, 1], [INF, 1, 0]]), 1e6, [[0, 1], [2]]),  # an average with infinity is infinite
        (np.array([[0, INF], [INF, 0]]), 1e300, [[0], [1]]),
        (np.zeros((1, 1)), 1, [[0]]),
        (np.zeros((0, 0)), 1, []),
    ],
)
def test_cut_at_tau(distances, tau, expected):
    numbers, in_force = cut(distances, tau)
    assert groups(numbers) == expected
    assert in_force == tau


@pytest.mark.parametrize(
    ("distances", "expected", "tau"),
    [
        (line(0, 1, 10, 11), [[0, 1], [2, 3]], 1),
        (line(0, 1, 2, 3, 30), [[0, 1, 2, 3], [4]], 2),
        (line(0, 0, 0), [[0, 1, 2]], 0),  # equal models are one cluster
        (line(0, 0, 5), [[0, 1], [2]], 0),
        (line(0, 5), [[0], [1]], 0),  # two models have no cut to judge
        (line(5, 5), [[0, 1]], 0),
        (np.array([[0, INF, INF], [INF, 0, INF], [INF, INF, 0]]), [[0], [1], [2]], 0),
        (np.array([[0, 1, INF, INF], [1, 0, INF, INF], [INF, INF, 0, 3], [INF, INF, 3, 0]]), [[0, 1], [2, 3]], 3),
        (np.zeros((1, 1)), [[0]], 0),
        (np.zeros((0, 0)), [], 0),
    ],
)
def test_cut_by_the_best_silhouette(distances, expected, tau):
    numbers, in_force = cut(distances)
    assert groups(numbers) == expected
    assert in_force == tau


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 20), st.integers(0, 99))
def test_the_tau_it_chose_gives_the_same_cut(n, seed):
    rng = np.random.default_rng(seed)
    distances = line(*rng.normal(size=n))
    numbers, tau = cut(distances)
    assert groups(cut(distances, tau)[0]) == groups(numbers)


@pytest.mark.parametrize("tau", [0, -0.1, np.nan, INF])
@pytest.mark.parametrize("n", [1, 3])
def test_tau_must_be_positive(tau, n):
    with pytest.raises(OptionError, match=r"`tau` is .* a positive number"):
        cut(np.zeros((n, n)), tau)


def test_order_of_clusters_and_members():
    standing = {"a": 0.1, "b": 0.3, "c": 0.3, "d": 0.9, "e": 0.2}
    clustering = Clustering.of([["d"], ["a", "c", "b"], [], ["e"]], standing, method="paper", tau=0.1)
    assert clustering.clusters == (("b", "c", "a"), ("d",), ("e",))  # equals by name
    assert clustering.representatives == ("b", "d", "e")
    assert clustering.standing_for_others == ("b",)
    assert clustering.number == {"b": 0, "c": 0, "a": 0, "d": 1, "e": 2}
    fewer = clustering.among({"a", "c", "e"}, standing)
    assert fewer.clusters == (("c", "a"), ("e",))
    assert fewer.representatives == ("c", "e")


def test_all_alone_stand_for_others():
    clustering = Clustering.of([["a"], ["b"]], {"a": 0.0, "b": 0.0}, method="paper", tau=0.1)
    assert clustering.standing_for_others == ("a", "b")


@pytest.mark.parametrize(
    ("clusters", "representatives", "parameter"),
    [
        ((("a",), ("a", "b")), ("a", "b"), "clusters"),
        ((("a",),), (), "representatives"),
        ((("a",),), ("b",), "representatives"),
        (((),), ("b",), "representatives"),
    ],
)
def test_a_clustering_checks_itself(clusters, representatives, parameter):
    with pytest.raises(OptionError) as caught:
        Clustering(method="paper", clusters=clusters, representatives=representatives, tau=0.1)
    assert caught.value.parameter == parameter
