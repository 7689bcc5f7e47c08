"""Runs for the history's sake: each model fine-tuned to its end on one dataset, and recorded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from raysel.errors import InterruptedSelectionError
from raysel.history import History, canonical
from raysel.target import Target
from raysel.tune.cleanup import DropCheckpoints
from raysel.tune.recorder import HistoryRecorder
from raysel.tune.resources import held_by, workers_of

if TYPE_CHECKING:
    from raysel.finetune import Data, Recipe


def on_record(history: History, data: "Data", recipe: "Recipe") -> frozenset[str]:
    """The models whose run with this recipe on this very data has been completed."""
    runs = history.runs()
    config = {key: value for key, value in recipe.as_dict().items() if key != "seed"}
    same = (
        (runs["status"] == "completed")
        & (runs["dataset"] == data.name)
        & (runs["fingerprint"] == data.fingerprint)
        & (runs["config"] == canonical(config))
        & (runs["seed"] == recipe.seed)
    )
    return frozenset(runs.loc[same.fillna(False), "model"])


def record_runs(
    history: History,
    data: "Data",
    *,
    models: Sequence[str],
    recipe: "Recipe",
    resources: dict[str, float],
    max_concurrent: int | None = None,
    storage_path: str | None = None,
    callbacks: Sequence[tune.Callback] = (),
) -> dict[str, str]:
    """Fine-tune every model on the data to its end and record the curves; checkpoints go when a run has ended.

    Args:
        history: Where to record.
        data: The dataset.
        models: Each is run once.
        recipe: How they are trained.
        resources: Of one run; with more than one GPU its workers share the work.
        max_concurrent: How many go at once at most.
        storage_path: Where Tune keeps its results, on a cluster a place that all nodes see.
        callbacks: Further Tune callbacks.

    Returns:
        By model that has no final afterwards, why.

    Raises:
        InterruptedSelectionError: After Ctrl-C. What was completed is in the history.
    """
    from raysel.finetune import distributed_trainable, trainable

    workers = workers_of(resources)
    fine_tune: Any = tune.with_parameters(trainable, data=data)
    if workers > 1:
        fine_tune = tune.with_parameters(distributed_trainable, data=data, workers=workers, use_gpu=True)
    recorder = HistoryRecorder(
        history,
        target=Target(
            data.name, task=data.task, classes=data.classes, size=len(data.train), fingerprint=data.fingerprint
        ),
        metric=data.metric,
        mode=data.mode,
        time_attr="epoch",
        max_t=recipe.epochs,
        other_metrics=data.other_metrics,
    )
    analysis = tune.run(
        fine_tune,
        config={"model": tune.grid_search(list(models)), **recipe.as_dict()},
        scheduler=FIFOScheduler(),
        metric=data.metric,
        mode=data.mode,
        resources_per_trial=held_by(resources),
        max_concurrent_trials=max_concurrent,
        reuse_actors=True,
        storage_path=storage_path,
        max_failures=2,  # processes and nodes are lost on clusters; a run goes on from its checkpoint
        checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
        callbacks=[recorder, DropCheckpoints(None), *callbacks],
        verbose=0,
        raise_on_failed_trial=False,
    )
    if not all(trial.is_finished() for trial in analysis.trials):
        raise InterruptedSelectionError(
            f"interrupted: what was completed is in {history.uri}; the same command goes on with the rest"
        )
    done = on_record(history, data, recipe)
    return {str(trial.config["model"]): _why(trial) for trial in analysis.trials if trial.config["model"] not in done}


def _why(trial: Trial) -> str:
    return f"see {trial.error_file}" if trial.error_file else "it diverged"
