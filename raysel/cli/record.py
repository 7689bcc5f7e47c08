"""`raysel history record`: make the runs of a plan, or of every model on every dataset, and record them."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from raysel.cli.history import pairs
from raysel.cli.output import json_option, print_json, say
from raysel.cli.select import PATIENCE
from raysel.cli.session import check_address, check_everywhere, check_kept, check_sent, session
from raysel.cli.training import RATES, training_options
from raysel.errors import OptionError

if TYPE_CHECKING:
    from raysel.finetune import Data


@click.command()
@click.argument("history")
@click.argument("plan", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--models", "patterns", multiple=True, help="In place of PLAN: each of these on each dataset; repeatable."
)
@click.option(
    "--data",
    "places",
    metavar="NAME=PATH",
    multiple=True,
    required=True,
    callback=pairs,
    help="Where a dataset lies, as `raysel select` takes it; repeatable.",
)
@click.option("--label", default="label", show_default=True, help="Column with the labels, of tables.")
@training_options
@click.option("--max-concurrent", type=click.IntRange(min=1), help="Runs at once.  [default: as many as fit]")
@click.option(
    "--storage", default="raysel-out/ray", show_default=True, help="Folder or URI that all nodes see, for checkpoints."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seeds splits and runs.")
@json_option
def record(
    history: str,
    plan: Path | None,
    patterns: tuple[str, ...],
    places: dict[str, str],
    label: str,
    epochs: int,
    lr: float | None,
    batch_size: int,
    tuning: str,
    gpus: str,
    cpus: float,
    max_concurrent: int | None,
    storage: str,
    seed: int,
    as_json: bool,
) -> None:
    """Make runs on Ray and record them in HISTORY: those of PLAN, which `raysel history plan --out` wrote.

    Each model is fine-tuned to its end, once, as `raysel select` would; nothing is stopped early. What is on record
    already with the same data and recipe is left as it is, so after an interruption the same command goes on. Datasets
    of PLAN without --data are left out, and said. With RAY_ADDRESS set that cluster is used, else this machine.

    JSON: `recorded`, how many runs were made; `there`, how many were on record; `failed`, a list of `model`, `dataset`
    and `why`; `left_out`, how many runs of PLAN have no data.
    """
    if (plan is None) == (not patterns):
        raise OptionError("models", ", ".join(patterns) or None, "given where there is no PLAN, and only there")
    check_kept(history=history, storage=storage)
    with redirect_stdout(sys.stderr):  # only the answer may reach standard output
        cells = _read_plan(plan) if plan is not None else _whole(patterns, places)
        answer = _record(
            history,
            cells,
            _read(cells, places, label=label, seed=seed),
            given={"epochs": epochs, "batch_size": batch_size, "tuning": tuning, "seed": seed},
            lr=lr,
            gpus=gpus,
            cpus=cpus,
            max_concurrent=max_concurrent,
            storage=storage if "://" in storage else str(Path(storage).resolve()),
        )
    if as_json:
        print_json(answer)
    else:
        click.echo(
            f"recorded {answer['recorded']} runs; {answer['there']} were there, {len(answer['failed'])} failed, "
            f"{answer['left_out']} left out without data"
        )


def _read_plan(file: Path) -> dict[str, list[str]]:
    """The models by dataset, both in the plan's order."""
    cells: dict[str, list[str]] = {}
    try:
        for run in json.loads(file.read_text())["runs"]:
            cells.setdefault(str(run["dataset"]), []).append(str(run["model"]))
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError("plan", str(file), "a file that `raysel history plan --out` wrote") from error
    return cells


def _whole(patterns: tuple[str, ...], places: dict[str, str]) -> dict[str, list[str]]:
    from raysel.models import expand

    models = list(expand(patterns))
    return {name: list(models) for name in places}


def _read(cells: Mapping[str, Sequence[str]], places: Mapping[str, str], *, label: str, seed: int) -> dict[str, "Data"]:
    """The datasets that there is data of, all of them before the first run: a typing mistake must not cost hours."""
    from raysel.finetune import read
    from raysel.finetune.sources import described

    if absent := [name for name in cells if name not in places]:
        say(f"left out, for want of --data: {', '.join(absent)}")
    for place in places.values():
        check_sent(place)
    found = {name: read(places[name], name=name, label=label, seed=seed) for name in cells if name in places}
    for data in found.values():
        say(described(data))
    return found


def _record(
    history: str,
    cells: Mapping[str, Sequence[str]],
    datasets: Mapping[str, "Data"],
    *,
    given: Mapping[str, Any],
    lr: float | None,
    gpus: str,
    cpus: float,
    max_concurrent: int | None,
    storage: str,
) -> dict[str, Any]:
    from raysel import models
    from raysel.finetune import Recipe
    from raysel.history import History

    # The runs of an older upload are none of the model's: it is run again.
    opened = models.revised(History(history), {model for wanted in cells.values() for model in wanted})
    absent = sum(len(wanted) for name, wanted in cells.items() if name not in datasets)
    answer: dict[str, Any] = {"recorded": 0, "there": 0, "failed": [], "left_out": absent}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        check_address(address)
    with session(address):
        from raysel.cli.progress import ProgressLines
        from raysel.models import ImageFiles
        from raysel.tune.recording import on_record, record_runs
        from raysel.tune.resources import trial_resources

        for data in datasets.values():
            if isinstance(data.train.inputs, ImageFiles) and data.train.inputs.below is None:
                check_everywhere(data.train.inputs.paths.tolist())
        for name, data in datasets.items():
            recipe = Recipe(**{**given, "lr": RATES[data.modality] if lr is None else lr})
            there = on_record(opened, data, recipe)
            missing = [model for model in cells[name] if model not in there]
            answer["there"] += len(cells[name]) - len(missing)
            facts, left_out = models.screened(missing, modality=data.modality)
            failed = dict(left_out)
            models.record(opened, facts.values())
            say(f"{name}: {len(facts)} runs to make, {len(cells[name]) - len(missing)} on record")
            if facts:
                resources = trial_resources(
                    gpus,
                    cpus=cpus,
                    facts=facts.values(),
                    recipe=recipe.as_dict(),
                    patience=PATIENCE if address else 0.0,
                )
                failed |= record_runs(
                    opened,
                    data,
                    models=list(facts),
                    recipe=recipe,
                    resources=resources,
                    max_concurrent=max_concurrent,
                    storage_path=storage,
                    callbacks=[ProgressLines(metric=data.metric, time_attr="epoch", max_t=recipe.epochs)],
                )
            for model, why in failed.items():
                say(f"failed: {model} on {name}: {why}")
                answer["failed"].append({"model": model, "dataset": name, "why": why})
            answer["recorded"] += len(missing) - len(failed)
    return answer
