"""How time and memory of recall grow with the zoo: 10^3 to 10^6 models on 64 datasets, 70 % of the matrix missing.

\b
    python benchmarks/scale.py
    RAYSEL_DATA=../shared/data python benchmarks/scale.py --against-exact

Writes scale.md and scale.svg into benchmarks/results; `--against-exact` writes scale_exact.md, what the front of a
large zoo loses. Each task runs in a process of its own; histories are made in a temporary folder, which is removed.
"""

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
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
BATCH = 50_000  # models of one append
WHOLE = 100_000  # models up to which every run is written and compacted, unless asked for otherwise

HEAD = f"""# Recall and the size of the zoo

Made by `python benchmarks/scale.py`: models on {DATASETS} datasets, {MISSING:.0%} of the matrix missing; seconds by the
wall clock of a machine of two cores that others worked on meanwhile, processor seconds of the process that did it, and
its peak memory (imports included).

- *from history*: from a compacted history, with nothing but the matrix kept beside it, to a shortlist
- *new target*: the same from the front, its clusters and what was learned from the benchmarks, all of them kept
- *known target*: the same for a dataset that the history knows and leaves out, so that clusters are made anew
- *new model*: the same as *new target*, after a model with runs on all datasets was added
- *paper*: clusters and shortlist by average linkage
- *trends*: reading what the first judgement needs of past runs
- *suggest*: `RecallSearcher` over all models, from its making to the first proposal; *next*: each later one
- *first trial*: with real Ray, from the shortlist to the start of the first trial, of a trainable that does nothing

To hold: 60 s and 4 GB at a million models from a history, 2 s for a new target, 10 s for the paper's method at 5,000,
3 s to the first trial.

"""
EXACT_HEAD = """# What recall within the front loses

Made by `RAYSEL_DATA=... python benchmarks/scale.py --against-exact`: nas_bench_graph's architectures on nine datasets,
all and subsets drawn at random, with nothing and with 70 % of the cells hidden (several draws of each), each dataset in
turn the target.
*exact* compares every two models, *front* those 5,000 that lead: the regret of the best of ten recalled, where random
choice has 1. *loss* is front less exact, its mean and its worst; below 0 the front was better. To hold: 0.01.
Seconds are medians of the processor's for `rank`.

"""
TOLD = {
    "whole": "Every run of {n} models was appended and compacted: {rows:,} runs, {append:.0f} s, {compact:.0f} s and "
    "{peak:.0f} MiB at the peak; {size:.0f} MiB on disk.",
    "kept": "Of {n} models the kept matrix alone was made, as compaction makes it, beside a history of few runs.",
}


def names(n: int) -> list[str]:
    """The models of a zoo."""
    return [f"zoo{i % 999:03d}/model-{i:07d}" for i in range(n)]


def made(n: int) -> PerformanceMatrix:
    """Models of many kinds: how good, what they are good at, and luck."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(KINDS, 1)) + 0.5 * rng.normal(size=(KINDS, DATASETS))
    kind, values = rng.integers(KINDS, size=n), np.empty((n, DATASETS), order="F")
    for j in range(DATASETS):
        values[:, j] = 1 / (1 + np.exp(-(kinds[kind, j] + 0.5 * rng.normal(size=n))))
        values[rng.random(n) < MISSING, j] = np.nan
    return PerformanceMatrix(
        models=tuple(names(n)), datasets=tuple(f"dataset-{j:02d}" for j in range(DATASETS)), values=values
    )


def append(history: History, models: tuple[str, ...], datasets: tuple[str, ...], values: np.ndarray) -> int:
    """Add the runs of some models in bulk, each with one observation; how many."""
    rows, columns = np.nonzero(~np.isnan(values))
    ids = pa.array([f"{models[i]}-{j}" for i, j in zip(rows.tolist(), columns.tolist(), strict=True)])
    ones = pa.array(np.ones(len(rows)))

    def repeated(text: str) -> pa.Array:
        return pa.repeat(text, len(rows))

    history.append(
        runs=pa.table(
            {
                "run_id": ids,
                "model": pa.array(models).take(pa.array(rows)),
                "dataset": pa.array(datasets).take(pa.array(columns)),
                "status": repeated("completed"),
                "planned_steps": ones,
            }
        ),
        observations=pa.table(
            {
                "run_id": ids,
                "step": ones,
                "split": repeated("val"),
                "metric": repeated("accuracy"),
                "value": values[rows, columns],
            }
        ),
    )
    return len(rows)


def write(folder: str, n: int, *, whole: bool) -> dict[str, Any]:
    """A compacted history of n models; what that took."""
    matrix, history = made(n), History.create(folder)
    history.append(datasets=pd.DataFrame({"dataset": matrix.datasets, "primary_metric": "accuracy", "mode": "max"}))
    began = time.perf_counter()
    if whole:
        bounds = [*range(0, n, BATCH), n]
        slices = [slice(first, last) for first, last in pairwise(bounds)]
    else:
        slices = [slice(0, 50)]
    rows = sum(append(history, matrix.models[s], matrix.datasets, matrix.values[s]) for s in slices)
    appended = time.perf_counter()
    history.compact()
    compacted = time.perf_counter()
    if not whole:
        notes = {
            "datasets": matrix.datasets,
            "lower_is_better": matrix.lower_is_better,
            "directions": {dataset: ["accuracy", "max"] for dataset in matrix.datasets},
        }
        history.derive("matrix", Kept(rows=as_table(matrix), parts=frozenset(of_results(history.parts())), notes=notes))
    size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {
        "n": f"{n:,}",
        "whole": whole,
        "rows": rows,
        "append": appended - began,
        "compact": compacted - appended,
        "size": size / 2**20,
        "peak": peak(),
    }


def peak() -> float:
    """Peak memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20


