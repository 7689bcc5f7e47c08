"""Cold start: models without runs, by hiding whole models from the history.

\b
    RAYSEL_DATA=../shared/data python benchmarks/cold_start.py

Writes cold_start.parquet (a tidy row each) and cold_start.md into benchmarks/results. Without RAYSEL_DATA only the mini
zoo is there. K is a third of the models to choose from, 10 at most.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd
from page import difference, mean, number, table
from public_sets import CURVE_SETS, MATRIX_SETS, MatrixSet, data_folder, mini_zoo
from recall import elsewhere, on_target

from raysel.history import Described, PerformanceMatrix
from raysel.recall import cluster, default, rank, to_score
from raysel.recall.kinship import kinship
from raysel.recall.prior import standardise

RESULTS = Path(__file__).parent / "results"
NAMED = ("two_phase_paper/CV", "taskonomy", "model_recycling")
BEST = 3
PLACED = 15
DRAWS = 1
SHARES = (0.1, 0.3)
EXPLORE = {True: (0.0, 0.1, 0.2), False: (0.0, 0.2)}
TARGETS = {"model_recycling": 8}
MOST = 16
PROXY = "logme"
KNOWN, UNNAMED, KIN = "nothing hidden", "as average", "by kinship"

HEAD = """# Cold start: models without runs

Made by `RAYSEL_DATA=../shared/data python benchmarks/cold_start.py`. Whole models are hidden from the history, each
dataset of a set being the target in turn and left out with its near-duplicates. What stays known of a hidden model is
its name and, in mini_zoo alone, its source, family, size and card; with `+ logme`, its score on the target. Nothing was
chosen by these tables but the default of `explore`. Of a set with more than 16 targets 16 are drawn once, of
model_recycling 8. Every row of the recalls is in `cold_start.parquet`.

*Placement*: a hidden model's expected standing (mean z-score over the benchmark datasets) against the one that it has,
and against its z-score on the target: root mean square errors, of the expectation by kinship, of the average (0, what
recall took before) and of the standing of a model at random. *r*: correlation of the expectation with what is on the
target. *within*: how often the standing is within one and two of the stated deviations (68 and 95 % if they are right).
*one*: each hidden alone (at most 15 drawn a target); *10 %*, *30 %*: so many at once (one draw a target).

*Recall*: of the hidden models that are among the best three on the target, the share that is recalled among the K, and
what the best of the K loses to the best of all, as a part of what a model at random loses. *one*: one of the best three
hidden, each in turn. `as average`: hidden models have names that say nothing. `explore`: at least that share of the K
is for models without history; where one model is hidden, which is one of the best, that one is it, so what exploring
costs is told by the rows of 10 and 30 % alone. *to as average*: paired over targets, below 0 is better; **bold** where
the bootstrap 95 % interval over targets has not 0 in it.

