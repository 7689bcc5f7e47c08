"""A selection on several nodes with (fake) GPUs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ray.table import MODELS

ROOT = Path(__file__).parents[2]


@pytest.mark.ray
def test_trials_spread_over_the_nodes_that_have_gpus(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.ray.clustered", str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["selected"] == MODELS[0]
    assert len(answer["nodes"]) == 2
    assert answer["steps"] == [1, 1, 1, 2, 2, 5]
