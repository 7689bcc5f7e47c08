"""What a selection does, as metrics."""

import math

import pytest

from raysel.trends import Selection, mine
from raysel.tune.metrics import LABELS, samples


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_every_metric_of_a_small_selection(lower_is_better: bool) -> None:
    sign = -1.0 if lower_is_better else 1.0
    trends = mine([], lower_is_better=lower_is_better)
    selection = Selection(method="default", policy="sync", stages=(1.0, 2.0, 5.0), trends=trends)
    for rank, (trial, score) in enumerate({"a": 0.9, "b": 0.5, "c": math.nan, "d": 0.8}.items()):
        selection.add(trial, model=trial, rank=rank)
        selection.report(trial, 1.0, score)
    selection.judge(arrivals=False)
    selection.report("a", 5.0, 0.95)
    selection.finish("a")
    found = samples(selection, {"a": 50.0, "b": 4.0, "c": 2.0}, lower_is_better=lower_is_better)
    assert {name: {key for n, key, _ in found if n == name} for name, _, _ in found} == {
        name: {label} for name, label in LABELS.items()
    }
    values = {(name, value): measured for (name, _, value), measured in found.items()}
    assert values["raysel_trials", "finished"] == 1
    assert values["raysel_trials", "stopped"] == values["raysel_trials_stopped", "behind"] + 1 == 2
    assert values["raysel_trials_stopped", "diverged"] == 1
    assert values["raysel_score", ""] == sign * 0.95
    assert values["raysel_steps", "spent"] == 8
    assert values["raysel_steps", "saved"] == 8
    assert values["raysel_seconds", "spent"] == 56
    assert values["raysel_seconds", "saved"] == 4 * 4 + 4 * 2


def test_nothing_has_happened_yet() -> None:
    selection = Selection(method="default", policy="sync", stages=(1.0,), trends=mine([], lower_is_better=False))
    found = samples(selection, {}, lower_is_better=False)
    assert set(found.values()) == {0.0}
    assert not any(name in ("raysel_score", "raysel_predicted_final") for name, _, _ in found)
