"""What every method of recall keeps to."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.errors import NothingToRecallError, OptionError, RayselError, UnknownNameError
from raysel.recall import METHODS, Clustering, Shortlist, cluster, default, rank, to_score
from raysel.recall.evidence import Evidence
from tests.recall.zoos import matrix, minority, permuted, planted, with_holes

NAN = np.nan
every_method = pytest.mark.parametrize("method", METHODS)


def asked(zoo, target, **options):
    """The zoo and two models more, ranked with a proxy that is the logarithm of what they score on the target."""
    scores = {m: float(np.log(v)) for m, v in target.items()} | {"new1": -0.2}
    recorded = {
        (m, d): float(np.log(v))
        for m, row in zip(zoo.models, zoo.values, strict=True)
        for d, v in zip(zoo.datasets, row, strict=True)
    }
    candidates = options.pop("candidates", [*zoo.models, "new1", "new2"])
    return rank(zoo, candidates, proxy_scores={"leep": scores}, recorded={"leep": recorded}, **options)


@every_method
@pytest.mark.parametrize("holes", [0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_recall_beats_random_on_planted_clusters(method, holes, seed):
    zoo, target = planted(seed)
    models = rank(with_holes(zoo, holes, seed), zoo.models, method=method, top_k=5).models
    found = np.mean([target[m] for m in models])
    draws = np.random.default_rng(seed).permuted(np.tile([*target.values()], (200, 1)), axis=1)[:, :5].mean(axis=1)
    assert found > np.quantile(draws, 0.95)


@every_method
def test_planted_clusters_are_found(method):
    zoo, _ = planted(0, members=4)
    assert sorted({m[:2] for m in c} for c in cluster(zoo, method=method).clusters) == [{f"m{i}"} for i in range(6)]


@every_method
@settings(deadline=None, max_examples=20)
@given(order=st.integers(0, 99), values=st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=27, max_size=27))
def test_order_changes_nothing_where_there_are_ties(method, order, values):
    zoo = matrix({f"m{i}": values[3 * i : 3 * i + 3] for i in range(9)})
    first, again = (rank(one, one.models, method=method, top_k=4) for one in (zoo, permuted(zoo, order)))
    assert again.clusters == first.clusters
    assert again.models == first.models


@every_method
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 9), order=st.integers(0, 99), holes=st.sampled_from([0, 0.3]))
def test_order_changes_nothing(method, seed, order, holes):
    zoo, target = planted(seed)
    zoo = with_holes(zoo, holes, seed)
    candidates = [*zoo.models, "new1", "new2"]
    shuffled = np.random.default_rng(order).permutation(candidates).tolist()
    first = asked(zoo, target, method=method, candidates=candidates)
    again = asked(permuted(zoo, order), target, method=method, candidates=shuffled)
    assert again.models == first.models
    assert again.clusters == first.clusters
    assert [e.score for e in again.entries] == pytest.approx([e.score for e in first.entries])


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 9), scale=st.floats(1e-3, 1e3), offset=st.floats(-10, 10), column=st.integers(0, 11))
def test_the_scale_of_a_column_changes_nothing_in_the_default(seed, scale, offset, column):
    zoo, _ = planted(seed)
    values = zoo.values.copy()
    values[:, column] = scale * values[:, column] + offset
    candidates = [*zoo.models]
    first = rank(zoo, candidates, top_k=30)
    again = rank(replace(zoo, values=values), candidates, top_k=30)
    assert {e.model: e.score for e in again.entries} == pytest.approx(
        {e.model: e.score for e in first.entries}, abs=1e-6
    )
    assert again.models[:10] == first.models[:10]
    assert again.clusters == first.clusters


@every_method
def test_same_seed_same_shortlist(method):
    zoo, target = planted(3)
    assert asked(zoo, target, method=method, seed=5) == asked(zoo, target, method=method, seed=5)


@every_method
def test_a_stored_clustering_gives_the_same_shortlist(method):
    zoo, target = planted(4)
    candidates = [*zoo.models[3:17], "new1"]
    stored = cluster(zoo, method=method)
    assert asked(zoo, target, method=method, candidates=candidates, clustering=stored) == asked(
        zoo, target, method=method, candidates=candidates
    )


@every_method
def test_only_candidates_are_recalled_scored_and_clustered(method):
    zoo, target = planted(4)
    candidates = [*zoo.models[3:17], "new1"]
    shortlist = asked(zoo, target, method=method, candidates=candidates, top_k=100)
    assert sorted(shortlist.models) == sorted(candidates)
    assert sorted(m for c in shortlist.clusters for m in c) == sorted(candidates[:-1])
    wanted = to_score(zoo, candidates, cluster(zoo, method=method), method=method)
    assert {*wanted} <= {*candidates}
    assert "new1" in wanted


@every_method
def test_entries_are_complete_and_best_first(method):
    zoo, target = planted(5)
    shortlist = asked(zoo, target, method=method, top_k=50)
    assert len(shortlist.models) == len({*shortlist.models}) == 32
    assert_best_first(shortlist.entries)
    assert shortlist.method == method
    assert shortlist.proxies == ("leep",)
    for entry in shortlist.entries:
        assert any(character.isdigit() for character in entry.reason)
        if entry.cluster is None:
            assert entry.model in ("new1", "new2")
            assert entry.representative is None
        else:
            assert entry.model in shortlist.clusters[entry.cluster]
            assert entry.representative in shortlist.clusters[entry.cluster]


def assert_best_first(entries):
    scores = [round(e.score, 12) for e in entries]  # equal but for rounding is equal
    assert scores == sorted(scores, reverse=True)


@every_method
@pytest.mark.parametrize("planting", [planted, minority])
@pytest.mark.parametrize("top_k", [1, 7, 29])
def test_the_recalled_are_best_first_whoever_they_are(method, planting, top_k):
    zoo, target = planting(5)
    whole, recalled = (asked(zoo, target, method=method, top_k=n) for n in (50, top_k))
    assert len(recalled.models) == top_k
    assert_best_first(recalled.entries)
    of_whole = {entry.model: entry for entry in whole.entries}
    assert all(entry == of_whole[entry.model] for entry in recalled.entries), "the choice changes no score"
    if "Chosen across clusters" not in recalled.regime:
        assert recalled.models == whole.models[:top_k]


def test_the_rest_follows_best_first_too():
    # What `rank` cuts off: all candidates, the recalled first.
    zoo, _ = minority(0)
    made = cluster(zoo).among(zoo.models, dict(zip(zoo.models, default.standing(zoo).tolist(), strict=True)))
    evidence = Evidence(
        matrix=zoo, clustering=made, unseen=("new",), scores={}, propagate="own", recorded={}, top_k=5, seed=0
    )
    entries, regime = default.rank(evidence)
    assert "Chosen across clusters" in regime
    assert sorted(entry.model for entry in entries) == sorted([*zoo.models, "new"])
    assert_best_first(entries[:5])
    assert_best_first(entries[5:])
    assert entries[5].score > entries[4].score, "not best first as a whole, or this shows nothing"


@every_method
@pytest.mark.parametrize(
    ("rows", "candidates", "top_k", "expected"),
    [
        ({"a": [0.5, 0.6]}, ["a"], 10, ("a",)),  # one model
        ({"a": [0.5], "b": [0.7]}, ["a", "b"], 10, ("b", "a")),  # one benchmark
        ({"a": [0.5], "b": [0.5]}, ["b", "a"], 1, ("a",)),  # a tie goes by name
        ({"a": [0.5], "b": [0.7]}, ["a", "b", "a"], 10, ("b", "a")),  # named twice, counts once
        ({"a": [0.5, NAN], "b": [0.7, NAN]}, ["a", "b"], 10, ("b", "a")),  # a column without a value
        ({"a": [0.5, 0.3], "b": [NAN, NAN], "c": [0.7, 0.4]}, ["a", "c"], 10, ("c", "a")),  # a row without
        ({"a": [NAN, 0.3], "b": [0.7, NAN]}, ["a", "b"], 10, None),  # nothing shared
    ],
)
def test_edges(method, rows, candidates, top_k, expected):
    shortlist = rank(matrix(rows), candidates, method=method, top_k=top_k)
    assert sorted(shortlist.models) == sorted(expected or candidates)
    assert expected is None or shortlist.models == expected
    assert ("fewer than the 10 asked for" in shortlist.regime) == (top_k == 10)


@every_method
def test_a_row_without_values_is_no_history(method):
    shortlist = rank(matrix({"a": [0.5, 0.3], "b": [NAN, NAN]}), ["a", "b"], method=method)
    assert {e.model: e.cluster for e in shortlist.entries} == {"a": 0, "b": None}
    assert shortlist.clusters == (("a",),)


@every_method
def test_an_empty_matrix_has_no_clusters(method):
    assert cluster(matrix({}), method=method).clusters == ()


STALE = Clustering(method="default", clusters=(("a",),), representatives=("a",), tau=0.1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"candidates": []}, NothingToRecallError, "`candidates` is empty"),
        ({"method": "papr"}, UnknownNameError, "no method is named 'papr'; did you mean paper?"),
        ({"propagate": "all"}, UnknownNameError, "no propagate is named 'all'"),
        ({"top_k": 0}, OptionError, "`top_k` is 0, but must be an integer of at least 1"),
        ({"top_k": -3}, OptionError, "`top_k` is -3"),
        ({"top_k": 2.5}, OptionError, "`top_k` is 2.5"),
        ({"tau": 0.0}, OptionError, "`tau` is 0.0, but must be a positive number"),
        ({"tau": -0.1}, OptionError, "`tau` is -0.1"),
        ({"tau": NAN}, OptionError, "`tau` is nan"),
        ({"seed": -1}, OptionError, "`seed` is -1, but must be an integer of at least 0"),
        ({"clustering": STALE, "tau": 0.1}, OptionError, "`tau` is 0.1, but must be left out where a clustering is"),
        ({"clustering": STALE}, OptionError, "`clustering` is 'without b'"),
        ({"clustering": STALE, "method": "paper"}, OptionError, "`clustering` is 'made by method default'"),
    ],
)
def test_bad_input(options, error, message):
    options = {"candidates": ["a", "b"], **options}
    with pytest.raises(error, match="^" + message.replace("?", r"\?")) as caught:
        rank(matrix({"a": [0.5], "b": [0.7]}), options.pop("candidates"), **options)
    assert isinstance(caught.value, RayselError)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"method": "papr"}, UnknownNameError),
        ({"propagate": "all"}, UnknownNameError),
        ({"method": "paper"}, OptionError),
    ],
)
def test_bad_input_of_to_score(options, error):
    with pytest.raises(error):
        to_score(matrix({"a": [0.5]}), ["a"], STALE, **options)


def test_bad_input_of_cluster():
    with pytest.raises(UnknownNameError):
        cluster(matrix({"a": [0.5]}), method="papr")


def test_priors_for_the_scheduler():
    zoo, target = planted(6)
    shortlist = asked(zoo, target)
    assert isinstance(shortlist, Shortlist)
    assert np.mean([*shortlist.priors.values()]) == pytest.approx(0, abs=1e-9)


def test_on_day_one_nothing_stands_beside_the_scores_of_training():
    scores = {"logme": {"a": 0.1, "b": 0.9}}
    alone = rank(matrix({}), ["a", "b"], proxy_scores=scores)
    assert alone.models == ("b", "a")
    assert set(alone.priors.values()) == {0.0}
    known = rank(matrix({"a": [0.5, 0.4], "c": [0.9, 0.8]}), ["a", "b", "c"], proxy_scores=scores)
    assert any(known.priors.values()), "one with history is enough"
