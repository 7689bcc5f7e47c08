"""A run's newest checkpoint and scores, written beside Tune's results as soon as there is a checkpoint.

Tune saves the state of an experiment every ten seconds or more. A driver that is killed in between forgets checkpoints
that are on disk, and trials that were added. With one small file a run in the experiment's folder a restored driver
finds both again.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

from ray.train._internal.session import _TrainingResult
from ray.tune import Checkpoint
from ray.tune.experiment import Trial

_FOLDER = "raysel"
_ITERATION = "training_iteration"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a run at its newest checkpoint.

    Args:
        checkpoint: Where the checkpoint is, on the experiment's storage.
        metrics: The result that it belongs to.
        curve: (step, score) pairs up to it, as the scheduler knows them.
        points: What the history may not have yet.
    """

    checkpoint: str
    metrics: dict[str, Any]
    curve: Sequence[tuple[float, float]]
    points: Sequence[dict[str, Any]]


def write(trial: Trial, run_id: str, entry: Entry) -> None:
    """Put a run's entry in place of the one before, all at once."""
    filesystem, folder, path = _place(trial, run_id)
    filesystem.create_dir(folder)
    with filesystem.open_output_stream(f"{path}.tmp") as stream:
        stream.write(json.dumps(vars(entry), default=_plain).encode())
    filesystem.move(f"{path}.tmp", path)


def read(trial: Trial, run_id: str) -> Entry | None:
    """A run's entry, or `None`."""
    filesystem, _, path = _place(trial, run_id)
    try:
        with filesystem.open_input_stream(path) as stream:
            return Entry(**json.loads(stream.readall()))
    except FileNotFoundError:
        return None


def adopt(trial: Trial, entry: Entry) -> None:
    """Let a trial that has not started go on from the entry's checkpoint, unless it knows a newer one."""
    known = trial.latest_checkpoint_result
    if known is not None and known.metrics.get(_ITERATION, 0) >= entry.metrics.get(_ITERATION, 0):
        return
    trial.init_local_path()
    storage: Any = trial.storage
    checkpoint = Checkpoint(entry.checkpoint, storage.storage_filesystem)
    trial.on_checkpoint(_TrainingResult(checkpoint=checkpoint, metrics=dict(entry.metrics)))
    trial.update_last_result(dict(entry.metrics))
    # Where the checkpoint is in the trial's own folder, the next must not overwrite it.
    numbered = re.search(r"/checkpoint_(\d+)$", entry.checkpoint)
    if numbered and entry.checkpoint.startswith(f"{storage.trial_fs_path}/"):
        storage.current_checkpoint_index = int(numbered[1])


def _place(trial: Trial, run_id: str) -> tuple[Any, str, str]:
    storage: Any = trial.storage
    folder = f"{storage.experiment_fs_path}/{_FOLDER}"
    return storage.storage_filesystem, folder, f"{folder}/{run_id}.json"


def _plain(value: object) -> float | str:
    return float(value) if isinstance(value, Number) else str(value)  # type: ignore[arg-type]
