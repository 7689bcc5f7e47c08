"""The training loop: one run, point by point, that can be saved after any point and goes on exactly from there.

Nothing random is carried along. The order of the data follows from (seed, epoch), what is random in the model from
(seed, point), the learning rate from the batch's number; so a run is its weights, its optimiser's state and a few
numbers.

A batch may pass through the model in parts (`accumulate`), and be shared among workers: what is learnt from it is the
same up to rounding, but for batch statistics. When memory runs out the parts are halved, once, and the batch is begun
again.
"""

import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from raysel.errors import OptionError, OutOfMemoryError
from raysel.finetune.data import Data, Split
from raysel.finetune.memory import Before
from raysel.finetune.precision import Arithmetic
from raysel.finetune.recipe import Recipe
from raysel.finetune.tuning import way_of
from raysel.finetune.workers import Workers
from raysel.models import ModelBundle, load
from raysel.models.adapter import Batch
from raysel.models.ahead import ahead
from raysel.models.devices import device_here, out_of_memory
from raysel.models.passes import passes

logger = logging.getLogger(__name__)

CLIP = 1.0  # norm of the gradient
WARM_UP = 0.1  # of the run
JUDGED = 256  # samples at once, where no gradients are kept


@dataclass(frozen=True)
class Part:
    """What passes through the model at once: inputs, what is wanted of them, and what their mean loss counts."""

    inputs: Batch
    wanted: torch.Tensor
    weight: float


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a run has reached.

    Args:
        step: Points so far, from 1.
        epoch: Passes over the training data so far.
        seconds: Spent training and validating in this run so far, interruptions left out.
        value: The data's metric on its validation split; NaN if the run diverged.
        test: The same on its test split; `None` before the last point.
        others: The task's other metrics by name, those on the test split with `test_` before it.
    """

    step: int
    epoch: float
    seconds: float
    value: float
    test: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)

    def metrics(self, metric: str) -> dict[str, float]:
        """What Tune is told."""
        told = {metric: self.value, **self.others, "step": self.step, "epoch": self.epoch, "seconds": self.seconds}
        return told if self.test is None else {**told, f"test_{metric}": self.test}


class FineTuning:
    """One model being trained on one dataset.

    Args:
        bundle: The model, with a head for the data; it is trained in place.
        data: What it is trained on.
        recipe: How.
        clock: What seconds are read from.
        workers: Who trains it; the model is to be the same with each of them.

    Raises:
        OptionError: If the head does not fit the data, an epoch has fewer batches than points, a part of a batch has
            fewer samples than there are workers, or the model cannot be tuned in the recipe's way.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        data: Data,
        recipe: Recipe,
        *,
        clock: Callable[[], float] = time.perf_counter,
        workers: Workers | None = None,
    ) -> None:
        self.bundle, self.data, self.recipe, self._clock = bundle, data, recipe, clock
        self._workers = workers or Workers()
        self._batches = max(1, len(data.train) // recipe.batch_size)
        self._check()
        self._device = device_here()
        self._way, self._arithmetic = way_of(recipe), Arithmetic(recipe.precision, self._device)
        self._way.prepare(bundle, seed=recipe.seed)
        bundle.module.to(self._device)
        self._module = self._workers.together(bundle.module)
        self._optimizer = _optimizer(bundle.module, recipe.weight_decay)
        self._step, self._seconds, self._accumulate = 0, 0.0, recipe.accumulate
        self._judged = JUDGED
        # Regression is learnt on labels of mean 0 and deviation 1, and judged in their own unit.
        labels = data.train.labels
        regression = data.task == "regression"
        self._centre, self._scale = (float(labels.mean()), float(labels.std()) or 1.0) if regression else (0.0, 1.0)

    def _check(self) -> None:
        recipe, data = self.recipe, self.data
        if self.bundle.outputs != data.outputs:
            raise OptionError("outputs", self.bundle.outputs, f"{data.outputs} for {data.name}")
        if recipe.points_per_epoch > self._batches:
            rule = f"at most {self._batches}, the batches of an epoch on {data.name}"
            raise OptionError("points_per_epoch", recipe.points_per_epoch, rule)
        samples = min(recipe.batch_size, len(data.train))
        if samples // recipe.accumulate < self._workers.size:
            rule = f"at least {recipe.accumulate * self._workers.size}: {recipe.accumulate} parts"
            raise OptionError("batch_size", samples, f"{rule} for {self._workers.size} workers")

    @classmethod
    def start(cls, model: str, data: Data, recipe: Recipe, *, workers: Workers | None = None) -> "FineTuning":
        """A new run of a pre-trained model, with a fresh head drawn from the recipe's seed."""
        return cls(load(model, outputs=data.outputs, seed=recipe.seed), data, recipe, workers=workers)

    @classmethod
    def resume(cls, folder: Path, data: Data, recipe: Recipe, *, workers: Workers | None = None) -> "FineTuning":
        """The run that `save` wrote to `folder`; its further points are those it would have had."""
        run = cls(load(f"file:{folder}"), data, recipe, workers=workers)
        run._way.restore(run.bundle, folder)
        # Read to the CPU: the optimiser moves each state to where its parameter is.
        state = torch.load(folder / "optimizer.pt", weights_only=True, map_location="cpu")
        run._optimizer.load_state_dict(state)
        progress = json.loads((folder / "progress.json").read_text())
        run._step, run._seconds, run._accumulate = progress["step"], progress["seconds"], progress["accumulate"]
        if progress["scaler"] and run._arithmetic.scaler.is_enabled():
            run._arithmetic.scaler.load_state_dict(progress["scaler"])
        return run

    def save(self, folder: Path) -> None:
        """Write a checkpoint: the model in its library's own format, the optimiser's state, and how far the run is."""
        self._way.save(self.bundle, folder)
        torch.save(self._optimizer.state_dict(), folder / "optimizer.pt")
        progress = {
            "step": self._step,
            "seconds": self._seconds,
            "accumulate": self._accumulate,
            "scaler": self._arithmetic.scaler.state_dict(),
        }
        (folder / "progress.json").write_text(json.dumps(progress))

    def points(self) -> Iterator[Point]:
        """Train to the end of the recipe, giving every point as it is reached; the last one has the test value.

        A run whose loss is no longer finite gives one last point, NaN, and ends.
        """
        while self._step < self.recipe.points:
            began = self._clock()
            healthy = self._train_to_next_point()
            scores = self._judge(self.data.val) if healthy else {self.data.metric: math.nan}
            self._step += 1
            self._seconds += self._clock() - began
            last = self._step == self.recipe.points
            tested = self._judge(self.data.test) if last and healthy else {}
            yield Point(
                step=self._step,
                epoch=self._step / self.recipe.points_per_epoch,
                seconds=round(self._seconds, 4),
                value=scores[self.data.metric],
                test=tested.get(self.data.metric),
                others=self._others(scores) | {f"test_{name}": score for name, score in self._others(tested).items()},
            )
            if not healthy:
                return

    def _train_to_next_point(self) -> bool:
        """Train on the next point's share of its epoch; whether every loss was finite."""
        epoch, part = divmod(self._step, self.recipe.points_per_epoch)
        first, last = (round(self._batches * share / self.recipe.points_per_epoch) for share in (part, part + 1))
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.data.train))
        _reseed(self.recipe.seed, self._step, self._workers.rank)
        self._way.train(self.bundle)
        size = self.recipe.batch_size
        batches = [order[number * size : (number + 1) * size] for number in range(first, last)]
        return self._train(batches, epoch * self._batches + first)

    def _train(self, batches: Sequence[np.ndarray], number: int) -> bool:
        """Train on batches, the first of which is the run's `number`th; whether every loss was finite."""
        buffers = list(self.bundle.module.buffers())
        with closing(ahead(self._parts(samples) for samples in batches)) as made:
            for done, parts in enumerate(made):
                before = Before.of(buffers, self._device)
                try:
                    healthy = self._gradients(parts)
                except RuntimeError as error:
                    if not out_of_memory(error):
                        raise
                    reason = str(error)
                    break
                if not healthy:
                    return False
                self._descend(number + done)
            else:
                return True
        # Here, where the error no longer keeps what was computed alive.
        before.restore()
        self._halve(len(batches[done]), reason)
        return self._train(batches[done:], number + done)

    def _halve(self, samples: int, reason: str) -> None:
        """Have each batch pass through the model in twice as many parts from now on."""
        part = -(-samples // self._accumulate)
        again = self._accumulate > self.recipe.accumulate
        if again or part == 1 or self._workers.size > 1:  # others would wait for this one's gradients for ever
            raise OutOfMemoryError(self.bundle.name, part, reason)
        self._accumulate *= 2
        logger.warning(
            "%s ran out of memory with %d samples at once: from here on a batch of %d is learnt from in %d parts",
            *(self.bundle.name, part, samples, self._accumulate),
        )

    def _parts(self, batch: np.ndarray) -> list[Part]:
        parts = []
        for samples in np.array_split(batch, min(self._accumulate, len(batch))):
            mine = self._workers.share(samples)
            inputs, labels = self._read(self.data.train, mine), self._wanted(self.data.train.labels[mine])
            # Workers' gradients are averaged.
            parts.append(Part(inputs, labels, weight=len(mine) * self._workers.size / len(batch)))
        return parts

    def _read(self, split: Split, samples: np.ndarray) -> Batch:
        batch = self.bundle.transform(split.inputs[samples])
        return batch.pin_memory() if self._device.type == "cuda" else batch

    def _wanted(self, labels: np.ndarray) -> torch.Tensor:
        if self.data.task == "classification":
            return torch.from_numpy(labels).long()
        return torch.from_numpy((labels - self._centre) / self._scale).float()

    def _gradients(self, parts: Sequence[Part]) -> bool:
        """The gradients of a batch's mean loss; whether that is finite."""
        self._optimizer.zero_grad()
        for part in parts:
            with nullcontext() if part is parts[-1] else self._workers.apart(self._module):
                with self._arithmetic():
                    logits = self.bundle.adapter.logits(self._module, part.inputs.to(self._device, non_blocking=True))
                loss = self._loss(logits.float(), part.wanted.to(self._device, non_blocking=True)) * part.weight
                if not torch.isfinite(self._workers.total(loss.detach().clone())):
                    return False
                self._arithmetic.scaler.scale(loss).backward()
        return True

    def _loss(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if self.data.task == "classification":
            return functional.cross_entropy(logits, wanted)
        return functional.mse_loss(logits[:, 0], wanted)

    def _descend(self, number: int) -> None:
        """A step of the optimiser, that of the run's `number`th batch."""
        scaler = self._arithmetic.scaler
        scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self.bundle.module.parameters(), CLIP)
        rate = self.recipe.lr * _schedule(number, self.recipe.epochs * self._batches)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        scaler.step(self._optimizer)
        scaler.update()

    def _judge(self, split: Split) -> dict[str, float]:
        logits = self._predict(split).cpu().numpy()
        if self.data.task == "classification":
            return self.data.scores(logits.argmax(1), split)
        return self.data.scores(logits[:, 0].astype(np.float64) * self._scale + self._centre, split)

    def _others(self, scores: Mapping[str, float]) -> dict[str, float]:
        return {name: score for name, score in scores.items() if name != self.data.metric}

    def _predict(self, split: Split) -> torch.Tensor:
        """(n, outputs) of a split, each worker's share from that worker."""
        self.bundle.module.eval()
        mine = self._workers.share(np.arange(len(split)))
        logits = torch.zeros(len(split), self.bundle.outputs, device=self._device)
        if len(mine):
            (logits[mine],), self._judged = passes(
                lambda part: self._read(split, mine[part]),
                self._look,
                samples=len(mine),
                size=self._judged,
                name=self.bundle.name,
            )
        return self._workers.total(logits)

    def _look(self, batch: Batch) -> tuple[torch.Tensor]:
        with self._arithmetic():
            return (self.bundle.logits(batch.to(self._device, non_blocking=True)).float(),)


def _optimizer(module: torch.nn.Module, weight_decay: float) -> torch.optim.AdamW:
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    kernels = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, foreach=True)


def _schedule(batch: int, batches: int) -> float:
    """The share of the peak learning rate at a batch: up in a line, then down in a cosine."""
    warm = max(1, round(WARM_UP * batches))
    if batch < warm:
        return (batch + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (batch - warm) / max(1, batches - warm)))


def _reseed(seed: int, step: int, rank: int) -> None:
    """Seed what libraries draw from behind one's back (dropout, stochastic depth)."""
    drawn = int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])
    random.seed(drawn)
    torch.manual_seed(drawn)
