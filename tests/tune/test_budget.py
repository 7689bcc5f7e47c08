"""What a selection may spend."""

import pytest

from raysel.errors import OptionError
from raysel.tune.budget import Budget, BudgetStopper


@pytest.mark.parametrize(
    ("text", "seconds", "of_gpus"),
    [
        ("90s", 90, False),
        ("45min", 2700, False),
        ("3h", 10800, False),
        ("0.5gpu-h", 1800, True),
        ("2 gpu-min", 120, True),
    ],
)
def test_amounts(text: str, seconds: float, of_gpus: bool) -> None:
    assert Budget.parse(text) == Budget(seconds=seconds, of_gpus=of_gpus)
    assert Budget.parse(str(Budget.parse(text)).replace("GPU-", "gpu-")) == Budget.parse(text)


@pytest.mark.parametrize("text", ["", "3", "0h", "-1h", "h", "3 days", "1e3s", "gpu-h"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(OptionError, match="budget"):
        Budget.parse(text)


def test_the_seconds_of_gpus_add_up() -> None:
    stopper = BudgetStopper(Budget.parse("100gpu-s"), gpus=0.5)
    for trial, seconds in (("a", 60.0), ("b", 80.0), ("a", 90.0)):
        assert not stopper(trial, {"time_total_s": seconds})
        assert not stopper.stop_all()
    stopper("b", {"time_total_s": 110.0})
    assert stopper.stop_all()
    assert stopper.over


def test_the_clock_runs_without_results() -> None:
    assert BudgetStopper(Budget(seconds=1e-9, of_gpus=False), gpus=0).stop_all()
    assert not BudgetStopper(Budget.parse("1h"), gpus=0).stop_all()
