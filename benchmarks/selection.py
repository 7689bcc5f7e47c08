"""Methods by tasks by seeds: what each way of selecting a model spends and loses, replayed on real recorded runs.

\b
    RAYSEL_DATA=../shared/data python benchmarks/selection.py
    python benchmarks/selection.py --sets mini_zoo --methods default,halving-all --seeds 1

Writes selection.parquet (a tidy row each), selection.md and a chart a set into benchmarks/results. Without RAYSEL_DATA
only the mini zoo is replayed. A run of some sets or methods takes the place of their rows and leaves the others; rows
are written whenever a set is done.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from math import comb
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import pandas as pd
from public_sets import CURVE_SETS, CurveSet, data_folder, mini_zoo
from selection_page import write_page

from raysel.replay.comparison import compare
from raysel.replay.methods import METHODS, asha, lacking
from raysel.replay.metrics import Row
from raysel.replay.tasks import Task, task

GPUS = (1, 4, 16)
TOP_K = 10
SEEDS = 3
RESULTS = Path(__file__).parent / "results"
KEY = ["set", "part", "method", "top_k", "target", "seed"]

# Each family has one number that trades cost for regret.
BREADTHS = (1, 2, 3, 5, 10, 15, 20, 31, 50, 100, 150)
"""How many models are recalled, for the curve of `default`; or drawn at random, for those of halving, ASHA and
fine-tuning."""
REDUCTIONS = (2, 3, 4, 6, 10, 25)
"""ASHA's, on all models, for its curve."""


def main_sets() -> tuple[str, ...]:
    """The names of the sets that can be replayed here."""
    return ("mini_zoo", *(CURVE_SETS if data_folder() else ()))


@cache
def curve_set(name: str) -> CurveSet:
    """A set, loaded once a process."""
    folder = data_folder()
    if name == "mini_zoo" or folder is None:
        return mini_zoo()
    return CURVE_SETS[name](folder)


def replayed(name: str, target: str, methods: Sequence[str], seeds: int) -> tuple[pd.DataFrame, float]:
    """The rows of one target, and the processor seconds that they took: the work that processes share."""
    logging.getLogger("ray.tune.schedulers").setLevel(logging.WARNING)  # HyperBand tells of every trial
    began, one = time.process_time(), curve_set(name)
    rows = compare(one.history, methods=methods, leave_out=[target], gpus=GPUS, seeds=seeds, top_k=TOP_K)
    found = [tidy(row, part="table", top_k=TOP_K) for row in rows]
    tasks = [task(one.history, target, seed=seed) for seed in range(seeds)]
    found += curves(one, tasks, methods)
    frame = pd.DataFrame(found).assign(set=name, told=one.told, unit=one.unit, mixed=one.mixed, tiny=target in one.tiny)
    trained = {seed: its.runs[its.best] for seed, its in enumerate(tasks)}
    frame["winner_seconds"] = [
        np.nan if trained[seed].seconds is None else trained[seed].seconds[-1] for seed in frame["seed"]
    ]
    return frame, time.process_time() - began


def curves(one: CurveSet, tasks: Sequence[Task], methods: Sequence[str]) -> Iterator[Mapping[str, object]]:
    """Rows of the families, for their curves of regret against cost."""
    size, target, seeds = len(tasks[0].runs), tasks[0].target, len(tasks)
    breadths = sorted({min(breadth, size) for breadth in BREADTHS})
    by_breadth = {method: METHODS[method] for method in ("default", "default-own", "random-k") if method in methods}
    if "asha-3-all" in methods:
        by_breadth["asha-3-random"] = asha(3, on="random")
    for breadth in breadths if by_breadth else ():
        for row in compare(one.history, methods=by_breadth, leave_out=[target], seeds=seeds, top_k=breadth):
            yield tidy(row, part="curve", top_k=breadth)
    if any(method.startswith("asha") for method in methods):
        family = {f"asha-{reduction}-all": asha(reduction) for reduction in REDUCTIONS}
        for row in compare(one.history, methods=family, leave_out=[target], seeds=seeds, top_k=TOP_K):
            yield tidy(row, part="curve", top_k=TOP_K)
    if "fine-tune-all" in methods:
        for seed, its in enumerate(tasks):
            yield from (fine_tuned_some(its, breadth, seed) for breadth in breadths)


