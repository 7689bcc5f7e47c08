"""`raysel select`: which pre-trained model for this data? Recall, fine-tuning on Ray, and the model that won."""

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from raysel.cli.output import console, json_option, print_json, say
from raysel.cli.session import check_address, check_kept, session
from raysel.errors import HistoryNotFoundError, OptionError

if TYPE_CHECKING:
    from raysel.finetune import Data
    from raysel.history import History
    from raysel.models import Facts
    from raysel.tune.budget import Budget
    from raysel.tune.run import Selected

RATES = {"images": 1e-4, "texts": 3e-5}
"""Usual peak learning rates of fine-tuning, by modality."""
_SCORED = 4
"""With at most so many candidates for each that is recalled, every one of them is scored by the proxies."""

PATIENCE = 900.0
"""Seconds that a cluster is given to add its first node: a machine in a cloud takes minutes, its image some more."""


@dataclass(frozen=True, kw_only=True)
class _Wishes:
    """What was asked for on the command line, beside the data and the models."""

    history: str
    out: Path
    storage: str
    method: str
    proxies: tuple[str, ...]
    top_k: int
    epochs: int
    recipe: Mapping[str, Any]
    gpus: str
    cpus: float
    max_concurrent: int | None
    budget: "Budget | None"
    dry_run: bool
    fresh: bool
    resume: str | None
    seed: int


