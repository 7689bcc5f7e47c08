import numpy as np
import pytest

from raysel.trends import decide, mine
from raysel.trends.outlook import standardised
from tests.trends.tables import past, run, trials


def judged(live, trends=None, *, lower_is_better=False):
    return decide(live, fraction=0.2, trends=trends or mine([], lower_is_better=lower_is_better))


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
    assert "3.000 at 20 % of the budget, predicted final 2.400" in decisions["t0"].reason


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
