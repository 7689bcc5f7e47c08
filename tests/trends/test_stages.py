import math

import pytest

from raysel.errors import OptionError, UnknownNameError
from raysel.trends import METHODS, stages


@pytest.mark.parametrize(
    ("method", "max_t", "grace_period", "expected"),
    [
        ("paper", 5, 1, (1, 2, 3, 4, 5)),
        ("paper", 5, 3, (3, 4, 5)),
        ("paper", 5, 2.5, (3, 4, 5)),
        ("paper", 5, 5, (5,)),
        ("paper", 1, 1, (1,)),
        ("paper", 2.5, 1, (1, 2, 2.5)),
        ("paper", 0.5, 0.5, (0.5,)),
        ("default", 5, 1, (1, 2, 3, 4, 5)),
        ("default", 10, 1, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
        ("default", 12, 1, (2, 3, 4, 5, 6, 8, 9, 10, 11, 12)),
        ("default", 3, 1, (1, 2, 3)),
        ("default", 2, 1, (1, 2)),
        ("default", 1, 1, (1,)),
        ("default", 12, 6, (6, 8, 9, 10, 11, 12)),
        ("default", 20, 0, (2, 4, 6, 8, 10, 12, 14, 16, 18, 20)),
        ("default", 12, 12, (12,)),
        ("default", 2.5, 1, (1, 1.25, 1.5, 1.75, 2, 2.25, 2.5)),
        ("default", 0.5, 0, (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)),
    ],
)
def test_stages(method, max_t, grace_period, expected):
    found = stages(method=method, max_t=max_t, grace_period=grace_period)
    assert found == pytest.approx(expected)
    assert found[-1] == max_t


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("max_t", [1, 2, 3, 4, 7, 8, 100, 2.75, 1001])
def test_stages_ascend_to_the_end(method, max_t):
    found = stages(method=method, max_t=max_t)
    assert list(found) == sorted(set(found))
    assert found[-1] == max_t


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("max_t", 0),
        ("max_t", -1),
        ("max_t", math.nan),
        ("max_t", math.inf),
        ("max_t", "5"),
        ("max_t", None),
        ("max_t", True),
        ("grace_period", -0.5),
        ("grace_period", 5.5),
        ("grace_period", math.nan),
        ("grace_period", math.inf),
        ("grace_period", "1"),
    ],
)
def test_bad_options_are_refused_by_name(method, parameter, value):
    with pytest.raises(OptionError) as caught:
        stages(**{"method": method, "max_t": 5, parameter: value})
    assert caught.value.parameter == parameter


def test_a_budget_below_the_default_grace_period_is_refused():
    with pytest.raises(OptionError, match=r"`grace_period` is 1, but must be .* from 0 to max_t, 0.5"):
        stages(max_t=0.5)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean paper"):
        stages(method="papre", max_t=5)
