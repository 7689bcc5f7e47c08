import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.recall import rank
from raysel.recall.trust import MIN_MODELS, Trust, learn, unlearned
from tests.recall.zoos import matrix, permuted


def zoo(n_models=20, n_datasets=6, seed=0):
    """Models whose score on a dataset is half their own, half luck."""
    rng = np.random.default_rng(seed)
    return matrix(
        {f"m{i}": row for i, row in enumerate(rng.normal(size=(n_models, 1)) + rng.normal(size=(n_models, n_datasets)))}
    )


def recorded(zoo, score, datasets=None):
    return {
        (m, d): score(zoo.values[i, zoo.datasets.index(d)])
        for i, m in enumerate(zoo.models)
        for d in (zoo.datasets if datasets is None else datasets)
    }


def noisy(zoo, scale, seed=0):
    rng = np.random.default_rng([7, seed])
    return recorded(zoo, lambda value: float(value + scale * rng.normal()))


def test_a_perfect_proxy_is_trusted_more_the_more_datasets_show_it():
    table = zoo()
    trusts = [learn(table, {"p": recorded(table, float, table.datasets[:n])}) for n in range(7)]
    assert [t.n_datasets for t in trusts] == [*range(7)]
    # q = z, so that alone t minimises n (1 - t)² + 2 t².
    assert [t.alone["p"] for t in trusts] == pytest.approx([n / (n + 2) for n in range(7)])
    assert all(0 < t.beside_prior["p"] < t.alone["p"] for t in trusts[1:])
    assert trusts[0].prior == 1, "nothing learned"
    assert trusts[6].prior < trusts[1].prior, "the better the proxy, the less is left to the prior"


ORDERED = {("a", "d0"): 2, ("b", "d0"): 1, ("c", "d0"): 3, ("d", "d0"): 5, ("e", "d0"): 4}  # correlation with d0: 0.8


@pytest.mark.parametrize(
    ("other", "prior", "beside"),
    [
        # The other dataset says nothing, p = 0: t minimises (mean of) (z - t q)² + 2 t².
        ([5, 5, 5, 5, 5], 1.0, 0.8 / 3),
        # It says the same, p = z / 3: 19/9 b + 4/15 t = 7/3 and 4/15 b + 3 t = 4/5.
        ([1, 2, 3, 4, 5], 1.083747, 0.170334),
        # It says the opposite, p = -z / 3: 19/9 b - 4/15 t = 5/3 and -4/15 b + 3 t = 4/5.
        ([5, 4, 3, 2, 1], 0.832505, 0.340667),
    ],
)
def test_by_hand(other, prior, beside):
    table = matrix({model: [i + 1, other[i]] for i, model in enumerate("abcde")})
    assert learn(table, {"p": ORDERED}) == Trust(
        prior=pytest.approx(prior, rel=1e-5),
        beside_prior={"p": pytest.approx(beside, rel=1e-5)},
        alone={"p": pytest.approx(0.8 / 3)},
        n_datasets=1,
    )


def test_every_dataset_weighs_the_same():
    # Twenty models on d0 say that p is right and five on d1 that it is wrong: one dataset against one.
    values = np.column_stack([np.arange(20.0), np.where(np.arange(20) < 5, np.arange(20), np.nan)])
    table = matrix({f"m{i}": row for i, row in enumerate(values)})
    scores = {(f"m{i}", "d0"): float(i) for i in range(20)} | {(f"m{i}", "d1"): -float(i) for i in range(5)}
    assert learn(table, {"p": scores}).alone["p"] == pytest.approx(0, abs=1e-12)


def test_what_the_prior_already_says_is_not_counted_twice():
    # The proxy is each model's own mean: it predicts finals well, yet adds little to a prior that is the same mean.
    table = zoo(seed=1)
    own = dict(zip(table.models, table.values.mean(axis=1), strict=True))
    trust = learn(table, {"own": {(m, d): own[m] for m in table.models for d in table.datasets}})
    assert trust.alone["own"] > 0.4
    assert trust.beside_prior["own"] < trust.alone["own"] * 0.75


def test_a_worthless_proxy_is_hardly_trusted():
    found = []
    for seed in range(20):
        table, rng = zoo(seed=seed), np.random.default_rng(100 + seed)
        scores = {"luck": recorded(table, lambda _, rng=rng: rng.normal()), "good": noisy(table, 0.5, seed)}
        trust = learn(table, scores)
        assert trust.beside_prior["good"] > 0.3
        found.append(trust.beside_prior["luck"])
    assert np.mean(found) < 0.05
    assert max(found) < 0.15


def test_a_misleading_proxy_is_not_trusted():
    table = zoo()
    wrong = recorded(table, lambda value: -value)
    trust = learn(table, {"wrong": wrong})
    assert (trust.beside_prior, trust.alone) == ({"wrong": 0}, {"wrong": 0})
    beside_another = learn(table, {"wrong": wrong, "good": noisy(table, 0.5)})
    assert (beside_another.beside_prior["wrong"], beside_another.alone["wrong"]) == (0, 0)
    alone = learn(table, {"good": noisy(table, 0.5)})
    assert beside_another.alone["good"] == pytest.approx(alone.alone["good"])


