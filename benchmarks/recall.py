"""Recall alone: what the best of the K recalled models loses, on every set of finals.

\b
    RAYSEL_DATA=../shared/data python benchmarks/recall.py

Writes recall.parquet (a tidy row each) and recall.md into benchmarks/results. Without RAYSEL_DATA only the mini zoo is
there. K is a third of the models to choose from, 10 at most.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from math import comb
from pathlib import Path

import click
import numpy as np
import pandas as pd
from page import difference, mean, table
from public_sets import CURVE_SETS, MATRIX_SETS, MatrixSet, data_folder, mini_zoo

from raysel.errors import DataError
from raysel.history import PerformanceMatrix
from raysel.recall import Clustering, Propagate, cluster, rank, to_score
from raysel.recall.evidence import PROPAGATIONS
from raysel.recall.prior import standardise
from raysel.recall.rank import METHODS, Method

RESULTS = Path(__file__).parent / "results"
ALL_PROXIES = "all proxies"
PROPAGATED = {"own": "own", "representative": "representatives"}
VALUES = ("regret", "relative_regret", "mean_final")
TABLE = (
    "method",
    "targets",
    "loses",
    "to best-average",
    "of random",
    "of random, to best-average",
    "mean final",
    "mean final, to best-average",
)

HEAD = """# Recall alone: what the best of the K recalled models loses

Made by `RAYSEL_DATA=../shared/data python benchmarks/recall.py`; every row is in `recall.parquet`. Each dataset of a
set is the target in turn and is left out, with its near-duplicates, of what is ranked by. To choose from are the models
with a final on the target; K is a third of them, 10 at most, 1 at least.

*loses*: the best final of all minus the best of the K, in the metric's unit. *of random*: as a part of what a model at
random loses; where targets have different metrics (mini_zoo) read this. *to best-average*: the paired difference on the
same targets, below 0 where the method is better than taking the K with the best mean z-score; **bold** where the
bootstrap 95 % interval over targets has not 0 in it. *mean final*: of the K, higher is better. `random` is exact.
Proxies are recorded ones: `alone` takes the K with the best scores; `own` scores every model, `representatives` only
those that stand for a cluster (the rest take theirs), and the default learns from all other datasets how far to trust
it; with `all proxies` it uses all that are recorded on the target together. `largest` takes the K with the most
parameters.

"""


def sets() -> Iterator[MatrixSet]:
    """Every set that is there, loaded one by one."""
    yield mini_zoo().matrix
    folder = data_folder()
    if folder is not None:
        for load in CURVE_SETS.values():
            yield load(folder).matrix
        for load_matrix in MATRIX_SETS.values():
            yield load_matrix(folder)


Recall = Callable[[], Sequence[str]]


def first(models: Sequence[str], score: Mapping[str, float], k: int, *, unknown: float = -np.inf) -> Sequence[str]:
    """The K models with the highest scores, ties by name."""
    return sorted(models, key=lambda model: (-score.get(model, unknown), model))[:k]


def recalls(one: MatrixSet, past: PerformanceMatrix, target: str, models: Sequence[str], k: int) -> dict[str, Recall]:
    """Each method by name; a paper's one raises `DataError` where scores are not in [0, 1]."""
    averages = np.nan_to_num(np.nanmean(standardise(past.values), axis=1)).tolist()
    z = dict(zip(past.models, averages, strict=True))
    found: dict[str, Recall] = {"best-average": lambda: first(models, z, k, unknown=0.0)}
    if set(models) <= one.sizes.keys():
        found["largest"] = lambda: first(models, one.sizes, k)
    scored = {proxy: on_target(recorded, target, models) for proxy, recorded in sorted(one.proxies.items())}
    scored = {proxy: scores for proxy, scores in scored.items() if scores}
    found |= {f"{proxy} alone": partial(first, models, scores, k) for proxy, scores in scored.items()}
    for method in METHODS:
        clusters = cache(partial(cluster, past, method=method))
        found[method] = partial(recalled, past, models, k, method, clusters)
        together = {proxy: (proxy,) for proxy in scored}
        if method == "default" and len(scored) > 1:
            together[ALL_PROXIES] = tuple(scored)
        for name, proxies in together.items():
            for propagate in PROPAGATIONS:
                evidence = Proxied(
                    scores={proxy: scored[proxy] for proxy in proxies},
                    recorded={proxy: elsewhere(one.proxies[proxy], past) for proxy in proxies},
                    propagate=propagate,
                )
                told = f"{method} + {name}, {PROPAGATED[propagate]}"
                found[told] = partial(recalled, past, models, k, method, clusters, evidence)
    return found


def on_target(recorded: Mapping[tuple[str, str], float], target: str, models: Sequence[str]) -> dict[str, float]:
    """The scores of the models on the target."""
    return {model: score for model in models if np.isfinite(score := recorded.get((model, target), np.nan))}


def elsewhere(recorded: Mapping[tuple[str, str], float], past: PerformanceMatrix) -> dict[tuple[str, str], float]:
    """The scores on what is ranked by."""
    return {cell: score for cell, score in recorded.items() if cell[1] in past.datasets}


