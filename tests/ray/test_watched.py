"""Metrics reach Prometheus, and Tune's own callbacks work beside ours."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.ray
def test_metrics_and_tensorboard() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory(dir="/tmp", prefix="w") as folder:  # Ray keeps sockets under it
        command = [sys.executable, "-W", "ignore", "-m", "tests.ray.watched", folder, str(port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": folder}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr[-3000:]
        events = Path(folder, "results").rglob("events.out.tfevents.*")
        watched = {path.parent for path in events}  # a trial that was paused has several files
    values = {}
    for line in done.stdout.splitlines():
        name = line.split("{")[0].removeprefix("ray_")
        labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
        assert labels["dataset"] == "target"
        label = next((labels[key] for key in ("standing", "reason", "bound", "what") if key in labels), "")
        values[name, label] = float(line.rsplit(" ", 1)[1])
    assert values["raysel_trials", "finished"] >= 1
    assert values["raysel_trials", "finished"] + values["raysel_trials", "stopped"] == 3
    assert values["raysel_trials", "live"] == 0
    assert values["raysel_steps", "spent"] + values["raysel_steps", "saved"] == 15
    assert values["raysel_predicted_final", "low"] <= values["raysel_predicted_final", "high"]
    assert len(watched) == 3, "one folder a trial"
