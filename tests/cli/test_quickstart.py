"""`raysel quickstart` for real: Ray, training, the shipped zoo; run as a user would, with what is installed."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from raysel import History, zoo
from raysel.replay import fine_tune_all

pytestmark = pytest.mark.ray

KEYS = [
    "selected",
    "metric",
    "mode",
    "test_score",
    "other_metrics",
    "steps",
    "seconds",
    "shortlist",
    "trials",
    "baselines",
]
TARGETS = (*zoo.targets("images"), *zoo.targets("texts"))
COMMAND = str(Path(sys.executable).with_name("raysel"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder with a short path, since Ray keeps sockets under it."""
    with TemporaryDirectory(dir="/tmp", prefix="q") as name:
        yield Path(name)


def quickstart(folder: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    done = subprocess.run(
        [COMMAND, "quickstart", *args],
        cwd=folder,
        env={**inherited, "TMPDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def check(plain: dict[str, Any], *, target: str) -> None:
    """What holds for every selection on a target of the zoo."""
    inputs = zoo.inputs_of(target)
    models = zoo.models(inputs)
    data, history = zoo.load_task(target), History(zoo.history_path(inputs))
    assert list(plain) == KEYS
    assert (plain["metric"], plain["mode"]) == (data.metric, data.mode)
    recalled = [entry["model"] for entry in plain["shortlist"]]
    assert len(set(recalled)) == round(len(models) / 3)
    assert set(recalled) < set(models)
    assert [trial["model"] for trial in plain["trials"]] == recalled
    assert plain["selected"] in recalled
    for trial in plain["trials"]:
        epochs = [step for step, _ in trial["curve"]]
        assert epochs == [float(epoch) for epoch in range(1, len(epochs) + 1)]
        assert trial["stopped_at"] == (None if epochs[-1] == 5 else epochs[-1])
        assert any(character.isdigit() for character in trial["reason"])
    assert plain["steps"] == sum(len(trial["curve"]) for trial in plain["trials"]) < 5 * len(recalled)
    assert set(plain["baselines"]) == {"fine-tune all", "successive halving on all"}
    every = fine_tune_all([curve for curve in history.curves(dataset=target) if curve.seed == 0])
    assert plain["baselines"]["fine-tune all"] == {
        "selected": every.selected,
        "test_score": every.score,
        "steps": 5.0 * len(models),
    }
    assert plain["steps"] < plain["baselines"]["successive halving on all"]["steps"]


def test_json_tells_of_a_real_selection(folder: Path) -> None:
    done = quickstart(folder, "--json")
    plain = json.loads(done.stdout)
    check(plain, target="digits")
    assert plain["test_score"] > plain["baselines"]["fine-tune all"]["test_score"] - 0.05
    assert "accuracy" in done.stderr, "progress goes to standard error"
    assert not list(folder.glob("raysel-*")), "temporary files are removed"


def test_the_help_lists_the_targets() -> None:
    shown = subprocess.run([COMMAND, "quickstart", "--help"], capture_output=True, text=True, check=True).stdout
    for inputs in ("images", "texts"):
        assert f"Targets of {inputs}: {', '.join(zoo.targets(inputs))}" in " ".join(shown.split())


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_works_by_either_method_and_shows_tables(folder: Path, target: str) -> None:
    check(json.loads(quickstart(folder, "--target", target, "--json").stdout), target=target)
    shown = quickstart(folder, "--target", target, "--method", "paper").stdout
    count = round(len(zoo.models(zoo.inputs_of(target))) / 3)
    for title in (f"Recalled: {count} models (method paper)", f"Fine-tuned: {count} models", "Selected: zoo/"):
        assert title in shown
    assert shown.count("(replayed)") == 2


@pytest.mark.slow
def test_the_same_seed_gives_the_same_decisions(folder: Path) -> None:
    first, second = (json.loads(quickstart(folder, "--seed", "3", "--json").stdout) for _ in range(2))
    for name in ("selected", "test_score", "steps", "shortlist", "trials", "baselines"):
        assert first[name] == second[name]


@pytest.fixture
def cluster(folder: Path) -> Iterator[str]:
    """The address of a Ray cluster of one node, with a home and a temporary folder of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "RAY_AUTH_MODE": "disabled"}
    options = ["--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    ray = str(Path(sys.executable).with_name("ray"))
    node = subprocess.Popen([ray, "start", *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        yield f"127.0.0.1:{port}"
    finally:
        node.terminate()
        node.wait(timeout=60)


@pytest.mark.slow
def test_a_running_cluster_is_used_and_left_running(folder: Path, cluster: str) -> None:
    for _ in range(2):
        done = quickstart(folder, "--json", RAY_ADDRESS=cluster, RAY_AUTH_MODE="disabled", HOME=str(folder))
        check(json.loads(done.stdout), target="digits")
