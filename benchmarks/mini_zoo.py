"""Does the choice of a model matter on the mini zoo? A report from its recorded history.

python benchmarks/mini_zoo.py > benchmarks/results/mini_zoo.md
"""

from collections.abc import Iterator

import numpy as np
from page import table
from scipy.stats import spearmanr

from raysel import History, zoo
from raysel.history import PerformanceMatrix
from raysel.zoo.describe import Figures, figures
from raysel.zoo.members import MEMBERS

PROXIES = ("leep", "logme")


def conditions(found: Figures, matrix: PerformanceMatrix) -> Iterator[tuple[str, str, bool]]:
    """(condition, what was found, whether it holds) for everything that makes the zoo a test."""
    own = [model for model in found.pretraining if model.tuned > model.scratch_tuned]
    spread = [row for row in found.datasets if row.over_median >= 5]
    loses = [row for row in found.datasets if row.average_loses > 0]
    noisy = [row for row in found.datasets if row.noise >= row.over_median]
    families = {member.made_by.family for member in MEMBERS.values()}
    libraries = {member.made_by.library for member in MEMBERS.values()}
    sources = {member.source for member in MEMBERS.values() if member.pretrained}
    yield "models, at least 24", str(len(matrix.models)), len(matrix.models) >= 24
    yield (
        "architecture families, at least 6, of three libraries",
        f"{len(families)} of {len(libraries)}",
        (len(families) >= 6 and len(libraries) == 3),
    )
    yield "source tasks, at least 5", f"{len(sources)}: {', '.join(sorted(sources))}", len(sources) >= 5
    yield "benchmarks, at least 8", ", ".join(zoo.benchmarks()), len(zoo.benchmarks()) >= 8
    yield "targets, at least 4, none a benchmark", ", ".join(zoo.targets()), len(zoo.targets()) >= 4
    yield (
        "pre-trained models that beat their twin from scratch on their own source: all",
        (f"{len(own)} of {len(found.pretraining)}"),
        len(own) == len(found.pretraining),
    )
    yield "different winners, at least 5", f"{len(found.winners)}", len(found.winners) >= 5
    yield (
        "datasets where best minus median is 5 points or more: half",
        (f"{len(spread)} of {len(found.datasets)}"),
        2 * len(spread) >= len(found.datasets),
    )
    yield (
        "datasets on which the best-average model loses, at least 3",
        (f"{len(loses)} of {len(found.datasets)} (it is {found.average})"),
        len(loses) >= 3,
    )
    yield (
        "datasets on which seed noise is smaller than best minus median: all",
        (f"{len(found.datasets) - len(noisy)} of {len(found.datasets)}"),
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


def main() -> None:
    """Print the report."""
    found, history = figures(), History(zoo.history_path())
    matrix = history.matrix()
    print("# The mini zoo: does the choice of a model matter?\n")
    print(
        "Made by `python benchmarks/mini_zoo.py > benchmarks/results/mini_zoo.md` from the recorded history that ships."
    )
    print("A point is a hundredth of accuracy, or of the median model's error where the metric is an error.\n")
    marks = [(text, seen, "yes" if holds else "**no**") for text, seen, holds in conditions(found, matrix)]
    print(table(("condition", "found", "holds"), marks))
    print("## Datasets\n")
    kinds = dict.fromkeys(zoo.targets(), "target") | dict.fromkeys(zoo.benchmarks(), "benchmark")
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
    print("Seed noise: deviation between three seeds of one cell, over a tenth of the cells; all in points.\n")
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
    print(table(("model", "source", "accuracy", "tuned on 300 images", "the same from scratch"), own))


if __name__ == "__main__":
    main()
