"""Weights are downloaded once a machine, whatever the network does: a real server, and no network."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from raysel.models import places, retries
from tests.models.caches import COMMIT, serve

FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


PROGRAM = """
from raysel.errors import ModelError
from raysel.models import hub, retries

retries.PAUSE = 0.0
try:
    print(hub.checkpoint("hf/org/texts", "org/texts").weights)
except ModelError as error:
    print(error)
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What the hub is to have; nobody looks into it here."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(json.dumps({"is": name, "long": "0" * 10_000}))
    return folder


def downloads(address: str, cache: Path, *, workers: int = 1) -> list[str]:
    """What processes print that all want the model of the hub at an address, and start together."""
    told = {"HF_ENDPOINT": address, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    environment = {**os.environ, **told, "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    said = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * workers, said
    return [out.strip() for out, _ in said]


@pytest.mark.parametrize(
    "resets",
    [{"model.safetensors": 2}, {"api/models/org/texts": 2, "revision/main": 1, f"tree/{COMMIT}": 1, "/config.json": 1}],
    ids=["weights", "everything"],
)
def test_a_connection_that_is_reset_is_tried_again(files: Path, tmp_path: Path, resets: dict[str, int]) -> None:
    with serve({"org/texts": files}, resets=resets) as (address, given):
        (weights,) = downloads(address, tmp_path / "cache")
    assert Path(weights).read_bytes() == (files / "model.safetensors").read_bytes()
    again = {end.lstrip("/"): count for end, count in resets.items()}
    assert {name: given.count(name) - 1 for name in FILES} == {name: again.get(name, 0) for name in FILES}


def test_a_connection_that_is_always_reset_is_one_clear_line(files: Path, tmp_path: Path) -> None:
    with serve({"org/texts": files}, resets={"model.safetensors": 1000}) as (address, given):
        (said,) = downloads(address, tmp_path / "cache")
    assert said.startswith(f"model hf/org/texts could not be downloaded from {address}/org/texts: ")
    assert "\n" not in said
    assert given.count("model.safetensors") >= retries.TRIES


def test_what_several_processes_want_is_downloaded_once(files: Path, tmp_path: Path) -> None:
    with serve({"org/texts": files}) as (address, given):
        (weights,) = set(downloads(address, tmp_path / "cache", workers=3))
    assert Path(weights).read_bytes() == (files / "model.safetensors").read_bytes()
    assert sorted(given) == sorted(FILES)


def test_weights_of_torchvision_are_downloaded_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content = b"weights" * 1000
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / name).write_bytes(content)
    target = tmp_path / "torch" / name
    with serve({"org/texts": tmp_path}, resets={name: 2}) as (address, given), ThreadPoolExecutor(4) as workers:
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
