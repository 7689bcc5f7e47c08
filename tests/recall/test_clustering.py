import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.errors import OptionError
from raysel.recall.clustering import Clustering, cut, join, ward

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


def column(*points):
    return np.array(points, dtype=float)[:, None]


@pytest.mark.parametrize(
    ("values", "tau", "expected", "in_force"),
    [
        # ceil(n / 4) clusters
        (column(0, 1, 5, 9), None, [[0, 1, 2, 3]], None),
        (column(0, 1, 5, 9, 100), None, [[0, 1, 2, 3], [4]], None),
        (column(0, 1, 2, 3, 50, 51, 52, 53), None, [[0, 1, 2, 3], [4, 5, 6, 7]], None),
        (column(0, 1, 2, 3, 4, 50, 51, 52, 99), None, [[0, 1, 2, 3, 4], [5, 6, 7], [8]], None),
        (column(0, 50), None, [[0, 1]], 50),
        (column(3), None, [[0]], 0),
        (np.zeros((0, 3)), None, [], 0),
        (np.zeros((9, 3)), None, [[*range(9)]], 0),  # equal models are one cluster
        (column(0, 0, 0, 0, 0, 7), None, [[0, 1, 2, 3, 4], [5]], 0),
        (np.eye(8), None, [[*range(8)]], None),  # all at one height: merged together
        (1 - np.eye(8), None, [[*range(8)]], None),  # no warning that these look like distances
        # Merging while the linkage distance is at most tau: of two points it is their distance.
        (column(0, 1, 10, 11), 1, [[0, 1], [2, 3]], 1),
        (column(0, 1, 10, 11), 0.9, [[0], [1], [2], [3]], 0.9),
        (column(0.35, 0.44), 0.09, [[0, 1]], 0.09),  # 0.09000000000000002 in floating point
        (column(0, 1, 10, 11), 14, [[0, 1], [2, 3]], 14),  # Ward's is sqrt(2 |A| |B| / (|A| + |B|)) 10 = 14.14
        (column(0, 1, 10, 11), 14.2, [[0, 1, 2, 3]], 14.2),
    ],
)
def test_ward(values, tau, expected, in_force):
    numbers, found = ward(values, tau)
    assert groups(numbers) == expected
    assert in_force is None or found == in_force


@settings(deadline=None, max_examples=30)
@given(n=st.integers(2, 40), d=st.integers(1, 6), seed=st.integers(0, 99))
def test_ward_s_laws(n, d, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, d))
    numbers, tau = ward(values)
    assert sorted({*numbers.tolist()}) == [*range(-(-n // 4))]
    assert groups(ward(values, tau)[0]) == groups(numbers)
    order = rng.permutation(n)
    again = ward(values[order])[0]
    assert sorted(sorted(order[group].tolist()) for group in groups(again)) == groups(numbers)
    # Shifts and turns keep distances.
    turned = values @ np.linalg.qr(rng.normal(size=(d, d)))[0] + rng.normal(size=d)
    assert groups(ward(turned)[0]) == groups(numbers)


@pytest.mark.parametrize("tau", [0, -0.1, np.nan, INF])
@pytest.mark.parametrize("n", [1, 3])
def test_tau_of_ward_must_be_positive(tau, n):
    with pytest.raises(OptionError, match=r"`tau` is .* a positive number"):
        ward(np.zeros((n, 1)), tau)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 12), st.integers(0, 1000))
def test_newcomers_to_clusters_far_apart_join_as_from_scratch(kinds, d, come, seed):
    rng = np.random.default_rng(seed)
    kind = np.concatenate([np.arange(kinds), rng.integers(0, kinds + 2, size=come + 6)])
    values = 100.0 * kind[:, None] + rng.uniform(-0.1, 0.1, size=(len(kind), d))
    numbers, _ = ward(values[: len(kind) - come], 10.0)
    joined = join(values, np.concatenate([numbers, np.full(come, -1)]), 10.0)
    assert groups(joined) == groups(ward(values, 10.0)[0])
    np.testing.assert_array_equal(joined[: len(numbers)], numbers)  # who was there stays


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 1000))
def test_with_no_room_only_equals_join(n, come, seed):
    values = np.random.default_rng(seed).integers(0, 4, size=(n + come, 2)).astype(float)
    _, numbers = np.unique(values[:n], axis=0, return_inverse=True)
    joined = join(values, np.concatenate([numbers.ravel(), np.full(come, -1)]), 0.0)
    _, expected = np.unique(values, axis=0, return_inverse=True)
    assert groups(joined) == groups(expected.ravel())


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
