"""What every method of fine selection promises."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.trends import METHODS, Progress, decide, mine, stages, winner
from tests.trends.tables import STEPS, run

score = st.integers(-6, 6).map(lambda k: k / 4)
curve = st.lists(score, min_size=STEPS, max_size=STEPS)
prior = st.floats(-1.9, 1.9)


@st.composite
def histories(draw):
    """Past runs in one direction: completed, stopped, on several datasets, not for every model."""
    lower, runs = draw(st.booleans()), []
    for model in draw(st.sets(st.sampled_from("abcd"), max_size=4)):
        for dataset in draw(st.sets(st.sampled_from("xyz"), min_size=1)):
            values, final, status = draw(curve), draw(score), "completed"
            if draw(st.booleans()):
                values, final, status = values[:2], None, "stopped"
            runs.append(run(model, values, final, dataset=dataset, status=status, lower_is_better=lower))
    return mine(runs, lower_is_better=lower)


@st.composite
def live_trials(draw):
    """Trials with and without history, of equal and different scores, some diverged."""
    size = draw(st.integers(1, 9))
    ranks = draw(st.permutations(range(size)))
    return [
        Progress(
            trial=f"t{index}",
            model=draw(st.sampled_from("abcde")),
            score=draw(st.one_of(score, score, score, st.sampled_from([math.nan, math.inf, -math.inf]))),
            rank=rank,
            prior=draw(prior),
        )
        for index, rank in enumerate(ranks)
    ]


fractions = st.sampled_from([0.2, 0.5, 1.0])


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None)
@given(live=live_trials(), trends=histories(), fraction=fractions, data=st.data())
def test_every_method_keeps_its_promises(method, live, trends, fraction, data):
    options = {"method": method, "fraction": fraction, "trends": trends, "seed": 3}
    decisions = decide(live, **options)
    go_on = [p for p in live if decisions[p.trial].action == "continue"]
    finite = [p for p in live if math.isfinite(p.score)]

    assert list(decisions) == [p.trial for p in live]
    assert 1 <= len(go_on) <= (max(1, len(live) // 2) if method == "paper" else max(1, len(finite)))
    if finite:
        assert all(math.isfinite(p.score) for p in go_on)
    else:
        assert [p.rank for p in go_on] == [0]
    if method == "paper" and finite:
        assert max(finite, key=lambda p: (p.score, -p.rank)) in go_on
    assert decide(data.draw(st.permutations(live)), **options) == decisions
    names = st.frozensets(st.sampled_from([p.trial for p in live]))
    about, held = data.draw(names), data.draw(names)
    told = {t: d for t, d in decisions.items() if t in about and (d.action == "continue" or t not in held)}
    assert decide(live, about=about, held=held, **options) == told
    for p in live:
        decision = decisions[p.trial]
        assert decision.reason.startswith("goes on: " if p in go_on else "stopped: ")
        assert f"{len(go_on)} of {len(live)} go" in decision.reason
        if p in finite:
            assert f"{-p.score + 0.0 if trends.lower_is_better else p.score:.3f} at " in decision.reason
        else:
            assert decision.predicted_final is None
        if decision.interval is not None:
            assert decision.interval[0] <= decision.predicted_final <= decision.interval[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lower_is_better", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_planted_best_is_never_stopped(method, lower_is_better, seed):
    # Ten models .03 apart in quality; datasets shift all of them; every curve climbs by .3 and wobbles by .002.
    rng = np.random.default_rng(seed)
    quality = dict(zip("abcdefghij", 0.3 + 0.03 * rng.permutation(10), strict=True))
    climb = 0.3 * (np.arange(1, STEPS + 1) / STEPS - 1)

    def measured(model, shift):
        end = quality[model] + shift
        values = end + climb + rng.uniform(-0.002, 0.002, STEPS)
        return (1 - values, 1 - end) if lower_is_better else (values, end)

    past = [
        run(model, *measured(model, shift), dataset=f"d{shift}", lower_is_better=lower_is_better)
        for model in quality
        for shift in (0.0, 0.1, 0.2, 0.3, 0.35)
    ]
    trends = mine(past, lower_is_better=lower_is_better)
    on_target = {model: measured(model, 0.04)[0] * (-1 if lower_is_better else 1) for model in quality}
    # What recall knows of quality, half luck.
    spread = {model: (value - 0.435) / 0.086 for model, value in quality.items()}
    priors = {model: float(value + rng.normal()) / 2**0.5 for model, value in spread.items()}
    ranks = {model: rank for rank, model in enumerate(rng.permutation(list(quality)))}

    live = list(quality)
    for stage in stages(method=method, max_t=STEPS):
        progress = [
            Progress(trial=m, model=m, score=on_target[m][int(stage) - 1], rank=ranks[m], prior=priors[m]) for m in live
        ]
        ahead = [later / STEPS for later in range(int(stage) + 1, STEPS + 1)]
        decisions = decide(
            progress,
            method=method,
            fraction=stage / STEPS,
            trends=trends,
            ahead=ahead,
            opening=[on_target[m][0] for m in quality],
            first=1 / STEPS,
            seed=seed,
        )
        live = [m for m in live if decisions[m].action == "continue"]
        assert max(quality, key=quality.get) in live
    assert len(live) == 1
    assert winner([p for p in progress if p.trial in live]) == live[0]


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(score, min_size=2, max_size=10),
    priors=st.lists(prior, min_size=10, max_size=10),
    shift=st.integers(-1000, 1000),
    power=st.integers(-8, 8),
)
def test_the_default_ignores_shift_and_scale_of_the_metric(scores, priors, shift, power):
    trends = mine([], lower_is_better=False)

    def actions(values):
        live = [
            Progress(trial=f"t{rank}", model="a", score=value, rank=rank, prior=priors[rank])
            for rank, value in enumerate(values)
        ]
        return [decision.action for decision in decide(live, fraction=0.2, trends=trends).values()]

    # Both changes are exact in binary, so that nothing but the method itself could tell them apart.
    assert actions([(value + shift) * 2.0**power for value in scores]) == actions(scores)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_decisions(method):
    rng = np.random.default_rng(0)
    runs = [run("a", rng.uniform(size=STEPS), rng.uniform(), dataset=f"d{index}") for index in range(30)]
    live = [Progress(trial=f"t{rank}", model="a", score=rng.uniform(), rank=rank) for rank in range(8)]

    def decided(listed, seed):
        return decide(live, method=method, fraction=0.4, trends=mine(listed, lower_is_better=False), seed=seed)

    assert decided(runs, 1) == decided(runs[::-1], 1)
