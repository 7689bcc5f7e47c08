"""A driver killed in the middle, restored: the same decisions, nothing from the start again, nothing recorded twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ray.cluster_utils import Cluster

from raysel import History
from tests.ray.killed import SEED
from tests.ray.table import FEW, TARGET, noisy_table, planted_history

ROOT = Path(__file__).parents[2]
KILLS = 20


def driver(folder: Path, what: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TUNE_GLOBAL_CHECKPOINT_S": "1", "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "tests.ray.killed", str(folder), what, *options]
    with (folder / f"{what}.txt").open("ab") as output:
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
@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [3, 6, 9])
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


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster that outlives the drivers on it, with more slots than their three trials need."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 8, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


def killed(process: subprocess.Popen[bytes], begun: Callable[[], bool], moment: float) -> bool:
    """Whether a driver was killed, some seconds after something had begun; false if it had come to its end before."""
    deadline = time.monotonic() + 200
    while not begun() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    assert process.returncode == 0
    return False


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("policy", "seed"), [("sync", 1), ("async", 2)])
def test_a_driver_killed_at_twenty_random_moments(tmp_path: Path, address: str, policy: str, seed: int) -> None:
    print("policy", policy, "seed", seed)  # noqa: T201  for whoever has to find out what went wrong
    rng, kills, runs = np.random.default_rng(seed), 0, 0
    given = {"RAY_ADDRESS": address, "TUNE_GLOBAL_CHECKPOINT_S": "auto"}
    expected = None
    while kills < KILLS or expected is None:
        folder = tmp_path / f"run{runs}"
        folder.mkdir()
        planted_history(folder, datasets=FEW)
        while runs and kills < KILLS:  # the first run is left alone
            ready, made = folder / "ready", len(lines(folder))
            ready.unlink(missing_ok=True)
            # One in four while it restores, or waits for its first step; the others while steps are made.
            begun = ready.exists if rng.random() < 0.25 else lambda folder=folder, made=made: len(lines(folder)) > made
            if not killed(driver(folder, "go", policy, "0.7", **given), begun, rng.uniform(0, 4)):
                break
            kills += 1
        process = driver(folder, "go", policy, "0.1", **given)
        assert process.wait(timeout=300) == 0, (folder / "go.txt").read_text()[-3000:]
        selected = outcome(folder)
        if expected is None:
            expected = selected
        if policy == "sync":
            assert selected == expected
        check(folder)
        runs += 1


def check(folder: Path) -> None:
    """Every reported point is in the history once, and nothing that had a checkpoint began anew."""
    history = History(str(folder / "history"))
    assert not history.observations().duplicated(["run_id", "step", "split", "metric"]).any()
    recorded = {
        (c.model, int(s)): v for c in history.curves(dataset=TARGET) for s, v in zip(c.steps, c.values, strict=True)
    }
    ended = outcome(folder)
    assert {status for status, _ in ended.values()} == {"completed", "stopped"}, ended
    told = [line.split() for line in (folder / "seen").read_text().splitlines()]
    assert {(model, int(step)) for model, step in told} <= set(recorded)
    made: dict[str, int] = {}
    for model, begun, step in lines(folder):
        if step == begun + 1:  # a process begins: at most the step that was under way is made again
            assert begun >= made.get(model, 0) - 1, (model, begun, step)
        made[model] = max(step, made.get(model, 0))
    table = noisy_table(SEED)
    for (model, step), value in recorded.items():
        assert step <= made[model]
        assert value == pytest.approx(table[model][step - 1])
