"""Does the choice of a model matter on the mini zoo? A report from its recorded history.

python benchmarks/mini_zoo.py > benchmarks/results/mini_zoo.md
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
from page import table
from scipy.stats import spearmanr

from raysel import History, zoo
from raysel.history import PerformanceMatrix
from raysel.proxies import PROXIES
from raysel.zoo.describe import Figures, figures
from raysel.zoo.members import MEMBERS


@dataclass(frozen=True)
class Wanted:
    """How much of everything makes a zoo a test."""

    models: int
    families: int
    libraries: int
    sources: int
    benchmarks: int
    targets: int
    winners: int
    loses: int


WANTED: dict[zoo.Inputs, Wanted] = {
    "images": Wanted(24, 6, 3, 5, 8, 4, winners=5, loses=3),
    "texts": Wanted(6, 2, 1, 4, 4, 1, winners=3, loses=1),
}


def conditions(inputs: zoo.Inputs, found: Figures, matrix: PerformanceMatrix) -> Iterator[tuple[str, str, bool]]:
    """(condition, what was found, whether it holds) for everything that makes the zoo a test."""
    least = WANTED[inputs]
    members = [MEMBERS[name] for name in matrix.models]
    own = [model for model in found.pretraining if model.tuned > model.scratch_tuned]
    spread = [row for row in found.datasets if row.over_median >= 5]
    loses = [row for row in found.datasets if row.average_loses > 0]
    noisy = [row for row in found.datasets if row.noise >= row.over_median]
    families = {member.made_by.family for member in members}
    libraries = {member.made_by.library for member in members}
    sources = {member.source for member in members if member.pretrained}
    benchmarks, targets = zoo.benchmarks(inputs), zoo.targets(inputs)
    yield f"models, at least {least.models}", str(len(members)), len(members) >= least.models
    yield (
        f"architecture families, at least {least.families}; libraries, {least.libraries}",
        f"{len(families)}; {len(libraries)}",
        len(families) >= least.families and len(libraries) == least.libraries,
    )
    yield (
        f"source tasks, at least {least.sources}",
        f"{len(sources)}: {', '.join(sorted(sources))}",
        len(sources) >= least.sources,
    )
    yield f"benchmarks, at least {least.benchmarks}", ", ".join(benchmarks), len(benchmarks) >= least.benchmarks
    yield f"targets, at least {least.targets}, none a benchmark", ", ".join(targets), len(targets) >= least.targets
    yield (
        "pre-trained models that beat their twin from scratch on their own source: all",
        f"{len(own)} of {len(found.pretraining)}",
        len(own) == len(found.pretraining),
    )
    yield (
        f"different winners, at least {least.winners}",
        str(len(found.winners)),
        len(found.winners) >= least.winners,
    )
    yield (
        "datasets where best minus median is 5 points or more: half",
        f"{len(spread)} of {len(found.datasets)}",
        2 * len(spread) >= len(found.datasets),
    )
    yield (
        f"datasets on which the best-average model loses, at least {least.loses}",
        f"{len(loses)} of {len(found.datasets)} (it is {found.average})",
        len(loses) >= least.loses,
    )
    yield (
        "datasets on which seed noise is smaller than best minus median: all",
        f"{len(found.datasets) - len(noisy)} of {len(found.datasets)}",
        not noisy,
    )


def proxy_quality(history: History, matrix: PerformanceMatrix) -> dict[tuple[str, str], tuple[float, float]]:
    """{(dataset, proxy): (Spearman correlation with the finals, what the proxy's own first choice loses)}."""
    found = {}
    for proxy in PROXIES:
        scores = history.proxy_scores(proxy)
        for column, dataset in enumerate(matrix.datasets):
            known = [(scores.get((model, dataset)), matrix.values[i, column]) for i, model in enumerate(matrix.models)]
            pairs = np.array([pair for pair in known if pair[0] is not None and not np.isnan(pair[1])], dtype=float)
            if len(pairs) < 3:
                continue
            loss = float(np.nanmax(matrix.values[:, column]) - pairs[pairs[:, 0].argmax(), 1])
            found[dataset, proxy] = float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic), loss
    return found


def proxy_means(history: History, quality: dict[tuple[str, str], tuple[float, float]]) -> Iterator[tuple[str, ...]]:
    """(proxy, its means over the classification datasets, its mean over the others, its median seconds)."""
    datasets = history.datasets()
    numbers = set(datasets["dataset"][datasets["task"] == "regression"])
    seconds = history.proxies().groupby("proxy")["seconds"].median()
    for proxy in PROXIES:
        classes = np.array([found for (name, by), found in quality.items() if by == proxy and name not in numbers])
        others = [found[0] for (name, by), found in quality.items() if by == proxy and name in numbers]
        other = f"{np.mean(others):.2f}" if others else "-"
        first = np.sum(classes[:, 1] == 0)
        yield (
            proxy,
            f"{classes[:, 0].mean():.2f}",
            f"{classes[:, 0].min():.2f}",
            f"{classes[:, 1].mean():.3f}",
            f"{first} of {len(classes)}",
            other,
            f"{seconds[proxy]:.2f}",
        )


def main() -> None:
    """Print the report."""
    print("# The mini zoo: does the choice of a model matter?\n")
    print("Made by `python benchmarks/mini_zoo.py > benchmarks/results/mini_zoo.md` from the histories that ship.")
    print("A point is a hundredth of accuracy, or of the median model's error where the metric is an error.")
    print("Seed noise: deviation between three seeds of one cell, over a tenth of the cells; in points.\n")
    for inputs in get_args(zoo.Inputs):
        report(inputs)


def report(inputs: zoo.Inputs) -> None:
    """Print the section of one zoo."""
    found, history = figures(inputs), History(zoo.history_path(inputs))
    matrix = history.matrix()
    print(f"# Models of {inputs}\n")
    marks = [(text, seen, "yes" if holds else "**no**") for text, seen, holds in conditions(inputs, found, matrix)]
    print(table(("condition", "found", "holds"), marks))
    print("## Datasets\n")
    kinds = dict.fromkeys(zoo.targets(inputs), "target") | dict.fromkeys(zoo.benchmarks(inputs), "benchmark")
    rows = [
        (
            row.dataset,
            kinds[row.dataset],
            row.best.removeprefix("zoo/"),
            f"{row.final:.3f}",
            f"{row.over_median:.1f}",
            f"{row.average_loses:.1f}",
            f"{row.noise:.1f}",
        )
        for row in found.datasets
    ]
    head = ("dataset", "kind", "best model", "its final", "over the median", "best average loses", "seed noise")
    print(table(head, rows))
    print("## Proxies\n")
    quality = proxy_quality(history, matrix)
    print("Spearman correlation with the finals, and what the final of the proxy's first choice lacks to the best.\n")
    cells = [
        (
            dataset,
            *("{:.2f}, {:.3f}".format(*quality[dataset, by]) if (dataset, by) in quality else "-" for by in PROXIES),
        )
        for dataset in matrix.datasets
    ]
    print(table(("dataset", *PROXIES), cells))
    head = (
        "proxy",
        "mean Spearman, classification",
        "the least",
        "mean loss",
        "picks the best",
        "mean Spearman, regression",
    )
    print(table((*head, "seconds, median"), proxy_means(history, quality)))
    runs = history.observations().groupby("run_id")["seconds"].max()
    print(
        "Seconds include the forward pass, which feeds all proxies at once; fine-tuning a model takes "
        f"{runs.median():.1f} s. LEEP and LogME were recorded on another occasion than the others.\n"
    )
    print("## Pre-training\n")
    own = [
        (m.model.removeprefix("zoo/"), m.source, f"{m.accuracy:.3f}", f"{m.tuned:.3f}", f"{m.scratch_tuned:.3f}")
        for m in found.pretraining
    ]
    print(table(("model", "source", "accuracy", f"tuned on 300 {inputs}", "the same from scratch"), own))


if __name__ == "__main__":
    main()
