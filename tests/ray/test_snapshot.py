"""The spare copy of what Tune saves: whole, the last but one, and put in place of what was cut off."""

import json
import logging
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.fs as pafs
import pytest

from raysel.tune import mend
from raysel.tune.snapshot import keep

KINDS = {"search_gen_state": "json", "searcher-state": "pkl", "callback-states": "pkl"}


def storage(folder: Path) -> Any:
    return SimpleNamespace(storage_filesystem=pafs.LocalFileSystem(), experiment_fs_path=str(folder))


def save(folder: Path, number: int, session: str = "2026-01-01_00-00-00") -> None:
    """As Tune does."""
    folder.mkdir(exist_ok=True)
    (folder / f"experiment_state-{session}.json").write_text(
        json.dumps({"trial_data": [f"trial {number}"] if number else []})
    )
    for kind, ending in KINDS.items():
        (folder / f"{kind}-{session}.{ending}").write_bytes(pickle.dumps(number))


def saved(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*-20*")):
        content = file.read_bytes()
        found[file.name.partition("-20")[0]] = (
            int(json.loads(content)["trial_data"][0].removeprefix("trial "))
            if "experiment" in file.name
            else pickle.loads(content)  # noqa: S301
        )
    return found


@pytest.mark.parametrize("cut", ["experiment_state", *KINDS])
def test_the_snapshot_before_is_put_in_place_of_one_that_was_cut_off(
    tmp_path: Path, cut: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    save(folder, 1)
    keep(storage(folder))
    save(folder, 2)
    assert mend(str(folder))
    assert set(saved(folder).values()) == {2}
    file = next(folder.glob(f"{cut}-*"))
    file.write_bytes(file.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert mend(str(folder))
    assert saved(folder) == dict.fromkeys(["experiment_state", *KINDS], 1)
    assert "/run was cut off: the one before is used" in caplog.text


def test_what_was_cut_off_is_never_kept_as_spare(tmp_path: Path) -> None:
    save(tmp_path / "run", 1)
    keep(storage(tmp_path / "run"))
    save(tmp_path / "run", 2)
    (tmp_path / "run" / "searcher-state-2026-01-01_00-00-00.pkl").write_bytes(b"")
    keep(storage(tmp_path / "run"))
    assert mend(str(tmp_path / "run"))
    assert set(saved(tmp_path / "run").values()) == {1}


def test_the_newest_session_counts(tmp_path: Path) -> None:
    save(tmp_path / "run", 1)
    save(tmp_path / "run", 2, session="2026-01-01_00-00-07")
    keep(storage(tmp_path / "run"))
    file = tmp_path / "run" / "experiment_state-2026-01-01_00-00-07.json"
    file.write_text(file.read_text()[:3])
    assert mend(str(tmp_path / "run"))
    assert set(saved(tmp_path / "run").values()) == {2}


def test_cut_off_with_nothing_before_it_a_run_begins_anew(tmp_path: Path) -> None:
    save(tmp_path / "run", 1)
    (tmp_path / "run" / "experiment_state-2026-01-01_00-00-00.json").write_text("{")
    assert not mend(str(tmp_path / "run"))
    assert saved(tmp_path / "run") == {}


def test_a_snapshot_without_trials_is_none(tmp_path: Path) -> None:
    save(tmp_path / "run", 0)
    keep(storage(tmp_path / "run"))
    assert not mend(str(tmp_path / "run"))
    assert not mend(str(tmp_path / "another"))


def test_a_full_disk_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "run", 1)
    (tmp_path / "run" / "raysel").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        keep(storage(tmp_path / "run"))
    assert "no spare snapshot of the run could be written" in caplog.text


def test_a_kill_while_it_is_mended_is_mended_the_next_time(tmp_path: Path) -> None:
    save(tmp_path / "run", 1)
    keep(storage(tmp_path / "run"))
    for file in (tmp_path / "run").glob("*-20*"):
        file.unlink()
    assert mend(str(tmp_path / "run"))
    assert saved(tmp_path / "run") == dict.fromkeys(["experiment_state", *KINDS], 1)
