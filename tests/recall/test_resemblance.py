"""Targets that are like no benchmark, and datasets with another type of output."""

import numpy as np
import pytest

from raysel.history import PerformanceMatrix
from raysel.recall import cluster, rank, to_score
from raysel.recall.rank import WIDER
from raysel.recall.resemblance import LEVEL, MIN_MODELS, _likeness, resemblance
from tests.recall.zoos import matrix

N, D = 24, 12


def usual(seed: int = 0) -> tuple[PerformanceMatrix, dict[tuple[str, str], float], np.ndarray]:
    """Benchmarks that rank models nearly alike, a proxy that sees it, and how good each model is."""
    rng = np.random.default_rng(seed)
    good = rng.normal(size=(N, 1))
    values = good + 0.3 * rng.normal(size=(N, D))
    models, datasets = tuple(f"m{i:02d}" for i in range(N)), tuple(f"d{j:02d}" for j in range(D))
    seen = values + 0.5 * rng.normal(size=(N, D))
    recorded = {(m, d): float(seen[i, j]) for i, m in enumerate(models) for j, d in enumerate(datasets)}
    return PerformanceMatrix(models=models, datasets=datasets, values=values), recorded, good[:, 0]


ZOO, RECORDED, GOOD = usual()
LIKE = dict(zip(ZOO.models, GOOD.tolist(), strict=True))
UNLIKE = {model: -value for model, value in LIKE.items()}


@pytest.mark.parametrize(
    ("scores", "none"),
    [
        (LIKE, False),
        ({model: 3 * value + 7 for model, value in LIKE.items()}, False),
        (UNLIKE, True),
        ({model: LIKE[model] for model in ZOO.models[::2]}, False),
        ({model: UNLIKE[model] for model in ZOO.models[::2]}, True),
    ],
    ids=["like", "on another scale", "unlike", "half of them like", "half of them unlike"],
)
def test_a_target_that_is_like_no_benchmark_is_recognised(scores, none):
    found = resemblance(ZOO, scores, RECORDED)
    assert found is not None
    assert found.none is none
    assert (found.chance <= LEVEL) is none
    assert -1 <= found.correlation <= 1
    assert found.nearest in ZOO.datasets


def test_chance_is_kept_to():
    # Of targets drawn from where the benchmarks were, about a tenth at most stand out.
    out = 0
    for seed in range(60):
        zoo, recorded, _ = usual(seed)
        last = zoo.datasets[-1]
        scores = {model: recorded[model, last] for model in zoo.models}
        found = resemblance(zoo.without(last), scores, {k: v for k, v in recorded.items() if k[1] != last})
        out += found is not None and found.none
    assert out <= 12  # 5 of 60 are expected; the seeds are fixed


@pytest.mark.parametrize(
    ("scores", "recorded"),
    [
        ({}, RECORDED),
        ({model: LIKE[model] for model in ZOO.models[:4]}, RECORDED),
        (UNLIKE, {}),
        (UNLIKE, {cell: score for cell, score in RECORDED.items() if cell[1] < "d08"}),
        (UNLIKE | {"elsewhere": 1.0}, {}),
    ],
    ids=["nobody scored", "four scored", "nothing recorded", "recorded on eight datasets", "a model without history"],
)
def test_too_little_to_tell(scores, recorded):
    assert resemblance(ZOO, scores, recorded) is None


def test_the_shortlist_widens_and_says_so():
    narrow = rank(ZOO, ZOO.models, top_k=4, proxy_scores={"p": LIKE}, recorded={"p": RECORDED}, propagate="own")
    wide = rank(ZOO, ZOO.models, top_k=4, proxy_scores={"p": UNLIKE}, recorded={"p": RECORDED}, propagate="own")
    assert len(narrow.models) == 4
    assert len(wide.models) == 4 + round(WIDER * 4)
    assert "like no benchmark" not in narrow.regime
    assert "The target is like no benchmark dataset, since p goes best with the finals on d" in wide.regime
    assert "2 more are recalled, by the proxies alone." in wide.regime
    # Those that came by it are the best by the proxy of those that did not come without it.
    left = sorted(set(ZOO.models) - set(wide.models[:4]), key=lambda model: -UNLIKE[model])
    assert list(wide.models[4:]) == left[:2]
    assert all("as the target is like no benchmark" in entry.reason for entry in wide.entries[4:])


def test_one_proxy_that_finds_a_likeness_is_enough():
    both = {"p": UNLIKE, "q": LIKE}
    found = rank(ZOO, ZOO.models, top_k=4, proxy_scores=both, recorded={"p": RECORDED, "q": RECORDED})
    assert len(found.models) == 4


# Types of output ----------------------------------------------------------------------------------------------------

