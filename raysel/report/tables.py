"""Answers as tables for people to read in a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from raysel.history import Summary
from raysel.recall import Shortlist
from raysel.recall.plan import Plan
from raysel.replay import Outcome
from raysel.report.sparkline import sparkline
from raysel.report.units import duration, other_metrics, size

if TYPE_CHECKING:
    from raysel.tune.estimate import Estimate
    from raysel.tune.run import Selected

DEVIATIONS = "deviations"
"""The unit of gains where datasets have different metrics."""


def history_table(summary: Summary) -> Group:
    """The datasets of a history, and how much it holds in all."""
    runs = ", ".join(f"{count} {status}" for status, count in summary.runs.items() if count) or "none"
    proxies = ", ".join(f"{count} {proxy}" for proxy, count in summary.proxies.items()) or "none"
    lines = [
        f"{summary.models} models, {len(summary.datasets)} datasets, {summary.cells} of "
        f"{summary.models * len(summary.datasets)} cells of the performance matrix measured.",
        f"Runs: {runs}. Observations: {summary.observations}. Proxy scores: {proxies}.",
        f"{summary.parts} parts, {summary.size_bytes / 1e6:.1f} MB.",
    ]
    if any(summary.facts.values()):
        known = ", ".join(f"{fact} of {count}" for fact, count in summary.facts.items() if count)
        lines.insert(1, f"Known of models: {known}.")
    if summary.pins:
        lines.append(f"Pins: {', '.join(summary.pins)}.")
    if summary.first and summary.last:
        lines.append(f"Recorded from {summary.first:%Y-%m-%d} to {summary.last:%Y-%m-%d} (UTC).")
    columns = ("dataset", "models", "runs", "mode", "metric")
    table = _table(*columns, right=("models", "runs"))
    for entry in summary.datasets:
        _row(table, entry.dataset, str(entry.models), str(entry.runs), entry.mode or "-", entry.metric or "-")
    return _titled(f"History {summary.uri}", table, " ".join(lines))


def recall_table(shortlist: Shortlist) -> Group:
    """The recalled models, best first: cluster, proxy scores, recall score and reason."""
    proxies = shortlist.proxies
    table = _table("", "model", "cluster", *proxies, "score", "why", right=("", *proxies, "score"))
    for place, entry in enumerate(shortlist.entries, start=1):
        near = None if entry.cluster is None else len(shortlist.clusters[entry.cluster])
        cluster = "no history" if near is None else f"{entry.cluster} ({near} model{'' if near == 1 else 's'})"
        scores = (_number(entry.proxies.get(proxy)) for proxy in proxies)
        _row(table, str(place), entry.model, cluster, *scores, _number(entry.score), entry.reason)
    title = f"Recalled: {len(shortlist.entries)} models (method {shortlist.method})"
    return _titled(title, table, shortlist.regime)


def trials_table(selected: "Selected") -> Group:
    """Each trial's curve, how far it came, and when and why it ended; all curves are drawn to one scale."""
    scores = [score for trial in selected.trials for _, score in trial.curve]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    metric = selected.metric
    table = _table("model", "curve", metric, "steps", "ended", "why", right=(metric, "steps"))
    for trial in selected.trials:
        last, score = trial.curve[-1] if trial.curve else (0.0, None)
        ended = "at its end" if trial.stopped_at is None else f"stopped at {trial.stopped_at:g}"
        _row(
            table,
            trial.model,
            sparkline([score for _, score in trial.curve], low=low, high=high),
            _number(score),
            f"{last:g}",
            "selected" if trial is selected.winner else ended,
            trial.reason,
        )
    caption = f"Curves are validation {metric} by step, drawn from {low:.4g} to {high:.4g}."
    return _titled(f"Fine-tuned: {len(selected.trials)} models", table, caption)


