"""``python -m raysel.zoo``: remake the mini zoo."""

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


if __name__ == "__main__":
    main()
