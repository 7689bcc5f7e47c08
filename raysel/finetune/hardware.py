"""What a process computes on, in the words that a history keeps beside seconds."""

import platform
import sys
from pathlib import Path

import ray


def hardware_here(*, workers: int = 1) -> str:
    """How much of what this process computes on: `0.25 x NVIDIA A10G`, `1 x AMD EPYC 7R13 Processor`.

    Of a GPU it is the part that Ray gave this process, of a processor the threads. Seconds on a quarter of a GPU are
    not those on a whole one, so they are told apart.

    Args:
        workers: How many processes like this one compute together.
    """
    given = _given()
    torch = sys.modules.get("torch")  # what was computed without it was computed by the processor
    if torch is not None and torch.cuda.is_available():
        amount, name = given.get("GPU", 1.0), torch.cuda.get_device_name()
    else:
        amount, name = given.get("CPU", 1.0) if torch is None else torch.get_num_threads(), _processor()
    return f"{amount * workers:g} x {name}"


def _given() -> dict[str, float]:
    """The resources that Ray gave this process; none where it is not Ray's."""
    if not ray.is_initialized():
        return {}
    context = ray.get_runtime_context()
    return dict(context.get_assigned_resources()) if context.worker.mode == ray.WORKER_MODE else {}


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
