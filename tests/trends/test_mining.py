import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysel.history import Curve
from raysel.trends import mine
from tests.trends.tables import past, run

finite = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def curves(draw):
    listed = []
    for index in range(draw(st.integers(1, 6))):
        steps = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=8)))
        listed.append(
            Curve(
                run_id=f"r{index}",
                model=draw(st.sampled_from("abc")),
                dataset=f"d{index}",
                status="completed",
                planned_steps=draw(st.sampled_from([20.0, 30.0, 40.0])),
                steps=np.array(steps, dtype=float),
                values=np.array(draw(st.lists(finite, min_size=len(steps), max_size=len(steps)))),
                final=draw(finite),
            )
        )
    return listed


@given(curves(), st.integers(1, 40).map(lambda step: step / 40))
def test_every_run_reads_as_its_curve_does(listed, fraction):
    trends = mine(listed, lower_is_better=False)
    ordered = sorted(listed, key=lambda curve: (curve.model, curve.dataset))
    np.testing.assert_allclose(trends.at(fraction), [c.at(fraction) for c in ordered], rtol=1e-9, atol=1e-6)
    for model in "abc":
        own = [c for c in ordered if c.model == model]
        np.testing.assert_array_equal(trends.finals[trends.rows(model)], [c.final for c in own])
        np.testing.assert_array_equal(trends.at(fraction, trends.rows(model)), trends.at(fraction)[trends.rows(model)])


def test_curves_of_different_length_and_spacing_are_aligned_by_fraction():
    short = run("a", [0.2, 0.4], 0.5, dataset="x", planned_steps=2)
    long = run("a", [0.1, 0.2, 0.3, 0.4], 0.6, dataset="y", planned_steps=4)
    trends = mine([long, short], lower_is_better=False)
    assert trends.at(0.5).tolist() == [0.2, 0.2]
    assert trends.at(0.75) == pytest.approx([0.3, 0.3])
    assert np.isnan(trends.at(0.25)).tolist() == [True, False]  # the short one was first measured half-way


def test_three_steps_of_five_are_read_without_interpolation():
    trends = mine([run("a", [0.1, 0.2, 0.3, 0.9, 0.9], 0.9)], lower_is_better=False)
    assert trends.at(0.1 * 6).tolist() == [0.3]  # 0.6000000000000001
    assert trends.at(np.nextafter(0.6, 0)).tolist() == [0.3]
    assert trends.at(np.nextafter(0.2, 0)).tolist() == [0.1]  # still within what was measured


def test_only_completed_runs_have_finals_and_failed_ones_are_left_out():
    trends = mine(
        [
            run("a", [0.1] * 5, 0.5, dataset="w"),
            run("a", [0.2] * 2, None, dataset="x", status="stopped"),
            run("a", [0.3] * 3, None, dataset="y", status="running"),
            run("a", [0.4] * 4, None, dataset="z", status="failed"),
            run("b", [], None, dataset="w", status="running"),
        ],
        lower_is_better=False,
    )
    assert trends.models == ("a",)
    assert trends.datasets == ("w", "x", "y")
    np.testing.assert_array_equal(trends.finals, [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(trends.at(0.6), [0.1, np.nan, 0.3])


def test_runs_of_the_other_direction_are_left_out():
    both = [run("a", [0.9] * 5, 0.9), run("b", [0.2] * 5, 0.3, lower_is_better=True)]
    assert mine(both, lower_is_better=False).models == ("a",)
    lower = mine(both, lower_is_better=True)
    assert (lower.models, lower.finals.tolist(), lower.at(1).tolist()) == (("b",), [-0.3], [-0.2])


def test_the_order_of_the_rows_changes_nothing():
    listed = [run(m, [i / 10] * 5, i / 10, dataset=d) for i, (m, d) in enumerate(["ax", "by", "ay", "bx"])]
    one, other = mine(listed, lower_is_better=False), mine(listed[::-1], lower_is_better=False)
    assert one.finals.tolist() == other.finals.tolist() == [0.0, 0.2, 0.3, 0.1]
    assert one.at(1).tolist() == other.at(1).tolist()


def test_an_empty_history_is_an_ordinary_state():
    trends = mine([], lower_is_better=False)
    assert (len(trends), trends.at(0.5).tolist(), trends.at(0.5, trends.rows("a")).tolist()) == (0, [], [])


def test_pickling_keeps_everything_but_the_cache():
    trends = past({"a": [(0.1, 0.2)], "b": [(0.3, 0.4)]})
    trends.cached("key", lambda: "big")
    copy = pickle.loads(pickle.dumps(trends))  # noqa: S301
    assert copy.at(0.4).tolist() == [0.1, 0.3]
    assert copy.cached("key", lambda: "computed again") == "computed again"
    assert trends.cached("key", lambda: "computed again") == "big"
