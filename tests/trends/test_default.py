import numpy as np
import pytest

from raysel.trends import decide, mine
from raysel.trends.default import PRICE
from raysel.trends.episodes import MIN_DATASETS, reading
from tests.trends.tables import STEPS, going_on, run, trials

SIZE = 8
NAMES = "abcdefgh"


def recorded(told, *, datasets=8, seed=0, lower_is_better=False):
    """Past runs of eight models: finals at random, and scores at each step that tell so much of them, from 0 to 1."""
    rng, runs = np.random.default_rng(seed), []
    for number in range(datasets):
        finals, noise = rng.normal(size=SIZE), rng.normal(size=(SIZE, STEPS))
        for model, final, luck in zip(NAMES, finals, noise, strict=True):
            share = np.array(told)
            values = share * final + np.sqrt(1 - share**2) * luck
            runs.append(run(model, values, final, dataset=f"d{number}", lower_is_better=lower_is_better))
    return mine(runs, lower_is_better=lower_is_better)


def judged(scores, trends, *, fraction=0.2, price=PRICE, priors=None):
    ahead = [step / STEPS for step in range(1, STEPS + 1) if step / STEPS > fraction + 1e-9]
    return decide(trials(scores, priors), fraction=fraction, trends=trends, ahead=ahead, price=price)


SETTLED = [1.0] * STEPS  # what a first score says stays so
LATE = [0.1, 0.6, 1.0, 1.0, 1.0]  # first scores say little, later ones all
NEVER = [0.5] * STEPS  # nothing is learned by going on
EIGHT = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(SETTLED, 1, id="scores that settle early end all but the best"),
        pytest.param(NEVER, 1, id="so do scores that never tell more"),
        pytest.param(LATE, 8, id="scores that tell late let all go on"),
    ],
)
def test_trials_go_on_for_as_long_as_something_is_learned(told, expected):
    decisions = judged(EIGHT, recorded(told, datasets=30))
    assert len(going_on(decisions)) == expected
    assert "7" in going_on(decisions)  # the best always does


def test_who_is_far_behind_is_stopped_before_who_is_close():
    trends = recorded([0.6, 0.7, 0.8, 0.9, 1.0], datasets=30)
    counts = [len(going_on(judged(EIGHT, trends, price=price))) for price in (0, 0.2, 0.5, 1, 5)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 8
    assert counts[-1] == 1
    assert going_on(judged(EIGHT, trends, price=0.5)) == "01234567"[-counts[2] :]


def test_later_in_the_run_less_is_left_to_learn():
    trends = recorded([0.6, 0.7, 0.8, 0.9, 1.0], datasets=30)
    rates = []
    for fraction in (0.2, 0.4, 0.6, 0.8):
        decisions = judged(EIGHT, trends, fraction=fraction, price=0.3)
        rates.append(len(going_on(decisions)))
    assert rates[0] >= rates[-1]


def test_the_prior_counts_less_the_more_a_score_tells():
    weights = [reading(recorded([told] * STEPS, datasets=30), 0.2, first=0.2, size=8) for told in (0.2, 0.6, 1.0)]
    assert weights[0].score < weights[1].score < weights[2].score
    # Finals at random have nothing to do with the prior, so its weight stays near nothing whatever the scores say.
    assert all(found.prior < 0.2 for found in weights)
    priors = [-2.0, 2.0]
    assert going_on(judged([0.6, 0.4], recorded([1.0] * STEPS, datasets=30), priors=priors)) == "0"
    assert going_on(judged([0.6, 0.4], mine([], lower_is_better=False), priors=[-2.1, 2.1])) == "1"  # halving


def test_the_scale_is_that_of_all_that_began():
    trends = recorded([0.9, 0.92, 0.95, 0.97, 1.0], datasets=30)
    close = trials([0.500, 0.499])
    options = {"fraction": 0.4, "first": 0.2, "trends": trends, "ahead": [0.6, 0.8, 1.0], "price": 0.1}
    alone = decide(close, **options)
    among = decide(close, opening=[0.1, 0.2, 0.3, 0.4, 0.5], **options)
    assert going_on(alone) == "0"  # two scores are always two deviations apart
    assert going_on(among) == "01"  # but next to nothing beside how far all were apart


@pytest.mark.parametrize("datasets", [0, 1, MIN_DATASETS - 1])
def test_with_few_past_datasets_the_better_half_goes_on(datasets):
    decisions = judged(EIGHT, recorded(LATE, datasets=datasets) if datasets else mine([], lower_is_better=False))
    assert going_on(decisions) == "4567"
    assert "number 5 of 8 by score and recall prior" in decisions["t3"].reason


def test_equal_scores_all_go_on_while_something_is_to_be_learned():
    assert len(going_on(judged([0.5] * 8, recorded(LATE, datasets=30)))) == 8
    assert going_on(judged([0.5] * 8, recorded(SETTLED))) == "0"


def test_the_reason_tells_the_numbers():
    reason = judged(EIGHT, recorded(SETTLED))["t0"].reason
    assert reason.startswith("stopped: 0.000 at 20 % of the budget, predicted final ")
    assert (
        "deviations behind by score and recall prior (+0.00), training it on promises 0.00 a training where" in reason
    )
    assert reason.endswith(f"where {PRICE:g} is asked, as learned on 8 datasets; 1 of 8 goes on")
    best = judged(EIGHT, recorded(SETTLED))["t7"].reason
    assert "the leader; the best by score and recall prior (+0.00); 1 of 8 goes on" in best


def test_only_the_trials_asked_about_are_told():
    trends = recorded(LATE)
    everyone = judged(EIGHT, trends)
    some = decide(trials(EIGHT), fraction=0.2, trends=trends, ahead=[0.4, 0.6, 0.8, 1.0], about=["t3", "t5"])
    assert some == {name: everyone[name] for name in ("t3", "t5")}


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_a_reading_by_hand(lower_is_better):
    # Finals 1..8 in each dataset and scores equal to them at every step: nothing is left to learn.
    sign = -1 if lower_is_better else 1
    runs = [
        run(model, [sign * value] * STEPS, sign * value, dataset=f"d{number}", lower_is_better=lower_is_better)
        for number in range(6)
        for value, model in enumerate(NAMES, start=1)
    ]
    found = reading(mine(runs, lower_is_better=lower_is_better), 0.4, first=0.2, size=8)
    # Score, prior and final are one: 48 trials share the weight 1 between the two, ten more pull it to 0.6 and 0.3.
    both = 0.9 + 0.1 * 2 * 48 / (2 * 48 + 10)
    assert (found.score, found.prior) == (pytest.approx(both / 2 + 0.15), pytest.approx(both / 2 - 0.15))
    assert found.residual == pytest.approx((1 - both) ** 2)
    assert (found.spread, found.n_datasets) == (pytest.approx(1.0), 6)


def test_a_reading_looks_at_the_best_by_prior_alone():
    trends = recorded(LATE, datasets=10)
    few, all_ = (reading(trends, 0.2, first=0.2, size=size) for size in (4, 8))
    assert few.n_datasets == all_.n_datasets == 10
    assert few != all_


def test_shortlists_too_short_tell_nothing():
    assert reading(recorded(LATE), 0.2, first=0.2, size=2).n_datasets == 0
