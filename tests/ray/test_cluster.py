"""A selection on several nodes with (fake) GPUs, which come and go."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from raysel import History
from tests.ray.clustered import AFTER
from tests.ray.table import MODELS, TARGET

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.ray


def select(folder: Path, change: str, *, patience: float = 250) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.ray.clustered", str(folder), change]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=patience, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads((folder / "answer.json").read_text())
    assert answer["changed"] == len(AFTER[change])
    # Whatever happens to nodes: the same selection by the same stops, and every point once in the history.
    assert answer["selected"] == MODELS[0]
    assert answer["steps"] == [1, 1, 1, 2, 2, 5]
    points = History(str(folder / "history")).observations()
    assert not points.duplicated(["run_id", "step", "split", "metric"]).any()
    curves = History(str(folder / "history")).curves(dataset=TARGET)
    assert sorted(len(curve.steps) for curve in curves) == answer["steps"]
    return dict(answer)


@pytest.mark.slow
def test_trials_spread_over_the_nodes_that_have_gpus(tmp_path: Path) -> None:
    assert len(select(tmp_path, "none")["nodes"]) == 2


@pytest.mark.slow
def test_trials_that_wait_spread_over_a_node_that_is_added(tmp_path: Path) -> None:
    assert len(select(tmp_path, "added")["nodes"]) == 2


@pytest.mark.slow
def test_trials_of_a_node_that_is_removed_go_on_elsewhere(tmp_path: Path) -> None:
    made = select(tmp_path, "removed")["made"]
    # No step is made again but the one that was under way, and nothing starts again that had a checkpoint.
    repeated = {step: count for step, count in Counter((model, step) for model, _, step in made).items() if count > 1}
    assert sum(count - 1 for count in repeated.values()) <= 2, repeated
    begun: dict[str, int] = {}
    for model, start, step in made:
        assert int(start) >= begun.get(model, 0) - 1, (model, start, step)
        begun[model] = max(begun.get(model, 0), int(start))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["vanished", "preempted"])
def test_spot_machines_that_go_do_not_use_up_failures(tmp_path: Path, how: str) -> None:
    # One failure is allowed; the selected model alone loses its machine twice.
    assert set(select(tmp_path, how, patience=800)["failures"]) == {0}
