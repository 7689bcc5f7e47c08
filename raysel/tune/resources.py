"""What each trial of a selection is given: as much of the cluster's GPUs as its largest model needs."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import ray

from raysel.errors import OptionError

if TYPE_CHECKING:
    from raysel.models import Facts


def trial_resources(
    gpus: str, *, cpus: float, facts: "Collection[Facts]", recipe: Mapping[str, Any]
) -> dict[str, float]:
    """Resources of one trial on the cluster that Ray is connected to.

    Args:
        gpus: `auto`, for what the largest model needs (see `raysel.finetune.resources_for`), or a number: a part of a
            GPU, or a whole number of them.
        cpus: Processors of a trial.
        facts: About the candidates.
        recipe: How they are trained.

    Raises:
        OptionError: If it is no such number, the cluster has too little, or the largest model fits no GPU.
    """
    from raysel.finetune import Recipe, resources_for

    there = ray.cluster_resources()
    if gpus == "auto":
        memory = _gpu_memory() if there.get("GPU", 0) >= 1 else None
        largest = max(one.parameters for one in facts)
        amount = resources_for(largest, Recipe(**recipe), gpu_memory=memory)["gpu"]
    else:
        try:
            amount = float(gpus)
        except ValueError:
            amount = -1.0
        if amount < 0 or (amount > 1 and amount != int(amount)):
            raise OptionError("gpus_per_trial", gpus, "auto, a part of a GPU or a whole number of them")
    for name, wanted in (("GPU", amount), ("CPU", cpus)):
        if wanted > there.get(name, 0):
            rule = f"at most the {there.get(name, 0):g} that the cluster has"
            raise OptionError(f"{name.lower()}s_per_trial", wanted, rule)
    return {"cpu": cpus, **({"gpu": amount} if amount else {})}


def _gpu_memory() -> float:
    """Bytes of the GPU that a task is given: of the first free one, where they differ."""
    return float(ray.get(ray.remote(_memory_here).options(num_cpus=0, num_gpus=1).remote()))


def _memory_here() -> int:
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)
