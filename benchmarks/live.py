"""A live selection on the mini zoo: raysel against ASHA and halving over the whole zoo, all trained for real.

\b
    python benchmarks/live.py
    python benchmarks/live.py --target digits --models 6 --epochs 2 --results /tmp/live

Each way of selecting is one `tune.run` with a Ray of its own, one after the other on this machine, with the same
trainable, recipe and seed, two trials at a time on a processor each, the same `max_t`, a checkpoint each epoch,
`reuse_actors=True` and no loggers. Writes live.json and live.md into benchmarks/results.
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SLOTS, TOP_K = 2, 10
# Read by Ray when it is imported. Processes that computed proxies end soon after: trials never take them over.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_num_workers_soft_limit": "0",
    "RAY_idle_worker_killing_time_threshold_ms": "300",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}

import click  # noqa: E402
import numpy as np  # noqa: E402
import ray  # noqa: E402
from page import number, table  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler  # noqa: E402

from raysel import RecallSearcher, Target, TrendScheduler, zoo  # noqa: E402
from raysel.finetune import Data, trainable  # noqa: E402
from raysel.replay.baselines import equal_stages  # noqa: E402
from raysel.replay.engine import Halving  # noqa: E402
from raysel.tune.run import run_selection  # noqa: E402

RESULTS = Path(__file__).parent / "results"

HEAD = """# Live: a selection on {target}, trained for real

Made by

    {command}

on {cores} cores. Every way of selecting is one `tune.run`, one after the other in one run of the command: {models}
models of the mini zoo to choose from, the same trainable, recipe and seed ({seed}), two trials at a time on a processor
each, `max_t` of {epochs} epochs, a checkpoint each epoch, `reuse_actors=True`, no loggers. The history of raysel's
methods has the zoo's benchmarks alone; their proxies are computed within the time.

*wall clock*: seconds of `tune.run`, the start of its processes, proxies and all decisions included, that of Ray not.
*training*: seconds that trials trained and validated, all together. *test*: the score of the selected model
({metric}, {direction} is better). Baselines in several settings: the best one by test score, then by wall clock, is
marked with \\*.

"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a way of selecting found and spent."""

    method: str
    setting: str
    selected: str
    test: float
    epochs: float
    trials: int
    training: float
    wall: float


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is shared by all ways of selecting."""

    data: Data
    models: tuple[str, ...]
    epochs: int
    seed: int

    @property
    def space(self) -> dict[str, Any]:
        """The recipe of every trial."""
        return {"epochs": self.epochs, "seed": self.seed}


def samples(data: Data) -> tuple[Any, Any]:
    """What proxies look at."""
    return data.train.inputs, data.train.labels


def raysel_method(problem: Problem, folder: Path, *, method: str) -> Found:
    """raysel's recall and fine selection, as `raysel quickstart` runs them."""
    data, seed = problem.data, problem.seed
    history = zoo.benchmark_history(folder / "history")
    target = Target(data.name, task=data.task, samples=partial(samples, data))
    selected = run_selection(
        tune.with_parameters(trainable, data=data),
        searcher=RecallSearcher(
            history,
            target=target,
            proxies=["logme"],
            top_k=TOP_K,
            method=method,
            propagate="representative" if method == "paper" else "own",
            seed=seed,
        ),
        scheduler=TrendScheduler(
            history, target=target, max_t=problem.epochs, method=method, time_attr="epoch", seed=seed
        ),
        history=history,
        target=target,
        models=problem.models,
        metric=data.metric,
        mode=data.mode,
        space=problem.space,
        max_concurrent=SLOTS,
        storage_path=str(folder / "results"),
    )
    return Found(
        method=f"raysel, {method}",
        setting=f"top_k={TOP_K}, logme",
        selected=selected.selected,
        test=math.nan if selected.test_score is None else selected.test_score,
        epochs=selected.steps,
        trials=len(selected.trials),
        training=sum(trial.seconds for trial in selected.trials),
        wall=selected.seconds,
    )


def baseline(
    problem: Problem, folder: Path, *, method: str, setting: str, make: Callable[[int], TrialScheduler]
) -> Found:
    """A scheduler over all models, in an order drawn with the seed."""
    data = problem.data
    drawn = np.random.default_rng(problem.seed).permutation(len(problem.models))
    began = time.perf_counter()
    analysis = tune.run(
        tune.with_parameters(trainable, data=data),
        scheduler=make(problem.epochs),
        config={"model": tune.grid_search([problem.models[i] for i in drawn]), **problem.space},
        metric=data.metric,
        mode=data.mode,
        resources_per_trial={"cpu": 1},
        reuse_actors=True,
        storage_path=str(folder / "results"),
        verbose=0,
        raise_on_failed_trial=False,
    )
    wall = time.perf_counter() - began
    results = [(trial.config["model"], trial.last_result) for trial in analysis.trials if "epoch" in trial.last_result]
    # As everywhere: the best last score of those that came furthest.
    furthest = max(result["epoch"] for _, result in results)
    sign = 1 if data.mode == "max" else -1
    selected, result = max(
        ((model, result) for model, result in results if result["epoch"] == furthest),
        key=lambda found: sign * found[1][data.metric],
    )
    return Found(
        method=method,
        setting=setting,
        selected=selected,
        test=float(result[f"test_{data.metric}"]),
        epochs=sum(result["epoch"] for _, result in results),
        trials=len(results),
        training=sum(result["seconds"] for _, result in results),
        wall=wall,
    )


