import re

import numpy as np
import pytest

from raysel.recall import cluster, rank, to_score
from raysel.recall.trust import learn
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
    with_proxy = rank(ZOO, [*scores], proxy_scores={"logme": scores})
    without = rank(ZOO, "abc")
    assert [m for m in with_proxy.models if len(m) == 1] == [*without.models]
    # ... but among those without history there is nothing else to go on.
    assert [m for m in with_proxy.models if len(m) > 1] == ["new2", "new1"]
    assert "logme not trusted (0.00) beside the history, since no benchmark dataset has 5 models" in with_proxy.regime


@pytest.mark.parametrize("seed", range(5))
def test_without_a_record_models_without_history_go_by_the_proxies_in_equal_shares(seed):
    scores = {
        "p": {"new1": 1.0, "new2": 2.0, "new3": 3.0},
        "q": {"new1": 5.0, "new2": 60.0, "new3": 7.0, "new4": 8.0},
    }
    models = rank(ZOO, ["a", "new1", "new2", "new3", "new4", "new5"], proxy_scores=scores, seed=seed).models
    # In deviations: new1 -1.22 -0.65, new2 0 +1.73, new3 +1.22 -0.56, new4 -0.52.
    assert [m for m in models if m != "a"] == ["new2", "new3", "new5", "new4", "new1"]


def test_a_proxy_that_proved_itself_moves_models():
    zoo, target = planted(0)
    scores = {m: -value for m, value in target.items()}  # turned round, to see that it is heeded
    shortlist = rank(
        zoo, zoo.models, proxy_scores={"oracle": scores}, recorded={"oracle": oracle(zoo)}, top_k=30, propagate="own"
    )
    plain = {e.model: e.score for e in rank(zoo, zoo.models, top_k=30).entries}
    best = max(scores, key=scores.__getitem__)
    entry = next(e for e in shortlist.entries if e.model == best)
    assert entry.score > plain[best]
    assert entry.proxies == {"oracle": scores[best]}
    assert "trusted 0." in entry.reason
    assert re.search(
        r"Trusted beside the history \(itself 0\.\d\d\): oracle 0\.\d\d; without: oracle 0\.86", shortlist.regime
    )
    assert "as learned on 12 benchmark datasets" in shortlist.regime


def test_scores_by_hand():
    # The score is prior x p + trust x q, with what was learned; a and b are scored on the target, c is not.
    zoo = matrix({model: [i + 1, [3, 1, 2, 5, 4][i]] for i, model in enumerate("abcde")})
    recorded = {(model, "d0"): score for model, score in zip("abcde", (2, 1, 3, 5, 4), strict=True)}
    trust = learn(zoo, {"p": recorded})
    shortlist = rank(
        zoo, "abc", proxy_scores={"p": {"a": 0.1, "b": 0.3}}, recorded={"p": recorded}, propagate="own", top_k=3
    )
    root = np.sqrt(2)
    p = {"a": (-root + 0) / 4, "b": (-root / 2 - root) / 4, "c": (0 - root / 2) / 4}
    assert {e.model: e.score for e in shortlist.entries} == pytest.approx(
        {
            "a": trust.prior * p["a"] - trust.beside_prior["p"],
            "b": trust.prior * p["b"] + trust.beside_prior["p"],
            "c": trust.prior * p["c"],
        }
    )


def test_of_several_proxies_each_counts_as_far_as_it_is_trusted():
    zoo, target = planted(0)
    rng = np.random.default_rng(0)
    scores = {
        "oracle": target,
        "luck": dict(zip(zoo.models, rng.normal(size=30).tolist(), strict=True)),
        "wrong": {m: -value for m, value in target.items()},
    }
    recorded = {
        "oracle": oracle(zoo),
        "luck": {cell: float(rng.normal()) for cell in oracle(zoo)},
        "wrong": {cell: -value for cell, value in oracle(zoo).items()},
    }
    options = {"top_k": 30, "propagate": "own"}
    whole = rank(zoo, zoo.models, proxy_scores=scores, recorded=recorded, **options)
    alone = rank(zoo, zoo.models, proxy_scores={"oracle": target}, recorded={"oracle": recorded["oracle"]}, **options)
    assert whole.proxies == ("oracle", "luck", "wrong")
    entry = whole.entries[0]
    assert entry.proxies == {proxy: scores[proxy][entry.model] for proxy in scores}
    for proxy in scores:
        assert f"; {proxy} {scores[proxy][entry.model]:.4g}, " in entry.reason
    assert "wrong 0.00" in whole.regime
    assert whole.models[:3] == alone.models[:3]
    one, other = ({e.model: e.score for e in found.entries} for found in (whole, alone))
    assert np.corrcoef([one[m] for m in zoo.models], [other[m] for m in zoo.models])[0, 1] > 0.99


def test_the_order_of_proxies_changes_no_score():
    zoo, target = planted(2)
    scores = {"p": target, "q": {m: value**2 for m, value in target.items()}, "r": {"m0-0": 1.0}}
    recorded = {"p": oracle(zoo), "q": oracle(zoo)}
    first = rank(zoo, zoo.models, proxy_scores=scores, recorded=recorded)
    again = rank(zoo, zoo.models, proxy_scores=dict(reversed(scores.items())), recorded=recorded)
    assert again.proxies == first.proxies[::-1]
    assert again.models == first.models
    assert [e.score for e in again.entries] == pytest.approx([e.score for e in first.entries])


