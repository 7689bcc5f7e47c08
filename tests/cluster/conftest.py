"""A cluster to submit jobs to: a head without processors, and a worker type of which no node runs yet."""

import ast
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pandas as pd
import psutil
import pytest

ROOT = Path(__file__).parents[2]
Job = Callable[..., "subprocess.CompletedProcess[str]"]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def autoscaling(port: int, folder: str) -> dict[str, object]:
    """What `ray up` would give the autoscaler of the head at the port; its machines are processes of this one."""
    return {
        "cluster_name": "jobs",
        "max_workers": 1,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 10,
        "docker": {},
        "auth": {},
        "provider": {
            "type": "external",
            "module": "tests.cluster.machines.Machines",
            "gcs_address": f"127.0.0.1:{port}",
            "folder": folder,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {}, "node_config": {}, "min_workers": 0, "max_workers": 0},
            "gpu": {"resources": {"CPU": 2, "GPU": 2}, "node_config": {}, "min_workers": 0, "max_workers": 1},
        },
        "head_node_type": "ray.head.default",
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
        "initialization_commands": [],
        "setup_commands": [],
        "head_setup_commands": [],
        "worker_setup_commands": [],
        "head_start_ray_commands": [],
        "worker_start_ray_commands": [],
    }


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A folder as somebody submits it: one table of texts."""
    with TemporaryDirectory(dir="/tmp", prefix="p") as folder:
        rows = []
        for package in ("asyncio", "email", "unittest"):
            found = []
            for file in sorted((Path(sysconfig.get_path("stdlib")) / package).glob("*.py")):
                nodes = ast.walk(ast.parse(file.read_text()))
                found += [
                    text
                    for node in nodes
                    if isinstance(node, ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node))
                ]
            rows += [{"text": text[:120], "label": package} for text in found[:40]]
        pd.DataFrame(rows).to_csv(Path(folder) / "docstrings.csv", index=False)
        yield Path(folder)


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Variables of the cluster's processes and of those who use it; whatever is set here for other Rays is left out."""
    with TemporaryDirectory(dir="/tmp", prefix="h") as home:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
        yield inherited | {
            "HOME": home,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        }


@pytest.fixture(scope="module")
def cluster(environment: dict[str, str]) -> Iterator[str]:
    """Where jobs go: the dashboard of a head that was started with `ray start --head`, on the loopback interface."""
    port, dashboard, agent, client = free_ports(4)
    with TemporaryDirectory(dir="/tmp", prefix="r") as folder:
        config = Path(folder) / "autoscaling.json"
        config.write_text(json.dumps(autoscaling(port, folder)))
        options = {
            "node-ip-address": "127.0.0.1",
            "port": port,
            "dashboard-host": "127.0.0.1",
            "dashboard-port": dashboard,
            "dashboard-agent-listen-port": agent,
            "ray-client-server-port": client,
            "num-cpus": 0,
            "num-gpus": 0,
            "object-store-memory": 200_000_000,
            "temp-dir": folder,
            "autoscaling-config": config,
        }
        command = ["ray", "start", "--head", "--block", *(f"--{name}={value}" for name, value in options.items())]
        with (Path(folder) / "head.txt").open("wb") as log:
            head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{dashboard}"
            _await(f"{address}/api/version", head)
            yield address
        finally:
            # What runs below this head and nothing else: `ray stop` would end every Ray of the machine.
            below = psutil.Process(head.pid).children(recursive=True)
            head.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                head.wait(timeout=15)
            for process in [*below, *_of(folder)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            head.kill()
            head.wait()


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urlopen(url, timeout=5).close()  # noqa: S310  (a URL of our own)
            return
        time.sleep(0.2)
    pytest.fail("the head did not start")


def _of(folder: str) -> list[psutil.Process]:
    """Processes whose command line names the head's temporary folder."""
    every = psutil.process_iter(["cmdline"])
    return [process for process in every if folder in " ".join(process.info["cmdline"] or ())]


@pytest.fixture
def job(cluster: str, environment: dict[str, str], project: Path) -> Job:
    """`ray job VERB ...` in the project's folder."""

    def run(verb: str, *args: str, timeout: float = 500) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["ray", "job", verb, f"--address={cluster}", "--log-color=false", *args],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
