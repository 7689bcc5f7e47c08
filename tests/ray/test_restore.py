"""A driver killed in the middle, restored: the same decisions, nothing from the start again, nothing recorded twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysel import History
from tests.ray.table import TARGET, planted_history

ROOT = Path(__file__).parents[2]


def driver(folder: Path, what: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TUNE_GLOBAL_CHECKPOINT_S": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.ray.killed", str(folder), what]
    with (folder / f"{what}.txt").open("wb") as output:
        return subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )


def lines(folder: Path) -> list[tuple[str, int, int]]:
    """(model, step it was restored at, step made) for every step made."""
    log = folder / "log"
    made = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(model, int(begun), int(step)) for model, begun, step in made]


def outcome(folder: Path) -> dict[str, tuple[str, float]]:
    """Status and last step of every model in the history."""
    curves = History(str(folder / "history")).curves(dataset=TARGET)
    assert len({curve.model for curve in curves}) == len(curves), "every trial is one run"
    return {c.model: (c.status, float(c.steps[-1])) for c in curves}


@pytest.mark.ray
@pytest.mark.parametrize(
    "kill_after", [5, pytest.param(11, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow)]
)
def test_a_killed_driver_goes_on_where_it_was(tmp_path: Path, kill_after: int) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        planted_history(folder)
    assert driver(undisturbed, "begin").wait(timeout=200) == 0, (undisturbed / "begin.txt").read_text()[-2000:]

    process = driver(disturbed, "begin")
    deadline = time.monotonic() + 100
    while len(lines(disturbed)) < kill_after and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = lines(disturbed)
    assert kill_after <= len(before) < len(lines(undisturbed)), "killed in the middle"
    assert driver(disturbed, "restore").wait(timeout=200) == 0, (disturbed / "restore.txt").read_text()[-2000:]

    assert outcome(disturbed) == outcome(undisturbed)
    assert len(lines(disturbed)) <= len(lines(undisturbed)) + 3, "only what was under way is made again"
    recorded = History(str(disturbed / "history"))
    points = recorded.observations()
    assert not points.duplicated(["run_id", "step", "split", "metric"]).any()
    expected = {(model, step) for model, _, step in lines(undisturbed)}
    assert {(c.model, int(s)) for c in recorded.curves(dataset=TARGET) for s in c.steps} == expected
