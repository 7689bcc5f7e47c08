"""What each ingredient of the default is worth: it is taken away, and what that costs is counted, on every curve set.

\b
    RAYSEL_DATA=../shared/data python benchmarks/ablations.py

Writes ablations.parquet (a tidy row each) and ablations.md into benchmarks/results. Without RAYSEL_DATA only the mini
zoo is replayed.
"""

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import click
import pandas as pd
from page import difference, number, table
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from selection import RESULTS, TOP_K, curve_set, main_sets, rounded

from raysel.replay.comparison import compare
from raysel.replay.engine import InOrder, RecordedRecall
from raysel.replay.methods import METHODS, Method, Setting, trend
from raysel.trends import Trends, mine
from raysel.tune.scheduler import TrendScheduler


class _ByScore(RecordedRecall):
    """The best by recall score, however alike they are."""

    def _rank(self, scores: Mapping[str, Mapping[str, float]], unscored: Mapping[str, str]) -> None:
        asked, self._top_k = self._top_k, len(self._known)  # where all are recalled there is nothing to choose
        super()._rank(scores, unscored)
        self._top_k = asked
        if self._shortlist is not None:
            self._shortlist = replace(self._shortlist, entries=self._shortlist.entries[:asked])


class _NoPast(TrendScheduler):
    """The default's scheduler without past runs: the better half goes on after each fifth."""

    def mined(self) -> Trends:
        return mine([], lower_is_better=self.mode == "min")


def _by_score(setting: Setting) -> Searcher:
    return setting.recalling("default", kind=_ByScore)


def _no_past(setting: Setting) -> TrialScheduler:
    task = setting.task
    return _NoPast(task.history, target=task.target, max_t=task.max_t / task.unit, time_attr="units", seed=setting.seed)


def _default(searcher: Callable[[Setting], Searcher], scheduler: Callable[[Setting], TrialScheduler]) -> Method:
    return Method(told="", searcher=searcher, scheduler=scheduler)


RECALL = METHODS["default"].searcher
ABLATIONS: Mapping[str, tuple[str, Method]] = {
    "default": ("nothing", METHODS["default"]),
    "no-diversity": ("clusters in the choice: the best by recall score", _default(_by_score, trend("default"))),
    "no-representatives": ("representatives: the proxy scores every model", METHODS["default-own"]),
    "no-proxies": (
        "proxies",
        _default(lambda setting: setting.recalling("default", proxies=()), trend("default")),
    ),
    "no-prior": (
        "the prior in fine selection: scores alone",
        _default(lambda setting: InOrder(setting.recalled, spent=setting.recall_seconds), trend("default")),
    ),
    "no-trends": ("convergence trends: the better half after each fifth", _default(RECALL, _no_past)),
    "no-stopping": (
        "fine selection: every recalled model is trained to its end",
        _default(RECALL, METHODS["fine-tune-all"].scheduler),
    ),
}
"""By name: what is taken away, and what is left."""


def replayed(name: str, target: str) -> pd.DataFrame:
    """The rows of one target."""
    one = curve_set(name)
    methods = {key: method for key, (_, method) in ABLATIONS.items() if method.lacks(one.history) is None}
    rows = compare(one.history, methods=methods, leave_out=[target], top_k=TOP_K)
    kept = ("method", "target", "regret", "relative_regret", "trainings", "seconds", "proxy_seconds")
    found = pd.DataFrame([{key: getattr(row, key) for key in kept} for row in rows])
    return found.assign(set=name, mixed=one.mixed, tiny=target in one.tiny)


def page(rows: pd.DataFrame) -> str:
    """The page: a table a set."""
    parts = [
        "# What each ingredient of the default is worth",
        "Made by `RAYSEL_DATA=../shared/data python benchmarks/ablations.py`: one seed, each dataset left out in turn.",
        "A row takes one ingredient away. Regret is in the set's own unit (as a part of what a choice at random loses "
        "where metrics differ); differences are paired over targets, taken away minus default, with bootstrap 95 "
        "% intervals, bold where the interval has not 0 in it. Above 0 the ingredient pays in regret; fewer trainings "
        "without it are what it costs.",
    ]
    for name, found in rows.groupby("set", sort=False):
        value = "relative_regret" if found["mixed"].iloc[0] else "regret"
        by = {str(method): its.set_index("target") for method, its in found.groupby("method")}
        body = []
        for method, (told, _) in ABLATIONS.items():
            if method not in by:
                continue
            its, full = by[method], by["default"].loc[by[method].index]
            seconds = its["seconds"].mean()
            body.append(
                [
                    told,
                    number(its[value].mean()),
                    "-" if method == "default" else difference((its[value] - full[value]).to_numpy()),
                    number(its["trainings"].mean(), 2),
                    number(seconds, 1),
                ]
            )
        head = ("taken away", "regret", "difference", "trainings", "seconds")
        parts += [f"## {name} ({found['target'].nunique()} targets)", table(head, body)]
        if found["tiny"].any():
            large = found[~found["tiny"]].groupby("method")[value].mean()
            told = ", ".join(f"{key} {number(large[key])}" for key in ABLATIONS if key in large)
            parts.append(f"Without the tiny datasets: {told}.")
    return "\n\n".join(parts) + "\n"


@click.command(help=__doc__)
@click.option("--sets", metavar="NAME,...", help="Of mini_zoo and the public sets.  [default: all that are there]")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
def main(sets: str | None, processes: int, results: str) -> None:
    names = main_sets() if sets is None else tuple(name.strip() for name in sets.split(","))
    for name in names:
        if name not in main_sets():
            raise click.BadParameter(f"{name!r} is none of {', '.join(main_sets())}", param_hint="--sets")
    work = [(name, target) for name in names for target in curve_set(name).targets]
    frames, began = {}, time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(replayed, *unit): unit for unit in work}
        for done, future in enumerate(as_completed(running), start=1):
            frames[running[future]] = future.result()
            print(f"{done}/{len(work)}, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    folder = Path(results)
    rows = rounded(pd.concat([frames[unit] for unit in work], ignore_index=True))
    rows.to_parquet(folder / "ablations.parquet", compression="zstd", index=False)
    (folder / "ablations.md").write_text(page(rows))


if __name__ == "__main__":
    main()
