"""Two selections at once on one Ray and one history."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from raysel import History, Target
from raysel.tune import RecallSearcher, Selected, TrendScheduler, run_selection
from tests.ray.table import MODELS, STEPS, noisy_table, planted_history, table_trainable

pytestmark = [pytest.mark.ray, pytest.mark.slow]
TARGETS = ("first", "second")


def select(folder: Path, name: str) -> Selected:
    history, target = History(folder / "history"), Target(name, classes=2)
    return run_selection(
        table_trainable(noisy_table(len(name)), log=folder / f"{name}.log", pause=0.05),
        searcher=RecallSearcher(history, target=target, top_k=3),
        scheduler=TrendScheduler(history, target=target, max_t=STEPS),
        history=history,
        target=target,
        models=MODELS,
        metric="accuracy",
        mode="max",
        space={},
        max_concurrent=2,
        storage_path=str(folder / "results"),
        name=name,
    )


def alone(folder: Path, target: str) -> None:
    ray.init(address="auto", log_to_driver=False, configure_logging=False)
    selected = select(folder, target)
    (folder / f"{target}.txt").write_text(selected.selected)
    ray.shutdown()


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("local_ray")
def test_two_selections_at_once_decide_as_alone_and_lose_nothing(tmp_path: Path) -> None:
    together = tmp_path / "together"
    together.mkdir()
    planted_history(together)
    address = ray.get_runtime_context().gcs_address
    drivers = [
        subprocess.Popen(
            [sys.executable, "-c", f"from tests.ray.test_shared import *; alone(Path({str(together)!r}), {target!r})"],
            env={**os.environ, "RAY_ADDRESS": address},
            cwd=Path(__file__).parents[2],
        )
        for target in TARGETS
    ]
    assert [driver.wait(timeout=400) for driver in drivers] == [0, 0]
    found = {target: (together / f"{target}.txt").read_text() for target in TARGETS}
    folder = tmp_path / "alone"
    folder.mkdir()
    planted_history(folder)
    assert select(folder, "first").selected == found["first"]
    history = History(together / "history")
    new = [curve for curve in history.curves() if curve.dataset in TARGETS]
    steps = sum(len((together / f"{target}.log").read_text().splitlines()) for target in TARGETS)
    assert sum(len(curve.steps) for curve in new) == steps, "every reported point is there once"
    assert {curve.status for curve in new} == {"completed", "stopped"}
    assert set(TARGETS) <= set(history.matrix().datasets)
    assert (history.check(), history.pins()) == ([], {})
