import re

import numpy as np
import pytest

from raysel.errors import DataError, OptionError
from raysel.recall import cluster, paper, rank, to_score
from tests.recall.zoos import matrix

NAN = np.nan

# d(a, b) = .05, d(a, c) = .4, d(b, c) = .35, so that with tau .1 the clusters are {a, b} and {c}.
ZOO = matrix({"a": [0.8, 0.6], "b": [0.7, 0.6], "c": [0.2, 0.4]})
# cosine(c, a) = .4 / (sqrt(.2) * 1); exp(-.5) = .60653, exp(-1) = .36788
LIKENESS = 0.4 / np.sqrt(0.2)


@pytest.mark.parametrize(
    ("proxy", "scores", "propagate", "expected"),
    [
        (None, None, "representative", {"a": 0.7, "b": 0.65, "c": 0.3 * LIKENESS}),
        (
            "leep",
            {"a": -0.5, "b": -1.0, "c": 0.0},  # b and c are not to be scored: their own scores do not count
            "representative",
            {"a": 0.7 * 0.60653, "b": 0.65 * 0.60653, "c": 0.3 * LIKENESS * 0.60653},
        ),
        (
            "leep",
            {"a": -0.5, "b": -1.0},
            "own",
            {"a": 0.7 * 0.60653, "b": 0.65 * 0.36788, "c": 0.3 * LIKENESS * 0.60653},
        ),
        # one score is scaled to 1, as all are equal
        ("logme", {"a": 3.0}, "representative", {"a": 0.7, "b": 0.65, "c": 0.3 * LIKENESS}),
        ("logme", {"a": 3.0, "b": 1.0}, "own", {"a": 0.7, "b": 0.65 * 0.36788, "c": 0.3 * LIKENESS}),
        # a missing score has the mean weight
        ("leep", {"a": -1.0}, "own", {"a": 0.7 * 0.36788, "b": 0.65 * 0.36788, "c": 0.3 * LIKENESS * 0.36788}),
        ("leep", {"a": NAN, "c": -1.0}, "representative", {"a": 0.7, "b": 0.65, "c": 0.3 * LIKENESS}),
    ],
)
def test_scores_by_hand(proxy, scores, propagate, expected):
    given = None if proxy is None else {proxy: scores}
    shortlist = rank(ZOO, ["a", "b", "c"], method="paper", tau=0.1, proxy_scores=given, propagate=propagate)
    assert shortlist.clusters == (("a", "b"), ("c",))
    assert {e.model: e.score for e in shortlist.entries} == pytest.approx(expected, rel=1e-4)


def test_entries_say_why():
    entries = rank(ZOO, "abc", method="paper", tau=0.1, proxy_scores={"leep": {"a": -0.5}}).entries
    assert [(e.model, e.cluster, e.representative, e.proxies) for e in entries] == [
        ("a", 0, "a", {"leep": -0.5}),
        ("b", 0, "a", {"leep": -0.5}),
        ("c", 1, "c", {}),
    ]
    assert [e.reason for e in entries] == [
        "mean performance 0.7000 x 0.6065, the weight of leep -0.5",
        "mean performance 0.6500 x 0.6065, the weight of leep -0.5 of its representative a",
        "mean performance 0.3000 x 0.5425, the mean of cosine x weight over 1 representative, as it is like no other",
    ]


def test_every_model_alone_is_its_own_representative():
    scores = {"a": -1.0, "b": -0.5, "c": -0.5}
    shortlist = rank(ZOO, "abc", method="paper", tau=0.01, proxy_scores={"leep": scores})
    assert shortlist.models == ("b", "a", "c")
    assert [e.score for e in shortlist.entries] == pytest.approx(
        [0.65 * 0.60653, 0.7 * 0.36788, 0.3 * 0.60653], rel=1e-4
    )


@pytest.mark.parametrize(
    ("tau", "propagate", "expected"),
    [
        (0.1, "representative", ("a", "new")),
        (0.1, "own", ("a", "b", "new")),
        (0.01, "representative", ("a", "b", "c", "new")),
        (0.01, "own", ("a", "b", "c", "new")),
        (10, "representative", ("a", "new")),
    ],
)
def test_whom_to_score(tau, propagate, expected):
    clustering = cluster(ZOO, method="paper", tau=tau)
    found = to_score(ZOO, ["new", "c", "b", "a"], clustering, method="paper", propagate=propagate)
    assert found == expected


