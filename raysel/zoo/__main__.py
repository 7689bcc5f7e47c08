"""``python -m raysel.zoo``: remake the mini zoo, or look at it."""

from pathlib import Path

import click

from raysel import zoo


@click.group()
def main() -> None:
    """Remake the mini zoo that ships with raysel."""


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where to put checkpoints; the package by default.")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True, help="Models trained at once.")
@click.option("--model", "names", multiple=True, type=click.Choice(zoo.models()), help="Only these.")
def pretrain(folder: Path | None, processes: int, names: tuple[str, ...]) -> None:
    """Train every model on its source; those whose checkpoint is there are left as they are."""
    from raysel.zoo.pretrain import pretrain as run

    place = folder or zoo.checkpoint_path(zoo.models()[0]).parent
    run(names or zoo.models(), place, processes=processes)


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where the history is; the package by default.")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True, help="Runs at once on this machine.")
@click.option("--address", envvar="RAY_ADDRESS", help="A running Ray cluster to use instead of this machine.")
def record(folder: Path | None, processes: int, address: str | None) -> None:
    """Fine-tune every model on every benchmark and target; what is recorded already is left as it is."""
    import ray

    from raysel.zoo.record import record as run

    with ray.init(address=address) if address else ray.init(num_cpus=processes, include_dashboard=False):
        run(folder or zoo.history_path())


@main.command()
def describe() -> None:
    """Print what the recorded history shows."""
    from rich.console import Console
    from rich.table import Table

    from raysel.zoo.describe import figures

    found = figures()
    table = Table("dataset", "best model", "final", "over median", "average loses", "seed noise")
    for row in found.datasets:
        points = (f"{value:.1f}" for value in (row.over_median, row.average_loses, row.noise))
        table.add_row(row.dataset, row.best.removeprefix("zoo/"), f"{row.final:.3f}", *points)
    own = Table("model", "source", "images", "accuracy", "tuned", "twin from scratch, tuned")
    for model in found.pretraining:
        shares = (f"{value:.3f}" for value in (model.accuracy, model.tuned, model.scratch_tuned))
        own.add_row(model.model.removeprefix("zoo/"), model.source, str(model.images), *shares)
    console = Console(width=110)  # the tables are wider than a pipe is taken for
    console.print(table, f"{len(found.winners)} winners; the best average is {found.average}'s", own)


if __name__ == "__main__":
    main()
