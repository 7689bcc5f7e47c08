import numpy as np
import pytest

from raysel.recall.trust import Trust, learn
from tests.recall.zoos import matrix


def zoo(n_models=20, n_datasets=6, seed=0):
    """Models whose score on a dataset is half their own, half luck."""
    rng = np.random.default_rng(seed)
    return matrix(
        {f"m{i}": row for i, row in enumerate(rng.normal(size=(n_models, 1)) + rng.normal(size=(n_models, n_datasets)))}
    )


def recorded(zoo, score, datasets):
    return {(m, d): score(zoo.values[i, zoo.datasets.index(d)]) for i, m in enumerate(zoo.models) for d in datasets}


def test_a_perfect_proxy_is_trusted_more_the_more_datasets_show_it():
    table = zoo()
    trusts = [learn(table, recorded(table, float, table.datasets[:n])) for n in range(7)]
    assert [t.n_datasets for t in trusts] == [*range(7)]
    # q = z, so each slope without a prior is exactly 1, and n slopes of 1 are shrunk to n / (n + 2).
    assert [t.alone for t in trusts] == pytest.approx([n / (n + 2) for n in range(7)])
    assert all(0 < t.beside_prior < t.alone for t in trusts[1:])


def test_by_hand():
    # One column varies, so the prior from the others is 0 and both slopes are mean(q z), shrunk by 1 / 3.
    table = matrix({"a": [1, 5], "b": [2, 5], "c": [3, 5], "d": [4, 5], "e": [5, 5]})
    scores = {("a", "d0"): 2, ("b", "d0"): 1, ("c", "d0"): 3, ("d", "d0"): 5, ("e", "d0"): 4}
    assert learn(table, scores) == Trust(
        beside_prior=pytest.approx(0.8 / 3), alone=pytest.approx(0.8 / 3), n_datasets=1
    )


def test_what_the_prior_already_says_is_not_counted_twice():
    # The proxy is each model's own mean: it predicts finals well, yet adds little to a prior that is the same mean.
    table = zoo(seed=1)
    own = dict(zip(table.models, table.values.mean(axis=1), strict=True))
    trust = learn(table, {(m, d): own[m] for m in table.models for d in table.datasets})
    assert trust.alone > 0.4
    assert trust.beside_prior < trust.alone / 2


def test_a_worthless_proxy_is_hardly_trusted():
    found = []
    for seed in range(20):
        table, rng = zoo(seed=seed), np.random.default_rng(100 + seed)
        found.append(learn(table, recorded(table, lambda _, rng=rng: rng.normal(), table.datasets)).beside_prior)
    assert np.mean(found) < 0.05
    assert max(found) < 0.15


def test_a_misleading_proxy_is_not_trusted():
    table = zoo()
    trust = learn(table, recorded(table, lambda value: -value, table.datasets))
    assert (trust.beside_prior, trust.alone) == (0, 0)


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {("m0", "elsewhere"): 1.0, ("nobody", "d0"): 1.0},
        {(f"m{i}", "d0"): float(i) for i in range(4)},  # four models are too few
        {(f"m{i}", "d0"): np.nan if i > 3 else float(i) for i in range(20)},
    ],
)
def test_nothing_to_learn_from(scores):
    assert learn(zoo(), scores) == Trust(beside_prior=0.0, alone=0.0, n_datasets=0)


def test_a_constant_proxy_adds_nothing():
    table = zoo()
    assert learn(table, recorded(table, lambda _: 3.0, table.datasets)) == Trust(
        beside_prior=0.0, alone=0.0, n_datasets=6
    )


def test_cells_not_measured_teach_nothing():
    table = zoo()
    values = table.values.copy()
    values[4:, 0] = np.nan
    holed = matrix(dict(zip(table.models, values, strict=True)))
    assert learn(holed, recorded(table, float, ["d0"])).n_datasets == 0
