"""Weights are downloaded once a machine, whatever the network does: a real server, and no network."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import constants

from raysel.errors import ModelError
from raysel.models import hub, places, retries
from tests.models.caches import COMMIT, TEXTS, serve

FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a model that the hub is to have; its caches are empty, and nobody waits before trying again."""
    monkeypatch.setattr(retries, "PAUSE", 0.0)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    TEXTS.make(tmp_path / "texts")
    return tmp_path / "texts"


@pytest.mark.parametrize(
    "resets",
    [{"model.safetensors": 2}, {"api/models/org/texts": 2}, {"revision/main": 2}, {"config.json": 1, COMMIT: 1}],
    ids=["weights", "first question", "revision", "several"],
)
def test_a_connection_that_is_reset_is_tried_again(
    repository: Path, resets: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"org/texts": repository}, resets=resets) as (address, given):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        found = hub.checkpoint("hf/org/texts", "org/texts")
    assert set(given) == FILES
    assert found.weights.read_bytes() == (repository / "model.safetensors").read_bytes()


def test_a_connection_that_is_always_reset_is_one_clear_line(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({"org/texts": repository}, resets={"model.safetensors": 1000}) as (address, given):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        with pytest.raises(ModelError, match="^model hf/org/texts ") as told:
            hub.checkpoint("hf/org/texts", "org/texts")
    assert "\n" not in str(told.value)
    assert given.count("model.safetensors") >= retries.TRIES


def test_what_several_processes_want_is_downloaded_once(repository: Path) -> None:
    program = "from raysel.models import hub; print(hub.checkpoint('hf/org/texts', 'org/texts').weights)"
    with serve({"org/texts": repository}) as (address, given):
        told = {"HF_ENDPOINT": address, "HF_HUB_CACHE": constants.HF_HUB_CACHE, "HF_HUB_OFFLINE": "0"}
        environment = {**os.environ, **told, "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-c", program]
        workers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        paths = {worker.communicate()[0].strip() for worker in workers}
    assert [worker.returncode for worker in workers] == [0] * 3
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == (repository / "model.safetensors").read_bytes()
    assert sorted(given) == sorted(FILES)


def test_weights_of_torchvision_are_downloaded_once_and_tried_again(tmp_path: Path, repository: Path) -> None:
    content = b"weights" * 1000
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (repository / name).write_bytes(content)
    target = tmp_path / "torch" / name
    with serve({"org/texts": repository}, resets={name: 2}) as (address, given), ThreadPoolExecutor(4) as workers:
        url = f"{address}/org/texts/resolve/{COMMIT}/{name}"
        list(workers.map(lambda _: places._download_once("torchvision/net", url, target), range(4)))
    assert target.read_bytes() == content
    assert given == [name] * 3, "reset twice, then whole, and not asked for again"


@pytest.mark.parametrize(
    ("failures", "made", "raised"),
    [
        ([], 1, None),
        ([ConnectionResetError()] * 2, 3, None),
        ([ConnectionResetError()] * 9, retries.TRIES, ConnectionResetError),
        ([ConnectionResetError(), ConnectionRefusedError()], 2, ConnectionRefusedError),
        ([TimeoutError()], 1, TimeoutError),
    ],
)
def test_attempts(
    failures: list[Exception], made: int, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", pauses.append)
    attempts: list[int] = []

    def attempt() -> str:
        attempts.append(len(attempts))
        if attempts[-1] < len(failures):
            raise failures[attempts[-1]]
        return "there"

    tried: Callable[[], str] = lambda: retries.persistently(attempt, unless=retries.nobody_there)  # noqa: E731
    if raised is None:
        assert tried() == "there"
    else:
        with pytest.raises(raised):
            tried()
    assert len(attempts) == made
    assert pauses == [2.0**number for number in range(made - 1)], "longer each time"
