import math

import pytest

from raysel.trends import decide, mine
from tests.trends.tables import going_on, past, trials

NAN, INF = math.nan, math.inf
UP, DOWN = "higher is better", "lower is better"


def judged(live, trends=None, *, lower_is_better=False):
    """Without enough past datasets to learn from, after a fifth of the budget."""
    return decide(live, fraction=0.2, trends=trends or mine([], lower_is_better=lower_is_better))


@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize(
    ("scores", "priors", "expected"),
    [
        pytest.param([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], None, "56789", id="the better half of ten"),
        pytest.param([1, 3, 2, 5, 4], None, "34", id="five leave two"),
        pytest.param([1, 3, 2], None, "1", id="three leave one"),
        pytest.param([1, 2], None, "1", id="two leave one"),
        pytest.param([1], None, "0", id="one goes on"),
        # z = +1, -1, so that priors 4 apart weigh as much as the scores
        pytest.param([8, 7], [-1.9, 1.9], "0", id="priors 3.8 apart leave the better score"),
        pytest.param([8, 7], [-2.1, 2.1], "1", id="priors 4.2 apart overrule it"),
        # unclipped z = .58, .58, .58, -1.73: the prior of .5 would do; clipped at 7.5 - 3 * 1.5 = 3 z = .99, .55, .11
        pytest.param([9, 8, 7, -1e9], [0, 0, 0.5, 0], "01", id="one far off does not squeeze the rest"),
        pytest.param([9, 8, 7, -1e300], [0, 0, 0.5, 0], "01", id="nor one whose square is infinite"),
        pytest.param([5, 5, 5, 5], None, "01", id="all equal: the better recalled"),
        pytest.param([5, 5, 5, 5], [0, 1, 0, 2], "13", id="all equal: the priors decide"),
        pytest.param([0.3, 0.1 + 0.2, 0.3], [0.1, 0, 0], "0", id="a difference of rounding is none"),
        pytest.param([0, 0, 0], None, "0", id="all zero"),
        pytest.param([0.1] * 7, [0] * 7, "012", id="all equal, no rounding of the mean tells them apart"),
        pytest.param([NAN, 3, 4, NAN], None, "12", id="diverged ones are dropped first"),
        pytest.param([NAN, 3, 4, 5], None, "23", id="and count among those that were live"),
        pytest.param([NAN, NAN, NAN, 1], None, "3", id="fewer may be left than could go on"),
        pytest.param([NAN, NAN, NAN], [0, 9, 0], "0", id="all diverged: the best recalled"),
        pytest.param([NAN], None, "0", id="one that diverged goes on"),
        pytest.param([INF, 3, -INF, 4], None, "13", id="infinite either way is diverged"),
    ],
)
def test_who_goes_on(direction, scores, priors, expected):
    # Inside the core higher is better: errors arrive negated, here as score - 10, so that all are below zero.
    shift = 10 if direction == DOWN else 0
    live = trials([score - shift for score in scores], priors)
    decisions = judged(live, lower_is_better=direction == DOWN)
    assert going_on(decisions) == expected
    assert list(decisions) == [p.trial for p in live]


def test_many_equal_scores_go_to_the_better_recalled():
    scores = [7 * k % 3 for k in range(60)]  # twenty of each, mixed
    decisions = judged(trials(scores))
    expected = [k for k in range(60) if scores[k] == 2] + [k for k in range(60) if scores[k] == 1][:10]
    assert {trial for trial, d in decisions.items() if d.action == "continue"} == {f"t{k}" for k in expected}


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        (
            "t0",
            "goes on: 0.830 at 20 % of the budget, predicted final 0.850, the leader; "
            "number 1 of 3 by score and recall prior (+0.50); 1 of 3 goes on",
        ),
        (
            "t1",
            "stopped: 0.710 at 20 % of the budget, predicted final 0.730, leader 0.830; "
            "number 2 of 3 by score and recall prior (-0.50); 1 of 3 goes on",
        ),
        ("t2", "stopped: its score is nan at 20 % of the budget, so it diverged; 1 of 3 goes on"),
    ],
)
def test_the_reason_tells_the_numbers(trial, reason):
    decisions = judged(trials([0.83, 0.71, NAN], [0.5, -0.5, 0]), past({"a": [(0.5, 0.52), (0.88, 0.9)]}))
    assert decisions[trial].reason == reason


def test_the_last_trial_says_that_it_is_the_last():
    assert judged(trials([0.83]))["t0"].reason == (
        "goes on: 0.830 at 20 % of the budget, predicted final 0.830 for want of past runs, the only live trial; "
        "number 1 of 1 by score and recall prior (+0.00); 1 of 1 goes on"
    )
    assert judged(trials([NAN, NAN]))["t0"].reason == (
        "goes on: its score is nan at 20 % of the budget, so it diverged, as did all, but it is the best recalled; "
        "1 of 2 goes on"
    )


@pytest.mark.parametrize(
    ("score", "told"), [(0.0, "0.000"), (1234.5678, "1.23e+03"), (0.00012, "0.00012"), (99.5, "99.500"), (-2, "-2.000")]
)
@pytest.mark.parametrize("direction", [UP, DOWN])
def test_scores_of_any_size_are_told_in_the_users_direction(direction, score, told):
    lower = direction == DOWN
    decisions = judged(trials([-score if lower else score]), lower_is_better=lower)
    assert decisions["t0"].reason.startswith(f"goes on: {told} at 20 %")


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.1, 10), (0.2, 5), (0.3, 5), (0.4, 2), (0.59, 2), (0.6, 1), (0.8, 1)],
)
def test_the_better_half_goes_on_after_each_fifth(fraction, expected):
    decisions = decide(trials([k / 10 for k in range(10)]), fraction=fraction, trends=mine([], lower_is_better=False))
    assert len(going_on(decisions)) == expected


def test_who_was_stopped_before_counts_among_those_that_began():
    live, nothing = trials([0.9, 0.8, 0.7, 0.6, 0.5]), mine([], lower_is_better=False)
    opening = [0.1 * k for k in range(10)]
    options = {"trends": nothing, "opening": opening, "first": 0.2}
    assert going_on(decide(live, fraction=0.3, **options)) == "01234"
    assert going_on(decide(live, fraction=0.4, **options)) == "01"
