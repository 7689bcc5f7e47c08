"""Answers as tables for people to read in a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from raysel.recall import Shortlist
from raysel.replay import Outcome
from raysel.report.sparkline import sparkline

if TYPE_CHECKING:
    from raysel.tune.run import Selected


def recall_table(shortlist: Shortlist) -> Table:
    """The recalled models, best first: cluster, proxy score, recall score and reason."""
    table = _table(
        f"Recalled: {len(shortlist.entries)} models (method {shortlist.method})",
        "",
        "model",
        "cluster",
        f"{shortlist.proxy or 'proxy'}",
        "score",
        "why",
        caption=shortlist.regime,
        right=("", shortlist.proxy or "proxy", "score"),
    )
    for place, entry in enumerate(shortlist.entries, start=1):
        size = None if entry.cluster is None else len(shortlist.clusters[entry.cluster])
        cluster = "no history" if size is None else f"{entry.cluster} ({size} model{'' if size == 1 else 's'})"
        _row(table, str(place), entry.model, cluster, _number(entry.proxy), _number(entry.score), entry.reason)
    return table


def trials_table(selected: "Selected") -> Table:
    """Each trial's curve, how far it came, and when and why it ended; all curves are drawn to one scale."""
    scores = [score for trial in selected.trials for _, score in trial.curve]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    table = _table(
        f"Fine-tuned: {len(selected.trials)} models",
        "model",
        "curve",
        selected.metric,
        "steps",
        "ended",
        "why",
        caption=f"Validation {selected.metric} by step, drawn from {low:.4g} to {high:.4g}.",
        right=(selected.metric, "steps"),
    )
    for trial in selected.trials:
        last, score = trial.curve[-1] if trial.curve else (0.0, None)
        ended = "at its end" if trial.stopped_at is None else f"stopped at {trial.stopped_at:g}"
        _row(
            table,
            trial.model,
            sparkline([score for _, score in trial.curve], low=low, high=high),
            _number(score),
            f"{last:g}",
            "selected" if trial.model == selected.selected and trial.stopped_at is None else ended,
            trial.reason,
        )
    return table


def spending_table(selected: "Selected", baselines: Mapping[str, Outcome]) -> Table:
    """What the selection found and spent, beside what other ways of choosing find and spend on recorded runs.

    Args:
        selected: The selection.
        baselines: By name; in the same unit of steps. Their rows are marked as replayed.
    """
    table = _table(
        f"Selected: {selected.selected}",
        "",
        "model",
        f"test {selected.metric}",
        "steps",
        "seconds of training",
        caption=f"From start to end the selection took {selected.seconds:.0f} s. Rows marked `replayed` were not run "
        "now: they are told from recorded runs of every model on this target."
        if baselines
        else f"From start to end the selection took {selected.seconds:.0f} s.",
        right=(f"test {selected.metric}", "steps", "seconds of training"),
    )
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
    return table


def _table(title: str, *columns: str, caption: str, right: tuple[str, ...]) -> Table:
    table = Table(
        title=Text(title, style="bold"),
        caption=Text(caption),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in columns:
        # Only the last column gives way: a name that is cut short cannot be pasted.
        table.add_column(
            Text(column), justify="right" if column in right else "left", no_wrap=column != columns[-1], overflow="fold"
        )
    return table


def _row(table: Table, *cells: str) -> None:
    # As Text, since names may hold what rich takes for markup.
    table.add_row(*(Text(cell) for cell in cells))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