# On the classes a goes with b, on the numbers with c.
TYPES = matrix(
    {
        "a": [0.9, 0.1, 0.9, 5.0, 1.0],
        "b": [0.9, 0.1, 0.9, 1.0, 5.0],
        "c": [0.1, 0.9, 0.1, 5.0, 1.0],
        "d": [0.1, 0.9, 0.1, 1.0, 5.0],
    }
)
CLASSES, NUMBERS = ("d0", "d1", "d2"), ("d3", "d4")


def groups(zoo: PerformanceMatrix, alike, **options) -> set[frozenset[str]]:
    return {frozenset(one) for one in cluster(zoo, tau=0.5, alike=alike, **options).clusters}


@pytest.mark.parametrize(
    ("alike", "expected"),
    [
        (CLASSES, {"ab", "cd"}),
        (NUMBERS, {"ac", "bd"}),
        (None, {"a", "b", "c", "d"}),
        ((), {"a", "b", "c", "d"}),
        (("elsewhere",), {"a", "b", "c", "d"}),
    ],
)
def test_models_are_compared_on_datasets_of_the_target_s_type_alone(alike, expected):
    assert groups(TYPES, alike) == {frozenset(group) for group in expected}


def test_what_is_measured_elsewhere_changes_no_cluster():
    changed = TYPES.values.copy()
    changed[:, 3:] = np.random.default_rng(0).normal(size=(4, 2)) * 1000
    other = PerformanceMatrix(models=TYPES.models, datasets=TYPES.datasets, values=changed)
    assert groups(other, CLASSES) == groups(TYPES, CLASSES)
    holes = TYPES.values.copy()
    holes[0, :3] = np.nan  # a has numbers alone
    assert frozenset("cd") in groups(
        PerformanceMatrix(models=TYPES.models, datasets=TYPES.datasets, values=holes), CLASSES
    )


def test_without_a_benchmark_of_its_type_every_model_is_scored_and_more_are_recalled():
    clusters = cluster(TYPES, alike=("elsewhere",))
    assert to_score(TYPES, "abcd", clusters) == tuple("abcd")
    shortlist = rank(TYPES, "abcd", clustering=clusters, top_k=2, alike=("elsewhere",))
    assert len(shortlist.models) == 3
    assert "none has its type of output: 1 more are recalled." in shortlist.regime
    assert len(rank(TYPES, "abcd", top_k=2, alike=CLASSES).models) == 2


# Directions and scales ----------------------------------------------------------------------------------------------

ERRORS = np.array([[0.2, 0.7, 0.5], [0.4, 0.1, 0.6], [0.9, 0.8, 0.3], [0.5, 0.5, 0.1], [0.6, 0.2, 0.2]])


@pytest.mark.parametrize(
    ("name", "turned"),
    [
        ("accuracy in per cent", lambda values: 100 * values),
        ("an error, lower is better", lambda values: -(1 - values)),
        ("a loss of another size", lambda values: -1000 * (1 - values) + 3),
    ],
)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_each_column_counts_alike_whatever_its_metric(name, turned, column):
    """A column in another metric, turned so that higher is better, changes nothing that recall says."""
    models, datasets = tuple("abcde"), ("x", "y", "z")
    values = 1 - ERRORS
    other = values.copy()
    other[:, column] = turned(values[:, column])
    lower = tuple(j == column and "lower" in name for j in range(3))
    plain = rank(PerformanceMatrix(models=models, datasets=datasets, values=values), models, top_k=3)
    mixed = rank(
        PerformanceMatrix(models=models, datasets=datasets, values=other, lower_is_better=lower), models, top_k=3
    )
    assert mixed.models == plain.models
    assert mixed.clusters == plain.clusters
    assert [e.score for e in mixed.entries] == pytest.approx([e.score for e in plain.entries])


@pytest.mark.parametrize("seed", range(3))
def test_likeness_is_the_correlation_over_what_is_known_of_both(seed):
    rng = np.random.default_rng(seed)
    q = np.where(rng.random((12, 5)) < 0.4, np.nan, 1e4 + rng.normal(size=(12, 5)))
    z = np.where(rng.random((12, 4)) < 0.3, np.nan, rng.normal(size=(12, 4)))
    q[:, 1], z[:, 2] = 0.3, np.where(np.isnan(z[:, 2]), np.nan, -7.1)  # all the same, which goes with nothing
    found = _likeness(q, z)
    for e, j in np.ndindex(5, 4):
        both = ~np.isnan(q[:, e]) & ~np.isnan(z[:, j])
        if both.sum() < MIN_MODELS:
            assert np.isnan(found[e, j])
        elif e == 1 or j == 2:
            assert found[e, j] == 0
        else:
            assert found[e, j] == pytest.approx(np.corrcoef(q[both, e], z[both, j])[0, 1], abs=1e-9)
