import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from raysel.history import Curve
from raysel.trends import Progress, decide, mine, stages, winner
from raysel.trends.paper import convergence_trends
from tests.trends.tables import STEPS, going_on, past, run, trials

NAN = math.nan


def judged(live, trends, *, margin=0.0):
    return decide(live, method="paper", fraction=0.4, trends=trends, margin=margin)


# One past run a model and letter: whatever its score, its predicted final is that run's final.
ENDS = {"a": 0.9, "b": 0.6, "c": 0.6, "d": 0.7}


@pytest.mark.parametrize("direction", ["higher is better", "lower is better"])
@pytest.mark.parametrize(
    ("models", "scores", "margin", "expected"),
    [
        pytest.param("abcd", [0.9, 0.8, 0.7, 0.6], 0, "0", id="the leader's trend drops all below its own"),
        pytest.param("abcd", [0.9, 0.8, 0.7, 0.6], 0.25, "03", id="a margin spares what is not so far below"),
        pytest.param("abcd", [0.9, 0.8, 0.7, 0.6], 0.31, "01", id="a margin that none is below leaves halving"),
        pytest.param("abcd", [0.9, 0.8, 0.7, 0.6], math.inf, "01", id="an infinite margin is no filter"),
        pytest.param("bacd", [0.9, 0.8, 0.7, 0.6], 0, "01", id="the best score stays whatever its trend"),
        pytest.param("bdcb", [0.9, 0.8, 0.7, 0.6], 0, "01", id="equal predictions do not drop: 2 does 0 no harm"),
        pytest.param("bcdb", [0.9, 0.8, 0.7, 0.6], 0, "01", id="a worse score drops none above it"),
        pytest.param("bbbb", [0.9, 0.8, 0.7, 0.6], 0, "01", id="equal trends leave halving"),
        pytest.param("bbbb", [0.6, 0.7, 0.8, 0.9], 0, "23", id="halving goes by score, not by rank"),
        pytest.param("bbbbb", [0.5, 0.5, 0.5, 0.5, 0.5], 0, "01", id="equal scores: the better recalled"),
        pytest.param("babb", [0.5, 0.5, 0.5, 0.4], 0, "01", id="an equal score drops none by its trend"),
        pytest.param("a", [0.5], 0, "0", id="one goes on"),
        pytest.param("ba", [0.5, 0.4], 0, "0", id="two leave one"),
        pytest.param("?bc?", [0.9, 0.8, 0.7, 0.6], 0, "01", id="no history: drops none, is not dropped, is halved"),
        pytest.param("a?cb", [0.9, 0.8, 0.7, 0.6], 0, "01", id="no history: stays where a trend would have dropped it"),
        pytest.param("????", [0.9, 0.8, 0.7, 0.6], 0, "01", id="no history at all: halving"),
        pytest.param("bbbb", [NAN, 0.7, NAN, 0.6], 0, "13", id="diverged ones are dropped first"),
        pytest.param("bbbb", [NAN, 0.7, 0.8, 0.6], 0, "12", id="and count among those that were live"),
        pytest.param("abcd", [-math.inf, math.inf, 0.8, 0.7], 0, "23", id="infinite either way is diverged"),
        pytest.param("cab", [NAN, NAN, NAN], 0, "0", id="all diverged: the best recalled"),
    ],
)
def test_who_goes_on(direction, models, scores, margin, expected):
    # Errors arrive negated: 1 - 0.9 = 0.1 is the -0.1 of the core, and one minus a final is its error likewise.
    lower = direction == "lower is better"
    trends = past({m: [(0.5, 1 - end if lower else end)] for m, end in ENDS.items()}, lower_is_better=lower)
    live = trials([score - 1 if lower else score for score in scores], models=models)
    assert going_on(judged(live, trends, margin=margin)) == expected


@pytest.mark.parametrize(
    ("score", "final"),
    [(0.0, 0.15), (0.10, 0.15), (0.19, 0.15), (0.22, 0.40), (0.39, 0.40), (0.41, 0.60), (0.61, 0.80), (5.0, 0.80)],
)
def test_a_predicted_final_is_the_mean_final_of_the_nearest_cluster(score, final):
    # Five points, four clusters: .10 and .12 are one of centre .11, whose runs ended at .10 and .20.
    trends = past({"a": [(0.30, 0.40), (0.10, 0.10), (0.50, 0.60), (0.12, 0.20), (0.70, 0.80)]})
    assert judged(trials([score]), trends)["t0"].predicted_final == pytest.approx(final)


