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
from raysel.cli.session import check_address, check_everywhere, check_kept, check_sent, session
from raysel.cli.training import RATES, across_tasks_option, training_options
from raysel.errors import HistoryNotFoundError, OptionError

if TYPE_CHECKING:
    from raysel.cli.out import Out
    from raysel.finetune import Data
    from raysel.history import History
    from raysel.models import Facts
    from raysel.target import Target
    from raysel.tune import RecallSearcher
    from raysel.tune.budget import Budget
    from raysel.tune.run import Selected

_SCORED = 4
"""With at most so many candidates for each that is recalled, every one of them is scored by the proxies."""

PATIENCE = 900.0
"""Seconds that a cluster is given to add its first node: a machine in a cloud takes minutes, its image some more."""


@dataclass(frozen=True, kw_only=True)
class _Wishes:
    """What was asked for on the command line, beside the data and the models."""

    history: str
    out: "Out"
    storage: str
    method: str
    across_tasks: bool
    proxies: tuple[str, ...]
    top_k: int
    explore: float
    epochs: int
    recipe: Mapping[str, Any]
    gpus: str
    cpus: float
    max_concurrent: int | None
    budget: "Budget | None"
    report_timeout: float | None
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
@click.option("--out", default="raysel-out", show_default=True, help="For the answer: a folder, or a URI (s3://...).")
@click.option("--name", help="What the dataset is called in the history.  [default: what DATA is called]")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="By default as the labels suggest.")
@click.option("--inputs", multiple=True, help="Column with the texts or image paths; twice for pairs of texts.")
@click.option("--label", default="label", show_default=True, help="Column with the labels.")
@click.option("--metric", default="", help="What decides: accuracy or macro_f1, or rmse, mae, r2 or spearman.  [first]")
@click.option("--max-parameters", callback=_megas, metavar="N", help="Leave out larger models: 100M, 1.5B.")
@click.option("--licence", "licences", multiple=True, help="Leave out models with another licence, or none known.")
@click.option("--strict", is_flag=True, help="Stop where a model cannot be had, instead of going on without it.")
@click.option("--method", type=click.Choice(["default", "paper"]), default="default", show_default=True)
@across_tasks_option
@click.option("--proxy", "proxies", multiple=True, default=("logme",), show_default=True, help="Repeatable.")
@click.option("--top-k", default=10, show_default=True, type=click.IntRange(min=1), help="How many models to recall.")
@click.option(
    "--explore",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    help="Share of the recalled that is for models without runs at the least.",
)
@training_options
@click.option("--max-concurrent", type=click.IntRange(min=1), help="Trials at once.  [default: as many as fit]")
@click.option(
    "--budget",
    help="What may be spent: 45min, 3h (by the clock) or 2gpu-h. Trials then end at their next epoch, and the best so "
    "far is selected.",
)
@click.option(
    "--report-timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="A trial that takes longer for an epoch hangs, and is ended.  [default: 6 hours]",
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
    out: str,
    name: str | None,
    task: Any,
    inputs: tuple[str, ...],
    label: str,
    metric: str,
    max_parameters: float | None,
    licences: tuple[str, ...],
    strict: bool,
    method: str,
    across_tasks: bool,
    proxies: tuple[str, ...],
    top_k: int,
    explore: float,
    epochs: int,
    lr: float | None,
    batch_size: int,
    tuning: str,
    gpus: str,
    cpus: float,
    max_concurrent: int | None,
    budget: str | None,
    report_timeout: float | None,
    dry_run: bool,
    fresh: bool,
    storage: str | None,
    resume: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Which pre-trained model for this data?

    DATA is a folder of images (a folder a class), a table of texts or of image paths (.csv, .parquet, .jsonl), a folder
    that `datasets` saved, or the URI of one (s3://bucket/photos), which each node copies once. What it has of splits is
    kept; the rest is drawn with the seed. One metric decides; the task's others are recorded, and told of the winner.

    The few models that are worth it are recalled from what the history knows and how well their features fit DATA, and
    fine-tuned on Ray; those that cannot win are stopped early. OUT/model then holds the best one in its library's own
    format with a card, and the history has every curve. With RAY_ADDRESS set that cluster is used, else this machine.

    After Ctrl-C the history keeps what was learned, and --resume goes on, with the other options as they were.
    Checkpoints of stopped trials are deleted; finished runs are kept under OUT/finished, and a second selection with
    the same data and recipe takes them from there (not where OUT is a URI).

    JSON: as `raysel quickstart` has it, with `baselines` empty, and `path` (of the model), `run` (for --resume),
    `over_budget` (whether the budget ended it) and `left_out` (by model, why). With --dry-run: `shortlist`,
    `resources`, `hardware`, `seconds` (least, likely, most, or null), `storage_bytes` and `left_out`.
    """
    from raysel.cli.out import Out  # as heavy as pyarrow
    from raysel.tune.budget import Budget

    spend = None if budget is None else Budget.parse(budget)
    check_kept(history=history, **({} if dry_run else {"out": out, "storage": storage or out}))
    check_sent(data)
    place = Out(out) if dry_run else Out.at(out)
    with redirect_stdout(sys.stderr):  # only the answer may reach standard output
        from raysel import models
        from raysel.finetune import Recipe, read
        from raysel.finetune.sources import described

        names = models.expand(patterns)
        found = read(data, name=name, task=task, inputs=inputs, label=label, metric=metric, seed=seed)
        say(described(found))
        given = {"epochs": epochs, "batch_size": batch_size, "tuning": tuning, "seed": seed}
        recipe = Recipe(**{**given, "lr": RATES[found.modality] if lr is None else lr})  # type: ignore[arg-type]
        facts, left_out = models.screened(
            names,
            modality=found.modality,
            max_parameters=max_parameters,
            licences=licences,
            strict=strict,
        )
        for model, why in left_out.items():
            say(f"left out: {why}" if model in why else f"left out: {model}: {why}")
        if not facts:
            raise OptionError("models", ", ".join(patterns), "at least one model that can be had and fits")
        wishes = _Wishes(
            history=history,
            out=place,
            storage=storage or place.named("ray"),
            method=method,
            across_tasks=across_tasks,
            proxies=proxies,
            top_k=top_k,
            explore=explore,
            epochs=epochs,
            recipe={**given, "lr": recipe.lr},
            gpus=gpus,
            cpus=cpus,
            max_concurrent=max_concurrent,
            budget=spend,
            report_timeout=report_timeout,
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
        if not dry_run:
            say(f"{answer['selected']}, fine-tuned, is in {answer['path']}; its README.md says why, and how to load it")


def _run(data: "Data", facts: "Mapping[str, Facts]", wishes: _Wishes) -> tuple[dict[str, Any], list[Any]]:
    """The answer for machines and for people."""
    from raysel import models

    address = os.environ.get("RAY_ADDRESS")
    if address:
        check_address(address)
    history = _history(wishes.history)
    models.record(history, facts.values())
    history = models.revised(history, facts)
    for model in sorted(history.again):
        before = " and ".join(history.uploads([model]))
        say(f"{model} was uploaded again: earlier runs count as those of {before}, and tell what to expect of it")
    say(f"{len(facts)} models to choose from; starting Ray")
    with session(address):
        from raysel.models import ImageFiles
        from raysel.target import Target
        from raysel.tune.resources import trial_resources

        if isinstance(data.train.inputs, ImageFiles) and data.train.inputs.below is None:
            check_everywhere(data.train.inputs.paths.tolist())
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
    target: "Target",
    resources: Mapping[str, float],
) -> tuple[dict[str, Any], list[Any]]:
    from dataclasses import asdict

    from raysel.report import plain_shortlist, plan_table, recall_table
    from raysel.tune.estimate import estimate, pace, storage_bytes
    from raysel.tune.resources import trial_hardware
    from raysel.tune.run import recalled

    searcher = _searcher(facts, wishes, history=history, target=target, resources=resources)
    shortlist = recalled(searcher, models=tuple(facts), metric=data.metric, mode=data.mode)
    hardware = trial_hardware(resources)
    known = pace(history, data.name, train=len(data.train), val=len(data.val), hardware=hardware)
    time = estimate(shortlist.models, known, epochs=wishes.epochs, first=1 / wishes.epochs)
    stored = storage_bytes([facts[model].parameters for model in shortlist.models], running=wishes.max_concurrent)
    answer = {
        "shortlist": plain_shortlist(shortlist)["shortlist"],
        "resources": dict(resources),
        "hardware": hardware,
        "seconds": None if time is None else asdict(time),
        "storage_bytes": stored,
    }
    return answer, [recall_table(shortlist), plan_table(time, stored, resources, hardware)]


def _selection(
    data: "Data",
    facts: "Mapping[str, Facts]",
    wishes: _Wishes,
    *,
    history: "History",
    target: "Target",
    resources: Mapping[str, float],
) -> tuple[dict[str, Any], list[Any]]:
    import ray
    from ray import tune

    from raysel.cli.progress import ProgressLines
    from raysel.finetune.export import tested
    from raysel.report import model_card, plain_selection, recall_table, size, spending_table, trials_table
    from raysel.tune import TrendScheduler, run_selection
    from raysel.tune.budget import BudgetStopper
    from raysel.tune.estimate import storage_bytes
    from raysel.tune.failures import PATIENCE as STEP_PATIENCE
    from raysel.tune.resources import held_by, workers_of

    stored = storage_bytes(
        [one.parameters for one in facts.values()], running=wishes.max_concurrent, top_k=wishes.top_k
    )
    say(f"checkpoints will take up to {size(stored)} in {wishes.storage}")
    scheduler = TrendScheduler(
        history,
        target=target,
        max_t=wishes.epochs,
        method=wishes.method,
        time_attr="epoch",
        report_timeout=wishes.report_timeout or STEP_PATIENCE,
        seed=wishes.seed,
    )
    budget = None
    if wishes.budget is not None:
        budget = BudgetStopper(wishes.budget, gpus=resources.get("gpu", 0.0), scheduler=scheduler)
    run = wishes.resume or f"raysel-{data.name}-{os.getpid()}"
    say(f"run {run}: `--resume {run}` goes on with it, should it be cut off")
    workers = workers_of(resources)
    fitting = int(ray.cluster_resources()["GPU"]) // workers if workers > 1 else None
    progress = ProgressLines(metric=data.metric, time_attr="epoch", max_t=wishes.epochs)
    with progress.of_recall():
        selected = run_selection(
            tune.with_parameters(
                _fine_tune, data=data, finished=None if wishes.fresh else _finished(wishes.out), workers=workers
            ),
            searcher=_searcher(facts, wishes, history=history, target=target, resources=resources),
            scheduler=scheduler,
            history=history,
            target=target,
            models=tuple(facts),
            metric=data.metric,
            mode=data.mode,
            other_metrics=data.other_metrics,
            space=wishes.recipe,
            resources=held_by(resources),
            max_concurrent=wishes.max_concurrent or fitting,  # a cluster may grow for more than fit now
            storage_path=wishes.storage,
            name=run,
            resume=wishes.resume is not None,
            budget=budget,
            max_failures=2,  # processes and nodes are lost on clusters; a trial goes on from its checkpoint
            callbacks=[progress],
        )
    over = budget is not None and budget.over
    if over:
        say(f"the budget of {wishes.budget} is spent: the best so far is selected")
    with wishes.out.written("model") as folder:
        answers = _keep(selected, data, wishes, folder)
        if selected.test_score is None:  # cut off before its end, where trials are tested
            scores = tested(folder, data)
            others = {f"test_{name}": scores[name] for name in data.other_metrics}
            selected = replace(
                selected, test_score=scores[data.metric], other_metrics={**selected.other_metrics, **others}
            )
        licence = facts[selected.selected].licence
        card = model_card(selected, data, licence=licence, answers=answers, versions=_versions())
        (folder / "README.md").write_text(card)
    answer = plain_selection(selected, {}) | {
        "path": wishes.out.named("model"),
        "run": run,
        "over_budget": over,
    }
    return answer, [recall_table(selected.shortlist), trials_table(selected), spending_table(selected, {})]


def _searcher(
    facts: "Mapping[str, Facts]",
    wishes: _Wishes,
    *,
    history: "History",
    target: "Target",
    resources: Mapping[str, float],
) -> "RecallSearcher":
    """What recalls models, planned or for real."""
    from raysel.tune import RecallSearcher

    few = len(facts) <= _SCORED * wishes.top_k
    return RecallSearcher(
        history,
        target=target,
        proxies=wishes.proxies,
        top_k=wishes.top_k,
        method=wishes.method,
        across_tasks=wishes.across_tasks,
        propagate="own" if few and wishes.method == "default" else "representative",
        explore=wishes.explore,
        # A forward pass needs no more than one GPU, whatever trials have.
        proxy_resources={name: min(amount, 1.0) if name == "gpu" else amount for name, amount in resources.items()},
        seed=wishes.seed,
    )


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

    revision = models.revision(str(config["model"]))
    return key_of(config, fingerprint=data.fingerprint, metric=data.metric, revision=revision)


def _finished(out: "Out") -> Path | None:
    """Where finished runs are kept, which trials must find as files."""
    return None if out.folder is None else out.folder / "finished"


def _keep(selected: "Selected", data: "Data", wishes: _Wishes, folder: Path) -> str:
    """Keep what was trained to its end, and write the selected model to a folder; how to read what it answers."""
    from raysel.finetune.export import export
    from raysel.tune.finished import keep, model_of

    finished = _finished(wishes.out)
    for trial in selected.trials:
        done = trial.curve and trial.curve[-1][0] >= wishes.epochs
        if finished and done and trial.checkpoint is not None and not trial.reused:
            points = [
                {data.metric: score, "epoch": epoch, "step": number, "seconds": 0.0}
                for number, (epoch, score) in enumerate(trial.curve, start=1)
            ]
            if trial.test_score is not None:
                points[-1][f"test_{data.metric}"] = trial.test_score
            points[-1] |= trial.other_metrics
            keep(finished / _key({"model": trial.model, **trial.config}, data), points, trial.checkpoint)
    winner = selected.winner
    checkpoint = winner.checkpoint
    if finished and winner.reused:
        checkpoint = model_of(finished / _key({"model": winner.model, **winner.config}, data))
    if checkpoint is None:
        raise OptionError("trainable", selected.selected, "one that reports checkpoints")
    with checkpoint.as_directory() as trained:
        return export(Path(trained), data, folder)


def _samples(data: "Data") -> tuple[Any, Any]:
    return data.train.inputs, data.train.labels


def _versions() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in ("raysel", "ray", "torch", "timm", "transformers"))
