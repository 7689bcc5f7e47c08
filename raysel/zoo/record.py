"""Recording the history: every model fine-tuned on every benchmark and target, and every proxy of it scored.

Each (model, dataset, seed) is a Ray task; what is done is published in batches, so that an interrupted recording goes
on where it was. Tasks run the loop of `raysel.finetune.trainable`, validating five times an epoch.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import ray
import torch

from raysel import zoo
from raysel.finetune import Data, FineTuning, Recipe
from raysel.history import History
from raysel.history.tables import canonical, run_id
from raysel.models import extract, load, revision
from raysel.proxies import PROXIES
from raysel.zoo import load_task
from raysel.zoo.members import MEMBERS

POINTS_PER_EPOCH = 5
RECORDED = ("lr", "batch_size", "epochs", "points_per_epoch")  # what the recipe had when the history began
SEEDS = 3  # in a tenth of the cells; one in the others
HARDWARE = "one CPU core"  # seconds are the processor's, which sharing a machine does not lengthen
BATCH = 20  # runs published together

Rows = dict[str, list[dict[str, Any]]]
"""Rows of a history by table."""


@dataclass(frozen=True)
class Run:
    """A run to record."""

    model: str
    dataset: str
    seed: int

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return Recipe(seed=self.seed, points_per_epoch=POINTS_PER_EPOCH)

    @property
    def config(self) -> str:
        """The recipe less the seed and what is the same for every run, as the history writes it."""
        recipe = self.recipe.as_dict()
        return canonical({key: recipe[key] for key in RECORDED})

    @property
    def id(self) -> str:
        """Its name in the history."""
        model = revision(self.model)
        return run_id(model=self.model, dataset=self.dataset, revision=model, config=self.config, seed=self.seed)


def planned(models: Collection[str], datasets: Collection[str]) -> Iterator[Run]:
    """Every cell of these models and datasets once, and every tenth cell of the whole zoo with two more seeds."""
    for inputs in get_args(zoo.Inputs):
        for row, model in enumerate(zoo.models(inputs)):
            for column, dataset in enumerate((*zoo.benchmarks(inputs), *zoo.targets(inputs))):
                if model in models and dataset in datasets:
                    seeds = SEEDS if (7 * row + 3 * column) % 10 == 0 else 1
                    yield from (Run(model, dataset, seed) for seed in range(seeds))


def record(
    folder: Path,
    *,
    inputs: zoo.Inputs = "images",
    models: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
) -> History:
    """Make the history in `folder`, or finish one that was interrupted.

    Needs a running Ray (`ray.init`); as many runs go at once as it has CPUs.

    Args:
        folder: Where the history is, or is to be.
        inputs: Whether of models of images or of texts: each have a history of their own.
        models: Of those; all by default.
        datasets: Their benchmarks and targets; all by default.
    """
    models = models or zoo.models(inputs)
    datasets = datasets or (*zoo.benchmarks(inputs), *zoo.targets(inputs))
    history = History(str(folder)) if any(folder.glob("*")) else History.create(str(folder))
    history.append(models=pd.DataFrame(map(_model, models)), datasets=pd.DataFrame(map(_dataset, datasets)))
    done, scored = set(history.runs()["run_id"]), _scored(history)
    waiting = [_run.remote(run) for run in planned(models, datasets) if run.id not in done]
    cells = [(model, dataset) for model in models for dataset in datasets]
    for model, dataset in cells:
        missing = [
            p.name for p in PROXIES.values() if (model, dataset, revision(model), p.name, p.version) not in scored
        ]
        missing = [name for name in missing if _task(dataset).task in PROXIES[name].tasks]
        waiting += [_score.remote(model, dataset, missing)] if missing else []
    total, began, finished = len(waiting), time.monotonic(), 0
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=min(BATCH, len(waiting)))
        _publish(history, ray.get(ready))
        finished += len(ready)
        print(f"{finished}/{total} in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201  (progress)
    history.compact()
    return history


def _scored(history: History) -> set[tuple[str, ...]]:
    columns = ["model", "dataset", "revision", "proxy", "version"]
    return set(history.proxies()[columns].itertuples(index=False, name=None))


def _publish(history: History, parts: list[Rows]) -> None:
    tables = {
        table: [row for part in parts for row in part.get(table, [])] for table in ("runs", "observations", "proxies")
    }
    given = {table: pd.DataFrame(rows) for table, rows in tables.items() if rows}
    history.append(**given)


def _model(name: str) -> dict[str, Any]:
    member = MEMBERS[name]
    said = "never trained" if member.source == "scratch" else f"trained on {member.source}"
    return {
        "model": name,
        "source": member.source,
        "family": member.made_by.family,
        "parameters": load(name).parameters,
        "card": f"A small {member.made_by.family} of {member.made_by.library}, {said}.",
    }


def _dataset(name: str) -> dict[str, Any]:
    data = _task(name)
    return {
        "dataset": name,
        "task": data.task,
        "classes": data.classes,
        "size": len(data.train),
        "primary_metric": data.metric,
        "mode": data.mode,
    }


@lru_cache(maxsize=32)
def _task(name: str) -> Data:
    return load_task(name)


@ray.remote(num_cpus=1)
def _run(run: Run) -> Rows:
    """Fine-tune once: a row of runs, and its observations."""
    torch.set_num_threads(1)
    data, recipe = _task(run.dataset), run.recipe
    bundle = load(run.model, outputs=data.outputs, seed=run.seed)
    points = list(FineTuning(bundle, data, recipe, clock=time.process_time).points())
    about = {
        "run_id": run.id,
        "model": run.model,
        "revision": revision(run.model),
        "dataset": run.dataset,
        "fingerprint": data.fingerprint,
        "config": run.config,
        "seed": run.seed,
        "hardware": HARDWARE,
        "status": "completed" if len(points) == recipe.points else "failed",
        "planned_steps": recipe.points,
        "recorded_at": datetime.now(timezone.utc),
    }
    observed = [(point.step, "val", point.value, point.seconds) for point in points]
    observed += [(point.step, "test", point.test, point.seconds) for point in points if point.test is not None]
    observations = [
        {
            "run_id": run.id,
            "step": step,
            "split": split,
            "metric": data.metric,
            "value": round(value, 5),
            "seconds": round(seconds, 2),
        }
        for step, split, value, seconds in observed
        if np.isfinite(value)
    ]
    return {"runs": [about], "observations": observations}


@ray.remote(num_cpus=1)
def _score(model: str, dataset: str, proxies: Sequence[str]) -> Rows:
    """These proxies, on the training samples; one forward pass feeds them all."""
    torch.set_num_threads(1)
    data = _task(dataset)
    load(model)  # so that importing its library is not counted
    began = time.process_time()
    found = extract(model, data.train.inputs)
    passed = time.process_time() - began
    rows = []
    for proxy in map(PROXIES.__getitem__, proxies):
        began = time.process_time()
        value = proxy.score(getattr(found, proxy.needs), data.train.labels, task=data.task)
        about = {"model": model, "revision": revision(model), "dataset": dataset, "fingerprint": data.fingerprint}
        score = {"proxy": proxy.name, "version": proxy.version, "value": round(value, 6)}
        rows.append({**about, **score, "seconds": round(passed + time.process_time() - began, 3)})
    return {"proxies": rows}
