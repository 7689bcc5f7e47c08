"""What replays are judged by: one row a method, target and seed, and a summary over targets with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raysel.replay.outcome import Replay
from raysel.replay.tasks import Task

_RESAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class Row:
    """How one method did on one target under one seed.

    Regret is in the target's own metric, turned so that less is better. What depends on the number of GPUs (only the
    makespan, but for methods that judge one by one) is of the first number asked for.

    Args:
        method: Its name in `METHODS`.
        target: The dataset that was left out.
        seed: The seed.
        models: How many models there were to choose from.
        selected: The model that it selected.
        regret: The best final of all models minus the selected model's; at least 0.
        relative_regret: The regret by what a choice at random loses on average: comparable over metrics; 0 where all
            models are equal.
        regret_to_all: The final of what fine-tuning all would have selected minus the selected model's; may be below 0.
        steps: Steps spent on all trials together.
        trainings: The same in full trainings: steps by the steps of a whole run.
        seconds: Recorded seconds that workers were busy, costs and proxies included; `None` where not all runs recorded
            any, or not on the same hardware.
        proxy_seconds: Those of them that computing proxy scores took.
        makespan: When the last trial had ended, by number of GPUs; in seconds, proxies included (they are spread over
            the GPUs), or in steps where `seconds` is `None`.
        best_dropped: Whether the model with the best final was not selected because it was stopped or never proposed.
        best_dropped_at: The step at which it was: 0 where it was never proposed, `None` where it came to its end.
        mean_final: The mean final of the proposed models, higher is better: what a recall is judged by.
        ended: `finished`, or `time budget` if the scheduler hung on any number of GPUs, so that its makespan there is
            the budget.
    """

    method: str
    target: str
    seed: int
    models: int
    selected: str
    regret: float
    relative_regret: float
    regret_to_all: float
    steps: float
    trainings: float
    seconds: float | None
    proxy_seconds: float
    makespan: Mapping[int, float]
    best_dropped: bool
    best_dropped_at: float | None
    mean_final: float
    ended: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How one method did over all targets: means of the means over seeds.

    Args:
        method: Its name.
        targets: How many.
        mean_regret: The mean regret.
        ci95: The bootstrap 95 % interval of that mean over targets.
        mean_relative_regret: The mean of regrets by what a choice at random loses.
        mean_regret_to_all: The mean regret to fine-tuning all.
        ci95_to_all: Its interval, of paired differences.
        mean_steps: Steps a target.
        mean_trainings: Full trainings a target.
        mean_seconds: Seconds a target, or `None`.
        mean_makespan: By number of GPUs.
        best_dropped: On how many of the targets the best model was dropped, as a fraction.
        mean_final: The mean final of the proposed models.
    """

    method: str
    targets: int
    mean_regret: float
    ci95: tuple[float, float]
    mean_relative_regret: float
    mean_regret_to_all: float
    ci95_to_all: tuple[float, float]
    mean_steps: float
    mean_trainings: float
    mean_seconds: float | None
    mean_makespan: Mapping[int, float]
    best_dropped: float
    mean_final: float


def row(task: Task, replays: Mapping[int, Replay], *, method: str, seed: int) -> Row:
    """The row of one method on one task.

    Args:
        task: The task.
        replays: What the method made of it, by number of GPUs; at least one.
        method: Its name.
        seed: Its seed.
    """
    first = next(iter(replays.values()))
    finals, selected = task.finals, first.selected
    # A searcher may propose a model more than once: how far it came counts.
    of_best = [trial for trial in first.trials if trial.model == task.best]
    trial = max(of_best, key=lambda one: one.steps, default=None)
    at_random = finals[task.best] - float(np.mean(list(finals.values())))
    dropped_at = 0.0 if trial is None else trial.stopped_at
    return Row(
        method=method,
        target=task.target,
        seed=seed,
        models=len(task.runs),
        selected=selected,
        regret=finals[task.best] - finals[selected],
        relative_regret=(finals[task.best] - finals[selected]) / at_random if at_random > 0 else 0.0,
        regret_to_all=finals[task.after_all] - finals[selected],
        steps=first.steps,
        trainings=first.steps / task.max_t,
        seconds=first.busy + first.proxy_seconds if task.timed else None,
        proxy_seconds=first.proxy_seconds,
        makespan={
            gpus: replay.makespan + (replay.proxy_seconds / gpus if task.timed else 0.0)
            for gpus, replay in replays.items()
        },
        best_dropped=dropped_at is not None,
        best_dropped_at=dropped_at,
        mean_final=float(np.mean([finals[trial.model] for trial in first.trials])),
        ended=next((replay.ended for replay in replays.values() if replay.ended != "finished"), "finished"),
    )


def summarise(rows: Iterable[Row], *, seed: int = 0) -> tuple[Standing, ...]:
    """Each method over all its targets, in the order of the rows.

    Args:
        rows: At least one a method.
        seed: Draws the bootstrap.
    """
    by_method: dict[str, dict[str, list[Row]]] = {}
    for found in rows:
        by_method.setdefault(found.method, {}).setdefault(found.target, []).append(found)
    return tuple(_standing(method, list(targets.values()), seed=seed) for method, targets in by_method.items())


def interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """The bootstrap 95 % interval of a mean: 10,000 resamples, percentiles.

    Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.

    Args:
        values: (n,) one a target, at least one.
        seed: Draws the resamples.

    >>> interval([1.0, 1.0, 1.0])
    (1.0, 1.0)
    """
    drawn = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values)[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _standing(method: str, targets: Sequence[Sequence[Row]], *, seed: int) -> Standing:
    def means(name: str) -> list[float]:
        return [float(np.mean([getattr(found, name) for found in rows])) for rows in targets]

    def mean(name: str) -> float:
        return float(np.mean(means(name)))

    first = targets[0][0]
    timed = all(found.seconds is not None for rows in targets for found in rows)
    return Standing(
        method=method,
        targets=len(targets),
        mean_regret=mean("regret"),
        ci95=interval(means("regret"), seed=seed),
        mean_relative_regret=mean("relative_regret"),
        mean_regret_to_all=mean("regret_to_all"),
        ci95_to_all=interval(means("regret_to_all"), seed=seed),
        mean_steps=mean("steps"),
        mean_trainings=mean("trainings"),
        mean_seconds=mean("seconds") if timed else None,
        mean_makespan={
            gpus: float(np.mean([np.mean([found.makespan[gpus] for found in rows]) for rows in targets]))
            for gpus in first.makespan
        },
        best_dropped=mean("best_dropped"),
        mean_final=mean("mean_final"),
    )
