"""`HistoryRecorder`: every curve of every trial becomes history, and the scheduler's state survives a restart."""

import logging
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd
from ray.tune import Callback, Checkpoint
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from raysel.errors import HistoryError, OptionError
from raysel.history import History, canonical, run_id
from raysel.target import Target
from raysel.tune import journal, snapshot
from raysel.tune.controller import seconds_of
from raysel.tune.recorded import RecordedRun, dataset_row
from raysel.tune.scheduler import TrendScheduler

logger = logging.getLogger(__name__)


class HistoryRecorder(Callback):
    """Records every trial in the history as it goes, and carries the scheduler's state through a restore.

    Tune does not save the state of schedulers; it saves that of callbacks. Give the run's `TrendScheduler` here and a
    restored run stops the same trials as an undisturbed one. A run keeps its name in the history through restores, so
    that every reported point is there exactly once. While the history cannot be written to, trials go on and their
    curves wait; those that wait at the end stay with the run, and are written when it is gone on with.

    Args:
        history: Where to record; it must exist.
        target: The dataset that the curves are filed under, or its name.
        scheduler: The run's `TrendScheduler`; metric, mode and steps are taken from it.
        metric: The result to record as validation score; needed without a `TrendScheduler`, like the next three.
        mode: `max` or `min`.
        time_attr: The result that counts steps.
        max_t: The step at which a trial is to end.
        other_metrics: Further results to record under their names, where trials report them; they decide nothing.
        model_key: The space's key that holds the model.
        publish_every: Seconds between two writes, at least; 0 writes at every result.

    Raises:
        OptionError: If an option breaks its rule.

    A trial's `test_<metric>` is recorded beside its validation score wherever it reports one, and `hardware` beside its
    seconds (`raysel.finetune.hardware.hardware_here` says it; raysel's own trainables report it, and the `revision` of
    the model). One that ends without ever having reported a number as the metric failed, with that as the reason.
    Seconds are what it reports as `seconds`, else Tune's `time_total_s`, which counts the start of each process in. A
    trial that reports `reused` only tells again of a run that is on record, and is not recorded.
    """

    def __init__(
        self,
        history: History,
        *,
        target: Target | str,
        scheduler: TrialScheduler | None = None,
        metric: str | None = None,
        mode: str | None = None,
        time_attr: str | None = None,
        max_t: float | None = None,
        other_metrics: Sequence[str] = (),
        model_key: str = "model",
        publish_every: float = 10.0,
    ) -> None:
        if not isinstance(history, History):
            raise OptionError("history", history, "a raysel.History")
        if not publish_every >= 0:
            raise OptionError("publish_every", publish_every, "at least 0 seconds")
        self._scheduler = scheduler if isinstance(scheduler, TrendScheduler) else None
        if self._scheduler is None:
            for name, value in (("metric", metric), ("mode", mode), ("time_attr", time_attr), ("max_t", max_t)):
                if value is None:
                    raise OptionError(name, None, "given where `scheduler` is not a TrendScheduler")
        if mode not in (None, "max", "min"):
            raise OptionError("mode", mode, "max or min")
        if isinstance(other_metrics, str):
            raise OptionError("other_metrics", other_metrics, "a list of names")
        self._history, self._target, self._model_key = history, Target.of(target), model_key
        self._metric, self._mode, self._time_attr, self._max_t = metric, mode, time_attr, max_t
        self._other_metrics = tuple(other_metrics)
        self._publish_every, self._publish_at, self._unreachable = publish_every, -math.inf, False
        self._name = uuid.uuid4().hex[:8]
        self._runs: dict[str, RecordedRun] = {}
        self._entries: dict[str, journal.Entry] = {}
        self._storage: Any = None
        if self._scheduler:
            self._scheduler.recorder = self

    def setup(self, stop: Any = None, num_samples: Any = None, total_num_samples: Any = None, **info: Any) -> None:
        """Before the first trial: file the target, and keep the parts of the history that the run started from.

        Raises:
            DataError: If the history knows the target's metric with the opposite direction.
            HistoryError: If the history cannot be written to.
        """
        row = dataset_row(self._target, self._history, metric=self._scored_by(), mode=self._direction())
        self._history.append(datasets=pd.DataFrame([row]))
        if self._scheduler is not None:
            self._scheduler.history.pin(self._pin)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Note a point."""
        run = self._run(trial)
        step = float(result.get(self._steps_by(), math.nan))
        if not step >= 0:
            return
        if result.get("reused"):  # told again, and on record since it was run
            run.reused = True
            return
        if step <= run.last_step:  # made again after a restart, or backwards: the first report counts
            return
        run.last_step = step
        run.told(result)
        for metric in dict.fromkeys((self._scored_by(), *self._other_metrics)):
            for split, key in (("val", metric), ("test", f"test_{metric}")):
                value = result.get(key)
                if value is not None and math.isfinite(value):
                    point = {"step": step, "split": split, "metric": metric, "value": float(value)}
                    run.note({**point, "seconds": seconds_of(result)})
                    run.due, run.scored = True, run.scored or metric == self._scored_by()
        if (entry := self._entries.get(self._run_id(trial))) is not None:
            self._enter(trial, replace(entry, points=run.points))
        self._maybe_publish()

    def on_checkpoint(
        self, iteration: int, trials: list[Trial], trial: Trial, checkpoint: Checkpoint, **info: Any
    ) -> None:
        """Note in the journal that a trial can go on from here."""
        entry = journal.Entry(
            checkpoint=checkpoint.path,
            metrics=trial.last_result,
            curve=list(self._scheduler.selection.curve(trial.trial_id).items()) if self._scheduler else [],
            points=self._run(trial).points,
        )
        self._enter(trial, entry)

    def resume(self, trial: Trial) -> dict[float, float]:
        """Let a trial that has not started go on from what the journal knows of its run.

        Called by the scheduler when a trial is added; after a restore Tune's own knowledge may be older.

        Returns:
            The scores by step that the run had reported at its newest checkpoint.
        """
        entry = journal.read(trial, self._run_id(trial))
        if entry is None:
            return {}
        journal.adopt(trial, entry)
        self._entries[self._run_id(trial)] = entry
        run = self._run(trial)
        for point in entry.points:
            run.note(point)
        run.scored = run.scored or bool(entry.curve)
        run.last_step = max([run.last_step, *(step for step, _ in entry.curve)])
        return dict(entry.curve)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial ended: at its last step, by itself, or stopped."""
        run = self._run(trial)
        scheduler = self._scheduler
        decision = scheduler.decisions.get(trial.trial_id) if scheduler else None
        if decision is not None and decision.action == "stop":
            run.end("stopped", decision.reason)
        elif scheduler is not None and trial.trial_id in scheduler.failures:
            run.end("failed", scheduler.failures[trial.trial_id])
        elif scheduler is None and run.last_step < run.planned_steps:
            run.end("stopped", None)
        else:
            run.complete(self._scored_by(), reported=trial.last_result or {})
        self._maybe_publish()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial failed for good."""
        self._fail(trial)
        self._maybe_publish()

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Write what is left; what the run started from may go when it is over."""
        for trial in trials:
            run = self._run(trial)
            # Tune ends trials without a word when its time is up, or when it cannot start one.
            if run.status == "running" and trial.status == Trial.ERROR:
                self._fail(trial)
            elif run.status == "running" and trial.is_finished():
                run.end("stopped", "the experiment ended before the trial did")
        self.publish()
        if self._unreachable:
            waiting = sum(run.due and not run.reused for run in self._runs.values())
            kept = "they stay with the run, and going on with it (`--resume`, `Tuner.restore`) writes them"
            logger.warning("%d curves are not in %s: %s", waiting, self._history.uri, kept)
        elif all(trial.is_finished() for trial in trials):
            self._unpin()

    def get_state(self) -> dict[str, Any]:
        """What Tune saves with the run: plain data."""
        if self._storage is not None:
            snapshot.keep(self._storage)
        return {
            "name": self._name,
            "runs": {name: asdict(run) for name, run in self._runs.items()},
            "scheduler": self._scheduler.state() if self._scheduler else None,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up where `get_state` left off; Tune calls it before it adds the trials again."""
        self._name = state["name"]
        self._runs = {name: RecordedRun(**run) for name, run in state["runs"].items()}
        if self._scheduler is not None and state["scheduler"] is not None:
            self._scheduler.restore_state(state["scheduler"])

    def publish(self) -> None:
        """Write what is not in the history yet; on failure keep it and warn."""
        began = time.monotonic()
        self._publish_at = began + self._publish_every
        due = {name: run for name, run in self._runs.items() if run.due and not run.reused}
        if not due:
            return
        try:
            points = [point for name, run in due.items() for point in run.observations(name)]
            self._history.append(
                observations=pd.DataFrame(points) if points else None,
                runs=pd.DataFrame([run.row(name, self._target) for name, run in due.items()]),
            )
        except (OSError, HistoryError) as error:
            # What times out holds the driver up: no more than a tenth of its time goes there.
            self._publish_at = time.monotonic() + max(self._publish_every, 9 * (time.monotonic() - began))
            if not self._unreachable:
                logger.warning("%d curves wait: %s", len(due), error)
            self._unreachable = True
            return
        if self._unreachable:
            logger.warning("%s can be written to again: %d curves have arrived", self._history.uri, len(due))
        self._unreachable = False
        for run in due.values():
            run.due, run.points = False, []

    def _fail(self, trial: Trial) -> None:
        self._run(trial).end("failed", self._scheduler.failures.get(trial.trial_id) if self._scheduler else None)

    def _unpin(self) -> None:
        try:
            if self._pin in self._history.pins():
                self._history.unpin(self._pin)
        except (OSError, HistoryError) as error:
            logger.warning("the pin %s stays in %s: %s", self._pin, self._history.uri, error)

    def _maybe_publish(self) -> None:
        if time.monotonic() >= self._publish_at:
            self.publish()

    def _enter(self, trial: Trial, entry: journal.Entry) -> None:
        name = self._run_id(trial)
        self._entries[name], self._storage = entry, trial.storage
        try:
            journal.write(trial, name, entry)
        except OSError as error:
            logger.warning("%s: after a crash of the driver it would go on from before: %s", trial.trial_id, error)

    def _run(self, trial: Trial) -> RecordedRun:
        return self._runs[self._run_id(trial)]

    def _run_id(self, trial: Trial) -> str:
        """The name of a trial's run: the same for a trial that a restored searcher proposes anew."""
        for name, run in self._runs.items():
            if run.trial == trial.trial_id:
                return name
        model = str(trial.config.get(self._model_key, trial.trial_id))
        config = canonical({k: v for k, v in trial.config.items() if k not in (self._model_key, "seed")})
        seed = trial.config.get("seed")
        seed = seed if isinstance(seed, int) else None
        same = sum((run.model, run.config, run.seed) == (model, config, seed) for run in self._runs.values())
        name = run_id(model=model, dataset=self._target.name, config=config, seed=seed, trial=f"{self._name}-{same}")
        planned = float(self._scheduler.max_t if self._scheduler else self._max_t or 0)
        self._runs[name] = RecordedRun(
            model=model, config=config, seed=seed, trial=trial.trial_id, planned_steps=planned
        )
        return name

    def _scored_by(self) -> str:
        return str(self._scheduler.metric if self._scheduler else self._metric)

    def _steps_by(self) -> str:
        return str(self._scheduler.time_attr if self._scheduler else self._time_attr)

    def _direction(self) -> str:
        return str(self._scheduler.mode if self._scheduler else self._mode)

    @property
    def _pin(self) -> str:
        return f"selection-{self._name}"
