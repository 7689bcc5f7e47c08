import math

import numpy as np
import pytest

from raysel.trends import decide, mine
from raysel.trends.default import standardised
from tests.trends.tables import going_on, past, run, trials

NAN, INF = math.nan, math.inf
UP, DOWN = "higher is better", "lower is better"


def judged(live, trends=None, *, lower_is_better=False):
    return decide(live, fraction=0.4, trends=trends or mine([], lower_is_better=lower_is_better))


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


def test_scores_are_clipped_at_three_times_the_upper_spread_below_the_median():
    # median 7.5, best 9: whatever is below 7.5 - 3 * 1.5 = 3 counts as 3
    clipped = standardised(np.array([9.0, 8.0, 7.0, 3.0]))
    np.testing.assert_allclose(clipped, np.array([2.25, 1.25, 0.25, -3.75]) / np.sqrt(5.1875))
    np.testing.assert_array_equal(standardised(np.array([9.0, 8.0, 7.0, -1e6])), clipped)
    assert standardised(np.array([9.0, 8.0, 7.0, 3.1]))[3] > clipped[3]


def test_the_predicted_final_adds_the_median_gain_of_past_runs():
    trends = past({"a": [(0.5, 0.51), (0.6, 0.63)], "b": [(0.7, 0.75)]})  # gains .01, .03, .05
    decision = judged(trials([0.6, 0.4]), trends)["t0"]
    assert decision.predicted_final == pytest.approx(0.63)
    assert decision.interval is None  # three runs tell no interval of 0.8


def test_the_interval_leaves_out_a_tenth_of_past_gains_on_either_side():
    gains = [0.01 * k for k in range(1, 20)]  # 19 runs: the second lowest to the second highest
    trends = past({"a": [(0.5, 0.5 + gain) for gain in gains]})
    decision = judged(trials([0.4, 0.3]), trends)["t0"]
    assert decision.predicted_final == pytest.approx(0.5)
    assert decision.interval == pytest.approx((0.42, 0.58))


@pytest.mark.parametrize(("runs", "has_interval"), [(8, False), (9, True)])
def test_nine_past_runs_are_the_fewest_that_tell_an_interval(runs, has_interval):
    trends = past({"a": [(0.5, 0.6 + index / 100) for index in range(runs)]})
    assert (judged(trials([0.5, 0.4]), trends)["t0"].interval is not None) == has_interval


def test_errors_shrink_by_a_ratio_whatever_their_unit():
    gains = [(1.0, 0.5), (100.0, 80.0), (0.01, 0.009)]  # ratios .5, .8, .9
    decisions = judged(trials([-3.0, -4.0]), past({"a": gains}, lower_is_better=True))
    assert decisions["t0"].predicted_final == pytest.approx(-2.4)
    assert "3.000 at 40 % of the budget, predicted final 2.400" in decisions["t0"].reason


def test_an_interval_of_errors_is_told_from_low_to_high():
    trends = past({"a": [(1.0, 0.1 * k) for k in range(1, 10)]}, lower_is_better=True)
    decision = judged(trials([-2.0, -3.0]), trends)["t0"]
    assert decision.interval == pytest.approx((-1.8, -0.2))
    assert "predicted final 1.000 (0.200 to 1.800)" in decision.reason


@pytest.mark.parametrize(("scores", "predicted"), [([0.2, -0.1], 0.2), ([-0.1, -0.2], -0.05)])
def test_an_error_below_zero_is_not_scaled(scores, predicted):
    trends = past({"a": [(1.0, 0.5)]}, lower_is_better=True)
    assert judged(trials(scores), trends)["t0"].predicted_final == predicted


def test_a_metric_to_be_minimised_that_goes_below_zero_adds_its_gain():
    trends = past({"a": [(0.5, -0.5), (-1.0, -2.0)]}, lower_is_better=True)
    assert judged(trials([-0.25, -3.0]), trends)["t0"].predicted_final == 0.75