def spending_table(selected: "Selected", baselines: Mapping[str, Outcome]) -> Group:
    """What the selection found and spent, beside what other ways of choosing find and spend on recorded runs.

    Args:
        selected: The selection.
        baselines: By name; in the same unit of steps. Their rows are marked as replayed.
    """
    columns = ("", "model", f"test {selected.metric}", "steps", "seconds of training")
    table = _table(*columns, right=columns[2:])
    trained = sum(trial.seconds for trial in selected.trials)
    _row(
        table,
        f"raysel ({selected.shortlist.method})",
        selected.selected,
        _number(selected.test_score),
        f"{selected.steps:g}",
        f"{trained:.0f}",
    )
    for name, outcome in baselines.items():
        seconds = "-" if outcome.seconds is None else f"{outcome.seconds:.0f}"
        _row(table, f"{name} (replayed)", outcome.selected, _number(outcome.score), f"{outcome.steps:g}", seconds)
    caption = f"From start to end the selection took {selected.seconds:.0f} s."
    if selected.other_metrics:
        caption = f"Other metrics of {selected.selected}: {other_metrics(selected.other_metrics)}. {caption}"
    if baselines:
        caption += (
            " Replayed rows were not run now: they are told from recorded runs of every model on this target. Seconds "
            "are those of training alone, summed over the trials; recorded ones are a processor's."
        )
    return _titled(f"Selected: {selected.selected}", table, caption)


def plan_table(time: "Estimate | None", stored: int, resources: Mapping[str, float], hardware: str) -> Group:
    """What a selection may be expected to spend.

    Args:
        time: Seconds of training; `None` where no time of any model is known.
        stored: Bytes of checkpoints, at most.
        resources: Of each trial.
        hardware: What a trial computes on.
    """
    gpus = resources.get("gpu", 0.0)
    columns = ("", "time of all trials", *(["GPU-hours"] if gpus else []))
    table = _table(*columns, right=columns[1:])
    if time is not None:
        for name, seconds in (
            ("at least: all but one stopped at the first stage", time.least),
            ("likely: the better half goes on at each fifth", time.likely),
            ("at most: none is stopped", time.most),
        ):
            _row(table, name, duration(seconds), *([f"{seconds / 3600 * gpus:.3g}"] if gpus else []))
    each = " and ".join(f"{amount:g} {name.upper()}" for name, amount in resources.items())
    told = f"Each trial has {each} ({hardware}). Checkpoints take up to {size(stored)}."
    if time is None:
        told += " How long training takes is not known: no proxy has timed a forward pass of these models here."
    else:
        told += (
            f" Times are told from recorded runs or, where there are none, forward passes of {time.measured} models; "
            "loading and processes that start come on top, so take them as good to a factor of two."
        )
        if time.elsewhere is not None:
            other = time.elsewhere or "hardware that nobody recorded"
            told += f" None of these times was measured on {hardware}: they are of {other}, and say little of it."
    return _titled("Planned", table, told)


def runs_table(plan: Plan, *, unit: str) -> Group:
    """Runs to make next, with what each is expected to gain and to take.

    Args:
        plan: The runs.
        unit: Of the gain: the metric that all datasets have, else deviations.
    """
    scale = 1.0 if unit == DEVIATIONS else plan.scale
    columns = ("", "model", "dataset", "gain", "seconds")
    table = _table(*columns, "", right=("", "gain", "seconds"))
    for place, run in enumerate(plan.runs, start=1):
        takes = "-" if run.seconds is None else f"{run.seconds:.0f}"
        _row(table, str(place), run.model, run.dataset, f"{scale * run.gain:.2g}", takes, "")
    told = (
        f"{plan.measured} of {plan.models * plan.datasets} cells are measured. With these beliefs the best of "
        f"{plan.top_k} recalled is expected to lose {scale * plan.regret:.3g} to the best of all on a new dataset, and "
        f"{scale * plan.gain:.2g} less after the plan (unit: {unit})."
    )
    if plan.seconds:
        hours = plan.seconds / 3600
        told += f" It takes {hours:.3g} h of runs, one after the other: {scale * plan.gain / hours:.2g} less an hour."
    told += (
        " A gain is an expectation over many targets, not a promise for one, and may be off by a factor of two or "
        "more. Each run has its share."
    )
    return _titled(f"Planned: {len(plan.runs)} runs", table, told)


def _table(*columns: str, right: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # Only the last column gives way: a name that is cut short cannot be pasted.
        justify: JustifyMethod = "right" if column in right else "left"
        table.add_column(Text(column), justify=justify, no_wrap=column != columns[-1], overflow="fold")
    return table


def _titled(title: str, table: Table, caption: str) -> Group:
    # Not the table's own title and caption, which are no wider than the table.
    return Group(Text(title, style="bold"), table, Text(caption), Text())


def _row(table: Table, *cells: str) -> None:
    # As Text, since names may hold what rich takes for markup.
    table.add_row(*(Text(cell) for cell in cells))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
