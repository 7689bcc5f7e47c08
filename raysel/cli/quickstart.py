"""`raysel quickstart`: the whole loop on this machine, offline, in minutes."""

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

import click

from raysel.cli.output import console, json_option, print_json, say
from raysel.cli.session import check_address, session
from raysel.errors import UnknownNameError

if TYPE_CHECKING:
    from raysel import zoo
    from raysel.finetune import Data
    from raysel.history import History
    from raysel.replay import Outcome
    from raysel.tune.run import Selected

EPOCHS = 5
SHARE = 3
"""One model in so many is recalled: 10 of the image zoo, 3 of the text zoo."""
SLOTS = 2
"""Trials that run at once at most, however many processors there are: each process takes 0.7 GB."""
STORE_BYTES = 200_000_000
"""Ray's object store: the data of a mini task is a few megabytes."""


@click.command()
@click.option("--target", default="digits", show_default=True, help="What to find a model for; see above.")
@click.option(
    "--method",
    type=click.Choice(["default", "paper"]),
    default="default",
    show_default=True,
    help="How to recall and when to stop: raysel's own method, or that of arXiv 2404.00069 to the letter.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seeds the selection.")
@json_option
def quickstart(target: str, method: str, seed: int, as_json: bool) -> None:
    """The whole loop on this machine, offline, in minutes.

    A zoo of small pre-trained models and the history of fine-tuning them on benchmark tasks come with raysel. Their
    best candidates for the target are recalled, fine-tuned for real on Ray, and stopped early when they cannot win.
    The target is new to the history that is used: what is on record of it serves only for the baselines, which are
    replayed and say what fine-tuning all models and successive halving on all would have found and spent.

    Targets of images: digits, cyrillic, spectrum, angle, expressions. Targets of texts: values (what kind of value a
    line of Python's standard library assigns or returns). Each kind of input has its own models and history.

    Ray is started on this machine and stopped again; with RAY_ADDRESS set, that cluster is used, on the node that this
    runs on.

    JSON: `selected`, `metric`, `mode`, `test_score`, `other_metrics` (of the selected model, by name,
    those on the test split with `test_` before it), `steps` (epochs spent on the target), `seconds`; `shortlist`, as
    `raysel recall` has it; `trials`, a list of `model`, `curve` ([epoch, validation score] pairs), `stopped_at` (an
    epoch, or null) and `reason`; `baselines`, by name `selected`, `test_score` and `steps`.
    """
    from raysel.report import plain_selection, recall_table, spending_table, trials_table

    # Only the answer may reach standard output, whatever a library prints.
    with redirect_stdout(sys.stderr):
        selected, baselines = _select(target, method=method, seed=seed)
    if as_json:
        print_json(plain_selection(selected, baselines))
    else:
        console().print(recall_table(selected.shortlist), trials_table(selected), spending_table(selected, baselines))


def _select(target: str, *, method: str, seed: int) -> tuple["Selected", dict[str, "Outcome"]]:
    from raysel import zoo
    from raysel.history import History
    from raysel.target import Target

    inputs = _inputs(target)
    models = zoo.models(inputs)
    address = os.environ.get("RAY_ADDRESS")
    if address:
        check_address(address)
    data = zoo.load_task(target)
    shipped = History(zoo.history_path(inputs))
    baselines = _baselines(shipped, target)
    say(f"{len(models)} models, {len(data.train)} training samples of {target}; starting Ray")
    ray_here = session(address, pinned=True, cpus=SLOTS, store_bytes=STORE_BYTES)
    with TemporaryDirectory(prefix="raysel-") as folder, ray_here as node:
        from ray import tune

        from raysel.cli.progress import ProgressLines
        from raysel.tune import RecallSearcher, TrendScheduler, run_selection

        history = zoo.benchmark_history(Path(folder) / "history", inputs)
        wanted = Target(data.name, task=data.task, samples=partial(_samples, data))
        # Checkpoints lie in a folder of this machine, so trials stay on it.
        resources = {"cpu": 1, f"node:{node}": 0.001}
        progress = ProgressLines(metric=data.metric, time_attr="epoch", max_t=EPOCHS)
        with progress.of_recall():
            selected = run_selection(
                tune.with_parameters(_fine_tune, data=data),
                searcher=RecallSearcher(
                    history,
                    target=wanted,
                    proxies=["logme"],
                    top_k=round(len(models) / SHARE),
                    method=method,
                    # Every model of a zoo this small can be scored; the paper scores representatives alone.
                    propagate="representative" if method == "paper" else "own",
                    proxy_resources=resources,
                    seed=seed,
                ),
                scheduler=TrendScheduler(
                    history, target=wanted, max_t=EPOCHS, method=method, time_attr="epoch", seed=seed
                ),
                history=history,
                target=wanted,
                models=models,
                metric=data.metric,
                mode=data.mode,
                other_metrics=data.other_metrics,
                space={"epochs": EPOCHS, "seed": seed},
                resources=resources,
                max_concurrent=SLOTS,
                storage_path=str(Path(folder) / "results"),
                callbacks=[progress],
            )
    return selected, baselines


def _inputs(target: str) -> "zoo.Inputs":
    """What the target is made of."""
    from raysel import zoo

    kinds: dict[str, zoo.Inputs] = {name: kind for kind in get_args(zoo.Inputs) for name in zoo.targets(kind)}
    if target not in kinds:
        raise UnknownNameError("target", target, kinds)
    return kinds[target]


def _fine_tune(config: Mapping[str, Any], *, data: "Data") -> None:
    """The trainable, imported by the trials: so this process does without torch, and its third of a gigabyte."""
    from raysel.finetune import trainable

    trainable(config, data=data)


def _samples(data: "Data") -> tuple[Any, Any]:
    return data.train.inputs, data.train.labels


def _baselines(shipped: "History", target: str) -> dict[str, "Outcome"]:
    """What the plain alternatives found and spent on the target, in epochs."""
    from dataclasses import replace

    from raysel.replay import fine_tune_all, successive_halving

    curves = [curve for curve in shipped.curves(dataset=target) if curve.seed == 0]  # some models have more seeds
    epochs = EPOCHS / curves[0].planned_steps
    outcomes = {"fine-tune all": fine_tune_all(curves), "successive halving on all": successive_halving(curves)}
    return {name: replace(outcome, steps=outcome.steps * epochs) for name, outcome in outcomes.items()}