def test_two_copies_share_their_weight():
    table = zoo()
    one = noisy(table, 0.5)
    single, both = learn(table, {"p": one}), learn(table, {"p": one, "q": one})
    for had, shared in ((single.beside_prior, both.beside_prior), (single.alone, both.alone)):
        assert shared["p"] == pytest.approx(shared["q"])
        assert had["p"] < shared["p"] + shared["q"] < 1.3 * had["p"]
    target = {m: float(i % 7) for i, m in enumerate(table.models)}
    scores = [
        {
            e.model: e.score
            for e in rank(
                table,
                table.models,
                top_k=20,
                propagate="own",
                proxy_scores=dict.fromkeys(names, target),
                recorded=dict.fromkeys(names, one),
            ).entries
        }
        for names in ("p", "pq")
    ]
    first, second = (np.argsort(np.argsort([found[m] for m in table.models])) for found in scores)
    assert np.corrcoef(first, second)[0, 1] > 0.97


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {("m0", "elsewhere"): 1.0, ("nobody", "d0"): 1.0},
        {(f"m{i}", "d0"): float(i) for i in range(MIN_MODELS - 1)},
        {(f"m{i}", "d0"): np.nan if i > 3 else float(i) for i in range(20)},
        {(f"m{i}", "d0"): np.inf if i > 3 else float(i) for i in range(20)},
    ],
)
def test_nothing_to_learn_from(scores):
    assert learn(zoo(), {"p": scores}) == Trust(prior=1.0, beside_prior={"p": 0.0}, alone={"p": 0.0}, n_datasets=0)


def test_no_proxy_at_all():
    assert learn(zoo(), {}) == Trust(prior=1.0)


def test_five_models_teach():
    assert learn(zoo(), {"p": {(f"m{i}", "d0"): float(i) for i in range(MIN_MODELS)}}).n_datasets == 1


def test_models_scored_by_either_proxy_count():
    # Three models have p and three others q: six are scored.
    scores = {"p": {(f"m{i}", "d0"): float(i) for i in range(3)}, "q": {(f"m{i}", "d0"): float(i) for i in range(3, 6)}}
    assert learn(zoo(), scores).n_datasets == 1


def test_a_proxy_without_record_is_not_trusted_beside_one_that_has():
    table = zoo()
    good = noisy(table, 0.5)
    trust = learn(table, {"good": good, "new": {}})
    alone = learn(table, {"good": good})
    assert trust.beside_prior == {"good": pytest.approx(alone.beside_prior["good"]), "new": 0}


def test_a_constant_proxy_adds_nothing():
    trust = learn(zoo(), {"p": recorded(zoo(), lambda _: 3.0)})
    assert (trust.beside_prior, trust.alone, trust.n_datasets) == ({"p": 0}, {"p": 0}, 6)


def test_cells_not_measured_teach_nothing():
    table = zoo()
    values = table.values.copy()
    values[4:, 0] = np.nan
    holed = matrix(dict(zip(table.models, values, strict=True)))
    assert learn(holed, {"p": recorded(table, float, ["d0"])}).n_datasets == 0


@pytest.mark.parametrize(("names", "share"), [((), None), (("p",), 1.0), (("p", "q"), 0.5)])
def test_without_any_history_proxies_have_equal_shares(names, share):
    assert unlearned(names) == Trust(
        prior=1.0, beside_prior=dict.fromkeys(names, 0.0), alone=dict.fromkeys(names, share), n_datasets=0
    )


def close(one, other):
    for a, b in ((one.beside_prior, other.beside_prior), (one.alone, other.alone)):
        assert a == pytest.approx(b, abs=1e-9)
    assert one.prior == pytest.approx(other.prior)
    assert one.n_datasets == other.n_datasets


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 99),
    order=st.integers(0, 99),
    scale=st.floats(0.01, 100),
    offset=st.floats(-100, 100),
    noises=st.lists(st.sampled_from([0.3, 1.0, 9.0]), min_size=1, max_size=4),
)
def test_laws(seed, order, scale, offset, noises):
    table = zoo(seed=seed)
    scores = {f"p{i}": noisy(table, scale, seed=i) for i, scale in enumerate(noises)}
    trust = learn(table, scores)
    assert min([trust.prior, *trust.beside_prior.values(), *trust.alone.values()]) >= 0
    # Neither the order of anything nor the scale of a proxy matters.
    shuffled = {name: dict(reversed(scores[name].items())) for name in reversed(scores)}
    close(learn(permuted(table, order), shuffled), trust)
    rescaled = {**scores, "p0": {cell: scale * score + offset for cell, score in scores["p0"].items()}}
    close(learn(table, rescaled), trust)
