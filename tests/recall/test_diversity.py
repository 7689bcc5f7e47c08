"""Shortlists of models that are good for different reasons, alone and as the default recall uses them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.recall import rank
from raysel.recall.clustering import ward
from raysel.recall.diversity import diverse, gain, residuals
from raysel.recall.prior import prior, standardise
from tests.recall.zoos import matrix, minority, permuted, unstructured, with_holes

NAN = np.nan
# Two kinds that are good on the opposite of two datasets.
KINDS = np.array([[1.0, -1.0], [0.9, -0.9], [0.8, -0.8], [-0.8, 0.8], [-0.9, 0.9]])


def chosen(zoo, *, top_k=5, seed=0):
    z = standardise(zoo.values)
    clusters, _ = ward(residuals(z))
    return diverse(prior(z), z, clusters, top_k=top_k, seed=seed)


def plain(zoo, *, top_k=5):
    return sorted(zip(-prior(standardise(zoo.values)).round(12), zoo.models, strict=True))[:top_k]


def recorded(zoo):
    """A proxy that knows the finals of the benchmark datasets."""
    return {(m, d): zoo.values[i, j] for i, m in enumerate(zoo.models) for j, d in enumerate(zoo.datasets)}


def test_residuals_by_hand():
    # Priors are 4 / 4 and 1 / 3.
    assert residuals(np.array([[1.0, 3.0], [1.0, NAN]])) == pytest.approx(np.array([[0.0, 2.0], [2 / 3, 0.0]]))


@pytest.mark.parametrize(
    ("expected", "clusters", "top_k", "found"),
    [
        ([0.5, 0.4, 0.3, 0.0, 0.0], [0, 0, 0, 1, 1], 2, {0, 3, 4}),  # the second is of the other kind
        ([0.5, 0.4, 0.3, 0.0, 0.0], [0, 0, 0, 1, 1], 1, {0}),
        ([9.0, 8.0, 7.0, 0.0, 0.0], [0, 0, 0, 1, 1], 3, {0, 1, 2}),  # what is far below adds nothing
        ([0.5, 0.4, 0.3, 0.0, 0.0], [0, 0, 0, 1, 1], 9, {0, 1, 2, 3, 4}),
    ],
)
def test_who_is_chosen(expected, clusters, top_k, found):
    picked = diverse(np.array(expected), KINDS, np.array(clusters), top_k=top_k, seed=0).tolist()
    assert len(picked) == len({*picked}) == min(top_k, 5)
    assert {*picked} <= found
    assert picked[0] == 0
    if top_k == 2:
        assert picked[1] in (3, 4)


def test_equals_are_chosen_in_order():
    assert diverse(np.zeros(4), np.zeros((4, 2)), np.zeros(4, dtype=int), top_k=3, seed=0).tolist() == [0, 1, 2]


def test_what_is_far_down_the_list_is_not_looked_at():
    # The last is the only one of its kind and by far the best in one scenario, yet 51 are expected to be better.
    z = np.zeros((52, 2))
    z[-1] = 9, -9
    expected, clusters = np.linspace(0, -1, 52), np.array([0] * 51 + [1])
    assert 51 not in diverse(expected, z, clusters, top_k=1, seed=0)  # 50 are looked among for each
    assert 51 in diverse(expected, z, clusters, top_k=2, seed=0)


def test_every_dataset_is_a_scenario_however_many_there_are():
    # One kind is good on the last of 500 datasets alone, and there by so much that it is worth it.
    z = np.zeros((62, 500))
    z[2:, -1] = 4000
    expected = np.array([0.2, 0.1, *np.zeros(60)])
    assert max(diverse(expected, z, np.array([0, 0, *np.ones(60)]), top_k=2, seed=0)) >= 2


@pytest.mark.parametrize(("seed", "holes"), [(0, 0), (1, 0), (2, 0), (0, 0.3), (1, 0.3)])
def test_the_minority_that_the_target_resembles_is_recalled(seed, holes):
    zoo, target = minority(seed)
    zoo = with_holes(zoo, holes, seed)
    of_minority = [model for model in zoo.models if model.startswith("b")]
    assert {model[0] for _, model in plain(zoo)} == {"a"}
    assert gain(standardise(zoo.values), top_k=5, seed=0) > (0.3, 0)
    shortlist = rank(zoo, zoo.models, top_k=5)
    found = {*shortlist.models} & {*of_minority}
    assert 0 < len(found) < 5, "both kinds are there"
    assert max(target[m] for m in shortlist.models) > max(target[m] for _, m in plain(zoo)) + 0.2
    standing = dict(zip(zoo.models, prior(standardise(zoo.values)), strict=True))
    assert max(of_minority, key=standing.__getitem__) in found, "of a kind the best is taken"
    assert "Chosen across clusters: on 12 benchmark datasets, each left out in turn" in shortlist.regime


def test_diversity_gains_nothing_where_models_differ_in_how_good_they_are_alone():
    found = [gain(standardise(unstructured(seed).values), top_k=5, seed=0)[0] for seed in range(12)]
    assert np.mean(found) < 0.02
    assert min(found) < 0


@pytest.mark.parametrize("seed", range(8))
def test_the_list_is_the_best_by_score_unless_diversity_pays(seed):
    zoo = unstructured(seed)
    shortlist, whole = (rank(zoo, zoo.models, top_k=top_k) for top_k in (5, 30))
    pays = gain(standardise(zoo.values), top_k=5, seed=0)[0] > 0
    assert pays == ("Chosen across clusters" in shortlist.regime)
    if not pays:
        assert shortlist.models == whole.models[:5] == tuple(model for _, model in plain(zoo))


def test_the_gain_by_hand():
    # Each kind is good on two datasets. Whichever is left out, the kind that is not good there leads by the other
    # three, so that the two with the best prior are of it; one of each kind always has the best.
    kinds = {"a": [1.0, 1.0, 0.2, 0.2], "b": [0.2, 0.2, 1.0, 1.0], "c": [0.0, 0.0, 0.0, 0.0]}
    zoo = matrix({f"{kind}{i}": row for kind, row in kinds.items() for i in range(4)})
    z = standardise(zoo.values)
    assert gain(z, top_k=2, seed=0) == (pytest.approx(z[0, 0] - z[4, 0]), 4)


@pytest.mark.parametrize(
    ("values", "top_k"),
    [
        (np.zeros((0, 0)), 1),
        (np.zeros((9, 0)), 1),
        (np.random.default_rng(0).normal(size=(9, 3)), 2),  # three datasets are too few
        (np.random.default_rng(0).normal(size=(9, 8)), 8),  # with one model more there is no choice
        (np.random.default_rng(0).normal(size=(9, 8)), 20),
        (np.where(np.arange(8) < 2, np.random.default_rng(0).normal(size=(9, 8)), NAN), 2),  # two with enough models
    ],
)
def test_too_little_to_tell(values, top_k):
    assert gain(standardise(values), top_k=top_k, seed=0) == (0.0, 0)


def test_columns_without_a_difference_gain_nothing():
    assert gain(standardise(np.full((9, 6), 0.5)), top_k=2, seed=0) == (0.0, 6)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 99), order=st.integers(0, 99), holes=st.sampled_from([0, 0.3]), top_k=st.integers(1, 12))
def test_order_changes_nothing_in_the_recall(seed, order, holes, top_k):
    zoo = with_holes(minority(seed)[0], holes, seed)
    candidates = np.random.default_rng(order).permutation(zoo.models).tolist()
    again = rank(permuted(zoo, order), candidates, top_k=top_k)
    assert again == rank(zoo, zoo.models, top_k=top_k)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 99), drawn=st.integers(0, 99), top_k=st.integers(1, 12))
def test_the_seed_decides(seed, drawn, top_k):
    zoo = minority(seed)[0]
    one, same = (chosen(zoo, top_k=top_k, seed=drawn).tolist() for _ in range(2))
    assert one == same
    assert len({*one}) == top_k
    # Chosen greedily, a shorter list is the beginning of a longer one.
    assert chosen(zoo, top_k=12, seed=drawn).tolist()[:top_k] == one


def test_models_without_history_keep_their_places():
    zoo, _ = minority(0)
    scores = {"new1": 3.0, "new2": 2.0, **dict.fromkeys(zoo.models, 0.0)}
    shortlist = rank(
        zoo,
        [*zoo.models, "new1", "new2"],
        top_k=6,
        proxy_scores={"p": scores},
        recorded={"p": recorded(zoo)},
    )
    assert "Chosen across clusters" in shortlist.regime
    assert shortlist.models[:2] == ("new1", "new2"), "the proxy lifts them above all others"
    kinds = {model[0] for model in shortlist.models[2:]}
    assert kinds == {"a", "b"}


@pytest.mark.parametrize("top_k", [3, 10])
def test_nothing_is_said_to_be_chosen_where_there_is_no_choice(top_k):
    # In the whole zoo diversity pays; among three candidates there is nothing to choose.
    zoo, _ = minority(0)
    shortlist = rank(zoo, ["b12", "a00", "c20"], top_k=top_k)
    assert sorted(shortlist.models) == ["a00", "b12", "c20"]
    assert "Chosen" not in shortlist.regime
    # ... nor where models without history take all places.
    scores = {"p": {"new1": 9.0, "new2": 8.0, "new3": 7.0, **dict.fromkeys(zoo.models, 0.0)}}
    candidates = [*zoo.models, "new1", "new2", "new3"]
    taken = rank(zoo, candidates, top_k=3, proxy_scores=scores, recorded={"p": recorded(zoo)})
    assert taken.models[:3] == ("new1", "new2", "new3")  # and more: a target that scores all alike is like none before
    assert "Chosen" not in taken.regime
    # ... nor can one model be diverse.
    one = rank(zoo, zoo.models, top_k=1)
    assert one.models == tuple(model for _, model in plain(zoo, top_k=1))
    assert "Chosen" not in one.regime


def test_candidates_may_be_a_part_of_the_zoo():
    zoo, _ = minority(1)
    candidates = [model for i, model in enumerate(zoo.models) if i % 2]
    shortlist = rank(zoo, candidates, top_k=4)
    assert {*shortlist.models} <= {*candidates}
    assert {model[0] for model in shortlist.models} == {"a", "b"}
