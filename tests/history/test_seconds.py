"""What runs that nobody made yet would take."""

from dataclasses import replace

import numpy as np
import pytest

from raysel.history import Curve
from raysel.history.seconds import expected_seconds


def curve(model: str, dataset: str, seconds: float | None, *, status: str = "completed") -> Curve:
    return Curve(
        run_id=f"{model}-{dataset}-{seconds}",
        model=model,
        dataset=dataset,
        status=status,  # type: ignore[arg-type]
        planned_steps=2,
        steps=np.array([1.0, 2.0]),
        values=np.array([0.5, 0.6]),
        seconds=None if seconds is None else np.array([seconds / 2, seconds]),
    )


def test_a_model_times_a_dataset() -> None:
    models, datasets = "abcdefgh", "stuvwxyz"
    truth = np.outer(1.5 ** np.arange(8), 2.0 ** np.arange(8))
    known = [curve(m, d, truth[i, j]) for i, m in enumerate(models) for j, d in enumerate(datasets) if (i + 2 * j) % 3]
    expected = expected_seconds(known, models, datasets)
    assert expected == pytest.approx(truth, rel=0.15)


def test_repeated_runs_count_by_their_median() -> None:
    known = [curve("a", "x", seconds) for seconds in (10.0, 11.0, 5000.0)]
    assert expected_seconds(known, ["a"], ["x"]) == pytest.approx(np.array([[11.0]]))


def test_seconds_of_other_hardware_are_not_mixed_in() -> None:
    known = [curve("a", "x", seconds) for seconds in (10.0, 11.0, 12.0)]
    slower = [replace(curve("a", "x", seconds), hardware="1 x a processor") for seconds in (5000.0, 6000.0)]
    assert expected_seconds([*slower, *known], ["a"], ["x"]) == pytest.approx(np.array([[11.0]]))


def test_what_is_new_is_told_by_its_size() -> None:
    known = [curve(model, "x", seconds) for model, seconds in (("a", 10.0), ("b", 40.0), ("c", 160.0))]
    parameters = {"a": 1e6, "b": 4e6, "c": 16e6, "new": 64e6}
    expected = expected_seconds(
        known, ["new", "unsized"], ["x", "y"], parameters=parameters, samples={"x": 50, "y": 500}
    )
    assert expected is not None
    assert expected[0, 0] == pytest.approx(640, rel=0.2)
    assert expected[1, 0] == pytest.approx(40, rel=0.2)
    assert expected[:, 1] == pytest.approx(10 * expected[:, 0], rel=0.05)


@pytest.mark.parametrize("known", [[], [curve("a", "x", None)], [curve("a", "x", 5.0, status="stopped")]])
def test_nothing_known(known: list[Curve]) -> None:
    assert expected_seconds(known, ["a"], ["x"]) is None
