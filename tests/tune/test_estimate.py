"""What a selection may be expected to spend."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysel import History
from raysel.tune.estimate import Pace, estimate, pace, storage_bytes


def test_nothing_is_said_without_a_time() -> None:
    assert estimate(["a", "b"], Pace(seconds={"c": 1.0}), epochs=5, first=0.2) is None


def test_ten_models_of_a_minute_an_epoch() -> None:
    found = estimate(
        [f"m{i}" for i in range(10)], Pace(seconds={f"m{i}": 60.0 for i in range(10)}), epochs=5, first=0.2
    )
    assert found is not None
    # 10 epochs and 4 more; 10 + 5 + 2 + 1 + 1; 50
    assert (found.least, found.likely, found.most) == (14 * 60, 19 * 60, 50 * 60)


@given(
    seconds=st.lists(st.floats(0.1, 1e4), min_size=1, max_size=12), unknown=st.integers(0, 5), epochs=st.integers(1, 9)
)
def test_the_likely_lies_between(seconds: list[float], unknown: int, epochs: int) -> None:
    names = [f"m{i}" for i in range(len(seconds) + unknown)]
    known = Pace(seconds=dict(zip(names, seconds, strict=False)))
    found = estimate(names, known, epochs=epochs, first=1 / epochs)
    assert found is not None
    assert found.measured == len(seconds)
    assert 0 < found.least * (1 - 1e-9) <= found.likely <= found.most


@pytest.mark.parametrize(
    ("parameters", "options", "expected"),
    [
        ([10, 20], {"running": None}, 12 * 60 + 4 * 30),
        ([10, 20], {"running": 1}, 12 * 50 + 4 * 30),
        ([10, 20, 5], {"running": 1, "top_k": 1}, 12 * 40 + 4 * 20),
    ],
)
def test_storage(parameters: list[int], options: dict, expected: int) -> None:
    assert storage_bytes(parameters, **options) == expected


@pytest.fixture
def timed_history(tmp_path: Path) -> History:
    """Runs and proxy scores of which nobody recorded the hardware."""
    history = History.create(tmp_path / "history")
    history.append(
        datasets=pd.DataFrame({"dataset": ["past"], "size": [500], "primary_metric": ["accuracy"], "mode": ["max"]}),
        # Four steps that are two epochs of 500 samples in 10 s: 0.01 s a sample; stopped half-way, the same pace.
        runs=pd.DataFrame(
            {
                "run_id": ["whole", "half", "untold"],
                "model": ["a", "a", "b"],
                "dataset": "past",
                "status": ["completed", "stopped", "completed"],
                "planned_steps": [4.0, 4.0, 4.0],
                "config": ['{"epochs":2}', '{"epochs":2}', "{}"],
            }
        ),
        observations=pd.DataFrame(
            {
                "run_id": ["whole", "half", "untold"],
                "step": [4.0, 2.0, 4.0],
                "split": "val",
                "metric": "accuracy",
                "value": 0.5,
                "seconds": [10.0, 5.0, 1.0],
            }
        ),
        proxies=pd.DataFrame(
            {"model": ["a", "b"], "dataset": "ours", "proxy": "logme", "value": 0.0, "seconds": [9.0, 2.0]}
        ),
    )
    return history


def paced(history: History, hardware: str) -> Pace:
    return pace(history, "ours", train=3000, val=500, hardware=hardware)


def test_recorded_runs_tell_better_than_forward_passes(timed_history: History) -> None:
    found = paced(timed_history, "")
    # b's forward pass was over 1,000 samples: 2 s of them, 3 x 3,000 + 500 for an epoch
    assert (found.seconds, found.elsewhere) == (pytest.approx({"a": 30.0, "b": 19.0}), None)


def test_seconds_of_other_hardware_count_where_there_are_no_others_and_are_told_as_such(timed_history: History) -> None:
    found = paced(timed_history, "1 x A10G")
    assert (found.seconds, found.elsewhere) == (pytest.approx({"a": 30.0, "b": 19.0}), "")
    estimated = estimate(["a", "b"], found, epochs=1, first=1.0)
    assert estimated is not None
    assert estimated.elsewhere == ""


def test_seconds_of_other_hardware_are_left_out_where_there_are_some_of_this(timed_history: History) -> None:
    row = {"model": ["c"], "dataset": "ours", "proxy": "logme", "value": 0.0, "seconds": [0.2], "hardware": "1 x A10G"}
    timed_history.append(proxies=pd.DataFrame(row))
    found = paced(timed_history, "1 x A10G")
    assert (found.seconds, found.elsewhere) == (pytest.approx({"c": 1.9}), None)
    # Of others, those of the hardware with the most models: nothing is compared across.
    assert paced(timed_history, "1 x H100").elsewhere == ""
    assert set(paced(timed_history, "1 x H100").seconds) == {"a", "b"}
