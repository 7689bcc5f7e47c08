"""Samples a second that raysel's training takes in, against a bare PyTorch loop with the same model and data.

    python benchmarks/throughput.py > benchmarks/results/throughput.md

The bare loop has the transform, the forward and backward pass, the clipped gradient and AdamW with the same groups, in
float32 or, on a GPU, in bfloat16 as raysel does; it has neither schedule nor points nor checks. Both train on the same
samples for an epoch in turn, in one process, so that what else the machine does meets both alike; raysel's validation
is of two samples, which is as good as none. A ratio is of two neighbouring rounds.
"""

import argparse
import os
import statistics
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from raysel import zoo
from raysel.finetune import Data, FineTuning, Recipe, Split
from raysel.models import ModelBundle, create, load

WANTED = 0.95
CPU = not torch.cuda.is_available()
LARGE = {
    "architecture": "resnet18",
    "num_classes": 10,
    "pretrained_cfg": {"input_size": [3, 160, 160], "mean": [0.5] * 3, "std": [0.5] * 3},
}


@dataclass(frozen=True)
class Case:
    """What is trained: a model of the mini zoo, or a larger one with fresh weights."""

    name: str
    data: Data
    recipe: Recipe

    def bundle(self) -> ModelBundle:
        """The model, the same each time."""
        if self.name.startswith("zoo/"):
            return load(self.name, outputs=self.data.outputs, seed=0)
        return create(LARGE, seed=0)


def longer(data: Data, *, times: int) -> Data:
    """The same with each sample of training that often, and next to nothing to be judged by."""
    train, few = data.train, Split(data.val.inputs[:2], data.val.labels[:2])
    often = Split(np.concatenate([train.inputs] * times), np.concatenate([train.labels] * times))
    return replace(data, train=often, val=few, test=few)


def large_images(samples: int) -> Data:
    """Noise of 200 by 200 pixels, to be resized."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (samples, 3, 200, 200), np.uint8), rng.integers(0, 10, samples))
    return Data(name="noise", task="classification", train=split, val=split, test=split, classes=10)


def cases() -> list[Case]:
    """Images and texts of the mini zoo, and larger images."""
    digits, values = (longer(zoo.load_task(name), times=8) for name in ("digits", "values"))
    return [
        Case("zoo/latin-resnet", digits, Recipe(epochs=1)),
        Case("zoo/latin-vit", digits, Recipe(epochs=1)),
        Case("zoo/topics-bert", values, Recipe(epochs=1)),
        Case("resnet18 of timm, 160 pixels", longer(large_images(64 if CPU else 4096), times=1), Recipe(epochs=1)),
    ]


def raysel_seconds(case: Case) -> float:
    """An epoch of raysel's."""
    run = FineTuning(case.bundle(), case.data, case.recipe)
    began = time.perf_counter()
    list(run.points())
    return time.perf_counter() - began


def bare_seconds(case: Case) -> float:
    """An epoch of the bare loop."""
    bundle, train, size = case.bundle(), case.data.train, case.recipe.batch_size
    device = torch.device("cpu" if CPU else "cuda")
    module = bundle.module.to(device).train()
    kernels = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in module.parameters() if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=case.recipe.lr, foreach=True)
    began = time.perf_counter()
    order = np.random.default_rng(0).permutation(len(train))
    for start in range(0, len(train) - size + 1, size):
        chosen = order[start : start + size]
        inputs = bundle.transform(train.inputs[chosen]).to(device)
        labels = torch.from_numpy(train.labels[chosen]).long().to(device)
        with nullcontext() if CPU else torch.autocast("cuda", torch.bfloat16):
            logits = bundle.logits(inputs)
        loss = functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
    if not CPU:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def row(case: Case, rounds: int) -> str:
    """A line of the table."""
    raysel_seconds(case), bare_seconds(case)  # libraries load parts of themselves at the first call
    pairs = []
    for number in range(rounds):
        first, second = (raysel_seconds, bare_seconds) if number % 2 else (bare_seconds, raysel_seconds)
        one, other = first(case), second(case)
        pairs.append((one, other) if first is raysel_seconds else (other, one))
        print(case.name, *(f"{seconds:.2f}" for seconds in pairs[-1]), file=sys.stderr)
    samples = len(case.data.train) // case.recipe.batch_size * case.recipe.batch_size
    ours, bare = (samples / statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    ratios = sorted(bare / ours for ours, bare in pairs)
    low, middle, high = ratios[len(ratios) // 4], statistics.median(ratios), ratios[-1 - len(ratios) // 4]
    reached = "yes" if middle >= WANTED else "no"
    return f"| {case.name} | {ours:.0f} | {bare:.0f} | {middle:.3f} | {low:.3f} to {high:.3f} | {reached} |"


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    before = os.getloadavg()[0]
    lines = [row(case, options.rounds) for case in cases()]
    where = f"{os.cpu_count()} cores" if CPU else torch.cuda.get_device_name()
    print(
        f"# Throughput of training\n\nMade by `python {Path(sys.argv[0]).parent.name}/{Path(sys.argv[0]).name} "
        f"--rounds {options.rounds} --threads {options.threads} > benchmarks/results/throughput.md` on {where}, "
        f"load average {before:.1f} before and {os.getloadavg()[0]:.1f} after. Batches of {Recipe().batch_size}. "
        f"Samples a second are of the median round, the ratio is the median of the rounds' with its quartiles; wanted "
        f"is {WANTED} at least. raysel makes the next batches in a second thread, which the bare loop does not.\n\n"
        "| model | raysel, samples/s | bare loop, samples/s | ratio | quartiles | wanted reached |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
