"""What a trial is given, on a cluster that has too little."""

import logging
import time

import pytest

from raysel.errors import OptionError
from raysel.tune.resources import trial_resources
from tests.ray.conftest import SLOTS

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def test_what_is_there_is_given_at_once() -> None:
    began = time.monotonic()
    assert trial_resources("0", cpus=SLOTS, facts=[], recipe={}, patience=60) == {"cpu": SLOTS}
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("patience", [0.0, 1.0])
def test_a_cluster_that_does_not_grow_is_refused_when_patience_ends(
    patience: float, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(OptionError, match=r"`gpus_per_trial` is 2.*at most the 0 that the cluster has"),
    ):
        trial_resources("2", cpus=1, facts=[], recipe={}, patience=patience)
    assert ("the cluster has no 1 CPU and 2 GPU yet" in caplog.text) == bool(patience)
