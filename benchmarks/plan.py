"""Where to spend the offline budget: recall's quality by how much of the performance matrix is measured.

\b
    RAYSEL_DATA=../shared/data python benchmarks/plan.py

Writes plan.parquet (a tidy row each), plan.md and a chart a set into benchmarks/results. Without RAYSEL_DATA only the
mini zoo is there.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from cluster_cost import SIZES
from page import number, table
from public_sets import CURVE_SETS, MATRIX_SETS, MatrixSet, data_folder, mini_zoo

from raysel.history import PerformanceMatrix
from raysel.recall import rank
from raysel.recall.plan import Plan, believe, plan
from raysel.recall.prior import prior, standardise
from raysel.replay.metrics import interval

RESULTS = Path(__file__).parent / "results"
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
AIM = 0.4  # of the cells, by which the full matrix is to be reached
ORDERS = ("random", "model by model", "dataset by dataset", "plan")

HEAD = """# Where to spend the offline budget

Made by `RAYSEL_DATA=../shared/data python benchmarks/plan.py`; every row is in `plan.parquet`. Each dataset of a set is
the target in turn and is left out, with its near-duplicates; the zoo is the models that have a final on it, of which a
third are recalled, 10 at most. The rest of the performance matrix is empty at first and filled in: at `random`, `model
by model` (row by row, rows drawn), `dataset by dataset` (columns drawn), or as `raysel history plan` says, a round a
column of the table, each planned from what the rounds before it showed. *best-average* takes the K with the highest
prior; *default* is raysel's recall without proxies (on fewer seeds); *believed* takes the K with the highest mean in
the beliefs that plans are made from, and is there to show what recall could yet have from them.

*loses*: the best final of all minus the best of the K, mean over targets and seeds. *mean final*: of the K, less that
with the full matrix; it tells finer than the best of the K, which one lucky model decides. **Bold**: worse than with
the full matrix (paired by target, the bootstrap 95 % interval over targets has not 0 in it); *apart*: by how much, with
that interval. Shares are of the cells that can be measured, or where runs have costs of their sum.

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


def believed(past: PerformanceMatrix, models: Sequence[str], k: int) -> Sequence[str]:
    """The K that plans are made for; ties by name."""
    mean = dict(zip(past.models, believe(past.values).mean.round(12).tolist(), strict=True))
    return sorted(models, key=lambda model: (-mean[model], model))[:k]


@dataclass(frozen=True)
class Recalling:
    """A way to recall, on how many seeds at most, and at which shares."""

    recall: Callable[[PerformanceMatrix, Sequence[str], int], Sequence[str]]
    seeds: int
    shares: tuple[float, ...]


RECALLS = {
    "best-average": Recalling(best_average, 10, SHARES),
    "default": Recalling(default, 6, (0.4,)),
    "believed": Recalling(believed, 10, (0.1, 0.2, 0.4)),
}


def rows(case: Case, seeds: int) -> Iterator[dict[str, object]]:
    """A row a target, seed, order, share and recall; what is had of the whole matrix has the share 1."""
    for target in case.one.targets:
        for recall, matrix, k, told in fills(case, target, seeds):
            column = case.one.matrix.values[:, case.one.matrix.datasets.index(target)]
            finals = {m: float(v) for m, v in zip(case.one.matrix.models, column, strict=True) if not np.isnan(v)}
            best, average = max(finals.values()), float(np.mean(list(finals.values())))
            known = sorted(model for model in finals if model in matrix.row)
            chosen = [finals[model] for model in RECALLS[recall].recall(matrix, known, k)]
            yield {
                "set": case.name,
                "target": target,
                "recall": recall,
                "regret": best - max(chosen),
                "relative_regret": (best - max(chosen)) / (best - average) if best > average else 0.0,
                "deviations": (best - max(chosen)) / float(np.std(list(finals.values()))),
                "mean_final": float(np.mean(chosen)),
                **told,
            }


