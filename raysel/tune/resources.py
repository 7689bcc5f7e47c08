"""What each trial of a selection is given: as much of the cluster's GPUs as its largest model needs."""

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from raysel.errors import OptionError

if TYPE_CHECKING:
    from raysel.models import Facts

logger = logging.getLogger(__name__)


def trial_resources(
    gpus: str, *, cpus: float, facts: "Collection[Facts]", recipe: Mapping[str, Any], patience: float = 0.0
) -> dict[str, float]:
    """Resources of one trial on the cluster that Ray is connected to.

    Args:
        gpus: `auto`, for what the largest model needs (see `raysel.finetune.resources_for`), or a number: a part of a
            GPU, or a whole number of them.
        cpus: Processors of a trial.
        facts: About the candidates.
        recipe: How they are trained.
        patience: Seconds to wait for a cluster that has too little; one that scales adds a node when it is asked.

    Raises:
        OptionError: If it is no such number, the cluster has too little, or the largest model fits no GPU.
    """
    from raysel.finetune import Recipe, resources_for

    there = ray.cluster_resources()
    if gpus == "auto":
        if "CPU" not in there and "GPU" not in there and patience:  # a head alone: what else there may be is not known
            there = _grown({"GPU": 1}, patience)
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
    wants = {"CPU": cpus, **({"GPU": amount} if amount else {})}
    if patience and any(wanted > there.get(name, 0) for name, wanted in wants.items()):
        there = _grown(wants, patience)
    for name, wanted in (("GPU", amount), ("CPU", cpus)):
        if wanted > there.get(name, 0):
            rule = f"at most the {there.get(name, 0):g} that the cluster has"
            raise OptionError(f"{name.lower()}s_per_trial", wanted, rule)
    return {"cpu": cpus, **({"gpu": amount} if amount else {})}


def _grown(wants: Mapping[str, float], patience: float) -> dict[str, float]:
    """Resources of the cluster when it has had time to grow for a demand."""
    asked = " and ".join(f"{amount:g} {name}" for name, amount in wants.items())
    logger.warning("the cluster has no %s yet: waiting up to %.0f s for it to grow", asked, patience)
    # Trials on several GPUs may have them on several nodes.
    whole = max(1, int(wants.get("GPU", 1)))
    each = {name: amount / whole for name, amount in wants.items()}
    demand = placement_group([each] * whole)
    demand.wait(patience)
    remove_placement_group(demand)
    return dict(ray.cluster_resources())


def _gpu_memory() -> float:
    """Bytes of the GPU that a task is given: of the first free one, where they differ."""
    return float(ray.get(ray.remote(_memory_here).options(num_cpus=0, num_gpus=1).remote()))


def _memory_here() -> int:
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)


def workers_of(resources: Mapping[str, float]) -> int:
    """How many workers a trial with these resources is made by: with several GPUs each has one of its own.

    >>> workers_of({"cpu": 1, "gpu": 4}), workers_of({"cpu": 1, "gpu": 0.5}), workers_of({"cpu": 1})
    (4, 1, 1)
    """
    gpus = resources.get("gpu", 0.0)
    return int(gpus) if gpus > 1 else 1


def held_by(resources: Mapping[str, float]) -> dict[str, float]:
    """What Tune is to hold for such a trial: on several GPUs it is a driver beside its workers, which hold them.

    >>> held_by({"cpu": 1, "gpu": 4}), held_by({"cpu": 1, "gpu": 0.5})
    ({'cpu': 0.01}, {'cpu': 1, 'gpu': 0.5})
    """
    return {"cpu": 0.01} if workers_of(resources) > 1 else dict(resources)


def trial_hardware(resources: Mapping[str, float]) -> str:
    """What a trial with these resources computes on, as histories record it; of a cluster with several kinds, on one.

    Args:
        resources: As `trial_resources` gives them.
    """
    gpus, workers = resources.get("gpu", 0.0), workers_of(resources)
    task: Any = ray.remote(_hardware_here).options(num_cpus=resources["cpu"] / workers, num_gpus=gpus / workers)
    return str(ray.get(task.remote(workers)))


def _hardware_here(workers: int) -> str:
    import torch

    from raysel.finetune.hardware import hardware_here

    torch.set_num_threads(1)  # as trials do
    return hardware_here(workers=workers)
