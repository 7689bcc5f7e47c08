import numpy as np
import pytest

from raysel.recall import cluster, rank, to_score
from tests.recall.zoos import matrix, planted

NAN = np.nan

# z-scores: a (1, -1), b (-1, 1) and (0, 0) on any scale; priors are sums / 4.
ZOO = matrix({"a": [70, 0.1], "b": [50, 0.3], "c": [60, 0.2]})


def oracle(zoo):
    """A proxy recorded on the benchmark datasets that is the final itself."""
    return {(m, d): zoo.values[i, j] for i, m in enumerate(zoo.models) for j, d in enumerate(zoo.datasets)}


def test_prior_alone():
    zoo = matrix({"a": [3.0, NAN], "b": [1.0, 5.0], "c": [NAN, 7.0]})
    shortlist = rank(zoo, "abcd")
    assert {e.model: e.score for e in shortlist.entries} == pytest.approx({"a": 1 / 3, "b": -0.5, "c": 1 / 3, "d": 0})
    assert shortlist.models == ("a", "c", "d", "b")
    assert shortlist.entries[0].reason == "mean z-score +1.00 over 1 dataset, as prior +0.33"
    assert shortlist.regime.startswith(
        "3 candidates ranked by mean z-score on 2 benchmark datasets, 1 without history taken as average. "
        "No proxy score on the target"
    )


def test_a_proxy_without_record_does_not_move_models_with_history():
    scores = {"a": 0.0, "b": 9.0, "c": 5.0, "new1": 1.0, "new2": 2.0}
    with_proxy = rank(ZOO, [*scores], proxy="logme", proxy_scores=scores)
    without = rank(ZOO, "abc")
    assert [m for m in with_proxy.models if len(m) == 1] == [*without.models]
    # ... but among those without history there is nothing else to go on.
    assert [m for m in with_proxy.models if len(m) > 1] == ["new2", "new1"]
    assert "logme is not trusted (0.00)" in with_proxy.regime


def test_a_proxy_that_proved_itself_moves_models():
    zoo, target = planted(0)
    scores = {m: -value for m, value in target.items()}  # turned round, to see that it is heeded
    shortlist = rank(zoo, zoo.models, proxy="oracle", proxy_scores=scores, recorded=oracle(zoo), top_k=30)
    plain = {e.model: e.score for e in rank(zoo, zoo.models, top_k=30).entries}
    best = max(scores, key=scores.__getitem__)
    entry = next(e for e in shortlist.entries if e.model == best)
    assert entry.score > plain[best]
    assert entry.proxy == scores[best]
    assert "trusted 0." in entry.reason
    assert "as learned on 12 benchmark datasets" in shortlist.regime


def test_the_target_s_own_record_teaches_nothing():
    # `matrix` leaves the target out, so what is recorded on it is passed over.
    scores = dict.fromkeys("abc", 1.0)
    plain = rank(ZOO, "abc", proxy="p", proxy_scores=scores)
    told = rank(ZOO, "abc", proxy="p", proxy_scores=scores, recorded={(m, "target"): 1.0 for m in "abc"})
    assert plain == told


@pytest.mark.parametrize(
    ("propagate", "scores", "proxies"),
    [
        ("representative", {"a": 1.0, "c": 3.0}, {"a": 1.0, "b": 1.0, "c": 3.0, "d": 3.0}),
        ("representative", {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 3.0}),
        ("own", {"a": 1.0, "c": 3.0}, {"a": 1.0, "b": None, "c": 3.0, "d": None}),
        ("representative", {"b": 2.0, "a": NAN, "c": np.inf}, {"a": None, "b": 2.0, "c": None, "d": None}),
    ],
)
def test_members_take_their_representative_s_score_where_they_have_none(propagate, scores, proxies):
    zoo = matrix({"a": [0.9, 0.9], "b": [0.89, 0.9], "c": [0.2, 0.2], "d": [0.19, 0.2]})
    shortlist = rank(zoo, "abcd", proxy="p", proxy_scores=scores, propagate=propagate)
    assert shortlist.clusters == (("a", "b"), ("c", "d"))
    assert {e.model: e.proxy for e in shortlist.entries} == proxies


def test_a_missing_score_counts_as_average():
    zoo, target = planted(1)
    models = zoo.models[:6]
    scores = {m: target[m] for m in models[:5]}
    shortlist = rank(
        zoo, models, proxy="p", proxy_scores={**scores, models[5]: NAN}, recorded=oracle(zoo), propagate="own"
    )
    plain = {e.model: e.score for e in rank(zoo, models).entries}
    entry = next(e for e in shortlist.entries if e.model == models[5])
    assert entry.score == plain[models[5]]
    assert entry.reason.endswith("no p was had, so it counts as average (0 deviations)")


@pytest.mark.parametrize(
    ("propagate", "expected"),
    [("representative", ("a", "c", "new")), ("own", ("a", "b", "c", "d", "new"))],
)
def test_whom_to_score(propagate, expected):
    zoo = matrix({"a": [0.9, 0.9], "b": [0.89, 0.9], "c": [0.2, 0.2], "d": [0.19, 0.2]})
    assert to_score(zoo, ["new", "d", "c", "b", "a"], cluster(zoo), propagate=propagate) == expected


@pytest.mark.parametrize("zoo", [matrix({}), ZOO])
def test_day_one_ranks_by_proxy(zoo):
    shortlist = rank(zoo, ["x", "y", "z"], proxy="logme", proxy_scores={"x": 1.0, "z": 3.0})
    assert shortlist.models == ("z", "y", "x")  # y, which has no score, counts as average
    assert [e.score for e in shortlist.entries] == [1, 0, -1]
    assert "trusted 1.00" in shortlist.entries[0].reason
    assert shortlist.regime == (
        "Day one: no candidate has history, so logme alone ranks them. Every selection adds to the history. "
        "All 3 are recalled, fewer than the 10 asked for."
    )


@pytest.mark.parametrize("method", ["default", "paper"])
def test_day_one_without_a_proxy_is_a_seeded_draw(method):
    candidates = [f"m{i}" for i in range(20)]
    draws = [rank(matrix({}), candidates, method=method, seed=seed, top_k=5).models for seed in range(40)]
    assert draws == [rank(matrix({}), candidates[::-1], method=method, seed=s, top_k=5).models for s in range(40)]
    assert {m for draw in draws for m in draw} == {*candidates}
    assert "drawn at random (from the seed)" in rank(matrix({}), candidates, method=method).regime
