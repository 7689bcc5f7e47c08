"""`raysel history plan`: which runs to make next, so that recall improves most?"""

import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from raysel.cli.output import console, json_option, print_json, say
from raysel.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from raysel.history import History

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def _budget(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int | None, float | None]:
    """A number of runs, or seconds of them."""
    found = re.fullmatch(r"(\d+)(?: *runs?)?|(\d+(?:\.\d+)?) *(s|min|h)", value.strip())
    if found and found[1] and int(found[1]):
        return int(found[1]), None
    if found and found[2] and float(found[2]):
        return None, float(found[2]) * _UNITS[found[3]]
    raise OptionError("budget", value, "a number of runs such as 40, or an amount of time such as 45min or 10h")


@click.command()
@click.argument("history")
@click.option(
    "--budget", required=True, callback=_budget, help="What may be spent: 40 (runs), or 45min or 10h of runs."
)
@click.option("--models", "patterns", multiple=True, help="To choose from: names or globs; repeatable.  [default: all]")
@click.option("--datasets", multiple=True, help="To run them on: names or globs; repeatable.  [default: all]")
@click.option("--top-k", type=int, default=10, show_default=True, help="How many models are to be recalled.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan to this file (JSON).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Orders equals.")
@json_option
def plan(
    history: str,
    budget: tuple[int | None, float | None],
    patterns: tuple[str, ...],
    datasets: tuple[str, ...],
    top_k: int,
    out: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Which runs to make next, so that recall from HISTORY improves most for what they take.

    A run is worth making if it may change which models are recalled: of a model that stands near the line between the
    recalled and the rest, or of which little is known. Models and datasets need no run on record: `--models` takes new
    names. What has failed before, and was not repeated, is not planned.

    Where little is on record yet, every model is run on the same few datasets; then only those go on that may yet be
    recalled. So plan again when some runs are made, rather than all at once. Gains may be off by a factor of five.

    Seconds are told from runs on record that have them; a model is taken to be as slow everywhere as it was elsewhere,
    a new one as slow as its size lets expect. `raysel history record` makes the runs.

    JSON: `runs`, the most worthwhile first, a list of `model`, `dataset`, `gain` and `seconds` (or null); `regret` that
    recall is expected to have now; `gain`, by how much less after the plan; their `unit`, which is the metric, or
    deviations of the finals where datasets have different ones; `seconds`; `measured`, how many of all `cells` are;
    `top_k`.
    """
    from raysel.history import History
    from raysel.history.seconds import expected_seconds
    from raysel.recall.plan import plan as planned
    from raysel.report import plain_plan, runs_table

    opened = History(history)
    described, known = opened.datasets(), opened.models()
    matrix = opened.matrix()
    models = _named("model", patterns, {*opened.names(), *matrix.models}, new=True)
    columns = _named("dataset", datasets, {*described["dataset"], *matrix.datasets}, new=False)
    runs, seconds = budget
    each = expected_seconds(
        opened.curves(), models, columns, parameters=_sizes(known, "parameters"), samples=_sizes(described, "size")
    )
    if seconds is not None and each is None:
        rule = "a number of runs such as 40: no run on record says how long it took"
        raise OptionError("budget", f"{seconds:g} s", rule)
    found = planned(
        matrix,
        models,
        columns,
        runs=runs,
        seconds=seconds,
        each=each,
        without=_failed(opened),
        top_k=top_k,
        seed=seed,
    )
    if top_k >= len(models):
        say(f"all {len(models)} models are recalled whatever is run: a smaller --top-k would have to choose")
    metrics = set(described["primary_metric"].dropna())
    unit = metrics.pop() if len(metrics) == 1 else "deviations"
    answer = plain_plan(found, unit=unit)
    if out is not None:
        out.write_text(json.dumps(answer, indent=2) + "\n")
        say(f"the plan is in {out}: `raysel history record {history} {out} --data NAME=PATH ...` makes the runs")
    if as_json:
        print_json(answer)
    else:
        console().print(runs_table(found, unit=unit))


def _named(kind: str, patterns: Sequence[str], known: set[str], *, new: bool) -> list[str]:
    """What the patterns stand for; all that is known without any."""
    found: list[str] = []
    for pattern in patterns:
        matched = sorted(name for name in known if name == pattern or fnmatchcase(name, pattern))
        if not matched and new:
            from raysel.models import expand

            matched = list(expand([pattern]))
        if not matched:
            raise UnknownNameError(kind, pattern, sorted(known))
        found += matched
    return list(dict.fromkeys(found)) if patterns else sorted(known)


def _sizes(rows: "pd.DataFrame", column: str) -> dict[str, float]:
    known = rows.dropna(subset=[column])
    return dict(zip(known.iloc[:, 0].astype(str), known[column].astype(float), strict=True))


def _failed(history: "History") -> set[tuple[str, str]]:
    """The cells of which every run on record failed."""
    runs = history.runs()
    cells = {status: set(zip(rows["model"], rows["dataset"], strict=True)) for status, rows in runs.groupby("status")}
    failed = cells.pop("failed", set())
    return failed.difference(*cells.values())