@dataclass(frozen=True, kw_only=True)
class Proxied:
    """Scores on the target, and on record elsewhere, by proxy."""

    scores: Mapping[str, Mapping[str, float]]
    recorded: Mapping[str, Mapping[tuple[str, str], float]]
    propagate: Propagate


def recalled(
    past: PerformanceMatrix,
    models: Sequence[str],
    k: int,
    method: Method,
    clusters: Callable[[], Clustering],
    proxied: Proxied | None = None,
) -> Sequence[str]:
    """What raysel recalls: with proxies, only the scores that the method asks for are had."""
    if proxied is None:
        return rank(past, models, clustering=clusters(), method=method, top_k=k).models
    asked = set(to_score(past, models, clusters(), method=method, propagate=proxied.propagate))
    return rank(
        past,
        models,
        clustering=clusters(),
        method=method,
        top_k=k,
        proxy_scores={
            proxy: {model: score for model, score in scores.items() if model in asked}
            for proxy, scores in proxied.scores.items()
        },
        propagate=proxied.propagate,
        recorded=proxied.recorded,
    ).models


def rows(one: MatrixSet) -> Iterator[dict[str, object]]:
    """A row a target and method."""
    for target in one.targets:
        column = one.matrix.values[:, one.matrix.datasets.index(target)]
        finals = {model: float(v) for model, v in zip(one.matrix.models, column, strict=True) if not np.isnan(v)}
        k = max(1, min(10, len(finals) // 3))
        best, average = max(finals.values()), float(np.mean(list(finals.values())))
        found = {"random": (best_of_random(list(finals.values()), k), average)}
        for method, recall in recalls(one, one.past(target), target, sorted(finals), k).items():
            with suppress(DataError):
                chosen = [finals[model] for model in recall()]
                found[method] = max(chosen), float(np.mean(chosen))
        for method, (top, middle) in found.items():
            yield {
                "set": one.name,
                "target": target,
                "models": len(finals),
                "k": k,
                "method": method,
                "regret": best - top,
                "relative_regret": (best - top) / (best - average) if best > average else 0.0,
                "mean_final": middle,
            }


def best_of_random(finals: Sequence[float], k: int) -> float:
    """The expected best of k drawn at random: the r-th best of n is it with probability C(n - r, k - 1) / C(n, k)."""
    n, ranked = len(finals), sorted(finals, reverse=True)
    return sum(comb(n - place - 1, k - 1) / comb(n, k) * final for place, final in enumerate(ranked))


def page(frame: pd.DataFrame, told: Mapping[str, str]) -> str:
    """recall.md."""
    parts = [HEAD]
    for name, line in told.items():
        of_set = frame[frame["set"] == name]
        count = of_set["target"].nunique()
        models, k = span(of_set["models"]), span(of_set["k"])
        parts.append(f"## {name}\n\n{line}; {count} targets, {models} models, K = {k}.\n\n{set_table(of_set)}\n")
        if "paper" not in set(of_set["method"]):
            parts.append("The paper's method refuses this set: its scores are not in [0, 1].\n\n")
    return "".join(parts).rstrip() + "\n"


def span(values: "pd.Series[int]") -> str:
    """The least and the largest."""
    return f"{values.min()}" if values.min() == values.max() else f"{values.min()} to {values.max()}"


def set_table(of_set: pd.DataFrame) -> str:
    """Every method of a set, the least loss first; those with a proxy after the others."""
    wide = {column: of_set.pivot(index="target", columns="method", values=column) for column in VALUES}
    losses = wide["regret"]
    order = sorted(losses.columns, key=lambda method: ("+" in method or "alone" in method, losses[method].mean()))
    cells = []
    for method in order:
        its = {column: values.loc[losses[method].notna()] for column, values in wide.items()}
        to_average = {
            column: "-"
            if method == "best-average"
            else difference((values[method] - values["best-average"]).to_numpy(), 3 if "relative" in column else 4)
            for column, values in its.items()
        }
        cells.append(
            [
                method,
                str(len(its["regret"])),
                mean(its["regret"][method].to_numpy()),
                to_average["regret"],
                mean(its["relative_regret"][method].to_numpy(), 3),
                to_average["relative_regret"],
                f"{its['mean_final'][method].mean():.4f}",
                to_average["mean_final"],
            ]
        )
    return table(TABLE, cells)


@click.command(help=__doc__)
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
def main(results: str) -> None:
    found, told = [], {}
    for one in sets():
        began = time.process_time()
        found += rows(one)
        told[one.name] = one.told
        signed = [
            column for column, lower in zip(one.matrix.values.T, one.matrix.lower_is_better, strict=True) if not lower
        ]
        if any((column <= 0).any() for column in signed):
            told[one.name] += "; the paper's method takes its values of 0 and below as missing"
        click.echo(f"{one.name}: {len(one.targets)} targets, {time.process_time() - began:.1f} s", err=True)
    frame = pd.DataFrame(found)
    frame = frame.assign(**{name: [float(f"{value:.6g}") for value in frame[name]] for name in VALUES})
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "recall.parquet", compression="zstd", index=False)
    (folder / "recall.md").write_text(page(frame, told))


if __name__ == "__main__":
    main()
