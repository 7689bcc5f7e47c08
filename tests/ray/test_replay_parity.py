"""The replay and a live `tune.run` on the same table stop the same trials at the same steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, HyperBandScheduler, MedianStoppingRule, TrialScheduler

from raysel import History, RecallSearcher, TrendScheduler
from raysel.history import Curve
from raysel.replay.engine import InOrder, replay
from tests.ray.conftest import SLOTS
from tests.ray.table import MODELS, STEPS, TARGET, noisy_table, planted_history, table_trainable, walking

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]
ALONE = {"cpu": SLOTS // 2 + 1}
"""One trial at a time, with slots to spare: now and then Ray loses one for good."""


def live(folder: Path, table: dict[str, list[float]], searcher: Any, scheduler: Any, **options: Any) -> dict[str, int]:
    """Steps by model of a real run."""
    analysis = tune.run(
        table_trainable(table),
        search_alg=searcher,
        scheduler=scheduler,
        config={"model": tune.choice(list(MODELS))},
        num_samples=-1,
        metric="accuracy",
        mode="max",
        storage_path=str(folder / "results"),
        verbose=0,
        reuse_actors=True,
        **options,
    )
    return {trial.config["model"]: trial.last_result["training_iteration"] for trial in analysis.trials}


def replayed(table: dict[str, list[float]], searcher: Any, scheduler: Any, **options: Any) -> dict[str, int]:
    """Steps by model of a replay of the same table."""
    runs = {
        model: Curve(
            run_id=model,
            model=model,
            dataset=TARGET,
            status="completed",
            planned_steps=STEPS,
            steps=np.arange(1.0, STEPS + 1),
            values=np.array(values),
            final=values[-1],
        )
        for model, values in table.items()
    }
    found = replay(runs, searcher=searcher, scheduler=scheduler, **options)
    return {trial.model: int(trial.steps) for trial in found.trials}


def wandering(folder: Path) -> tuple[History, dict[str, list[float]]]:
    """A history from which something is learned at every stage, and a target that is like it."""
    history = planted_history(folder, datasets=tuple(f"w{number}" for number in range(12)), curve=walking)
    return history, {model: walking(model, TARGET) for model in MODELS}


def trend(history: History, method: str) -> tuple[RecallSearcher, TrendScheduler]:
    return (
        RecallSearcher(history, target=TARGET, method=method, top_k=8),
        TrendScheduler(history, target=TARGET, max_t=STEPS, method=method, policy="sync"),
    )


@pytest.mark.parametrize("method", ["default", "paper"])
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_synchronous_selection(tmp_path: Path, method: str, workers: int) -> None:
    history, table = wandering(tmp_path)
    found = live(tmp_path, table, *trend(history, method), max_concurrent_trials=workers)
    assert replayed(table, *trend(history, method), workers=workers) == found
    assert len(set(found.values())) > 2, "trials ended at several stages"


@pytest.mark.slow
def test_asynchronous_selection_with_one_worker(tmp_path: Path) -> None:
    history, table = wandering(tmp_path)

    def made() -> tuple[RecallSearcher, TrendScheduler]:
        scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS, policy="async")
        return RecallSearcher(history, target=TARGET, top_k=8), scheduler

    found = live(tmp_path, table, *made(), resources_per_trial=ALONE)
    assert replayed(table, *made()) == found
    assert len(set(found.values())) > 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: AsyncHyperBandScheduler(max_t=STEPS, reduction_factor=2),
        lambda: AsyncHyperBandScheduler(max_t=STEPS, reduction_factor=2, brackets=2),
        lambda: HyperBandScheduler(max_t=STEPS, reduction_factor=2),
        lambda: MedianStoppingRule(time_attr="training_iteration", grace_period=1),
    ],
    ids=["asha", "asha-brackets", "hyperband", "median"],
)
def test_ray_schedulers_with_one_worker(tmp_path: Path, make: Callable[[], TrialScheduler]) -> None:
    table = noisy_table(5)
    np.random.seed(7)  # noqa: NPY002  what ASHA draws its brackets from
    found = live(tmp_path, table, InOrder(MODELS), make(), resources_per_trial=ALONE)
    assert replayed(table, InOrder(MODELS), make(), seed=7) == found
    assert len(set(found.values())) > 1
