"""Checkpoints that nobody goes on from are deleted at once: what cannot win need not be stored."""

import logging
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from raysel.tune.scheduler import TrendScheduler

logger = logging.getLogger(__name__)


class DropCheckpoints(tune.Callback):
    """Deletes the checkpoint of each trial that the scheduler stops, or without one of each that ends.

    Together with ``CheckpointConfig(num_to_keep=1)`` no more is stored at any time than one checkpoint a live trial,
    and one more for each that is just being written.

    Args:
        scheduler: The run's `TrendScheduler`; `None` where only curves are wanted.
    """

    def __init__(self, scheduler: TrendScheduler | None) -> None:
        self._scheduler = scheduler

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial ended."""
        checkpoint = trial.checkpoint
        kept = self._scheduler is not None and self._scheduler.selection.standing(trial.trial_id) != "stopped"
        if checkpoint is None or kept:
            return
        try:
            checkpoint.filesystem.delete_dir(checkpoint.path)  # type: ignore[union-attr]
        except OSError as error:
            logger.warning("the checkpoint of %s could not be deleted: %s", trial.trial_id, error)
