"""Where to spend the offline budget: recall's quality by how much of the performance matrix is measured.

\b
    RAYSEL_DATA=../shared/data python benchmarks/plan.py

Writes plan.parquet (a tidy row each), plan.md and a chart a set into benchmarks/results. Without RAYSEL_DATA only the
mini zoo is there.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from cluster_cost import SIZES
from page import difference, number, table
from public_sets import CURVE_SETS, MATRIX_SETS, MatrixSet, data_folder, mini_zoo

from raysel.history import PerformanceMatrix
from raysel.recall import rank
from raysel.recall.plan import Plan, plan
from raysel.recall.prior import prior, standardise

RESULTS = Path(__file__).parent / "results"
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
ORDERS = ("random", "model by model", "dataset by dataset", "plan")
SEEDS = {"best-average": 10, "default": 2}

HEAD = """# Where to spend the offline budget

Made by `RAYSEL_DATA=../shared/data python benchmarks/plan.py`; every row is in `plan.parquet`. Each dataset of a set is
the target in turn and is left out, with its near-duplicates. The rest of the performance matrix is empty at first and
filled in: at `random`, `model by model` (row by row, rows drawn), `dataset by dataset` (columns drawn), or as
`raysel history plan` says, a round a row of the table, each planned from what the rounds before it showed. K is recalled of the models that have a final on the target: a third of them, 10 at most. *best-average* takes
the K with the highest prior ({average} seeds), *default* is raysel's recall without proxies ({default} seeds).

*loses*: the best final of all minus the best of the K, mean over targets and seeds. *to the full matrix*: the paired
difference by target, below 0 where it is better than with every cell; **bold** where the bootstrap 95 % interval over
targets has not 0 in it. *mean final*: of the K, less that with the full matrix; it tells finer than the best of the K,
which a single lucky model decides. *of random*: as a part of what a model at random loses; where targets have different
metrics (mini_zoo) read this. A share is one of cells, or where runs have costs one of their sum.

"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A set to fill in.

    Args:
        name: Its name.
        one: The finals.
        cost: (n_models, n_datasets) of a run; `None` where all count the same.
        unit: Of the cost.
    """

    name: str
    one: MatrixSet
    cost: np.ndarray | None = None
    unit: str = "cells"


def cases() -> Iterator[Case]:
    """Every case that is there."""
    folder = data_folder()
    if folder is not None:
        olml = CURVE_SETS["olml_nlp"](folder).matrix
        yield Case(name="olml_nlp", one=olml)
        yield Case(name="model_recycling", one=MATRIX_SETS["model_recycling"](folder))
        yield Case(name="olml_nlp, by cost", one=olml, cost=by_size(olml.matrix), unit="cost, an epoch of a base model")
    zoo = mini_zoo()
    took: dict[tuple[str, str], list[float]] = {}
    for run in zoo.history.curves():
        if run.seconds is not None and len(run.seconds):
            took.setdefault((run.model, run.dataset), []).append(float(run.seconds[-1]))
    matrix = zoo.matrix.matrix
    seconds = [[np.mean(took[model, dataset]) for dataset in matrix.datasets] for model in matrix.models]
    yield Case(name="mini_zoo, by seconds", one=zoo.matrix, cost=np.array(seconds), unit="seconds")


def by_size(matrix: PerformanceMatrix) -> np.ndarray:
    """(n_models, n_datasets) what a run costs, as the size in a model's name tells."""
    cost = [
        next((factor for word, factor in SIZES if re.search(word, model, re.IGNORECASE)), 1.0)
        for model in matrix.models
    ]
    return np.repeat(np.array(cost)[:, None], len(matrix.datasets), axis=1)


def filled(
    whole: PerformanceMatrix, order: str, cost: np.ndarray | None, *, top_k: int, seed: int
) -> Iterator[tuple[float, PerformanceMatrix, Plan | None]]:
    """The matrix at each share; for the order of the plan with the plan of what comes next, up to the next share."""
    rng = np.random.default_rng(seed)
    there = ~np.isnan(whole.values)
    price = np.ones(there.shape) if cost is None else cost
    total = float(price[there].sum())
    queue = queued(there, order, rng)
    have = np.zeros(there.shape, bool)
    for share, until in zip((0.0, *SHARES), (*SHARES, 1.0), strict=True):
        now = replace(whole, values=np.where(have, whole.values, np.nan))
        left = until * total - float(price[have].sum())
        told = planned(now, there, cost, left, top_k=top_k, seed=seed) if order == "plan" else None
        if share:
            yield share, now, told
        cells = fitting(queue, price, left) if told is None else cells_of(told, whole)
        for cell in cells:
            have[cell] = True


