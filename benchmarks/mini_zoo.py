"""Does the choice of a model matter on the mini zoo? A report from its recorded history.

python benchmarks/mini_zoo.py > benchmarks/results/mini_zoo.md
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.stats import spearmanr

from raysel import History, zoo
from raysel.history import PerformanceMatrix
from raysel.zoo.describe import Figures, figures
from raysel.zoo.members import MEMBERS

PROXIES = ("leep", "logme")


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


def proxy_rows(history: History, matrix: PerformanceMatrix) -> Iterator[tuple[str, ...]]:
    """(dataset, Spearman correlation with the finals by proxy) and what the proxy's own first choice loses."""
    scores = {proxy: history.proxy_scores(proxy) for proxy in PROXIES}
    for column, dataset in enumerate(matrix.datasets):
        cells = [dataset]
        for proxy in PROXIES:
            known = [
                (scores[proxy].get((model, dataset)), matrix.values[i, column]) for i, model in enumerate(matrix.models)
            ]
            pairs = np.array([pair for pair in known if pair[0] is not None and not np.isnan(pair[1])], dtype=float)
            if len(pairs) < 3:
                cells += ["-", "-"]
                continue
            loss = float(np.nanmax(matrix.values[:, column]) - pairs[pairs[:, 0].argmax(), 1])
            cells += [f"{spearmanr(pairs[:, 0], pairs[:, 1]).statistic:.2f}", f"{loss:.3f}"]
        yield tuple(cells)


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


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
    head = ("dataset", *(f"{proxy}: {what}" for proxy in PROXIES for what in ("Spearman", "its first choice loses")))
    print(table(head, proxy_rows(history, matrix)))
    seconds = history.proxies().groupby("proxy")["seconds"].median()
    runs = history.observations().groupby("run_id")["seconds"].max()
    print(
        f"A score takes {', '.join(f'{value:.2f} s ({name})' for name, value in seconds.items())} at the median, its "
        f"forward pass included; fine-tuning a model takes {runs.median():.1f} s.\n"
    )
    print("## Pre-training\n")
    own = [
        (m.model.removeprefix("zoo/"), m.source, f"{m.accuracy:.3f}", f"{m.tuned:.3f}", f"{m.scratch_tuned:.3f}")
        for m in found.pretraining
    ]
    print(table(("model", "source", "accuracy", f"tuned on 300 {inputs}", "the same from scratch"), own))


if __name__ == "__main__":
    main()