def ranked(history: History, *, store: bool = False, **options: Any) -> None:
    """A shortlist of all models."""
    found = zoo(history, store=store, **options)
    found.rank(history, top_k=10, proxy_scores={}, propagate="representative", seed=0, store=store)


def suggest(history: History, n: int, *, proposals: int = 1) -> float:
    """Seconds to the first proposal over all models, or of each of the later ones."""
    from ray import tune

    from raysel import RecallSearcher

    space = {"model": tune.choice(names(n)), "lr": tune.loguniform(1e-5, 1e-3)}
    began = time.perf_counter()
    searcher = RecallSearcher(history, target="new")
    searcher.set_search_properties("accuracy", "max", space)
    searcher.suggest("first")
    if proposals > 1:
        began = time.perf_counter()
        for number in range(1, proposals):
            searcher.suggest(str(number))
    return (time.perf_counter() - began) / max(1, proposals - 1)


def first_trial(history: History, n: int) -> float:
    """Seconds from the shortlist to the start of the first trial."""
    import ray
    from ray import tune

    from raysel import RecallSearcher, TrendScheduler

    class Stamped(RecallSearcher):
        ready = 0.0

        def set_search_properties(self, *given: Any, **spec: Any) -> bool:
            taken = super().set_search_properties(*given, **spec)
            self.ready = time.time()
            return taken

    def trainable(config: dict[str, Any]) -> None:
        began = time.time()
        for step in (1, 2):
            tune.report({"accuracy": 0.5 * step / 2, "began": began})

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    searcher = Stamped(history, target="new")
    with tempfile.TemporaryDirectory() as folder:
        analysis = tune.run(
            trainable,
            config={"model": tune.choice(names(n)), "lr": tune.loguniform(1e-5, 1e-3)},
            search_alg=searcher,
            scheduler=TrendScheduler(history, target="new", max_t=2, policy="async"),
            metric="accuracy",
            mode="max",
            num_samples=-1,
            storage_path=folder,
            resources_per_trial={"cpu": 1},
            verbose=0,
        )
    ray.shutdown()
    return min(trial.last_result["began"] for trial in analysis.trials) - searcher.ready


def measured(folder: str, task: str, n: int) -> dict[str, float]:
    """Seconds and peak memory in MiB of one task in this process."""
    history = History(folder)
    began, busy, seconds = time.perf_counter(), time.process_time(), None
    if task == "from history":
        ranked(history)
    elif task in ("new target", "new model"):
        ranked(history, without=None)
    elif task == "known target":
        ranked(history, without="dataset-07")
    elif task == "paper":
        ranked(history, method="paper")
    elif task == "trends":
        from raysel.trends import Past

        Past(history, without="new", method="default", lower_is_better=False).trends([])
    elif task == "first trial":
        seconds = first_trial(history, n)
    else:
        seconds = suggest(history, n, proposals=10 if task == "next" else 1)
    found = {
        "seconds": time.perf_counter() - began if seconds is None else seconds,
        "cpu": time.process_time() - busy,
        "peak": peak(),
    }
    if task == "from history":
        ranked(history, store=True)
    if task == "first trial":  # what comes next finds a history with one model more
        append(history, ("new/model",), tuple(f"dataset-{j:02d}" for j in range(DATASETS)), np.full((1, DATASETS), 0.9))
    return found


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
    """Regret of the recalled, of random's, within the front and with every two models compared."""
    rank_module = importlib.import_module("raysel.recall.rank")
    whole = pd.read_parquet(folder / "nas_bench_graph" / "matrix.parquet")
    whole = _wide(whole[whole["metric"] == "test_perf"])
    rows = []
    for n, draws in ((7_000, 6), (10_000, 4), (len(whole.models), 2)):
        for missing, number in ((m, k) for m in (0.0, MISSING) for k in range(draws)):
            if n == len(whole.models) and not missing and number:
                continue  # nothing is drawn there
            rng = np.random.default_rng([n, number])
            full = whole.restricted([whole.models[i] for i in rng.permutation(len(whole.models))[:n]])
            holes = rng.random(full.values.shape) < missing
            values = np.where(holes, np.nan, full.values)
            matrix = PerformanceMatrix(models=full.models, datasets=full.datasets, values=values)
            for target in full.datasets:
                past, column = matrix.without(target), full.values[:, full.datasets.index(target)]
                finals = {m: v for m, v in zip(full.models, column, strict=True) if m in past.row and v == v}
                best, average = max(finals.values()), float(np.mean([*finals.values()]))
                row = {"models": n, "missing": missing, "target": target}
                for name, most in (("exact", n), ("front", 5_000)):
                    rank_module.EXACT = most
                    began = time.process_time()
                    models = rank(past, finals).models
                    row[f"{name} seconds"] = time.process_time() - began
                    row[name] = (best - max(finals[m] for m in models)) / (best - average)
                rows.append(row)
                click.echo(str(row), err=True)
    return pd.DataFrame(rows)


