"""Progress of a selection, a line an event, on standard error."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from rich.text import Text

from raysel.cli.output import console

_LOGGERS = ("raysel.tune.searcher", "raysel.tune.scoring")
"""Who tells of recall; what becomes of trials is told by the trials."""


class ProgressLines(tune.Callback):
    """Prints each proxy score, each result and each end of a trial as it comes.

    Args:
        metric: The result to show.
        time_attr: The result that counts steps.
        max_t: The step at which a trial ends.
    """

    def __init__(self, *, metric: str, time_attr: str, max_t: float) -> None:
        self._metric, self._time_attr, self._max_t = metric, time_attr, max_t
        self._began = time.monotonic()
        self._begun: set[str] = set()

    def line(self, message: str, *, style: str = "") -> None:
        """Print a line with the seconds since the start."""
        text = Text(f"{time.monotonic() - self._began:6.1f} s  {message}", style=style)
        console(stderr=True).print(text, soft_wrap=True)

    @contextmanager
    def of_recall(self) -> Iterator[None]:
        """Print what recall tells of itself meanwhile."""
        handler = _Lines(self)
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
                logger.setLevel(logging.NOTSET)

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial begins, or goes on after it was paused."""
        if trial.trial_id not in self._begun:
            self._begun.add(trial.trial_id)
            self.line(f"{trial.config['model']}: training", style="dim")

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reported a score."""
        step = f"{self._time_attr} {result[self._time_attr]:g} of {self._max_t:g}"
        self.line(f"{trial.config['model']}: {self._metric} {result[self._metric]:.4f} at {step}")

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial ended, or was stopped."""
        last = (trial.last_result or {}).get(self._time_attr, 0)
        if last < self._max_t:
            self.line(f"{trial.config['model']}: stopped at {self._time_attr} {last:g}", style="dim")
        else:
            self.line(f"{trial.config['model']}: trained to the end", style="bold")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial failed for good."""
        self.line(f"{trial.config['model']}: failed, see {trial.error_file}", style="red")


class _Lines(logging.Handler):
    """Log records as lines of progress."""

    def __init__(self, progress: ProgressLines) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.line(record.getMessage(), style="yellow" if record.levelno >= logging.WARNING else "")