"""


@dataclass(frozen=True, kw_only=True, eq=False)
class ColdSet:
    """A set of finals, and what is known of its models."""

    one: MatrixSet
    facts: Mapping[str, Described] = field(default_factory=dict)


def sets() -> Iterator[ColdSet]:
    """Those with names that say something, one by one."""
    zoo = mini_zoo()
    yield ColdSet(one=zoo.matrix, facts=zoo.history.described(zoo.matrix.matrix.models))
    folder = data_folder()
    if folder is not None:
        yield ColdSet(one=CURVE_SETS["olml_nlp"](folder).matrix)
        for name in NAMED:
            yield ColdSet(one=plainly_named(MATRIX_SETS[name](folder)))


def plainly_named(one: MatrixSet) -> MatrixSet:
    """The set without the places in a sorted table that some names end with: they would tell how good a model is."""
    names = [re.sub(r"#\d+$", "", model) for model in one.matrix.models]
    first = [i for i, name in enumerate(names) if name not in names[:i]]
    plain = PerformanceMatrix(
        models=tuple(names[i] for i in first),
        datasets=one.matrix.datasets,
        values=one.matrix.values[first],
        lower_is_better=one.matrix.lower_is_better,
    )
    return replace(one, matrix=plain)


def drawn_targets(one: MatrixSet) -> list[str]:
    """The targets, or as many of them as are looked at."""
    drawn = np.random.default_rng(0).permutation(len(one.targets))[: TARGETS.get(one.name, MOST)]
    return [one.targets[i] for i in sorted(drawn)]


def hidden_sets(best: Sequence[str], models: Sequence[str], rng: np.random.Generator) -> Iterator[tuple[str, set[str]]]:
    """What is hidden together, and how that is called."""
    for model in best:
        yield "one", {model}
    for share in SHARES:
        for _ in range(DRAWS):
            count = max(1, round(share * len(models)))
            yield f"{100 * share:.0f} %", {models[i] for i in rng.permutation(len(models))[:count]}


def without(matrix: PerformanceMatrix, hidden: set[str]) -> PerformanceMatrix:
    """The matrix without the rows of some models."""
    return matrix.restricted(set(matrix.models) - hidden)


# Placement ----------------------------------------------------------------------------------------------------------


def placements(cold: ColdSet) -> Iterator[dict[str, object]]:
    """A row a target and hidden model."""
    for number_of, target in enumerate(drawn_targets(cold.one)):
        rng = np.random.default_rng(number_of)
        past, finals = cold.one.past(target), finals_on(cold.one, target)
        z = dict(zip(finals, standardise(np.array([*finals.values()])).tolist(), strict=True))
        standing = dict(zip(past.models, np.nanmean(standardise(past.values), axis=1).tolist(), strict=True))
        both = [model for model in past.models if model in finals]
        drawn = [both[i] for i in rng.permutation(len(both))[:PLACED]]
        hidden = [("one", {model}) for model in drawn]
        hidden += [(kind, found) for kind, found in hidden_sets((), both, rng)]
        for kind, found in hidden:
            left = without(past, found)
            known = [standing[model] for model in left.models]
            places = kinship(left.models, left.values, sorted(found), facts=lambda _: cold.facts)
            for model, place in places.placed.items():
                yield {
                    "set": cold.one.name,
                    "target": target,
                    "hidden": kind,
                    "model": model,
                    "expected": place.expected,
                    "uncertainty": place.uncertainty,
                    "standing": standing[model],
                    "on_target": z[model],
                    "at_random": float(np.mean((np.array(known) - standing[model]) ** 2)),
                    "at_random_on_target": float(np.mean((np.array(known) - z[model]) ** 2)),
                }


def finals_on(one: MatrixSet, target: str) -> dict[str, float]:
    """The finals on a target by model."""
    column = one.matrix.values[:, one.matrix.datasets.index(target)]
    return {model: float(v) for model, v in zip(one.matrix.models, column, strict=True) if not np.isnan(v)}


# Recall -------------------------------------------------------------------------------------------------------------


def recalls(cold: ColdSet) -> Iterator[dict[str, object]]:
    """A row a target, hidden set and method."""
    for number_of, target in enumerate(drawn_targets(cold.one)):
        rng = np.random.default_rng(number_of)
        past, finals = cold.one.past(target), finals_on(cold.one, target)
        models = [model for model in past.models if model in finals]
        best = sorted(models, key=lambda model: (-finals[model], model))[:BEST]
        k = max(1, min(10, len(models) // 3))
        choose = partial(chosen, cold, past, target, models, k)
        proxies: list[str] = [PROXY] if PROXY in cold.one.proxies else []
        for used in ([], proxies) if proxies else ([],):
            told = "".join(f" + {proxy}" for proxy in used)
            whole = choose(set(), used, named=True, explore=0.0)
            for draw, (kind, hidden) in enumerate(hidden_sets(best, models, rng)):
                found = {f"{KNOWN}{told}": whole}
                for name, named in ((UNNAMED, False), (KIN, True)):
                    for explore in EXPLORE[named]:
                        method = f"{name}{told}" + (f", explore {explore}" if explore else "")
                        found[method] = choose(hidden, used, named=named, explore=explore)
                for method, recalled in found.items():
                    yield {
                        "set": cold.one.name,
                        "target": target,
                        "hidden": kind,
                        "draw": draw,
                        "method": method,
                        "models": len(models),
                        "k": k,
                        "wanted": len(hidden & set(best)),
                        "had": len(hidden & set(best) & set(recalled)),
                        "cold": len(hidden & set(recalled)),
                        "relative_regret": relative(finals, models, recalled),
                    }


def relative(finals: Mapping[str, float], models: Sequence[str], recalled: Sequence[str]) -> float:
    """What the best of the recalled loses, as a part of what a model at random loses."""
    every = [finals[model] for model in models]
    best, average = max(every), float(np.mean(every))
    return (best - max(finals[model] for model in recalled)) / (best - average) if best > average else 0.0


def chosen(
    cold: ColdSet,
    past: PerformanceMatrix,
    target: str,
    models: Sequence[str],
    k: int,
    hidden: set[str],
    proxies: Sequence[str],
    *,
    named: bool,
    explore: float,
) -> Sequence[str]:
    """The recalled, where some models are hidden from the history, with their names or without."""
    # Signs that no other name has a part in common with.
    alias = {model: model if named else chr(0x4E00 + i) for i, model in enumerate(sorted(hidden))}
    real = {name: model for model, name in alias.items()}
    left = without(past, hidden)
    candidates = [alias.get(model, model) for model in models]
    clusters = cluster(left)
    asked = set(to_score(left, candidates, clusters))
    scores = {
        proxy: {alias.get(m, m): score for m, score in on_target(cold.one.proxies[proxy], target, models).items()}
        for proxy in proxies
    }
    found = rank(
        left,
        candidates,
        clustering=clusters,
        top_k=k,
        proxy_scores={proxy: {m: s for m, s in of.items() if m in asked} for proxy, of in scores.items()},
        recorded={
            proxy: {cell: s for cell, s in elsewhere(cold.one.proxies[proxy], past).items() if cell[0] not in hidden}
            for proxy in proxies
        },
        facts=lambda _: cold.facts,
        explore=explore,
    )
    return [real.get(model, model) for model in found.models]


def once_each() -> None:
    """Whether diversity pays does not depend on who is new: worked out once for each history, not a method."""
    kept: dict[tuple[bytes, int, int], tuple[float, int]] = {}
    gain = default.gain

    def remembered(z: np.ndarray, *, top_k: int, seed: int) -> tuple[float, int]:
        key = (z.tobytes(), top_k, seed)
        if key not in kept:
            kept[key] = gain(z, top_k=top_k, seed=seed)
        return kept[key]

    default.gain = remembered


# The page -----------------------------------------------------------------------------------------------------------


def page(placed: pd.DataFrame, recalled: pd.DataFrame) -> str:
    """cold_start.md."""
    parts = [HEAD, "## Placement\n\n", placement_table(placed), "\n"]
    for name in recalled["set"].unique():
        of_set = recalled[recalled["set"] == name]
        models, k = (f"{of_set[c].min()} to {of_set[c].max()}" for c in ("models", "k"))
        parts.append(f"## Recall: {name}\n\n{of_set['target'].nunique()} targets, {models} models, K = {k}.\n\n")
        parts.append(recall_table(of_set) + "\n")
    return "".join(parts).rstrip() + "\n"


def placement_table(placed: pd.DataFrame) -> str:
    """A row a set and how many were hidden."""
    cells = []
    for (name, hidden), rows in placed.groupby(["set", "hidden"], sort=False):
        wrong = (rows["expected"] - rows["standing"]).abs()
        varied = rows["expected"].std() > 0
        cells.append(
            [
                str(name),
                str(hidden),
                str(len(rows)),
                *(
                    number(float(np.sqrt(mean_square)), 3)
                    for of, at_random in (("standing", "at_random"), ("on_target", "at_random_on_target"))
                    for mean_square in (
                        ((rows["expected"] - rows[of]) ** 2).mean(),
                        (rows[of] ** 2).mean(),
                        rows[at_random].mean(),
                    )
                ),
                number(float(rows["expected"].corr(rows["on_target"])) if varied else None, 2),
                *(f"{100 * (wrong <= times * rows['uncertainty']).mean():.0f} %" for times in (1, 2)),
            ]
        )
    head = ("set", "hidden", "models", "standing: kinship", "average", "random")
    return table((*head, "on target: kinship", "average", "random", "r", "within 1", "within 2"), cells)


def recall_table(of_set: pd.DataFrame) -> str:
    """A row a number hidden and method."""
    cells = []
    for hidden, rows in of_set.groupby("hidden", sort=False):
        losses = rows.groupby(["target", "method"])["relative_regret"].mean().unstack()
        for method in rows["method"].unique():
            its = rows[rows["method"] == method]
            told = method[method.index(" + ") :].split(",")[0] if " + " in method else ""
            wanted, base = int(its["wanted"].sum()), f"{UNNAMED}{told}"
            cells.append(
                [
                    str(hidden),
                    method,
                    f"{100 * its['had'].sum() / wanted:.0f} % of {wanted}" if wanted else "-",
                    "-" if method.startswith(KNOWN) else f"{its['cold'].mean():.2f}",
                    mean(losses[method].to_numpy(), 3),
                    "-" if method == base else difference((losses[method] - losses[base]).to_numpy(), 3),
                ]
            )
    return table(("hidden", "method", "hidden best recalled", "hidden in K", "loses", "to as average"), cells)


@click.command(help=__doc__)
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
@click.option("--only", multiple=True, help="Only these sets.")
def main(results: str, only: tuple[str, ...]) -> None:
    once_each()
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    placed, recalled = [], []
    for cold in sets():
        if only and cold.one.name not in only:
            continue
        placed += placements(cold)
        recalled += recalls(cold)
        # After every set, since the last ones take long.
        found = pd.DataFrame(recalled)
        found.to_parquet(folder / "cold_start.parquet", compression="zstd", index=False)
        (folder / "cold_start.md").write_text(page(pd.DataFrame(placed), found))
        click.echo(f"{cold.one.name}: {len(drawn_targets(cold.one))} targets", err=True)


if __name__ == "__main__":
    main()
