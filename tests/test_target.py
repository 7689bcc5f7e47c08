"""Targets."""

import pytest

from raysel import Target
from raysel.errors import OptionError


def test_a_plain_name_says_nothing_of_its_task():
    assert Target.of("d") == Target("d", task="")
    assert Target.of(Target("d")).task == "classification"


@pytest.mark.parametrize(("options", "parameter"), [({"name": ""}, "target"), ({"name": "d", "task": "x"}, "task")])
def test_what_is_refused(options, parameter):
    with pytest.raises(OptionError, match=parameter):
        Target(**options)