@pytest.mark.parametrize("seed", range(8))
def test_of_two_clusters_as_near_the_lower_counts(seed):
    found = convergence_trends(past({"a": [(0.75, 0.9), (0.25, 0.3)]}), "a", fraction=0.4, seed=seed)
    assert found.final(0.5) == 0.3


@pytest.mark.parametrize("seed", range(8))
def test_clusters_are_those_of_ten_starts_of_k_means(seed):
    points = np.random.default_rng(seed).normal(size=(40, 2)).round(4)
    with threadpool_limits(1):
        means = KMeans(4, n_init=10, random_state=seed).fit(points[:, :1])
    found = convergence_trends(past({"a": points.tolist()}), "a", fraction=0.4, seed=seed)
    order = np.argsort(means.cluster_centers_[:, 0])
    assert found.centres == pytest.approx(means.cluster_centers_[order, 0])
    assert found.finals == pytest.approx([points[means.labels_ == c, 1].mean() for c in order])


def test_every_stage_has_its_own_clusters():
    trends = mine(
        [run("a", [0.1, 0.5, 0.5, 0.5, 0.5], 0.6, dataset="x"), run("a", [0.4, 0.2, 0.2, 0.2, 0.2], 0.3, dataset="y")],
        lower_is_better=False,
    )
    for fraction, final in ((0.2, 0.3), (0.4, 0.6), (0.2, 0.3)):
        decisions = decide(trials([0.4 if fraction == 0.2 else 0.5]), method="paper", fraction=fraction, trends=trends)
        assert decisions["t0"].predicted_final == final


def test_a_run_first_measured_later_tells_nothing_of_this_stage():
    late = Curve(
        run_id="r", model="a", dataset="late", status="completed", planned_steps=5,
        steps=np.array([4.0, 5.0]), values=np.array([0.1, 0.1]), final=0.1,
    )  # fmt: skip
    trends = mine([late, run("a", [0.5] * STEPS, 0.6)], lower_is_better=False)
    assert judged(trials([0.1]), trends)["t0"].predicted_final == 0.6


@pytest.mark.parametrize(
    ("points", "centres", "finals"),
    [
        ([(0.5, 0.6)], [0.5], [0.6]),
        ([(0.5, 0.6), (0.5, 0.8)], [0.5], [0.7]),
        ([(0.5, 0.6), (0.2, 0.3), (0.5, 0.8)], [0.2, 0.5], [0.3, 0.7]),
    ],
)
def test_there_are_as_many_clusters_as_distinct_points(points, centres, finals):
    found = convergence_trends(past({"a": points}), "a", fraction=0.4, seed=0)
    assert found.centres == pytest.approx(centres)
    assert found.finals == pytest.approx(finals)


@pytest.mark.parametrize(
    "points",
    [
        [(0.5, 0.6), (np.nextafter(0.5, 1), 0.6), (0.9, 0.95)],
        [(0.5, 0.6), (-1e11, -1e11), (0.5000001, 0.6), (0.5000002, 0.6)],
        [(0.5, 0.6), (-1e300, -1e300)],
    ],
)
def test_points_that_k_means_can_hardly_tell_apart_neither_fail_nor_warn(points):
    assert convergence_trends(past({"a": points}), "a", fraction=0.4, seed=0).final(0.5) == pytest.approx(0.6)


def test_runs_without_a_final_place_clusters_and_predict_nothing():
    listed = [
        run("a", [0.8] * STEPS, 0.9, dataset="x"),
        run("a", [0.6] * STEPS, 0.7, dataset="y"),
        run("a", [0.1, 0.1], None, dataset="z", status="stopped"),
    ]
    found = convergence_trends(mine(listed, lower_is_better=False), "a", fraction=0.4, seed=0)
    assert (found.centres.tolist(), found.finals.tolist()) == ([0.6, 0.8], [0.7, 0.9])
    assert found.final(0.1) == 0.7


def test_a_model_whose_runs_were_all_stopped_has_no_predicted_final():
    trends = mine([run("a", [0.1, 0.1], None, status="stopped")], lower_is_better=False)
    decision = judged(trials([0.5, 0.4]), trends)["t0"]
    assert decision.predicted_final is None
    assert "no final predicted" in decision.reason


