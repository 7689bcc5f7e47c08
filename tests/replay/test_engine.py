"""The engine against hand-computed clocks, and what it does when a scheduler or a searcher is stuck."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, HyperBandScheduler, TrialScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher

from raysel import History, TrendScheduler
from raysel.errors import OptionError
from raysel.replay.engine import DeadlockError, Halving, InOrder, UpTo, replay
from raysel.replay.outcome import Costs, Replay, ReplayedTrial, unit
from tests.replay.recorded import by_model, run

TWO = by_model(run("a", [0.5, 0.6]), run("b", [0.4, 0.7]))
FOUR = by_model(*(run(name, [score, score]) for name, score in zip("abcd", [0.4, 0.3, 0.2, 0.1], strict=True)))


@pytest.mark.parametrize(
    ("runs", "options", "makespan", "busy"),
    [
        (TWO, {}, 40, 40),
        (TWO, {"workers": 2, "max_pending": 2}, 20, 40),
        (TWO, {"workers": 9, "max_pending": 1}, 20, 40),
        # The second starts when the first runs: one trial may be pending, and it is until it has started.
        (TWO, {"workers": 2, "costs": Costs(start=5)}, 30, 50),
        (TWO, {"workers": 2, "max_pending": 2, "costs": Costs(start=5)}, 25, 50),
        (TWO, {"costs": Costs(start=5)}, 50, 50),
        # No seconds on record: a unit a step, however steps are spaced.
        (by_model(run("a", [0.5, 0.6], steps=[3, 8], seconds=None)), {}, 8, 8),
        (by_model(run("a", [0.5, 0.6]), run("b", [0.5, 0.6], seconds=None)), {}, 4, 4),
        (FOUR, {"workers": 3, "max_pending": 3}, 40, 80),
    ],
)
def test_the_clock(runs, options, makespan, busy):
    found = replay(runs, searcher=InOrder(runs), scheduler=FIFOScheduler(), **options)
    assert (found.makespan, found.busy) == (makespan, busy)
    assert found.steps == sum(one.steps[-1] for one in runs.values())
    assert [trial.stopped_at for trial in found.trials] == [None] * len(runs)


@pytest.mark.parametrize(
    ("costs", "workers", "makespan", "busy"),
    [
        # a, b, c and d to their first step, then a to its second
        (Costs(), 1, 50, 50),
        (Costs(), 2, 30, 50),
        (Costs(), 4, 20, 50),
        (Costs(start=1, pause=2, resume=3), 1, 4 * 13 + 13, 65),
        (Costs(start=1, pause=2, resume=3), 4, 13 + 13, 65),
    ],
)
def test_pausing_and_resuming_cost_what_is_stated(costs, workers, makespan, busy):
    scheduler = Halving(stages=[1], reduction=float("inf"))
    found = replay(FOUR, searcher=InOrder(FOUR), scheduler=scheduler, workers=workers, max_pending=workers, costs=costs)
    assert (found.makespan, found.busy) == (makespan, busy)
    assert {trial.model: trial.stopped_at for trial in found.trials} == {"a": None, "b": 1, "c": 1, "d": 1}
    assert found.selected == "a"
    assert [event.decision for event in found.events].count("PAUSE") == 4


@pytest.mark.parametrize("lower_is_better", [False, True])
@pytest.mark.parametrize(
    "scheduler",
    [
        lambda: Halving(stages=[1]),
        lambda: AsyncHyperBandScheduler(time_attr="step", max_t=2, reduction_factor=2),
        lambda: HyperBandScheduler(time_attr="step", max_t=2, reduction_factor=2),
    ],
)
def test_the_best_wins_in_either_direction(scheduler, lower_is_better):
    sign = -1 if lower_is_better else 1
    scores = [0.1, 0.2, 0.3, 0.4][::sign]  # in the core's direction the last is the best
    runs = by_model(
        *(
            run(name, [sign * score, sign * score], lower_is_better=lower_is_better)
            for name, score in zip("abcd", scores, strict=True)
        )
    )
    found = replay(runs, searcher=InOrder(runs), scheduler=scheduler())
    assert found.selected == "d"


def test_a_trend_scheduler_on_fewer_workers_than_trials(tmp_path):
    history = History.create(str(tmp_path / "history"))
    runs = by_model(*(run(f"m{i}", [0.1 * i] * 5) for i in range(8)))
    for workers in (1, 3, 8):
        scheduler = TrendScheduler(history, target="target", max_t=5, time_attr="step")
        found = replay(runs, searcher=InOrder(runs), scheduler=scheduler, workers=workers, max_pending=workers)
        assert {t.model: t.steps for t in found.trials} == {
            **{f"m{i}": 1 for i in range(4)},
            "m4": 2,
            "m5": 2,
            "m6": 3,
            "m7": 5,
        }
        assert found.selected == "m7"
        assert scheduler.selection.winner() == "t000007"


EIGHT = by_model(*(run(f"m{i}", [0.1 * i] * 5, steps=[2, 4, 6, 8, 10]) for i in range(8)))


@pytest.mark.parametrize("workers", [1, 3, 8])
@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"stages": [2, 4, 6, 8]}, [2, 2, 2, 2, 4, 4, 6, 10]),
        ({"stages": [2], "reduction": float("inf")}, [2, 2, 2, 2, 2, 2, 2, 10]),
        ({"stages": [4, 8], "reduction": 3}, [4, 4, 4, 4, 4, 4, 8, 10]),
        ({"stages": [2, 6], "reduction": 1}, [10] * 8),
        # A stage between two reports is judged at the first after it; both of these at the same one.
        ({"stages": [2.5, 3.5]}, [4, 4, 4, 4, 4, 4, 10, 10]),
    ],
)
def test_halving_stops_whom_it_should(options, steps, workers):
    found = replay(EIGHT, searcher=InOrder(EIGHT), scheduler=Halving(**options), workers=workers, max_pending=workers)
    assert [trial.steps for trial in found.trials] == steps
    assert found.selected == "m7"


def test_a_diverged_trial_is_halved_away():
    runs = by_model(run("a", [0.5, 0.6]), run("b", [0.4, 0.5]))
    scheduler = Halving(stages=[1])
    scheduler.set_search_properties("score", "max")
    first, second = (Trial("replay", stub=True, trial_id=name) for name in runs)
    assert scheduler.on_trial_result(None, first, {"score": float("nan"), "step": 1}) == TrialScheduler.PAUSE
    assert scheduler.on_trial_result(None, second, {"score": 0.1, "step": 1}) == TrialScheduler.PAUSE
    stopped = []

    class Controller:
        class search_alg:  # noqa: N801
            is_finished = staticmethod(lambda: True)

        get_trials = staticmethod(lambda: [first, second])
        stop_trial = staticmethod(stopped.append)

    first.status = second.status = Trial.PAUSED
    assert scheduler.choose_trial_to_run(Controller) is second
    assert stopped == [first]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Halving(stages=[]), "stages"),
        (lambda: Halving(stages=[2, 2]), "stages"),
        (lambda: Halving(stages=[1], reduction=0.5), "reduction"),
        (lambda: Halving(stages=[1], reduction=float("nan")), "reduction"),
        (lambda: UpTo(0, InOrder([])), "count"),
        (lambda: UpTo(True, InOrder([])), "count"),
    ],
)
def test_bad_schedulers_and_searchers_are_refused(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_a_searcher_can_be_cut_off():
    found = replay(FOUR, searcher=UpTo(3, InOrder(FOUR)), scheduler=FIFOScheduler())
    assert [trial.model for trial in found.trials] == ["a", "b", "c"]


class Stuck(FIFOScheduler):
    """Pauses every trial and resumes none."""

    def on_trial_result(self, tune_controller, trial, result):
        return TrialScheduler.PAUSE

    def choose_trial_to_run(self, tune_controller):
        return next((t for t in tune_controller.get_trials() if t.status == Trial.PENDING), None)


class Silent(InOrder):
    """Proposes one trial and then neither another nor the end."""

    def suggest(self, trial_id):
        config = super().suggest(trial_id)
        return None if config == Searcher.FINISHED else config


def test_a_deadlock_is_raised():
    with pytest.raises(DeadlockError, match=r"Stuck waits for ever at 40 .*: 4 trials left \(a is PAUSED; b is"):
        replay(FOUR, searcher=InOrder(FOUR), scheduler=Stuck())
    with pytest.raises(DeadlockError, match="no trial proposed"):
        replay(TWO, searcher=Silent(TWO), scheduler=FIFOScheduler())
    with pytest.raises(DeadlockError, match="proposed no trial"):
        replay(TWO, searcher=InOrder([]), scheduler=FIFOScheduler())


def test_a_time_budget_ends_what_hangs_and_what_takes_too_long():
    found = replay(FOUR, searcher=InOrder(FOUR), scheduler=Stuck(), time_budget=100)
    assert (found.ended, found.makespan, found.busy, found.steps) == ("time budget", 100, 40, 4)
    found = replay(FOUR, searcher=InOrder(FOUR), scheduler=FIFOScheduler(), time_budget=35)
    assert (found.ended, found.makespan, found.busy, found.steps) == ("time budget", 35, 35, 3)
    assert [trial.stopped_at for trial in found.trials] == [None, 1, 0], "the last was still pending"


def test_a_limiter_limits_as_in_tune():
    limited = ConcurrencyLimiter(InOrder(FOUR), max_concurrent=2)
    assert replay(FOUR, searcher=limited, scheduler=FIFOScheduler(), workers=4).makespan == 40


def test_brackets_are_drawn_with_the_seed_and_the_global_state_is_left_alone():
    runs = by_model(*(run(f"m{i}", [1 - 0.1 * i] * 5) for i in range(9)))

    def steps(seed):
        scheduler = AsyncHyperBandScheduler(time_attr="step", max_t=5, reduction_factor=2, brackets=3)
        return [t.steps for t in replay(runs, searcher=InOrder(runs), scheduler=scheduler, seed=seed).trials]

    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    drawn = [steps(seed) for seed in range(5)]
    assert drawn == [steps(seed) for seed in range(5)]
    assert len({tuple(one) for one in drawn}) > 1
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=7),
    st.integers(1, 8),
    st.integers(1, 8),
)
def test_workers_are_never_overbooked_and_no_step_is_made_twice(table, workers, max_pending):
    runs = by_model(*(run(f"m{i}", values, seconds=1.0 + i) for i, values in enumerate(table)))
    found = replay(
        runs,
        searcher=InOrder(runs),
        scheduler=HyperBandScheduler(time_attr="step", max_t=4, reduction_factor=2),
        workers=workers,
        max_pending=max_pending,
        costs=Costs(start=0.5, pause=0.25, resume=0.125),
        time_budget=1000,
    )
    assert len({(event.model, event.step) for event in found.events}) == len(found.events)
    assert all(a.time <= b.time for a, b in pairwise(found.events))
    assert found.busy <= workers * found.makespan + 1e-6
    assert {t.model: t.steps for t in found.trials} == {
        t.model: max((e.step for e in found.events if e.model == t.model), default=0) for t in found.trials
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": True}, "workers"),
        ({"workers": 1.5}, "workers"),
        ({"runs": {}}, "runs"),
        ({"runs": by_model(run("a", [1.0]), run("b", [-1.0], lower_is_better=True))}, "one direction"),
        ({"scheduler": AsyncHyperBandScheduler(metric="score", mode="max")}, "without metric and mode"),
    ],
)
def test_bad_options_are_refused(options, words):
    given_options = {"runs": TWO, "searcher": InOrder(TWO), "scheduler": FIFOScheduler(), **options}
    with pytest.raises(OptionError, match=words):
        replay(given_options.pop("runs"), **given_options)


@pytest.mark.parametrize("cost", ["start", "pause", "resume"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_bad_costs_are_refused(cost, value):
    with pytest.raises(OptionError, match=cost):
        Costs(**{cost: value})


def trial(model, steps, score):
    return ReplayedTrial(model=model, steps=steps, seconds=1.0, stopped_at=None, score=score)


@pytest.mark.parametrize(
    ("trials", "selected"),
    [
        ([trial("a", 5, 0.5), trial("b", 5, 0.6), trial("c", 1, 0.9)], "b"),
        ([trial("a", 5, 0.5), trial("b", 5, 0.5)], "a"),
        ([trial("a", 0, None), trial("b", 0, None)], "a"),
    ],
)
def test_the_best_of_those_that_came_furthest_is_selected(trials, selected):
    assert Replay(trials=tuple(trials), makespan=1.0).selected == selected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (FOUR, 1),
        ([run("a", [0.1] * 5, steps=[0, 10, 20, 30, 40])], 10),
        ([run("a", [0.1] * 4, steps=[16, 32, 64, 128])], 32),
        ([run("a", [0.1] * 4, steps=[1, 2, 3, 4]), run("b", [0.1], steps=[4]), run("c", [0.1], steps=[4])], 4),
        ([run("a", [0.1], steps=[0.5])], 0.5),
    ],
)
def test_the_unit_that_schedulers_count_in(runs, expected):
    assert unit(runs.values() if isinstance(runs, dict) else runs) == expected
