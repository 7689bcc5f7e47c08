"""What a selection costs on 1, 4, 16 and 64 GPUs: makespan, GPU-seconds, and how far the GPUs are used.

\b
    RAYSEL_DATA=../shared/data python benchmarks/cluster_cost.py

Every dataset of the mini zoo (recorded seconds) and, with RAYSEL_DATA, of olml_nlp is the target in turn. olml_nlp has
no recorded seconds: there an epoch costs what a model of its size does, in units of an epoch of a base model. Writes
cluster_cost.parquet, cluster_cost.md and a chart a set into benchmarks/results.
"""

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from page import mean, number, table
from public_sets import CURVE_SETS, CurveSet, data_folder, mini_zoo

from raysel.replay.comparison import compare

RESULTS = Path(__file__).parent / "results"
GPUS = (1, 4, 16, 64)
TOP_K = 10
METHODS = ("default", "default-async", "paper", "halving-all", "asha-3-all")
WIDE = "default-async, as many models as GPUs"

SIZES = (("tiny", 0.04), ("mini", 0.1), ("albert", 0.6), ("small", 0.25), ("distil", 0.5), ("large", 3.0))
"""What an epoch costs by a word in a model's name, in epochs of a base model: roughly by the work of a forward pass."""

HEAD = """# What a selection costs on a cluster

Made by `RAYSEL_DATA=../shared/data python benchmarks/cluster_cost.py`; every row is in `cluster_cost.parquet`. Each
dataset of a set is the target in turn; the real searcher and scheduler of each method run on a virtual cluster with so
many GPUs, a trial on each. *makespan*: until the last trial has ended, proxies included. *GPU time*: what trials and
proxies were busy. *use*: GPU time by GPUs times makespan. *of random*: regret as a part of what a choice at random
loses. In brackets: bootstrap 95 % intervals over targets. Times are in seconds, on olml_nlp in epochs of a base model.

With more GPUs than recalled models the rest stands idle. The last row of each set recalls as many models as there are
GPUs, judged one by one: it takes no longer than ten models do, and looks further.

"""


def sized(one: CurveSet) -> CurveSet:
    """A set without seconds, with what its models' sizes make of each step."""

    def cost(model: str) -> float:
        return next((factor for word, factor in SIZES if re.search(word, model, re.IGNORECASE)), 1.0)

    history = copy(one.history)
    history._curves = tuple(replace(c, seconds=c.steps * cost(c.model)) for c in one.history.curves())
    return replace(one, history=history)


def sets() -> Iterator[CurveSet]:
    """The sets that are here."""
    yield mini_zoo()
    if (folder := data_folder()) is not None:
        yield sized(CURVE_SETS["olml_nlp"](folder))


def rows(one: CurveSet) -> Iterator[dict[str, object]]:
    """A row a method, target and number of GPUs."""
    for gpus in GPUS:
        plan = [(name, name, TOP_K) for name in METHODS]
        if gpus > TOP_K:
            plan.append((WIDE, "default-async", gpus))
        for shown, method, top_k in plan:
            for row in compare(one.history, methods=[method], leave_out=one.targets, gpus=[gpus], top_k=top_k):
                yield {
                    "set": one.name,
                    "method": shown,
                    "gpus": gpus,
                    "target": row.target,
                    "relative_regret": row.relative_regret,
                    "busy": row.seconds,
                    "makespan": row.makespan[gpus],
                    "use": (row.seconds or np.nan) / (gpus * row.makespan[gpus]),
                }


def page(frame: pd.DataFrame) -> str:
    """cluster_cost.md."""
    parts = [HEAD]
    for name, of_set in frame.groupby("set", sort=False):
        parts.append(f"## {name}\n\n")
        lines = []
        for method in dict.fromkeys(of_set["method"]):
            for gpus, its in of_set[of_set["method"] == method].groupby("gpus"):
                numbers = (its["makespan"].mean(), its["busy"].mean())
                lines.append(
                    (
                        method,
                        str(gpus),
                        *(number(value, 1) for value in numbers),
                        f"{its['use'].mean():.0%}".replace("%", " %"),
                        mean(its["relative_regret"].to_numpy(), 3),
                    )
                )
        parts.append(table(("method", "GPUs", "makespan", "GPU time", "use", "of random"), lines) + "\n")
    return "".join(parts).rstrip() + "\n"


def chart(of_set: pd.DataFrame, file: Path, title: str) -> None:
    """Makespan by number of GPUs, a line a method."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "raysel", "font.size": 9.0}):
        figure = Figure(figsize=(7.5, 4.0), layout="constrained")
        axes = figure.add_subplot()
        for place, (method, its) in enumerate(of_set.groupby("method", sort=False)):
            means = its.groupby("gpus")["makespan"].mean()
            axes.plot(means.index, means.to_numpy(), marker="osD^vP"[place % 6], label=str(method))
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(GPUS, [str(gpus) for gpus in GPUS])
        axes.set_xlabel("GPUs")
        axes.set_ylabel("makespan")
        axes.set_title(title)
        axes.grid(visible=True, which="both", alpha=0.2)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(file, metadata={"Date": None})


@click.command(help=__doc__)
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
def main(results: str) -> None:
    found: list[dict[str, object]] = []
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    for one in sets():
        found += rows(one)
        click.echo(one.name, err=True)
    frame = pd.DataFrame(found)
    frame.to_parquet(folder / "cluster_cost.parquet", compression="zstd", index=False)
    (folder / "cluster_cost.md").write_text(page(frame))
    for name, of_set in frame.groupby("set", sort=False):
        chart(of_set, folder / f"cluster_cost_{name}.svg", f"{name}: how long a selection takes")


if __name__ == "__main__":
    main()
