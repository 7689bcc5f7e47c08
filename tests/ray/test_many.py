"""A thousand short trials: they end, and what the driver remembers of them stays small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRIALS = 1000


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_short_trials_on_four_nodes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.ray.many", str(tmp_path), str(TRIALS)]
    # As `raysel select` has it: Tune's TensorBoard logger holds two threads for each trial that waits.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads((tmp_path / "answer.json").read_text())
    print(answer)  # noqa: T201  how long it took and how much it grew
    assert answer["selected"] == "m0000"
    assert answer["statuses"] == ["TERMINATED"]
    assert answer["recorded"] == TRIALS
    assert answer["grown"] < 200e6
