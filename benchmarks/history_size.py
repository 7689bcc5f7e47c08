"""How long a history of a million observations takes: appended in batches, compacted, and read back as a matrix.

\b
    python benchmarks/history_size.py
    python benchmarks/history_size.py --observations 5000000 --batches 500

Each run has a validation value at each of five steps and a test value at the last. Everything is written to a
temporary folder, which is removed. Printed are seconds by phase, their sum, and the peak memory of this process
(imports included). To hold: one million in under 10 s and 1.5 GB on 2 cores.
"""

import resource
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import pandas as pd

from raysel.history import History, run_id

STEPS = 5
DATASETS = 50


def batch(first: int, count: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs number `first` to `first + count`, and their observations."""
    models = [f"zoo/model-{number // DATASETS:06d}" for number in range(first, first + count)]
    datasets = [f"dataset-{number % DATASETS:02d}" for number in range(first, first + count)]
    ids = [run_id(model=model, dataset=dataset) for model, dataset in zip(models, datasets, strict=True)]
    runs = pd.DataFrame(
        {"run_id": ids, "model": models, "dataset": datasets, "status": "completed", "planned_steps": STEPS}
    )
    points = STEPS + 1
    observations = pd.DataFrame(
        {
            "run_id": np.repeat(ids, points),
            "step": np.tile([*range(1, STEPS + 1), STEPS], count),
            "split": np.tile(["val"] * STEPS + ["test"], count),
            "metric": "accuracy",
            "value": rng.random(count * points),
            "seconds": np.tile(np.arange(1, points + 1) * 1.5, count),
        }
    )
    return runs, observations


@click.command(help=__doc__)
@click.option("--observations", default=1_000_000, show_default=True, type=click.IntRange(min=STEPS + 1))
@click.option("--batches", default=200, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True)
def main(observations: int, batches: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = -(-observations // (STEPS + 1))
    bounds = np.linspace(0, runs, batches + 1).astype(int)
    seconds = dict.fromkeys(("append", "compact", "matrix"), 0.0)
    with TemporaryDirectory() as folder:
        history = History.create(str(Path(folder) / "history"))
        names = [f"dataset-{number:02d}" for number in range(DATASETS)]
        history.append(datasets=pd.DataFrame({"dataset": names, "primary_metric": "accuracy", "mode": "max"}))
        for first, last in pairwise(bounds):
            new_runs, new_observations = batch(int(first), int(last - first), rng)
            start = time.perf_counter()
            history.append(runs=new_runs, observations=new_observations)
            seconds["append"] += time.perf_counter() - start
        for phase, action in (("compact", history.compact), ("matrix", history.matrix)):
            start = time.perf_counter()
            action()
            seconds[phase] = time.perf_counter() - start
        matrix = history.matrix()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    click.echo(f"{runs * (STEPS + 1):,} observations in {batches:,} batches, matrix {matrix.values.shape}")
    for phase, taken in seconds.items():
        click.echo(f"{phase:<10}{taken:8.2f} s")
    click.echo(f"{'together':<10}{sum(seconds.values()):8.2f} s")
    click.echo(f"{'peak':<10}{peak / 2**20:8.0f} MiB")


if __name__ == "__main__":
    main()
