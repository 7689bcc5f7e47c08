"""A replay as a table for people."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from raysel.replay.metrics import Standing


def replay_table(summary: Sequence[Standing], *, uri: str) -> Group:
    """What each method would have lost and cost, the least regret first."""
    ranked = sorted(summary, key=lambda standing: (standing.mean_regret, standing.mean_trainings))
    gpus = list(ranked[0].mean_makespan)
    clock = "steps" if ranked[0].mean_seconds is None else "s"
    columns = ["regret", "95 %", "of random", "to all", "trainings", "steps", "seconds", "best dropped"]
    columns += [f"{clock} on {number} GPU{'' if number == 1 else 's'}" for number in gpus]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    for standing in ranked:
        low, high = standing.ci95
        cells = [
            _number(standing.mean_regret),
            f"{_number(low)} to {_number(high)}",
            f"{100 * standing.mean_relative_regret:.0f} %",
            _number(standing.mean_regret_to_all),
            f"{standing.mean_trainings:.1f}",
            f"{standing.mean_steps:.4g}",
            "-" if standing.mean_seconds is None else f"{standing.mean_seconds:.4g}",
            f"{100 * standing.best_dropped:.0f} %",
            *(f"{standing.mean_makespan[number]:.4g}" for number in gpus),
        ]
        table.add_row(Text(standing.method), *map(Text, cells))
    told = (
        f"Means over {ranked[0].targets} datasets, each left out in turn. regret: the best final of all models minus "
        "that of the selected one, with its bootstrap interval; of random: as a part of what a choice at random loses; "
        "to all: the same as regret, from what fine-tuning all would have selected; trainings: steps by those of one "
        "whole run."
    )
    return Group(Text(f"Replay of {uri}", style="bold"), table, Text(told))


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 100 else f"{value:.3g}"
