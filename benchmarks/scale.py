"""How time and memory of recall grow with the zoo: 10^3 to 10^6 models on 64 datasets, 70 % of the matrix missing.

\b
    python benchmarks/scale.py
    RAYSEL_DATA=../shared/data python benchmarks/scale.py --against-exact

Writes scale.md and scale.svg into benchmarks/results. Each size runs in a process of its own; histories are made in a
temporary folder, which is removed. `--against-exact` prints what the front of a large zoo loses (15 minutes).
"""

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from page import table
from public_sets import _wide, data_folder

from raysel.history import History, PerformanceMatrix
from raysel.history.derived import Kept, as_table
from raysel.history.reading import of_results
from raysel.recall import rank
from raysel.recall.kept import zoo

RESULTS = Path(__file__).parent / "results"
DATASETS, MISSING, KINDS = 64, 0.7, 2000
SIZES = (1_000, 5_000, 10_000, 100_000, 1_000_000)
WHOLE = 10_000  # models up to which every run is written and compacted

HEAD = f"""# Recall and the size of the zoo

Made by `python benchmarks/scale.py`: models on {DATASETS} datasets, {MISSING:.0%} of the matrix missing; seconds by the
wall clock of a machine of two cores that others worked on meanwhile (left alone, the paper's method took 7 s at 5,000),
peak memory of a process that did nothing else (imports included).
*from history*: from a compacted history to a shortlist, clustering and `History.matrix` included. *new target*: the
same from the front and its clusters that were kept beside it. *paper*: clusters and shortlist by average linkage. To
hold: 60 s and 4 GB at a million models, 2 s for a new target, 10 s for the paper's method at 5,000.

Up to {WHOLE:,} models every run is written and compacted, which keeps the matrix beside the parts. Beyond, the kept
matrix alone is made, as compaction would make it, beside a history of a few runs: to make 19 million runs is no part of
recall.

"""