def _megas(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    factor = {"K": 1e3, "M": 1e6, "B": 1e9}.get(value[-1:].upper())
    try:
        found = float(value[:-1]) * factor if factor else float(value)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise OptionError("max_parameters", value, "a number of parameters such as 100M")
    return found


@click.command()
@click.argument("data")
@click.option("--models", "patterns", multiple=True, required=True, help="Names, globs or a file of them; repeatable.")
@click.option("--history", default="raysel-history", show_default=True, help="Past runs; made if it is not there.")
@click.option("--out", default="raysel-out", show_default=True, type=click.Path(path_type=Path), help="For the answer.")
@click.option("--name", help="What the dataset is called in the history.  [default: what DATA is called]")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="By default as the labels suggest.")
@click.option("--inputs", multiple=True, help="Column with the texts or image paths; twice for pairs of texts.")
@click.option("--label", default="label", show_default=True, help="Column with the labels.")
@click.option("--metric", default="", help="accuracy, macro_f1, rmse or spearman.  [default: the task's own]")
@click.option("--max-parameters", callback=_megas, metavar="N", help="Leave out larger models: 100M, 1.5B.")
@click.option("--licence", "licences", multiple=True, help="Leave out models with another licence, or none known.")
@click.option("--strict", is_flag=True, help="Stop where a model cannot be had, instead of going on without it.")
@click.option("--method", type=click.Choice(["default", "paper"]), default="default", show_default=True)
@click.option("--proxy", "proxies", multiple=True, default=("logme",), show_default=True, help="Repeatable.")
@click.option("--top-k", default=10, show_default=True, type=click.IntRange(min=1), help="How many models to recall.")
@click.option("--epochs", default=5, show_default=True, type=click.IntRange(min=1), help="That a model is trained for.")
@click.option("--lr", type=float, help="Peak learning rate.  [default: 1e-4 for images, 3e-5 for texts]")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1))
@click.option("--tuning", type=click.Choice(["full", "head", "lora"]), default="full", show_default=True)
@click.option("--gpus-per-trial", "gpus", default="auto", show_default=True, help="auto, or a number such as 0.5.")
@click.option("--cpus-per-trial", "cpus", default=1.0, show_default=True, type=click.FloatRange(min=0, min_open=True))
@click.option("--max-concurrent", type=click.IntRange(min=1), help="Trials at once.  [default: as many as fit]")
@click.option(
    "--budget", help="What may be spent: 45min, 3h (by the clock) or 2gpu-h. The best so far is selected then."
)
@click.option("--dry-run", is_flag=True, help="Say what would be trained and what that costs; train nothing.")
@click.option("--fresh", is_flag=True, help="Train even what an earlier selection with the same --out finished.")
@click.option("--storage", help="Where checkpoints go: a folder or URI that all nodes see.  [default: OUT/ray]")
@click.option("--resume", metavar="RUN", help="Go on with the run of that name, which an earlier call said.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seeds splits and selection.")
@json_option
def select(
    data: str,
    patterns: tuple[str, ...],
    history: str,
    out: Path,
    name: str | None,
    task: Any,
    inputs: tuple[str, ...],
    label: str,
    metric: str,
    max_parameters: float | None,
    licences: tuple[str, ...],
    strict: bool,
    method: str,
    proxies: tuple[str, ...],
    top_k: int,
    epochs: int,
    lr: float | None,
    batch_size: int,
    tuning: str,
    gpus: str,
    cpus: float,
    max_concurrent: int | None,
    budget: str | None,
    dry_run: bool,
    fresh: bool,
    storage: str | None,
    resume: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Which pre-trained model for this data?

    DATA is a folder of images (a folder a class), a table of texts or of image paths (.csv, .parquet, .jsonl) or a
    folder that `datasets` saved. What it has of splits is kept; the rest is drawn with the seed.

    The few models that are worth it are recalled from what the history knows and how well their features fit DATA, and
    fine-tuned on Ray; those that cannot win are stopped early. OUT/model then holds the best one in its library's own
    format with a card, and the history has every curve. With RAY_ADDRESS set that cluster is used, else this machine.

    After Ctrl-C the history keeps what was learned, and --resume goes on, with the other options as they were.
    Checkpoints of stopped trials are deleted; finished runs are kept under OUT/finished, and a second selection with
    the same data and recipe takes them from there.

    JSON: as `raysel quickstart` has it, with `baselines` empty, and `path` (of the model), `run` (for --resume),
    `over_budget` (whether the budget ended it) and `left_out` (by model, why). With --dry-run: `shortlist`,
    `resources`, `seconds` (least, likely, most, or null), `storage_bytes` and `left_out`.
    """
    from raysel.tune.budget import Budget

    spend = None if budget is None else Budget.parse(budget)
    check_kept(history=history, **({} if dry_run else {"out": str(out), "storage": storage or str(out)}))
    with redirect_stdout(sys.stderr):  # only the answer may reach standard output
        from raysel import models
        from raysel.finetune import Recipe, read
        from raysel.finetune.sources import described

        found = read(data, name=name, task=task, inputs=inputs, label=label, metric=metric, seed=seed)
        say(described(found))
        given = {"epochs": epochs, "batch_size": batch_size, "tuning": tuning, "seed": seed}
        recipe = Recipe(**{**given, "lr": RATES[found.modality] if lr is None else lr})  # type: ignore[arg-type]
        facts, left_out = models.screened(
            models.expand(patterns),
            modality=found.modality,
            max_parameters=max_parameters,
            licences=licences,
            strict=strict,
        )
        for model, why in left_out.items():
            say(f"left out: {model}: {why}")
        if not facts:
            raise OptionError("models", ", ".join(patterns), "at least one model that can be had and fits")
        wishes = _Wishes(
            history=history,
            out=out.resolve(),
            storage=storage or str(out.resolve() / "ray"),
            method=method,
            proxies=proxies,
            top_k=top_k,
            epochs=epochs,
            recipe={**given, "lr": recipe.lr},
            gpus=gpus,
            cpus=cpus,
            max_concurrent=max_concurrent,
            budget=spend,
            dry_run=dry_run,
            fresh=fresh,
            resume=resume,
            seed=seed,
        )
        answer, shown = _run(found, facts, wishes)
    if as_json:
        print_json({**answer, "left_out": dict(left_out)})
    else:
        console().print(*shown)


def _run(data: "Data", facts: "Mapping[str, Facts]", wishes: _Wishes) -> tuple[dict[str, Any], list[Any]]:
    """The answer for machines and for people."""
    address = os.environ.get("RAY_ADDRESS")
    if address:
        check_address(address)
    history = _history(wishes.history)
    say(f"{len(facts)} models to choose from; starting Ray")
    with session(address):
        from raysel.target import Target
        from raysel.tune.resources import trial_resources

        resources = trial_resources(
            wishes.gpus,
            cpus=wishes.cpus,
            facts=facts.values(),
            recipe=wishes.recipe,
            patience=PATIENCE if address else 0.0,
        )
        say("each trial has " + " and ".join(f"{amount:g} {name.upper()}" for name, amount in resources.items()))
        target = Target(
            data.name,
            task=data.task,
            samples=partial(_samples, data),
            classes=data.classes,
            size=len(data.train),
            fingerprint=data.fingerprint,
        )
        answered = _plan if wishes.dry_run else _selection
        return answered(data, facts, wishes, history=history, target=target, resources=resources)


def _history(uri: str) -> "History":
    from raysel.history import History

    try:
        return History(uri)
    except HistoryNotFoundError:
        say(f"no history at {uri} yet: day one, so proxies alone tell which models to try")
        return History.create(uri)


def _plan(
    data: "Data",
    facts: "Mapping[str, Facts]",
    wishes: _Wishes,
    *,
    history: "History",
    target: Any,
    resources: Mapping[str, float],
) -> tuple[dict[str, Any], list[Any]]:
    from dataclasses import asdict

    from raysel.report import plain_shortlist, plan_table, recall_table
    from raysel.tune.estimate import epoch_seconds, estimate, storage_bytes
    from raysel.tune.run import recalled

    shortlist = recalled(
        history=history, target=target, models=tuple(facts), **_recalling(data, facts, wishes, resources)
    )
    by_epoch = epoch_seconds(history, data.name, train=len(data.train), val=len(data.val))
    time = estimate(shortlist.models, by_epoch, epochs=wishes.epochs, first=1 / wishes.epochs)
    stored = storage_bytes([facts[model].parameters for model in shortlist.models], running=wishes.max_concurrent)
    answer = {
        "shortlist": plain_shortlist(shortlist)["shortlist"],
        "resources": dict(resources),
        "seconds": None if time is None else asdict(time),
        "storage_bytes": stored,
    }
    return answer, [recall_table(shortlist), plan_table(time, stored, resources)]


def _selection(
    data: "Data",
    facts: "Mapping[str, Facts]",
    wishes: _Wishes,
    *,
    history: "History",
    target: Any,
    resources: Mapping[str, float],
) -> tuple[dict[str, Any], list[Any]]:
    import ray
    from ray import tune

    from raysel.cli.progress import ProgressLines
    from raysel.finetune.export import tested
    from raysel.report import model_card, plain_selection, recall_table, spending_table, trials_table
    from raysel.tune.budget import BudgetStopper
    from raysel.tune.estimate import storage_bytes
    from raysel.tune.run import run_selection

    stored = storage_bytes(
        [one.parameters for one in facts.values()], running=wishes.max_concurrent, top_k=wishes.top_k
    )
    say(f"checkpoints will take up to {stored / 1e9:.2f} GB in {wishes.storage}")
    stopper = None if wishes.budget is None else BudgetStopper(wishes.budget, gpus=resources.get("gpu", 0.0))
    run = wishes.resume or f"raysel-{data.name}-{os.getpid()}"
    say(f"run {run}: `--resume {run}` goes on with it, should it be cut off")
    # A trial on several GPUs is a driver beside its workers, which hold them.
    workers = int(resources.get("gpu", 0.0)) if resources.get("gpu", 0.0) > 1 else 1
    fitting = int(ray.cluster_resources()["GPU"]) // workers if workers > 1 else None
    progress = ProgressLines(metric=data.metric, time_attr="epoch", max_t=wishes.epochs)
    with progress.of_recall():
        selected = run_selection(
            tune.with_parameters(
                _fine_tune, data=data, finished=None if wishes.fresh else wishes.out / "finished", workers=workers
            ),
            history=history,
            target=target,
            models=tuple(facts),
            max_t=wishes.epochs,
            time_attr="epoch",
            max_concurrent=wishes.max_concurrent or fitting,  # a cluster may grow for more than fit now
            storage_path=wishes.storage,
            name=run,
            resume=wishes.resume is not None,
            stop=stopper,
            max_failures=2,  # processes and nodes are lost on clusters; a trial goes on from its checkpoint
            callbacks=[progress],
            **_recalling(data, facts, wishes, {"cpu": 0.01} if workers > 1 else resources),
        )
    over = stopper is not None and stopper.over
    if over:
        say(f"the budget of {wishes.budget} is spent: the best so far is selected")
    answers = _keep(selected, data, wishes)
    if selected.test_score is None:  # cut off before its end, where trials are tested
        selected = replace(selected, test_score=tested(wishes.out / "model", data))
    card = model_card(selected, data, licence=facts[selected.selected].licence, answers=answers, versions=_versions())
    (wishes.out / "model" / "README.md").write_text(card)
    say(f"{selected.selected}, fine-tuned, is in {wishes.out / 'model'}")
    answer = plain_selection(selected, {}) | {
        "path": str(wishes.out / "model"),
        "run": run,
        "over_budget": over,
    }
    return answer, [recall_table(selected.shortlist), trials_table(selected), spending_table(selected, {})]


def _recalling(
    data: "Data", facts: "Mapping[str, Facts]", wishes: _Wishes, resources: Mapping[str, float]
) -> dict[str, Any]:
    """How models are recalled, planned or for real."""
    few = len(facts) <= _SCORED * wishes.top_k
    return {
        "metric": data.metric,
        "mode": data.mode,
        "space": wishes.recipe,
        "method": wishes.method,
        "proxies": wishes.proxies,
        "top_k": wishes.top_k,
        "propagate": "own" if few and wishes.method == "default" else "representative",
        "seed": wishes.seed,
        "resources": resources,
    }


def _fine_tune(config: Mapping[str, Any], *, data: "Data", finished: Path | None, workers: int) -> None:
    """The trainable: a finished run is told again, anything else trained."""
    from raysel.finetune import distributed_trainable, trainable
    from raysel.tune.finished import kept, retell

    place = None if finished is None else finished / _key(config, data)
    if place is not None and kept(place):
        retell(place)
    elif workers > 1:
        distributed_trainable(config, data=data, workers=workers, use_gpu=True)
    else:
        trainable(config, data=data)


def _key(config: Mapping[str, Any], data: "Data") -> str:
    from raysel import models
    from raysel.tune.finished import key_of

    return key_of(config, fingerprint=data.fingerprint, revision=models.revision(str(config["model"])))


def _keep(selected: "Selected", data: "Data", wishes: _Wishes) -> str:
    """Keep what was trained to its end, and write the selected model; how to read what it answers."""
    from tempfile import TemporaryDirectory

    from raysel.finetune.export import export
    from raysel.tune.finished import keep

    for trial in selected.trials:
        done = trial.curve and trial.curve[-1][0] >= wishes.epochs
        if done and trial.checkpoint is not None and not trial.reused:
            points = [
                {data.metric: score, "epoch": epoch, "step": number, "seconds": 0.0}
                for number, (epoch, score) in enumerate(trial.curve, start=1)
            ]
            if trial.test_score is not None:
                points[-1][f"test_{data.metric}"] = trial.test_score
            keep(wishes.out / "finished" / _key({"model": trial.model, **trial.config}, data), points, trial.checkpoint)
    checkpoint = selected.winner.checkpoint
    if checkpoint is None:
        raise OptionError("trainable", selected.selected, "one that reports checkpoints")
    with TemporaryDirectory() as folder:
        checkpoint.to_directory(folder)
        return export(Path(folder), data, wishes.out / "model")


def _samples(data: "Data") -> tuple[Any, Any]:
    return data.train.inputs, data.train.labels


def _versions() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in ("raysel", "ray", "torch", "timm", "transformers"))
