"""The trainable: a fine-tuning run as Ray Tune knows it."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from ray import tune

from raysel.finetune.data import Data
from raysel.finetune.hardware import hardware_here
from raysel.finetune.loop import FineTuning
from raysel.finetune.recipe import Recipe
from raysel.finetune.workers import Workers
from raysel.models import revision


def trainable(config: Mapping[str, Any], *, data: Data) -> None:
    """Fine-tune the model that `config` names, reporting and saving every point.

    Used as ``tune.with_parameters(trainable, data=data)``. Each report has every metric of the task on the
    validation split, `step` (points so far), `epoch`, `seconds` (spent in this run, interruptions left out), the
    `hardware` that they were spent on, and a checkpoint; until it is interrupted the `revision` of the model too. The
    last one has each `test_<metric>`. A trial that is resumed continues exactly, on a CPU to the last bit. A run that
    diverges reports NaN and ends.

    Args:
        config: `model`, and any of `raysel.finetune.Recipe`: seed, lr, batch_size, epochs, points_per_epoch, tuning,
            precision, accumulate, weight_decay.
        data: What it is trained on.

    Raises:
        OptionError, UnknownNameError: If a key is unknown or a value breaks its rule.
        OutOfMemoryError: If half a batch does not fit the memory either.
    """
    torch.set_num_threads(1)
    model, recipe = Recipe.split(config)
    start = tune.get_checkpoint()
    run = begun(start, model, data, recipe)
    about = {"hardware": hardware_here(), **of_start(start, model)}
    for point in run.points():
        with TemporaryDirectory() as folder:
            run.save(Path(folder))
            told = {**point.metrics(data.metric), **about}
            tune.report(told, checkpoint=tune.Checkpoint.from_directory(folder))


def of_start(checkpoint: tune.Checkpoint | None, model: str) -> dict[str, str]:
    """The revision of the model that a new run has loaded; who goes on from a checkpoint may not have the model."""
    return {"revision": revision(model)} if checkpoint is None else {}


def begun(
    checkpoint: tune.Checkpoint | None, model: str, data: Data, recipe: Recipe, *, workers: Workers | None = None
) -> FineTuning:
    """The run that a checkpoint holds, or a new one where there is none."""
    if checkpoint is None:
        return FineTuning.start(model, data, recipe, workers=workers)
    with checkpoint.as_directory() as folder:
        return FineTuning.resume(Path(folder), data, recipe, workers=workers)
