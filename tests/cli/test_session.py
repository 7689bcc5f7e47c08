"""What is refused before anything is trained."""

import os
from pathlib import Path

import pytest

from raysel.cli.session import check_everywhere, check_sent
from raysel.errors import OptionError


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
    import ray

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