def test_a_proxy_without_any_score_on_the_target_is_passed_over():
    zoo, target = planted(2)
    recorded = {"p": oracle(zoo), "q": oracle(zoo)}
    plain = rank(zoo, zoo.models, proxy_scores={"p": target}, recorded=recorded)
    for empty in ({}, {"elsewhere": 1.0}, {"m0-0": NAN}):
        assert rank(zoo, zoo.models, proxy_scores={"p": target, "q": empty}, recorded=recorded) == plain
    assert plain.proxies == ("p",)


def test_the_target_s_own_record_teaches_nothing():
    # `matrix` leaves the target out, so what is recorded on it is passed over.
    scores = dict.fromkeys("abc", 1.0)
    plain = rank(ZOO, "abc", proxy_scores={"p": scores})
    told = rank(ZOO, "abc", proxy_scores={"p": scores}, recorded={"p": {(m, "target"): 1.0 for m in "abc"}})
    assert plain == told


@pytest.mark.parametrize(
    ("propagate", "scores", "proxies"),
    [
        ("representative", {"a": 1.0, "c": 3.0}, {"a": 1.0, "b": 1.0, "c": 3.0, "d": 3.0}),
        ("representative", {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 3.0}),
        ("own", {"a": 1.0, "c": 3.0}, {"a": 1.0, "c": 3.0}),
        ("representative", {"b": 2.0, "a": NAN, "c": np.inf}, {"b": 2.0}),
    ],
)
def test_members_take_their_representative_s_score_where_they_have_none(propagate, scores, proxies):
    zoo = matrix({"a": [0.9, 0.9], "b": [0.89, 0.9], "c": [0.2, 0.2], "d": [0.19, 0.2]})
    shortlist = rank(zoo, "abcd", proxy_scores={"p": scores, "q": {"d": 7.0}}, propagate=propagate, tau=1)
    assert shortlist.clusters == (("a", "b"), ("c", "d"))
    assert {e.model: e.proxies["p"] for e in shortlist.entries if "p" in e.proxies} == proxies
    assert {e.model: e.proxies["q"] for e in shortlist.entries if "q" in e.proxies} == {"d": 7.0}


def test_a_missing_score_counts_as_average():
    zoo, target = planted(1)
    models = zoo.models[:6]
    scores = {m: target[m] for m in models[:5]}
    shortlist = rank(
        zoo, models, proxy_scores={"p": {**scores, models[5]: NAN}}, recorded={"p": oracle(zoo)}, propagate="own"
    )
    plain = {e.model: e.score for e in rank(zoo, models).entries}
    entry = next(e for e in shortlist.entries if e.model == models[5])
    assert entry.score == pytest.approx(learn(zoo, {"p": oracle(zoo)}).prior * plain[models[5]])
    assert entry.proxies == {}
    assert entry.reason.endswith("no p was had, so it counts as average (0 deviations)")


@pytest.mark.parametrize(
    ("propagate", "expected"),
    [("representative", ("a", "c", "new")), ("own", ("a", "b", "c", "d", "new"))],
)
def test_whom_to_score(propagate, expected):
    zoo = matrix({"a": [0.9, 0.9], "b": [0.89, 0.9], "c": [0.2, 0.2], "d": [0.19, 0.2]})
    assert to_score(zoo, ["new", "d", "c", "b", "a"], cluster(zoo, tau=1), propagate=propagate) == expected
    assert to_score(zoo, "abcd", cluster(zoo)) == ("a",), "a cluster to every four models"


@pytest.mark.parametrize("zoo", [matrix({}), ZOO])
def test_day_one_ranks_by_proxy(zoo):
    shortlist = rank(zoo, ["x", "y", "z"], proxy_scores={"logme": {"x": 1.0, "z": 3.0}})
    assert shortlist.models == ("z", "y", "x")  # y, which has no score, counts as average
    assert [e.score for e in shortlist.entries] == [1, 0, -1]
    assert "trusted 1.00" in shortlist.entries[0].reason
    assert shortlist.regime == (
        "Day one: no candidate has history, so logme alone ranks them. Every selection adds to the history. "
        "All 3 are recalled, fewer than the 10 asked for."
    )


def test_day_one_with_two_proxies_gives_each_an_equal_share():
    scores = {"logme": {"x": 1.0, "z": 3.0}, "knn": {"x": 0.0, "y": 0.5, "z": 0.25}}
    root = np.sqrt(1.5)  # knn's deviations are -root, root and 0
    shortlist = rank(matrix({}), ["x", "y", "z"], proxy_scores=scores)
    assert shortlist.models == ("y", "z", "x")
    assert [e.score for e in shortlist.entries] == pytest.approx([root / 2, 1 / 2, (-1 - root) / 2])
    assert shortlist.entries[0].proxies == {"knn": 0.5}
    assert shortlist.entries[0].reason == "no history, prior 0; knn 0.5, +1.22 deviations from average, trusted 0.50"
    assert "so logme and knn alone rank them" in shortlist.regime


@pytest.mark.parametrize("method", ["default", "paper"])
def test_day_one_without_a_proxy_is_a_seeded_draw(method):
    candidates = [f"m{i}" for i in range(20)]
    draws = [rank(matrix({}), candidates, method=method, seed=seed, top_k=5).models for seed in range(40)]
    assert draws == [rank(matrix({}), candidates[::-1], method=method, seed=s, top_k=5).models for s in range(40)]
    assert {m for draw in draws for m in draw} == {*candidates}
    assert "drawn at random (from the seed)" in rank(matrix({}), candidates, method=method).regime