def halving(reduction: int) -> Callable[[int], TrialScheduler]:
    """Successive halving at five equal stages."""
    return lambda epochs: Halving(stages=equal_stages(epochs)[:-1], reduction=reduction, time_attr="epoch")


def asha(reduction: int) -> Callable[[int], TrialScheduler]:
    """Ray's ASHA."""
    return lambda epochs: AsyncHyperBandScheduler(
        time_attr="epoch", max_t=epochs, grace_period=1, reduction_factor=reduction
    )


WAYS: Mapping[str, Callable[[Problem, Path], Found]] = {
    "default": partial(raysel_method, method="default"),
    "paper": partial(raysel_method, method="paper"),
    **{
        f"asha-{reduction}": partial(
            baseline, method="ASHA on all", setting=f"reduction {reduction}", make=asha(reduction)
        )
        for reduction in (2, 3, 4)
    },
    **{
        f"halving-{reduction}": partial(
            baseline, method="halving on all", setting=f"reduction {reduction}", make=halving(reduction)
        )
        for reduction in (2, 3)
    },
    "fine-tune-all": partial(baseline, method="fine-tune all", setting="", make=lambda epochs: FIFOScheduler()),
}


@contextmanager
def own_ray() -> Iterator[None]:
    """A Ray of its own, so that no method finds processes of another."""
    ray.init(
        address="local",
        num_cpus=SLOTS,
        object_store_memory=200_000_000,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        ray.shutdown()


def page(found: Sequence[Found], head: str, mode: str) -> str:
    """live.md."""
    sign = -1 if mode == "max" else 1
    best = {}
    for one in found:
        same = [other for other in found if other.method == one.method]
        best[one.method] = min(same, key=lambda other: (sign * other.test, other.wall)) if len(same) > 1 else None
    rows = [
        (
            one.method + (" \\*" if best[one.method] is one else ""),
            one.setting,
            one.selected.removeprefix("zoo/"),
            number(one.test, 3),
            f"{one.epochs:g}",
            str(one.trials),
            f"{one.training:.1f}",
            f"{one.wall:.1f}",
        )
        for one in found
    ]
    return head + table(("method", "setting", "selected", "test", "epochs", "trials", "training", "wall clock"), rows)


@click.command(help=__doc__)
@click.option("--target", default="spectrum", show_default=True, type=click.Choice(zoo.targets()))
@click.option("--methods", metavar="NAME,...", default=",".join(WAYS), show_default=True)
@click.option("--models", type=click.IntRange(min=2), help="How many models of the zoo.  [default: all]")
@click.option("--epochs", default=5, show_default=True, type=click.IntRange(min=2))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
def main(target: str, methods: str, models: int | None, epochs: int, seed: int, results: str) -> None:
    data = zoo.load_task(target)
    problem = Problem(data=data, models=zoo.models()[:models], epochs=epochs, seed=seed)
    found = []
    for name in methods.split(","):
        if name not in WAYS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(WAYS)}", param_hint="--methods")
        with TemporaryDirectory(prefix="raysel-") as folder, own_ray():
            found.append(WAYS[name](problem, Path(folder)))
        click.echo(f"{name}: {found[-1]}", err=True)
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    context = click.get_current_context()
    given = [f"--{key} {value}" for key, value in context.params.items() if value != default_of(context, key)]
    head = HEAD.format(
        command=" ".join(["python benchmarks/live.py", *(text for text in given if "--results" not in text)]),
        target=target,
        cores=os.cpu_count(),
        models=len(problem.models),
        seed=seed,
        epochs=epochs,
        metric=data.metric,
        direction="higher" if data.mode == "max" else "lower",
    )
    (folder / "live.md").write_text(page(found, head, data.mode))
    told = {"target": target, "models": len(problem.models), "epochs": epochs, "seed": seed}
    (folder / "live.json").write_text(json.dumps({**told, "methods": [asdict(one) for one in found]}, indent=1) + "\n")


def default_of(context: click.Context, name: str) -> Any:
    """What an option is where it is not given."""
    return next(option.default for option in context.command.params if option.name == name)


if __name__ == "__main__":
    main()
