"""`Selection`: what a host is told to do, whatever the order in which things happen."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysel.errors import OptionError
from raysel.trends import Selection, mine

NAN = math.nan
NOTHING = mine([], lower_is_better=False)


def begun(policy: str = "sync", *, stages: tuple[float, ...] = (1, 2, 3, 4, 5), trials: str = "abcd") -> Selection:
    selection = Selection(method="default", policy=policy, stages=stages, trends=NOTHING)  # type: ignore[arg-type]
    for rank, name in enumerate(trials):
        selection.add(name, model=name, rank=rank)
    return selection


def actions(made: dict) -> dict[str, str]:
    return {name: decision.action for name, decision in made.items()}


def test_sync_waits_for_every_live_trial_and_for_arrivals() -> None:
    selection = begun()
    for name, score in zip("abc", (0.5, 0.7, 0.6), strict=True):
        selection.report(name, 1, score)
        assert selection.waiting(name)
        assert selection.judge(arrivals=False) == {}
    selection.report("d", 1, 0.4)
    assert selection.judge(arrivals=True) == {}
    assert actions(selection.judge(arrivals=False)) == {"a": "stop", "b": "continue", "c": "continue", "d": "stop"}
    assert selection.standings() == {"a": "stopped", "b": "live", "c": "live", "d": "stopped"}
    assert not selection.waiting("b")
    assert selection.judge(arrivals=False) == {}


@pytest.mark.parametrize("leave", ["fail", "finish"])
def test_a_stage_closes_when_the_last_one_leaves(leave: str) -> None:
    selection = begun(trials="abc")
    selection.report("a", 1, 0.5)
    selection.report("b", 1, 0.7)
    getattr(selection, leave)("c")
    assert actions(selection.judge(arrivals=False)) == {"a": "stop", "b": "continue"}


def test_one_that_ended_early_counts_with_its_last_score() -> None:
    selection = begun(trials="ab")
    selection.report("a", 1, 0.9)
    selection.finish("a")
    selection.report("b", 1, 0.5)
    assert actions(selection.judge(arrivals=False)) == {"b": "stop"}
    assert selection.winner() == "a"


def test_a_failed_trial_comes_back_with_what_it_reported() -> None:
    selection = begun(trials="ab")
    selection.report("a", 1, 0.9)
    selection.report("b", 1, 0.5)
    selection.fail("a")
    selection.add("a", model="a")
    assert selection.waiting("a")
    assert actions(selection.judge(arrivals=False)) == {"a": "continue", "b": "stop"}
    selection.add("b", model="b")
    assert selection.standing("b") == "stopped", "only what failed is tried again"


def test_held_trials_wait_where_they_report_and_are_not_judged() -> None:
    selection = begun(stages=(2, 5), trials="ab")
    selection.report("a", 2, 0.9)
    selection.hold()
    assert selection.waiting("b")
    selection.report("b", 2, 0.5)
    assert selection.judge(arrivals=False) == {}
    assert selection.standings() == {"a": "live", "b": "live"}
    selection.report("b", 5, 0.95)
    assert not selection.waiting("b"), "at its end it has nothing to wait for"
    assert selection.winner() == "b"


def test_a_late_trial_is_judged_against_those_that_passed() -> None:
    selection = begun(trials="ab")
    for name, score in (("a", 0.5), ("b", 0.6)):
        selection.report(name, 1, score)
    selection.judge(arrivals=False)
    selection.report("b", 2, 0.65)
    selection.add("late", model="late", rank=5)
    assert selection.judge(arrivals=False) == {}, "b waits at its stage for the late one"
    selection.report("late", 1, 0.55)
    assert actions(selection.judge(arrivals=False)) == {"late": "stop", "b": "continue"}


def test_what_counts_is_the_first_score_at_the_stage() -> None:
    selection = begun(trials="ab")
    selection.report("a", 1, 0.5)
    selection.report("a", 1, 0.99)
    selection.report("a", 2, 0.99)
    selection.report("b", 1, 0.6)
    assert actions(selection.judge(arrivals=False)) == {"a": "stop", "b": "continue"}


def test_steps_that_miss_a_stage_count_at_the_next() -> None:
    selection = begun(stages=(2, 4, 10), trials="ab")
    selection.report("a", 1.5, 0.5)
    assert not selection.waiting("a")
    selection.report("a", 5, 0.9)
    selection.report("b", 3, 0.6)
    assert actions(selection.judge(arrivals=False)) == {"a": "continue", "b": "stop"}


def test_the_end_needs_no_decision() -> None:
    selection = begun(stages=(5,), trials="ab")
    selection.report("a", 5, 0.5)
    assert selection.at_end("a")
    assert not selection.waiting("a")
    assert selection.judge(arrivals=False) == {}


def test_all_diverged_leaves_the_best_recalled() -> None:
    selection = begun(trials="ab")
    selection.report("a", 1, NAN)
    selection.report("b", 1, NAN)
    assert actions(selection.judge(arrivals=False)) == {"a": "continue", "b": "stop"}


def test_async_holds_what_may_yet_turn_out_better() -> None:
    selection = begun("async", trials="abcd")
    selection.report("a", 1, 0.5)
    assert actions(selection.judge(arrivals=False)) == {"a": "continue"}, "the first has nobody to lose against"
    selection.report("b", 1, 0.4)
    assert selection.judge(arrivals=False) == {}
    assert selection.waiting("b")
    selection.report("c", 1, 0.1)
    selection.report("d", 1, 0.2)
    assert actions(selection.judge(arrivals=False)) == {"b": "continue", "c": "stop", "d": "stop"}


def test_async_stops_at_once_what_cannot_be_held() -> None:
    selection = begun("async", trials="abcd")
    selection.report("a", 1, 0.5)
    selection.judge(arrivals=False)
    selection.report("b", 1, 0.4)
    assert actions(selection.judge(arrivals=True, unpausable=("b",))) == {"b": "stop"}


def test_the_winner_has_the_best_last_score_and_is_in_play() -> None:
    selection = begun(trials="abc")
    selection.report("a", 1, 0.9)
    selection.report("b", 1, 0.8)
    selection.report("b", 2, 0.7)
    selection.report("c", 1, 0.75)
    selection.fail("a")
    assert selection.winner() == "c"
    assert begun(trials="a").winner() is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "later"}, "policy"),
        ({"stages": ()}, "stages"),
        ({"stages": (2.0, 1.0)}, "stages"),
        ({"stages": (1.0, 1.0)}, "stages"),
    ],
)
def test_bad_options_are_refused(options: dict, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        Selection(**{"method": "default", "policy": "sync", "stages": (1.0,), "trends": NOTHING, **options})


TABLES = st.lists(st.lists(st.floats(0, 1, allow_nan=False), min_size=5, max_size=5), min_size=1, max_size=9)


def outcome(selection: Selection) -> dict[str, tuple[str, float]]:
    return {name: (selection.standing(name), max(selection.curve(name))) for name in selection.standings()}


def played(
    table: list[list[float]],
    policy: str,
    order: list[int],
    *,
    slots: int,
    restart: bool = False,
    failing: frozenset[int] = frozenset(),
) -> Selection:
    """Runs a table on a few slots, every free slot taken by the first in `order` that may go on.

    Those `failing` fail after each step and are tried again, having told their last score once more.
    """
    names = [f"m{i}" for i in range(len(table))]
    selection = begun(policy, trials="")
    for rank, name in enumerate(names):
        selection.add(name, model=name, rank=rank)
    while True:
        free = [i for i in order if selection.standing(names[i]) == "live" and not selection.waiting(names[i])][:slots]
        if not free:
            return selection
        for i in free:
            if selection.standing(names[i]) != "live":
                continue
            step = int(max(selection.curve(names[i]), default=0)) + 1
            selection.report(names[i], step, table[i][step - 1])
            if step == 5:
                selection.finish(names[i])
            if i in failing and selection.standing(names[i]) == "live":
                selection.fail(names[i])
                selection.add(names[i], model=names[i], rank=i)
                selection.report(names[i], step, table[i][0])
            selection.judge(arrivals=False)
            if restart:
                state = json.loads(json.dumps(selection.state()))
                selection = begun(policy, trials="")
                selection.restore(state)


@given(table=TABLES, data=st.data(), slots=st.integers(1, 4))
def test_sync_decisions_depend_on_curves_alone(table: list[list[float]], data: st.DataObject, slots: int) -> None:
    order = data.draw(st.permutations(range(len(table))))
    straight = outcome(played(table, "sync", list(range(len(table))), slots=9))
    assert outcome(played(table, "sync", order, slots=slots)) == straight
    assert outcome(played(table, "sync", order, slots=slots, restart=True)) == straight


@given(table=TABLES, data=st.data(), slots=st.integers(1, 4), policy=st.sampled_from(["sync", "async"]))
def test_a_restart_after_every_report_changes_nothing(
    table: list[list[float]], data: st.DataObject, slots: int, policy: str
) -> None:
    order = data.draw(st.permutations(range(len(table))))
    failing = data.draw(st.frozensets(st.integers(0, len(table) - 1)))
    whole, anew = (
        played(table, policy, order, slots=slots, failing=failing, restart=restart) for restart in (False, True)
    )
    assert outcome(anew) == outcome(whole)
    assert anew.decisions == whole.decisions


@given(table=TABLES, data=st.data(), slots=st.integers(1, 4), policy=st.sampled_from(["sync", "async"]))
def test_every_run_ends_with_a_winner(table: list[list[float]], data: st.DataObject, slots: int, policy: str) -> None:
    order = data.draw(st.permutations(range(len(table))))
    selection = played(table, policy, order, slots=slots)
    assert "live" not in selection.standings().values()
    assert selection.winner() is not None


def test_state_is_plain_data() -> None:
    selection = begun(trials="ab")
    selection.report("a", 1, 0.5)
    selection.report("b", 1, 0.6)
    selection.judge(arrivals=False)
    copy = begun(trials="")
    copy.restore(json.loads(json.dumps(selection.state())))
    assert copy.state() == selection.state()
    assert copy.decisions == selection.decisions