@pytest.mark.parametrize(
    ("trial", "margin", "reason"),
    [
        (
            "t0",
            0,
            "goes on: 0.830 at 40 % of the budget, predicted final 0.900, the leader; 1 of 4 goes on",
        ),
        (
            "t1",
            0,
            "stopped: 0.710 at 40 % of the budget, predicted final 0.600, leader 0.830; a is ahead with 0.830 and is "
            "predicted to end at 0.900; 1 of 4 goes on",
        ),
        (
            "t1",
            0.1,
            "stopped: 0.710 at 40 % of the budget, predicted final 0.600, leader 0.830; a is ahead with 0.830 and is "
            "predicted to end at 0.900, more than the margin of 0.1 above; 1 of 4 goes on",
        ),
        (
            "t2",
            0.5,
            "stopped: 0.700 at 40 % of the budget, predicted final 0.600, leader 0.830; number 3 of 4 by score; "
            "2 of 4 go on",
        ),
        ("t3", 0, "stopped: its score is nan at 40 % of the budget, so it diverged; 1 of 4 goes on"),
    ],
)
def test_the_reason_tells_the_numbers(trial, margin, reason):
    trends = past({m: [(0.5, end)] for m, end in ENDS.items()})
    decisions = judged(trials([0.83, 0.71, 0.70, NAN], models="abcd"), trends, margin=margin)
    assert decisions[trial].reason == reason


def test_reasons_tell_errors_as_the_user_has_them():
    trends = past({"a": [(0.5, 0.31)]}, lower_is_better=True)
    decision = judged(trials([-0.42, -0.5]), trends)["t0"]
    assert decision.predicted_final == -0.31
    assert "0.420 at 40 % of the budget, predicted final 0.310" in decision.reason


def literal_fine_selection(past_val, past_test, target_val, *, margin, seed):
    """DESIGN section 6 word by word.

    past_val[m][d][t], past_test[m][d]: benchmark validation scores and test finals; target_val[m][t]; models in the
    order of recall. Returns the live sets after each epoch and the selected model.
    """
    live, history = list(target_val), []
    for t in range(STEPS):
        n = len(live)
        predicted = {}
        for m in live:
            points = [past_val[m][d][t] for d in sorted(past_val[m])]
            finals = [past_test[m][d] for d in sorted(past_val[m])]
            k = min(4, len(set(points)))
            means = KMeans(k, n_init=10, random_state=seed).fit(np.array(points).reshape(-1, 1))
            nearest = min(
                range(k),
                key=lambda c: (abs(means.cluster_centers_[c, 0] - target_val[m][t]), means.cluster_centers_[c, 0]),
            )
            predicted[m] = np.mean([f for f, label in zip(finals, means.labels_, strict=True) if label == nearest])
        best_recalled_last = [m for m in reversed(list(target_val)) if m in live]
        from_the_worst_up = sorted(best_recalled_last, key=lambda m: target_val[m][t])
        for m in from_the_worst_up:
            better = [q for q in live if target_val[q][t] > target_val[m][t]]
            if any(predicted[q] > predicted[m] + margin for q in better):
                live.remove(m)
        for m in from_the_worst_up:
            if len(live) > max(1, n // 2) and m in live:
                live.remove(m)
        history.append(sorted(live))
    return history, max(live, key=lambda m: target_val[m][-1])


score = st.integers(0, 20).map(lambda k: k / 20)
curve = st.lists(score, min_size=STEPS, max_size=STEPS)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_it_does_what_a_literal_transcription_does(data):
    models = "abcdefgh"[: data.draw(st.integers(1, 8))]
    datasets = [f"d{index}" for index in range(data.draw(st.integers(1, 6)))]
    past_val = {m: {d: data.draw(curve) for d in datasets} for m in models}
    past_test = {m: {d: data.draw(score) for d in datasets} for m in models}
    target_val = {m: data.draw(curve) for m in models}
    margin, seed = data.draw(st.sampled_from([0.0, 0.07, 0.3])), data.draw(st.integers(0, 5))

    trends = mine(
        [run(m, past_val[m][d], past_test[m][d], dataset=d) for m in models for d in datasets], lower_is_better=False
    )
    live, history = list(models), []
    for stage in stages(method="paper", max_t=STEPS):
        at = int(stage) - 1
        progress = [Progress(trial=m, model=m, score=target_val[m][at], rank=models.index(m)) for m in live]
        decisions = decide(progress, method="paper", fraction=stage / STEPS, trends=trends, margin=margin, seed=seed)
        live = [m for m in live if decisions[m].action == "continue"]
        history.append(sorted(live))
    selected = winner([p for p in progress if p.trial in live])
    with threadpool_limits(1):
        literal = literal_fine_selection(past_val, past_test, target_val, margin=margin, seed=seed)
    assert (history, selected) == literal
