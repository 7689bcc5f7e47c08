"""The training loop: one run, point by point, that can be saved after any point and goes on exactly from there.

Nothing random is carried along. The order of the data follows from (seed, epoch), what is random in the model from
(seed, point), the learning rate from the batch's number; so a run is its weights, its optimiser's state and a number.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from raysel.errors import OptionError
from raysel.finetune.data import Data, Split
from raysel.finetune.recipe import Recipe
from raysel.models import ModelBundle, load

WEIGHT_DECAY = 0.02  # on matrices and kernels only
CLIP = 1.0  # norm of the gradient
WARM_UP = 0.1  # of the run


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a run has reached.

    Args:
        step: Points so far, from 1.
        epoch: Passes over the training data so far.
        seconds: Spent training and validating in this run so far, interruptions left out.
        value: The data's metric on its validation split; NaN if the run diverged.
        test: The same on its test split; `None` before the last point.
    """

    step: int
    epoch: float
    seconds: float
    value: float
    test: float | None = None

    def metrics(self, metric: str) -> dict[str, float]:
        """What Tune is told."""
        told = {metric: self.value, "step": self.step, "epoch": self.epoch, "seconds": self.seconds}
        return told if self.test is None else {**told, f"test_{metric}": self.test}


class FineTuning:
    """One model being trained on one dataset.

    Args:
        bundle: The model, with a head for the data; it is trained in place.
        data: What it is trained on.
        recipe: How.
        clock: What seconds are read from.

    Raises:
        OptionError: If the head does not fit the data, or an epoch has fewer batches than points.
    """

    def __init__(
        self, bundle: ModelBundle, data: Data, recipe: Recipe, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._batches = max(1, len(data.train) // recipe.batch_size)
        if bundle.outputs != data.outputs:
            raise OptionError("outputs", bundle.outputs, f"{data.outputs} for {data.name}")
        if recipe.points_per_epoch > self._batches:
            rule = f"at most {self._batches}, the batches of an epoch on {data.name}"
            raise OptionError("points_per_epoch", recipe.points_per_epoch, rule)
        self.bundle, self.data, self.recipe, self._clock = bundle, data, recipe, clock
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        bundle.module.to(self._device)
        self._optimizer = _optimizer(bundle.module)
        self._step, self._seconds = 0, 0.0
        # Regression is learnt on labels of mean 0 and deviation 1, and judged in their own unit.
        labels = data.train.labels
        regression = data.task == "regression"
        self._centre, self._scale = (float(labels.mean()), float(labels.std()) or 1.0) if regression else (0.0, 1.0)

    @classmethod
    def start(cls, model: str, data: Data, recipe: Recipe) -> "FineTuning":
        """A new run of a pre-trained model, with a fresh head drawn from the recipe's seed."""
        return cls(load(model, outputs=data.outputs, seed=recipe.seed), data, recipe)

    @classmethod
    def resume(cls, folder: Path, data: Data, recipe: Recipe) -> "FineTuning":
        """The run that `save` wrote to `folder`; its further points are those it would have had."""
        run = cls(load(f"file:{folder}"), data, recipe)
        # Read to the CPU: the optimiser moves each state to where its parameter is.
        state = torch.load(folder / "optimizer.pt", weights_only=True, map_location="cpu")
        run._optimizer.load_state_dict(state)
        progress = json.loads((folder / "progress.json").read_text())
        run._step, run._seconds = progress["step"], progress["seconds"]
        return run

    def save(self, folder: Path) -> None:
        """Write a checkpoint: the model in its library's own format, the optimiser's state, and how far the run is."""
        self.bundle.save(folder)
        torch.save(self._optimizer.state_dict(), folder / "optimizer.pt")
        (folder / "progress.json").write_text(json.dumps({"step": self._step, "seconds": self._seconds}))

    def points(self) -> Iterator[Point]:
        """Train to the end of the recipe, giving every point as it is reached; the last one has the test value.

        A run whose loss is no longer finite gives one last point, NaN, and ends.
        """
        while self._step < self.recipe.points:
            began = self._clock()
            healthy = self._train_to_next_point()
            value = self._judge(self.data.val) if healthy else math.nan
            self._step += 1
            self._seconds += self._clock() - began
            last = self._step == self.recipe.points
            yield Point(
                step=self._step,
                epoch=self._step / self.recipe.points_per_epoch,
                seconds=round(self._seconds, 4),
                value=value,
                test=self._judge(self.data.test) if last and healthy else None,
            )
            if not healthy:
                return

    def _train_to_next_point(self) -> bool:
        """Train on the next point's share of its epoch; whether every loss was finite."""
        epoch, part = divmod(self._step, self.recipe.points_per_epoch)
        edges = [round(self._batches * share / self.recipe.points_per_epoch) for share in (part, part + 1)]
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.data.train))
        _reseed(self.recipe.seed, self._step)
        self.bundle.module.train()
        for batch in range(*edges):
            chosen = order[batch * self.recipe.batch_size : (batch + 1) * self.recipe.batch_size]
            if not self._train_batch(chosen, epoch * self._batches + batch):
                return False
        return True

    def _train_batch(self, chosen: np.ndarray, number: int) -> bool:
        inputs = self.bundle.transform(self.data.train.inputs[chosen]).to(self._device)
        loss = self._loss(self.bundle.logits(inputs), self.data.train.labels[chosen])
        if not torch.isfinite(loss):
            return False
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.bundle.module.parameters(), CLIP)
        rate = self.recipe.lr * _schedule(number, self.recipe.epochs * self._batches)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        return True

    def _loss(self, logits: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
        if self.data.task == "classification":
            return functional.cross_entropy(logits, torch.from_numpy(labels).long().to(self._device))
        wanted = torch.from_numpy((labels - self._centre) / self._scale).float().to(self._device)
        return functional.mse_loss(logits[:, 0], wanted)

    def _judge(self, split: Split) -> float:
        logits = self.bundle.predict(split.inputs)
        if self.data.task == "classification":
            return self.data.judge.score(logits.argmax(1), split.labels)
        return self.data.judge.score(logits[:, 0].astype(np.float64) * self._scale + self._centre, split.labels)


def _optimizer(module: torch.nn.Module) -> torch.optim.AdamW:
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    kernels = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, foreach=True)


def _schedule(batch: int, batches: int) -> float:
    """The share of the peak learning rate at a batch: up in a line, then down in a cosine."""
    warm = max(1, round(WARM_UP * batches))
    if batch < warm:
        return (batch + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (batch - warm) / max(1, batches - warm)))


def _reseed(seed: int, step: int) -> None:
    """Seed what libraries draw from behind one's back (dropout, stochastic depth)."""
    drawn = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
    random.seed(drawn)
    torch.manual_seed(drawn)
