"""Ray for the time of a command."""

from typing import Any

import pytest
import ray

from raysel.cli.session import session
from raysel.errors import RayStartError


@pytest.mark.parametrize(
    ("address", "says"), [(None, "did not start; .*: The node timed out"), ("h:1", "at h:1: The node timed out")]
)
def test_a_ray_that_does_not_start_is_one_line(address: str | None, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**options: Any) -> None:
        raise Exception("The node timed out")  # as Ray does

    for variables in ("_QUIET", "_LOCAL"):  # which other tests are not to have
        monkeypatch.setattr(f"raysel.cli.session.{variables}", {})
    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(RayStartError, match=says), session(address):
        pass
