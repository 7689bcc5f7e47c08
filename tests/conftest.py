"""Fixtures for every test."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.request import urlopen

import hypothesis
import pyarrow.fs as pafs
import pytest

# Models of the tests are so small that more threads only stand in each other's way; read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("raysel", deadline=None)
hypothesis.settings.load_profile("raysel")


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of real public results that the environment variable RAYSEL_DATA names."""
    folder = os.environ.get("RAYSEL_DATA")
    if not folder:
        pytest.skip("RAYSEL_DATA names no folder of public results")
    return Path(folder)


@pytest.fixture(scope="session")
def object_store() -> Iterator[Mapping[str, str]]:
    """An S3-compatible server on this machine: the variables that say where it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(OSError):
                urlopen(f"{address}/moto-api/data.json", timeout=5).close()  # noqa: S310  (a URL of our own)
                break
            time.sleep(0.1)
        else:
            pytest.fail("the object store did not start")
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(object_store: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty bucket in that store, which the environment leads to."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in object_store.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    pafs.FileSystem.from_uri(f"s3://{name}?allow_bucket_creation=true")[0].create_dir(name)
    return f"s3://{name}"