def cells_of(told: Plan, whole: PerformanceMatrix) -> list[tuple[int, int]]:
    """A plan's runs as rows and columns."""
    column = {name: place for place, name in enumerate(whole.datasets)}
    return [(whole.row[run.model], column[run.dataset]) for run in told.runs]


def queued(there: np.ndarray, order: str, rng: np.random.Generator) -> deque[tuple[int, int]]:
    """The cells in the order in which they are filled in."""
    cells = rng.permutation(np.argwhere(there))
    if order in ("model by model", "dataset by dataset"):
        axis = 0 if order == "model by model" else 1
        turn = rng.permutation(there.shape[axis])
        cells = cells[np.argsort(turn[cells[:, axis]], kind="stable")]
    return deque((int(i), int(j)) for i, j in cells)


def fitting(queue: deque[tuple[int, int]], price: np.ndarray, left: float) -> list[tuple[int, int]]:
    """The next cells, as many as fit."""
    cells = []
    while queue and price[queue[0]] <= left + 1e-9:
        cells.append(queue.popleft())
        left -= price[cells[-1]]
    return cells


def planned(
    now: PerformanceMatrix, there: np.ndarray, cost: np.ndarray | None, left: float, *, top_k: int, seed: int
) -> Plan:
    """A plan of the cells that can be measured."""
    without = [(now.models[i], now.datasets[j]) for i, j in np.argwhere(~there)]
    return plan(
        now,
        now.models,
        now.datasets,
        runs=max(1, round(left)) if cost is None else None,
        seconds=None if cost is None else max(left, 1e-9),
        each=cost,
        without=without,
        top_k=top_k,
        seed=seed,
    )


def best_average(past: PerformanceMatrix, models: Sequence[str], k: int) -> Sequence[str]:
    """The K with the highest prior, models without a run among the average ones; ties by name."""
    p = dict(zip(past.models, prior(standardise(past.values)).round(12).tolist(), strict=True))
    return sorted(models, key=lambda model: (-p[model], model))[:k]


def default(past: PerformanceMatrix, models: Sequence[str], k: int) -> Sequence[str]:
    """What raysel recalls."""
    return rank(past, models, top_k=k).models


RECALLS: dict[str, Callable[[PerformanceMatrix, Sequence[str], int], Sequence[str]]] = {
    "best-average": best_average,
    "default": default,
}


def rows(case: Case, seeds: Mapping[str, int]) -> Iterator[dict[str, object]]:
    """A row a target, seed, order, share and recall; what is had of the whole matrix has the share 1."""
    one = case.one
    for target in one.targets:
        column = one.matrix.values[:, one.matrix.datasets.index(target)]
        finals = {model: float(v) for model, v in zip(one.matrix.models, column, strict=True) if not np.isnan(v)}
        models, k = sorted(finals), max(1, min(10, len(finals) // 3))
        best, average = max(finals.values()), float(np.mean(list(finals.values())))
        past = one.past(target)
        at = np.ix_([one.matrix.row[m] for m in past.models], [one.matrix.datasets.index(d) for d in past.datasets])
        cost = None if case.cost is None else case.cost[at]
        known = [model for model in models if model in past.row]

        def row(recall: str, matrix: PerformanceMatrix, **told: object) -> dict[str, object]:
            chosen = [finals[model] for model in RECALLS[recall](matrix, known, k)]
            return {
                "set": case.name,
                "target": target,
                "recall": recall,
                "regret": best - max(chosen),
                "relative_regret": (best - max(chosen)) / (best - average) if best > average else 0.0,
                "mean_final": float(np.mean(chosen)),
                **told,
            }

        for recall, count in seeds.items():
            if count:
                yield row(recall, past, order="whole", seed=0, share=1.0)
        for order in ORDERS:
            for seed in range(max(seeds.values())):
                for share, matrix, told in filled(past, order, cost, top_k=k, seed=seed):
                    for recall, count in seeds.items():
                        if seed < count:
                            expected, gain = (told.regret, told.gain) if told else (np.nan, np.nan)
                            scale = told.scale if told else np.nan
                            yield row(
                                recall,
                                matrix,
                                order=order,
                                seed=seed,
                                share=share,
                                expected=scale * expected,
                                expected_gain=scale * gain,
                            )


@click.command(help=__doc__)
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
def main(results: str) -> None:
    pass
