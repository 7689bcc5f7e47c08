"""``python -m raysel.zoo``: remake the mini zoo, or look at it."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from raysel import zoo

if TYPE_CHECKING:
    from raysel.zoo.describe import Figures


_KINDS = get_args(zoo.Inputs)
_ALL = tuple(name for inputs in _KINDS for name in zoo.models(inputs))


@click.group()
def main() -> None:
    """Remake the mini zoo that ships with raysel."""


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where to put checkpoints; the package by default.")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True, help="Models trained at once.")
@click.option("--model", "names", multiple=True, type=click.Choice(_ALL), help="Only these.")
def pretrain(folder: Path | None, processes: int, names: tuple[str, ...]) -> None:
    """Train every model on its source; those whose checkpoint is there are left as they are."""
    from raysel.zoo.pretrain import pretrain as run

    place = folder or zoo.checkpoint_path(zoo.models()[0]).parent
    run(names or _ALL, place, processes=processes)


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where the histories are; the package by default.")
@click.option("--inputs", multiple=True, type=click.Choice(_KINDS), default=_KINDS, help="Only models of these.")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True, help="Runs at once on this machine.")
@click.option("--address", envvar="RAY_ADDRESS", help="A running Ray cluster to use instead of this machine.")
def record(folder: Path | None, inputs: tuple[zoo.Inputs, ...], processes: int, address: str | None) -> None:
    """Fine-tune every model on every benchmark and target; what is recorded already is left as it is."""
    import ray

    from raysel.zoo.record import record as run

    with ray.init(address=address) if address else ray.init(num_cpus=processes, include_dashboard=False):
        for kind in inputs:
            place = zoo.history_path(kind)
            run(folder / place.name if folder else place, inputs=kind)


@main.command()
def describe() -> None:
    """Print what the recorded histories show."""
    from raysel.zoo.describe import figures

    for inputs in _KINDS:
        _describe(figures(inputs))


def _describe(found: "Figures") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("dataset", "best model", "final", "over median", "average loses", "seed noise")
    for row in found.datasets:
        points = (f"{value:.1f}" for value in (row.over_median, row.average_loses, row.noise))
        table.add_row(row.dataset, row.best.removeprefix("zoo/"), f"{row.final:.3f}", *points)
    own = Table("model", "source", "samples", "accuracy", "tuned", "twin from scratch, tuned")
    for model in found.pretraining:
        shares = (f"{value:.3f}" for value in (model.accuracy, model.tuned, model.scratch_tuned))
        own.add_row(model.model.removeprefix("zoo/"), model.source, str(model.samples), *shares)
    console = Console(width=110)  # the tables are wider than a pipe is taken for
    console.print(table, f"{len(found.winners)} winners; the best average is {found.average}'s", own)


if __name__ == "__main__":
    main()