def exact_page(rows: pd.DataFrame) -> str:
    """The page of what the front loses."""
    rows = rows.assign(loss=rows["front"] - rows["exact"])
    found = rows.groupby(["models", "missing"])
    cells = [
        [
            f"{models:,}",
            f"{missing:.0%}",
            str(len(group)),
            *(f"{group[name].mean():.4f}" for name in ("exact", "front", "loss")),
            f"{group['loss'].max():.4f}",
            f"{int((group['loss'] <= 0).sum())}",
            *(f"{group[name].median():.1f}" for name in ("exact seconds", "front seconds")),
        ]
        for (models, missing), group in found
    ]
    head = ("models", "missing", "tasks", "exact", "front", "loss", "worst", "lose nothing", "exact s", "front s")
    return EXACT_HEAD + table(head, cells) + f"\nMean loss over all tasks: {rows['loss'].mean():.4f}.\n"


@click.command(help=__doc__)
@click.option("--against-exact", "exact", is_flag=True)
@click.option("--one", nargs=3, hidden=True, help="Measure one task on one history of so many models, in this process.")
@click.option("--write", "history", nargs=3, hidden=True, help="Make a history of so many models, `whole` or `kept`.")
@click.option("--largest", default=SIZES[-1], show_default=True)
@click.option("--whole", default=WHOLE, show_default=True, help="Models up to which every run is written.")
def main(
    exact: bool, one: tuple[str, str, str] | None, history: tuple[str, str, str] | None, largest: int, whole: int
) -> None:
    if one:
        click.echo(json.dumps(measured(one[0], one[1], int(one[2]))))
        return
    if history:
        click.echo(json.dumps(write(history[0], int(history[1]), whole=history[2] == "whole")))
        return
    if exact:
        folder = data_folder()
        if folder is None:
            raise click.UsageError("RAYSEL_DATA names no folder")
        (RESULTS / "scale_exact.md").write_text(exact_page(against_exact(folder)))
        return
    rows, told = [], []
    for n in (size for size in SIZES if size <= largest):
        with tempfile.TemporaryDirectory() as folder:
            place = str(Path(folder) / "history")
            how = "whole" if n <= whole else "kept"
            told.append(TOLD[how].format(**answer("--write", place, str(n), how)))
            click.echo(told[-1], err=True)
            tasks = [
                "from history",
                "new target",
                "known target",
                "trends",
                "suggest",
                "next",
                "first trial",
                "new model",
            ]
            for task in [*tasks, *(["paper"] if n <= 5_000 else [])]:
                rows.append({"models": n, "task": task, **answer("--one", place, task, str(n))})
                click.echo(str(rows[-1]), err=True)
    frame = pd.DataFrame(rows)
    chart(frame, RESULTS / "scale.svg")
    cells = [
        [
            f"{r.models:,}",
            r.task,
            f"{r.seconds:.2g}" if r.seconds < 1 else f"{r.seconds:.1f}",
            "" if r.task in ("next", "first trial") else f"{r.cpu:.1f}",
            f"{r.peak:.0f}",
        ]
        for r in frame.itertuples()
    ]
    page = (
        HEAD
        + table(("models", "task", "seconds", "processor", "peak MiB"), cells)
        + "\n![time and memory](scale.svg)\n"
    )
    page += "\n" + "\n".join(told) + "\n"
    (RESULTS / "scale.md").write_text(page)


def answer(*options: str) -> dict[str, Any]:
    """What another process of this program says last: the memory of this one does not count there."""
    done = subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