def test_ties_by_mean_performance_then_by_name():
    # With weights 1/2 and 1, b and d score the same; e and f are equal in everything.
    zoo = matrix({"d": [0.4, 0.4], "c": [0.4, 0.4], "b": [0.8, 0.8], "a": [0.8, 0.8], "f": [0.1, 0.1], "e": [0.1, 0.1]})
    scores = {"a": np.log(0.5), "b": np.log(0.5), "c": 0.0, "d": 0.0, "e": 0.0, "f": 0.0}
    shortlist = rank(zoo, zoo.models, method="paper", tau=0.1, proxy_scores={"leep": scores})
    assert shortlist.models == ("a", "b", "c", "d", "e", "f")


@pytest.mark.parametrize("also", [{}, {"c": NAN}, {"nobody": 1.0}])
def test_one_proxy_is_taken(also):
    # A proxy without a score is none.
    scores = {"leep": {"a": -0.5}}
    plain = rank(ZOO, "abc", method="paper", proxy_scores=scores)
    assert rank(ZOO, "abc", method="paper", proxy_scores={"logme": also, **scores}) == plain
    assert plain.proxies == ("leep",)
    with pytest.raises(OptionError, match=r"`proxy_scores` is \['logme', 'leep'\], but must be of one proxy"):
        rank(ZOO, "abc", method="paper", proxy_scores={"logme": {"c": 1.0}, **scores})


def test_models_without_history_come_last_by_proxy():
    scores = {"a": -0.9, "new1": -0.8, "new2": -0.1, "new3": NAN}
    shortlist = rank(
        ZOO, ["new3", "new1", "new2", "c"], method="paper", tau=0.1, proxy_scores={"leep": scores}, top_k=4
    )
    assert shortlist.models == ("c", "new2", "new1", "new3")
    assert [e.cluster for e in shortlist.entries] == [0, None, None, None]
    assert [e.proxies for e in shortlist.entries] == [{}, {"leep": -0.1}, {"leep": -0.8}, {}]
    assert shortlist.regime.endswith("3 without history come after them.")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[-0.5], [-2.0], [NAN]], [0.75, 0.0, NAN]),
        ([[0.0], [0.0], [NAN]], [1.0, 1.0, NAN]),  # no error at all is perfect
    ],
)
def test_lower_is_better_is_turned_round(values, expected):
    scaled = paper.scaled(matrix(dict(zip("abc", values, strict=True)), lower_is_better=(True,)))
    assert scaled[:, 0] == pytest.approx(np.array(expected), nan_ok=True)


@pytest.mark.parametrize(
    ("value", "lower_is_better", "rule"),
    [
        (85.3, False, "column `d0` is 85.3, but must be at most 1 .*import percentages with a scale of 0.01"),
        (0.2, True, "column `d0` is -0.2, but must be at least 0 where lower is better"),
    ],
)
def test_values_out_of_scale_are_refused(value, lower_is_better, rule):
    zoo = matrix({"a": [value], "b": [-0.5]}, lower_is_better=(lower_is_better,))
    with pytest.raises(DataError, match=rule):
        rank(zoo, ["a"], method="paper")
    with pytest.raises(DataError, match=rule):
        cluster(zoo, method="paper")


def test_scores_of_0_or_less_count_in_means_but_not_in_distances():
    zoo = matrix({"a": [0.5, -0.1], "b": [0.5, 0.5]})
    assert np.isinf(paper.distances(zoo)[0, 1])
    assert paper.standing(zoo) == pytest.approx([0.2, 0.5])


def test_a_cosine_over_nothing_shared_is_0():
    zoo = matrix({"a": [0.5] * 6 + [NAN], "b": [0.5] * 6 + [NAN], "c": [NAN] * 6 + [0.9]})
    shortlist = rank(zoo, zoo.models, method="paper", tau=0.1)
    assert {e.model: e.score for e in shortlist.entries} == {"a": 0.5, "b": 0.5, "c": 0.0}


def test_too_many_models_are_refused_with_the_rule_and_what_to_use(monkeypatch):
    monkeypatch.setattr(paper, "LIMIT", 3)
    zoo = matrix({name: [0.5, 0.6] for name in "abcd"})
    rule = "`method` is 'paper', but must be 'default' for more than 3 models, and 4 have history here"
    with pytest.raises(OptionError, match=re.escape(rule)):
        rank(zoo, zoo.models, method="paper")
    with pytest.raises(OptionError, match="give fewer candidates"):
        cluster(zoo, method="paper")
    assert rank(zoo, zoo.models).models
    assert rank(zoo.restricted("abc"), "abc", method="paper").models