def made(n: int) -> PerformanceMatrix:
    """Models of many kinds: how good, what they are good at, and luck."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(KINDS, 1)) + 0.5 * rng.normal(size=(KINDS, DATASETS))
    kind, values = rng.integers(KINDS, size=n), np.empty((n, DATASETS), order="F")
    for j in range(DATASETS):
        values[:, j] = 1 / (1 + np.exp(-(kinds[kind, j] + 0.5 * rng.normal(size=n))))
        values[rng.random(n) < MISSING, j] = np.nan
    return PerformanceMatrix(
        models=tuple(f"zoo{i % 999:03d}/model-{i:07d}" for i in range(n)),
        datasets=tuple(f"dataset-{j:02d}" for j in range(DATASETS)),
        values=values,
    )


def write(folder: str, n: int) -> None:
    """A compacted history of n models."""
    matrix, history = made(n), History.create(folder)
    rows, columns = np.nonzero(~np.isnan(matrix.values))
    if n > WHOLE:
        rows, columns = rows[:1000], columns[:1000]
    ids = [f"{i}-{j}" for i, j in zip(rows, columns, strict=True)]
    history.append(
        datasets=pd.DataFrame({"dataset": matrix.datasets, "primary_metric": "accuracy", "mode": "max"}),
        runs=pd.DataFrame(
            {
                "run_id": ids,
                "model": [matrix.models[i] for i in rows],
                "dataset": [matrix.datasets[j] for j in columns],
                "status": "completed",
                "planned_steps": 1.0,
            }
        ),
        observations=pd.DataFrame(
            {"run_id": ids, "step": 1.0, "split": "test", "metric": "accuracy", "value": matrix.values[rows, columns]}
        ),
    )
    history.compact()
    if n > WHOLE:
        notes = {
            "datasets": matrix.datasets,
            "lower_is_better": matrix.lower_is_better,
            "directions": {dataset: ["accuracy", "max"] for dataset in matrix.datasets},
        }
        history.derive("matrix", Kept(rows=as_table(matrix), parts=frozenset(of_results(history.parts())), notes=notes))


def measured(folder: str, task: str) -> dict[str, float]:
    """Seconds and peak memory in MiB of one task in this process."""
    began = time.perf_counter()
    history = History(folder)
    if task == "new target":
        compared, clusters = zoo(history)
        rank(compared, compared.models, clustering=clusters)
    else:
        matrix = history.matrix()
        rank(matrix, matrix.models, method="paper" if task == "paper" else "default")
    seconds = time.perf_counter() - began
    if task == "from history":
        zoo(history, store=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "peak": peak / 2**20}


def chart(rows: pd.DataFrame, file: Path) -> None:
    """Seconds and memory against models."""
    with matplotlib.rc_context({"svg.hashsalt": "raysel", "svg.fonttype": "none", "font.size": 9.0}):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        for axes, column, label in zip(
            figure.subplots(1, 2), ("seconds", "peak"), ("seconds", "peak memory, MiB"), strict=True
        ):
            for task, found in rows.groupby("task"):
                axes.loglog(found["models"], found[column], "o-", label=task)
            axes.set(xlabel="models", ylabel=label)
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        figure.savefig(file, metadata={"Date": None})


def against_exact(folder: Path) -> pd.DataFrame:
    """Regret of the recalled, of random, within the front and with every two models compared."""
    rank_module = importlib.import_module("raysel.recall.rank")
    whole = pd.read_parquet(folder / "nas_bench_graph" / "matrix.parquet")
    whole = _wide(whole[whole["metric"] == "test_perf"])
    rows = []
    for n, times in ((10_000, 3), (len(whole.models), 1)):
        for missing in (0.0, MISSING):
            for time_ in range(times):
                rng = np.random.default_rng([n, time_])
                names = [whole.models[i] for i in np.sort(rng.permutation(len(whole.models))[:n])]
                full = whole.restricted(names)
                holes = rng.random(full.values.shape) < missing
                values = np.where(holes, np.nan, full.values)
                matrix = PerformanceMatrix(models=full.models, datasets=full.datasets, values=values)
                for target in full.datasets:
                    past, column = matrix.without(target), full.values[:, full.datasets.index(target)]
                    finals = {m: v for m, v in zip(full.models, column, strict=True) if m in past.row and v == v}
                    best, average = max(finals.values()), np.mean([*finals.values()])
                    row = {"models": n, "missing": missing, "target": target}
                    for name, most in (("exact", n), ("front", 5_000)):
                        rank_module.EXACT = most
                        models = rank(past, finals).models
                        row[name] = (best - max(finals[m] for m in models)) / (best - average)
                    rows.append(row)
    return pd.DataFrame(rows).groupby(["models", "missing"])[["exact", "front"]].mean()


@click.command(help=__doc__)
@click.option("--against-exact", "exact", is_flag=True)
@click.option("--one", nargs=2, hidden=True, help="Measure one task on one history, in this process.")
@click.option("--write", "history", nargs=2, hidden=True, help="Make a history of so many models.")
@click.option("--largest", default=SIZES[-1], show_default=True)
def main(exact: bool, one: tuple[str, str] | None, history: tuple[str, str] | None, largest: int) -> None:
    if one:
        click.echo(json.dumps(measured(*one)))
        return
    if history:
        write(history[0], int(history[1]))
        return
    if exact:
        folder = data_folder()
        if folder is None:
            raise click.UsageError("RAYSEL_DATA names no folder")
        click.echo(against_exact(folder).round(4).to_string())
        return
    rows = []
    for n in (size for size in SIZES if size <= largest):
        with tempfile.TemporaryDirectory() as folder:
            place = str(Path(folder) / "history")
            subprocess.run(
                [sys.executable, __file__, "--write", place, str(n)], check=True
            )  # its memory is not counted
            for task in ("from history", "new target", *(["paper"] if n <= 5_000 else [])):
                command = [sys.executable, __file__, "--one", place, task]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                rows.append({"models": n, "task": task, **found})
                click.echo(str(rows[-1]), err=True)
    frame = pd.DataFrame(rows)
    chart(frame, RESULTS / "scale.svg")
    cells = [[f"{r.models:,}", r.task, f"{r.seconds:.2f}", f"{r.peak:.0f}"] for r in frame.itertuples()]
    page = HEAD + table(("models", "task", "seconds", "peak MiB"), cells) + "\n![time and memory](scale.svg)\n"
    (RESULTS / "scale.md").write_text(page)


if __name__ == "__main__":
    main()
