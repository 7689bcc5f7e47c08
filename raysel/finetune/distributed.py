"""A fine-tuning run with several workers: Ray Train's `TorchTrainer` within a Ray Tune trial.

The trial is the driver that Ray's guide describes: it starts a Train run and passes on what that reports. Ray's own
`TuneReportCallback` passes on numbers only; here the checkpoint goes with them, so that Tune can pause the trial,
resume it exactly where it was paused, and keep or delete its checkpoints, as with any other trial.
"""

import asyncio
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import ray
import torch
from ray import train, tune
from ray.train import UserCallback
from ray.train.torch import TorchTrainer

from raysel.errors import OptionError
from raysel.finetune.data import Data
from raysel.finetune.hardware import hardware_here
from raysel.finetune.ray_trainable import begun, of_start
from raysel.finetune.recipe import Recipe
from raysel.finetune.workers import Workers


def distributed_trainable(
    config: Mapping[str, Any],
    *,
    data: Data,
    workers: int,
    resources_per_worker: Mapping[str, float] | None = None,
    use_gpu: bool = False,
    storage_path: str | None = None,
) -> None:
    """`raysel.finetune.trainable` with several workers, each of which takes its share of every batch.

    Batches, their order and the learning rate are those of one worker; so is the curve up to rounding, but for batch
    statistics, which are those of the first worker's share, and for what is random in the model. Workers are up
    beside the trial, which itself needs next to nothing: give it ``{"cpu": 0.01}``, and set `max_concurrent_trials` to
    what the cluster has room for, or trials wait for one another's workers. A batch that does not fit is an error:
    only one worker can halve it.

    Args:
        config: As for `trainable`.
        data: What it is trained on.
        workers: How many, at least 1.
        resources_per_worker: In Ray's words (``{"CPU": 1, "GPU": 1}``); by default one CPU, or one GPU.
        use_gpu: Whether each has a GPU: they then talk by NCCL, else by Gloo.
        storage_path: Where checkpoints lie until Tune has taken them: for workers on several nodes a place that all of
            them see. The trial's own folder by default.

    Raises:
        OptionError, UnknownNameError: If a key is unknown or a value breaks its rule.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise OptionError("workers", workers, "an integer of at least 1")
    model, recipe = Recipe.split(config)
    context = tune.get_context()
    exchange: Any = ray.remote(num_cpus=0)(_Exchange).remote()
    trainer = TorchTrainer(
        partial(_work, model=model, recipe=recipe, data=ray.put(data), start=tune.get_checkpoint()),
        scaling_config=train.ScalingConfig(
            num_workers=workers,
            use_gpu=use_gpu,
            resources_per_worker=dict(resources_per_worker) if resources_per_worker else None,
        ),
        run_config=train.RunConfig(
            # A new name each time that the trial is started: it goes on from Tune's checkpoint, not from Train's last.
            name=f"train-{context.get_trial_id()}-{secrets.token_hex(4)}",
            storage_path=storage_path or context.get_trial_dir(),
            checkpoint_config=train.CheckpointConfig(num_to_keep=1),
            callbacks=[_Forward(exchange)],  # type: ignore[list-item]
        ),
    )
    ended: list[Any] = []
    Thread(target=_fit, args=(trainer, exchange, ended), daemon=True).start()
    while (reached := ray.get(exchange.take.remote())) is not None:
        metrics, checkpoint = reached
        tune.report(metrics, checkpoint=tune.Checkpoint(checkpoint.path, checkpoint.filesystem))
        ray.get(exchange.taken.remote())
    (result,) = ended
    if isinstance(result, Exception):
        raise result
    result.filesystem.delete_dir(result.path)  # Tune has it all


def _work(*, model: str, recipe: Recipe, data: "ray.ObjectRef[Data]", start: tune.Checkpoint | None) -> None:
    """What each worker does."""
    torch.set_num_threads(1)
    context = train.get_context()
    workers = Workers(rank=context.get_world_rank(), size=context.get_world_size())
    dataset: Data = ray.get(data)
    start = train.get_checkpoint() or start
    run = begun(start, model, dataset, recipe, workers=workers)
    about = {"hardware": hardware_here(workers=workers.size), **of_start(start, model)}
    for point in run.points():
        if workers.rank:
            train.report({})
            continue
        with TemporaryDirectory() as folder:
            run.save(Path(folder))
            told = {**point.metrics(dataset.metric), **about}
            train.report(told, checkpoint=train.Checkpoint.from_directory(folder))


def _fit(trainer: TorchTrainer, exchange: Any, ended: list[Any]) -> None:
    try:
        ended.append(trainer.fit())
    except Exception as error:  # raised in the trial's own thread
        ended.append(error)
    exchange.give.remote(None)


class _Exchange:
    """Between Train's controller, which gives, and the trial, which takes: one thing at a time."""

    def __init__(self) -> None:
        self._things: asyncio.Queue[Any] = asyncio.Queue()

    async def give(self, thing: Any) -> None:
        """Return once the thing has been taken care of: Train may delete a checkpoint when it has a later one."""
        await self._things.put(thing)
        await self._things.join()

    async def take(self) -> Any:
        return await self._things.get()

    async def taken(self) -> None:
        self._things.task_done()


class _Forward(UserCallback):
    """In Train's controller: pass on what the first worker reports, with the checkpoint."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: train.Checkpoint | None
    ) -> None:
        ray.get(self._exchange.give.remote((metrics[0], checkpoint)))
