"""A planted zoo whose curves are known beforehand, and a trainable that reads them from a table."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ray import tune

from raysel import History

MODELS = tuple(f"m{i:02d}" for i in range(12))
BENCHMARKS = tuple(f"b{j}" for j in range(5))
FEW = BENCHMARKS[:4]  # too few to learn from, so that the better half goes on at each stage
TARGET = "target"
STEPS = 5


def planted(model: str, dataset: str) -> list[float]:
    """A curve that rises to a final which depends on the model most: m00 is the best everywhere, m11 the worst."""
    rank, shift = MODELS.index(model), sum(map(ord, dataset)) % 7
    final = 0.9 - 0.03 * rank - 0.01 * shift
    return [round(final * (1 - 0.5 ** (step + 1)), 6) for step in range(STEPS)]


def walking(model: str, dataset: str) -> list[float]:
    """A curve that wanders: the nearer to its end, the more it tells of it."""
    rng = np.random.default_rng([*model.encode(), *dataset.encode()])
    return np.clip(0.5 + 0.05 * np.cumsum(rng.normal(size=STEPS)), 0.01, 1).round(4).tolist()


def planted_history(
    folder: Path,
    *,
    datasets: tuple[str, ...] = BENCHMARKS,
    curve: Callable[[str, str], list[float]] = planted,
) -> History:
    """A history of every model on the benchmarks."""
    history = History.create(str(folder / "history"))
    if not datasets:
        return history
    cells = [(model, dataset) for model in MODELS for dataset in datasets]
    points = [
        (f"{model}-{dataset}", step + 1.0, split, "accuracy", value)
        for model, dataset in cells
        for step, value in enumerate(curve(model, dataset))
        for split in ("val", "test")
        if split == "val" or step == STEPS - 1
    ]
    history.append(
        runs=pd.DataFrame(
            [(f"{m}-{d}", m, d, "completed", float(STEPS)) for m, d in cells],
            columns=["run_id", "model", "dataset", "status", "planned_steps"],
        ),
        observations=pd.DataFrame(points, columns=["run_id", "step", "split", "metric", "value"]),
        datasets=pd.DataFrame(
            [(d, "classification", "accuracy", "max") for d in datasets],
            columns=["dataset", "task", "primary_metric", "mode"],
        ),
    )
    return history


def table_trainable(
    table: dict[str, list[float]],
    *,
    checkpoints: bool = True,
    log: Path | None = None,
    pause: float = 0.0,
    fault: Callable[[str, int], None] | None = None,
) -> Callable[[dict[str, Any]], None]:
    """A trainable that reports a model's curve and can resume; each step that it makes is a line in `log`."""

    def trainable(config: dict[str, Any]) -> None:
        begun = 0
        checkpoint = tune.get_checkpoint()
        if checkpoint:
            with checkpoint.as_directory() as folder:
                begun = json.loads((Path(folder) / "state.json").read_text())["step"]
        for step, value in enumerate(table[config["model"]], start=1):
            if step <= begun:
                continue
            if fault is not None:
                fault(config["model"], step)
            time.sleep(pause)
            if log is not None:
                with log.open("a") as lines:
                    lines.write(f"{config['model']} {begun} {step}\n")
            metrics = {"accuracy": value, "lr": config.get("lr")}
            if step == len(table[config["model"]]):
                metrics["test_accuracy"] = value - 0.01
            if not checkpoints:
                tune.report(metrics)
                continue
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "state.json").write_text(json.dumps({"step": step}))
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))

    return trainable


def target_table() -> dict[str, list[float]]:
    """What every model does on the target."""
    return {model: planted(model, TARGET) for model in MODELS}


def noisy_table(seed: int) -> dict[str, list[float]]:
    """Crossing curves: what is stopped depends on every score."""
    rng = np.random.default_rng(seed)
    return {model: np.round(rng.uniform(0.2, 0.9, size=STEPS), 4).tolist() for model in MODELS}