def fills(case: Case, target: str, seeds: int) -> Iterator[tuple[str, PerformanceMatrix, int, dict[str, object]]]:
    """What to recall by, from which matrix, how many, and what is to be noted of it."""
    whole = case.one.matrix
    there = ~np.isnan(whole.values[:, whole.datasets.index(target)])
    past = case.one.past(target).restricted([model for model, had in zip(whole.models, there, strict=True) if had])
    at = np.ix_([whole.row[model] for model in past.models], [whole.datasets.index(name) for name in past.datasets])
    cost = None if case.cost is None else case.cost[at]
    k = max(1, min(10, len(past.models) // 3))
    nothing = {"expected": np.nan, "expected_gain": np.nan}
    for recall in RECALLS:
        yield recall, past, k, {"order": "whole", "seed": 0, "share": 1.0, **nothing}
    for order in ORDERS:
        for seed in range(seeds):
            for share, matrix, told in filled(past, order, cost, top_k=k, seed=seed):
                note: dict[str, object] = {"order": order, "seed": seed, "share": share, **nothing}
                if told is not None:
                    note |= {"expected": told.regret, "expected_gain": told.gain}
                for recall, its in RECALLS.items():
                    if seed < its.seeds and share in its.shares:
                        yield recall, matrix, k, note


def page(frame: pd.DataFrame, told: Mapping[str, str]) -> str:
    """plan.md."""
    parts = [HEAD]
    for name, line in told.items():
        parts.append(f"## {name}\n\n{line}\n\n")
        for recall, its in frame[frame["set"] == name].groupby("recall", sort=False):
            value, what = ("relative_regret", "loses, of random") if "mini" in name else ("regret", "loses")
            parts.append(f"{recall}, {what}:\n\n{shares_table(its, value, sign=1)}\n")
            if value == "regret":
                parts.append(f"{recall}, mean final:\n\n{shares_table(its, 'mean_final', sign=-1)}\n")
        parts.append(calibration(frame[(frame["set"] == name) & (frame["recall"] == "best-average")]))
    return "".join(parts).rstrip() + "\n"


def shares_table(its: pd.DataFrame, value: str, *, sign: int) -> str:
    """A row an order, a column a share; `sign` is 1 where less is better, and then values are not differences."""
    whole = its[its["order"] == "whole"].set_index("target")[value]
    shares = sorted(set(its["share"]) - {1.0})
    cells = []
    for order in ORDERS:
        wide = its[its["order"] == order].pivot_table(index="target", columns="share", values=value)
        apart = wide.sub(whole, axis=0)
        shown = []
        for share in shares:
            text = f"{wide[share].mean():.4f}" if sign > 0 else f"{apart[share].mean():+.4f}"
            low, _ = interval((sign * apart[share]).to_list())
            shown.append(f"**{text}**" if low > 0 else text)
        low, high = interval(apart[AIM].to_list())
        cells.append([order, *shown, f"{apart[AIM].mean():+.4f} ({low:+.4f} to {high:+.4f})"])
    seeds = its["seed"].nunique()
    told = f"With every cell {whole.mean():.4f}; {seeds} seed{'' if seeds == 1 else 's'}.\n\n"
    return told + table(["", *(percent(share) for share in shares), f"apart at {percent(AIM)}"], cells)


def percent(share: float) -> str:
    """For people."""
    return f"{share:.0%}".replace("%", " %")


def calibration(its: pd.DataFrame) -> str:
    """What plans expect beside what comes of it."""
    its = its[its["order"] == "plan"]
    by_share = its.groupby("share")[["expected", "deviations", "expected_gain"]].mean()
    had = by_share["deviations"] - by_share["deviations"].shift(-1)
    lines = [
        [
            percent(share),
            number(row["expected"], 3),
            number(row["deviations"], 3),
            number(row["expected_gain"], 3),
            number(had[share], 3),
        ]
        for share, row in by_share.iterrows()
    ]
    heads = ("share", "expected regret", "regret", "expected gain of the next round", "gain of it")
    return f"What plans expect, in deviations of the finals of a target:\n\n{table(heads, lines)}\n"


def chart(its: pd.DataFrame, file: Path, title: str) -> None:
    """Regret by share, a line an order."""
    import matplotlib
    from matplotlib.figure import Figure

    value = "relative_regret" if "mini" in title else "regret"
    with matplotlib.rc_context({"svg.hashsalt": "raysel", "font.size": 9.0}):
        figure = Figure(figsize=(7.5, 4.0), layout="constrained")
        axes = figure.add_subplot()
        for place, order in enumerate(ORDERS):
            means = its[its["order"] == order].groupby("share")[value].mean()
            axes.plot(means.index, means.to_numpy(), marker="osD^"[place], label=order)
        axes.axhline(its[its["order"] == "whole"][value].mean(), color="black", linestyle=":", label="every cell")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("share of the performance matrix that is measured")
        axes.set_ylabel("regret of recall")
        axes.set_title(title)
        axes.grid(visible=True, alpha=0.2)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(file, metadata={"Date": None})


@click.command(help=__doc__)
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
@click.option("--set", "names", multiple=True, help="Only these sets.")
@click.option("--seeds", default=5, show_default=True, help="Of best-average, 10 at most.")
def main(results: str, names: tuple[str, ...], seeds: int) -> None:
    found: list[dict[str, object]] = []
    told = {}
    for case in cases():
        if names and case.name not in names:
            continue
        began = time.process_time()
        found += rows(case, seeds)
        told[case.name] = f"{case.one.told}; {len(case.one.targets)} targets; shares of {case.unit}."
        click.echo(f"{case.name}: {time.process_time() - began:.0f} s", err=True)
    frame = pd.DataFrame(found)
    values = ["regret", "relative_regret", "deviations", "mean_final", "expected", "expected_gain"]
    frame = frame.assign(**{name: [float(f"{value:.6g}") for value in frame[name]] for name in values})
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "plan.parquet", compression="zstd", index=False)
    (folder / "plan.md").write_text(page(frame, told))
    for name in told:
        its = frame[(frame["set"] == name) & (frame["recall"] == "best-average")]
        chart(its, folder / f"plan_{re.sub('[^a-z]+', '_', name)}.svg", name)


if __name__ == "__main__":
    main()
