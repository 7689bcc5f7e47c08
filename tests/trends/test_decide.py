import math
from dataclasses import replace

import pytest

from raysel.errors import OptionError, UnknownNameError
from raysel.trends import METHODS, Progress, decide, mine, winner
from tests.trends.tables import trials

NAN, INF = math.nan, math.inf
NOTHING = mine([], lower_is_better=False)
TWICE = [Progress(trial="t", model="a", score=0.1), Progress(trial="t", model="b", score=0.2)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("parameter", "value", "named"),
    [
        ("live", [], "live"),
        ("live", TWICE, "live"),
        ("live", trials([0.1, 0.2], [0, NAN]), "prior"),
        ("live", trials([0.1, 0.2], [INF, 0]), "prior"),
        ("fraction", 0, "fraction"),
        ("fraction", -0.1, "fraction"),
        ("fraction", 1.01, "fraction"),
        ("fraction", NAN, "fraction"),
        ("fraction", "0.4", "fraction"),
        ("fraction", True, "fraction"),
        ("ahead", [0.4], "ahead"),
        ("ahead", [0.8, 1.2], "ahead"),
        ("price", -0.1, "price"),
        ("price", INF, "price"),
        ("price", None, "price"),
        ("margin", -0.01, "margin"),
        ("margin", NAN, "margin"),
        ("margin", None, "margin"),
        ("seed", -1, "seed"),
        ("seed", 2**32, "seed"),
        ("seed", 0.5, "seed"),
        ("seed", None, "seed"),
        ("seed", False, "seed"),
    ],
)
def test_bad_input_is_refused_by_name(method, parameter, value, named):
    options = {"live": trials([0.1, 0.2]), "fraction": 0.4, "trends": NOTHING, "method": method, parameter: value}
    with pytest.raises(OptionError) as caught:
        decide(options.pop("live"), **options)
    assert caught.value.parameter == named


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match=r"no method is named 'asha'.*default, paper"):
        decide(trials([0.1]), method="asha", fraction=0.4, trends=NOTHING)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.7, 0.9, 0.8], "t1"),
        ([0.7, 0.9, 0.9], "t1"),
        ([-0.3, -0.2], "t1"),
        ([0.5], "t0"),
        ([NAN, -5.0], "t1"),
        ([INF, 0.1], "t1"),
        ([-INF, 0.1], "t1"),
        ([NAN, NAN], "t0"),
    ],
)
def test_the_best_last_score_wins(scores, expected):
    live = trials(scores)
    assert winner(live) == winner(live[::-1]) == expected


def test_trials_of_one_model_that_are_equal_are_told_apart_by_name():
    equal = [Progress(trial=name, model="a", score=0.5) for name in ("u", "t")]
    assert winner(equal) == "t"
    for method in METHODS:
        decisions = decide(equal, method=method, fraction=0.2, trends=NOTHING)
        assert {trial: d.action for trial, d in decisions.items()} == {"u": "stop", "t": "continue"}


def test_equal_scores_go_to_the_better_recalled_whatever_the_names():
    equal = [Progress(trial=name, model="a", score=0.5, rank=rank) for rank, name in enumerate("dcba")]
    assert winner(equal) == "d"
    for method in METHODS:
        for live in (equal, [replace(p, score=NAN) for p in equal]):
            decisions = decide(live, method=method, fraction=0.2, trends=NOTHING)
            expected = "d" if live is not equal else "dc"
            assert "".join(trial for trial, d in decisions.items() if d.action == "continue") == expected


@pytest.mark.parametrize("live", [[], TWICE])
def test_no_winner_of_none_or_of_the_same_trial_twice(live):
    with pytest.raises(OptionError, match="live"):
        winner(live)
