"""Selections as jobs of a real cluster, which has no worker when the first one comes."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from raysel import History
from tests.cluster.conftest import ROOT, Job

pytestmark = pytest.mark.ray

SELECT = ["--", "python", "-m", "raysel", "select", "docstrings.csv"]
QUICK = ["--gpus-per-trial", "1", "--max-concurrent", "2", "--lr", "0.002", "--top-k", "2"]
SUBMIT = ["--working-dir", ".", "--runtime-env", str(ROOT / "cluster" / "runtime_env.yaml")]


def ended(done: "subprocess.CompletedProcess[str]", word: str) -> bool:
    """Whether `ray job` said that the job ended so."""
    return any(line.strip().endswith(word) for line in done.stdout.splitlines() if "Job '" in line)


def places(folder: Path) -> list[str]:
    """Options that say where everything is kept, as for an object store."""
    return ["--out", f"{folder}/out", "--history", f"file://{folder}/history", "--storage", f"file://{folder}/runs"]


def test_a_job_selects_a_model_on_a_cluster_that_grows_for_it(job: Job, tmp_path: Path) -> None:
    asked = [*SELECT, "--models", "zoo/topics-*", *QUICK, "--epochs", "2", "--json", *places(tmp_path)]
    done = job("submit", *SUBMIT, "--submission-id", "selects", *asked)
    assert done.returncode == 0, done.stdout[-5000:]
    assert ended(done, "succeeded")
    assert "the cluster has no 1 CPU and 1 GPU yet" in done.stdout
    # The log ends with the answer, and was followed until then.
    log = done.stdout
    answer = json.loads(log[log.index("\n{\n") : log.index("\n}\n") + 2])
    assert {trial["model"] for trial in answer["trials"]} == {"zoo/topics-bert", "zoo/topics-bert-2"}
    assert answer["selected"] in (tmp_path / "out" / "model" / "README.md").read_text()
    assert list((tmp_path / "out" / "model").glob("*.safetensors"))
    assert set(History(str(tmp_path / "history")).runs()["status"]) == {"completed", "stopped"}
    assert list((tmp_path / "runs").iterdir())
    assert ended(job("status", "selects"), "succeeded")


def test_a_job_that_fails_says_why_in_one_line(job: Job, tmp_path: Path) -> None:
    done = job("submit", *SUBMIT, "--submission-id", "fails", *SELECT, "--models", "zoo/none-*", *places(tmp_path))
    assert done.returncode == 1
    assert ended(done, "failed")
    log = job("logs", "fails").stdout
    (line,) = [line for line in log.splitlines() if line.startswith("raysel: ")]
    assert "zoo/none-*" in line
    assert "Traceback" not in log


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_that_is_stopped_ends_and_can_be_gone_on_with(job: Job, tmp_path: Path) -> None:
    asked = [*SELECT, "--models", "zoo/topics-*", *QUICK, "--resume", "stopped", "--json", *places(tmp_path)]
    job("submit", "--no-wait", *SUBMIT, "--submission-id", "stopped", *asked, "--epochs", "300")
    deadline = time.monotonic() + 120
    while " at epoch 3 " not in job("logs", "stopped").stdout and time.monotonic() < deadline:
        time.sleep(1)
    done = job("stop", "stopped")
    assert done.returncode == 0, done.stdout
    assert ended(job("status", "stopped"), "stopped")
    done = job("submit", *SUBMIT, *asked, "--epochs", "300")
    assert done.returncode == 0, done.stdout[-5000:]
    assert " at epoch 1 " not in done.stdout, "trials go on from their checkpoints"
    runs = History(str(tmp_path / "history")).runs()
    assert sorted(runs["model"]) == ["zoo/topics-bert", "zoo/topics-bert-2"]
