"""Ray for the time of a command: one of its own on this machine, or a cluster that runs already."""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raysel.errors import OptionError, RayStartError

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing leaves this machine
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # results go to the history
}

_ANSWER_SECONDS = 60.0

_LOCAL = {
    # Ray binds to the loopback interface alone, whatever the system (it reads this when it is imported).
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Processes that computed proxies end soon after: trials never take them over, and they hold 0.7 GB each.
    "RAY_num_workers_soft_limit": "0",
    "RAY_idle_worker_killing_time_threshold_ms": "300",
}


@contextmanager
def session(
    address: str | None, *, pinned: bool = False, cpus: int | None = None, store_bytes: int | None = None
) -> Iterator[str]:
    """Ray at the address, or one of its own that listens on the loopback interface alone.

    Args:
        address: Of a running cluster that this machine is a node of.
        pinned: Whether everything is to run on this node.
        cpus: For a Ray of its own: how many processors it may use; all by default.
        store_bytes: For a Ray of its own: the size of its object store.

    Yields:
        The address of this node.

    Raises:
        OptionError: If everything is to run on this node, and it has no processors.
        RayStartError: If Ray does not start, or cannot be reached.
    """
    for name, value in (_QUIET if address else {**_QUIET, **_LOCAL}).items():
        os.environ.setdefault(name, value)
    import ray

    alone: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": store_bytes, "include_dashboard": False}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else alone),
        )
    except Exception as error:  # that and no other is what Ray raises on a machine too busy to start it
        where = f"did not take us in at {address}" if address else "did not start; a busy machine may need another try"
        raise RayStartError(f"Ray {where}: {error}") from error
    try:
        here = ray.get_runtime_context().get_node_id()
        node = next(node for node in ray.nodes() if node["NodeID"] == here)
        if pinned and node["Resources"].get("CPU", 0) < 1:
            raise OptionError("RAY_ADDRESS", address, "a cluster with processors on this node, where the files are")
        yield str(node["NodeManagerAddress"])
    finally:
        ray.shutdown()


def check_address(address: str) -> None:
    """Refuse at once what Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    rule = "host:port of a running cluster that this machine is a node of"
    if "//" in host:
        raise OptionError("RAY_ADDRESS", address, rule)
    if host and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except OSError as error:
            raise OptionError("RAY_ADDRESS", address, f"{rule} ({error})") from error


def check_kept(**places: str) -> None:
    """Refuse places that Ray deletes: a job runs in a copy of the folder that was submitted.

    Args:
        places: By option, a path or URI that something is to be kept at.

    Raises:
        OptionError: If a path lies in the working directory of the job that this process is.
    """
    here = Path.cwd()
    if "working_dir_files" not in here.parts:  # where Ray unpacks them
        return
    for option, place in places.items():
        if "://" not in place and Path(place).resolve().is_relative_to(here):
            rule = "an absolute path or a URI; Ray deletes a job's working directory after it"
            raise OptionError(option, place, rule)


def check_sent(data: str) -> None:
    """Refuse data that is not there, in a job with what to do about it.

    Raises:
        OptionError: If this process is a job and its folder lacks the data.
    """
    if "working_dir_files" in Path.cwd().parts and "://" not in data and not Path(data).exists():
        rule = (
            "in the folder that was submitted (of 512 MiB at most, without what is excluded), a path that every node "
            "has, or a URI such as s3://bucket/photos, which each node copies once"
        )
        raise OptionError("data", data, rule)


def check_everywhere(files: Sequence[str]) -> None:
    """Refuse files that a node of the cluster lacks: trials there would fail one by one.

    Nodes that come later, and those that do not answer within a minute, are not asked.

    Args:
        files: Absolute paths; a few of them are looked for.

    Raises:
        OptionError: If a node with processors lacks one.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    some = [files[place] for place in sorted({0, len(files) // 2, len(files) - 1})]
    asked = {
        ray.remote(_lacking)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote(some): node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) > 0
    }
    for answer in ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_SECONDS)[0]:
        lacking = ray.get(answer)
        if lacking is not None:
            rule = (
                f"on every node under the same path, which node {asked[answer]} lacks: submit the folder, mount it "
                "everywhere, or name a URI such as s3://bucket/photos, which each node copies once"
            )
            raise OptionError("data", lacking, rule)


def _lacking(files: Sequence[str]) -> str | None:
    return next((file for file in files if not os.path.exists(file)), None)