def fine_tuned_some(its: Task, count: int, seed: int) -> Mapping[str, object]:
    """What fine-tuning a random choice of models comes to on average, exactly.

    The r-th best of n by last validation score is selected where it is drawn and none of the r - 1 better ones is:
    with probability C(n - r, count - 1) / C(n, count).
    """
    n = len(its.runs)
    order = sorted(its.runs, key=lambda model: (-its.runs[model].values[-1], model))
    weights = [comb(n - place - 1, count - 1) / comb(n, count) for place in range(n)]
    finals = np.array([its.finals[model] for model in order])
    regret = float(finals.max() - np.dot(weights, finals))
    spread = float(finals.max() - finals.mean())
    seconds = float(np.mean([run.seconds[-1] for run in its.runs.values() if run.seconds is not None] or [np.nan]))
    return {
        "part": "curve",
        "method": "fine-tune-some",
        "top_k": count,
        "target": its.target,
        "seed": seed,
        "models": n,
        "regret": regret,
        "relative_regret": regret / spread if spread > 0 else 0.0,
        "steps": count * its.max_t,
        "trainings": float(count),
        "seconds": count * seconds,
    }


def tidy(row: Row, *, part: str, top_k: int) -> Mapping[str, object]:
    """A row of the table that is kept."""
    values = dict(vars(row))
    makespan = values.pop("makespan")
    return {"part": part, "top_k": top_k, **values, **{f"makespan_{gpus}": time for gpus, time in makespan.items()}}


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Six significant digits: the differences between methods are larger, and the file is smaller."""
    floats = frame.select_dtypes("float").columns
    return frame.assign(**{name: [float(f"{value:.6g}") for value in frame[name]] for name in floats})


def merged(new: pd.DataFrame, file: Path) -> pd.DataFrame:
    """New rows, and those old ones that they do not replace."""
    if not file.exists():
        return new
    old = pd.read_parquet(file)
    again = set(zip(new["set"], new["method"], strict=True))
    kept = [pair not in again for pair in zip(old["set"], old["method"], strict=True)]
    return pd.concat([old[kept], new], ignore_index=True)


@click.command(help=__doc__)
@click.option("--sets", metavar="NAME,...", help="Of mini_zoo and the public sets.  [default: all that are there]")
@click.option("--methods", metavar="NAME,...", help="Of `raysel replay --help`.  [default: all]")
@click.option("--seeds", default=SEEDS, show_default=True, type=click.IntRange(min=1))
@click.option("--processes", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
def main(sets: str | None, methods: str | None, seeds: int, processes: int, results: str) -> None:
    there = main_sets()
    names = there if sets is None else [name.strip() for name in sets.split(",")]
    for name in names:
        if name not in there:
            raise click.BadParameter(f"{name!r} is none of {', '.join(there)}", param_hint="--sets")
    asked = None if methods is None else [name.strip() for name in methods.split(",")]
    for name in asked or ():
        if name not in METHODS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(METHODS)}", param_hint="--methods")
    began, work = time.perf_counter(), []
    for name in names:
        lack = lacking(curve_set(name).history)
        for method, reason in lack.items():
            if asked is None or method in asked:
                click.echo(f"{name}: without {method}: {reason}", err=True)
        chosen = [method for method in asked or METHODS if method not in lack]
        work += [(name, target, chosen, seeds) for target in curve_set(name).targets]
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "selection.parquet"
    frames: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
    spent = dict.fromkeys(names, 0.0)
    # Spawned: the libraries' threads do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(replayed, *unit): unit for unit in work}
        for done, future in enumerate(as_completed(running), start=1):
            frame, seconds = future.result()
            name, target = running[future][:2]
            frames[name].append(frame)
            spent[name] += seconds
            elapsed = time.perf_counter() - began
            click.echo(f"{done}/{len(work)} {name}: {target} ({seconds:.1f} s; {elapsed:.0f} s so far)", err=True)
            if len(frames[name]) == len(curve_set(name).targets):  # kept, should the run be interrupted
                rows = merged(rounded(pd.concat(frames[name])), file).sort_values(KEY, ignore_index=True)
                rows.to_parquet(file, compression="zstd", index=False)
    write_page(pd.read_parquet(file), folder)
    told = ", ".join(f"{name} {seconds:.0f}" for name, seconds in spent.items())
    click.echo(
        f"{time.perf_counter() - began:.0f} s; processor seconds: {told}; {os.path.getsize(file)} bytes", err=True
    )


if __name__ == "__main__":
    sys.exit(main())