@pytest.mark.parametrize(
    ("best", "predicted"),
    [(0.9, [1.0, 1.05, 0.7]), (1.2, [1.1, 1.35, 0.7])],  # a rate does not pass 1, other metrics may
)
def test_a_rate_is_not_predicted_above_one(best, predicted):
    trends = past({"a": [(0.3, 0.5), (0.5, 0.9), (best - 0.3, best)]})  # median gain .3
    decisions = judged(trials([0.8, 1.05, 0.4]), trends)
    assert [decisions[t].predicted_final for t in ("t0", "t1", "t2")] == pytest.approx(predicted)


def test_without_past_runs_the_last_score_is_the_prediction():
    decision = judged(trials([0.8, 0.7]))["t1"]
    assert (decision.predicted_final, decision.interval) == (0.7, None)
    assert "predicted final 0.700 for want of past runs" in decision.reason


def test_a_run_that_was_stopped_predicts_nothing():
    stopped = run("a", [0.1, 0.2], None, status="stopped")
    decision = judged(trials([0.8, 0.7]), mine([stopped], lower_is_better=False))["t0"]
    assert decision.predicted_final == 0.8


def test_a_stopped_run_beside_completed_ones_changes_no_prediction():
    completed = run("a", [1.0] * 5, 0.5, lower_is_better=True)
    stopped = run("b", [7.0] * 2, None, status="stopped", lower_is_better=True)
    for listed in ([completed], [completed, stopped]):
        trends = mine(listed, lower_is_better=True)
        assert judged(trials([-3.0, -4.0]), trends)["t0"].predicted_final == -1.5


@pytest.mark.parametrize(("score", "final"), [(1e-300, 1e300), (1e-100, 1e100)])
def test_a_prediction_that_overflows_falls_back_to_the_last_score(score, final):
    trends = past({"a": [(score, final)]}, lower_is_better=True)
    assert judged(trials([-1e250, -2e250]), trends)["t0"].predicted_final == -1e250


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        (
            "t0",
            "goes on: 0.830 at 40 % of the budget, predicted final 0.850, the leader; "
            "number 1 of 3 by score and recall prior (+0.50); 1 of 3 goes on",
        ),
        (
            "t1",
            "stopped: 0.710 at 40 % of the budget, predicted final 0.730, leader 0.830; "
            "number 2 of 3 by score and recall prior (-0.50); 1 of 3 goes on",
        ),
        ("t2", "stopped: its score is nan at 40 % of the budget, so it diverged; 1 of 3 goes on"),
    ],
)
def test_the_reason_tells_the_numbers(trial, reason):
    decisions = judged(trials([0.83, 0.71, NAN], [0.5, -0.5, 0]), past({"a": [(0.5, 0.52), (0.88, 0.9)]}))
    assert decisions[trial].reason == reason


def test_the_last_trial_says_that_it_is_the_last():
    assert judged(trials([0.83]))["t0"].reason == (
        "goes on: 0.830 at 40 % of the budget, predicted final 0.830 for want of past runs, the only live trial; "
        "number 1 of 1 by score and recall prior (+0.00); 1 of 1 goes on"
    )
    assert judged(trials([NAN, NAN]))["t0"].reason == (
        "goes on: its score is nan at 40 % of the budget, so it diverged, as did all, but it is the best recalled; "
        "1 of 2 goes on"
    )


@pytest.mark.parametrize(
    ("score", "told"), [(0.0, "0.000"), (1234.5678, "1.23e+03"), (0.00012, "0.00012"), (99.5, "99.500"), (-2, "-2.000")]
)
@pytest.mark.parametrize("direction", [UP, DOWN])
def test_scores_of_any_size_are_told_in_the_users_direction(direction, score, told):
    lower = direction == DOWN
    decisions = judged(trials([-score if lower else score]), lower_is_better=lower)
    assert decisions["t0"].reason.startswith(f"goes on: {told} at 40 %")
