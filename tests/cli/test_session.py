"""Ray for the time of a command, and what is refused before anything is trained."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from raysel.cli.session import check_everywhere, check_sent, session
from raysel.errors import OptionError, RayStartError


def test_data_that_a_job_lacks_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = tmp_path / "working_dir_files" / "_ray_pkg_0"
    sent.mkdir(parents=True)
    (sent / "reviews.csv").touch()
    monkeypatch.chdir(tmp_path)
    check_sent("photos")  # no job: reading says so
    monkeypatch.chdir(sent)
    for there in ("reviews.csv", str(tmp_path), "s3://bucket/photos"):
        check_sent(there)
    with pytest.raises(
        OptionError, match=r"`data` is 'photos', but must be in the folder that was submitted .*512 MiB"
    ):
        check_sent("photos")


@pytest.mark.ray
@pytest.mark.slow
def test_a_file_that_a_node_lacks_is_told_with_the_node(tmp_path: Path) -> None:
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        (tmp_path / "a.png").touch()
        check_everywhere([str(tmp_path / "a.png")] * 4)
        # There for this process and for no other.
        mine = f"/proc/self/task/{os.getpid()}"
        assert os.path.exists(mine)
        with pytest.raises(
            OptionError, match=rf"`data` is '{mine}', but must be on every node .* which node \S+ lacks"
        ):
            check_everywhere([str(tmp_path / "a.png"), mine])
    finally:
        ray.shutdown()


LISTENING = """
import psutil
from raysel.cli.session import session
with session(None, cpus=1):
    import ray
    ray.get(ray.remote(lambda: None).remote())
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                print(connection.laddr.ip)
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_ray_of_ones_own_listens_on_the_loopback_interface_alone(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", LISTENING],
        env={**kept, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(done.stdout.split()) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert done.stdout, "something listens"


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
