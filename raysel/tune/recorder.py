"""`HistoryRecorder`: every curve of every trial becomes history, and the scheduler's state survives a restart."""

import logging
import math
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
from ray.tune import Callback, Checkpoint
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from raysel.errors import HistoryError, OptionError
from raysel.history import History, canonical, run_id
from raysel.target import Target
from raysel.tune import journal
from raysel.tune.controller import seconds_of
from raysel.tune.scheduler import TrendScheduler

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Run:
    model: str
    config: str
    seed: int | None
    trial: str
    status: str = "running"
    reason: str | None = None
    planned_steps: float
    last_step: float = 0.0
    points: list[dict[str, Any]] = field(default_factory=list)
    due: bool = True
    reused: bool = False

    def note(self, point: dict[str, Any]) -> None:
        """Keep a point in place of one at the same step: a run that is cut off may make a step twice."""
        at = (point["step"], point["split"])
        self.points = [*(known for known in self.points if (known["step"], known["split"]) != at), point]


class HistoryRecorder(Callback):
    """Records every trial in the history as it goes, and carries the scheduler's state through a restore.

    Tune does not save the state of schedulers; it saves that of callbacks. Give the run's `TrendScheduler` here and a
    restored run stops the same trials as an undisturbed one. A run keeps its name in the history through restores, so
    that every reported point is there exactly once. While the history cannot be written to, trials go on and their
    curves wait.

    Args:
        history: Where to record; it must exist.
        target: The dataset that the curves are filed under, or its name.
        scheduler: The run's `TrendScheduler`; metric, mode and steps are taken from it.
        metric: The result to record as validation score; needed without a `TrendScheduler`, like the next three.
        mode: `max` or `min`.
        time_attr: The result that counts steps.
        max_t: The step at which a trial is to end.
        model_key: The space's key that holds the model.
        publish_every: Seconds between two writes, at least; 0 writes at every result.

    Raises:
        OptionError: If an option breaks its rule.

    A trial's `test_<metric>` is recorded beside its validation score wherever it reports one. Seconds are what it
    reports as `seconds`, else Tune's `time_total_s`, which counts the start of each process in. A trial that reports
    `reused` only tells again of a run that is on record, and is not recorded.
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
        self._history, self._target, self._model_key = history, Target.of(target), model_key
        self._metric, self._mode, self._time_attr, self._max_t = metric, mode, time_attr, max_t
        self._publish_every, self._published_at = publish_every, -math.inf
        self._name = uuid.uuid4().hex[:8]
        self._runs: dict[str, _Run] = {}
        if self._scheduler is not None:
            self._scheduler.recorder = self

    def setup(self, stop: Any = None, num_samples: Any = None, total_num_samples: Any = None, **info: Any) -> None:
        """Before the first trial: file the target, and keep the parts of the history that the run started from.

        Raises:
            DataError: If the history knows the target's metric with the opposite direction.
            HistoryError: If the history cannot be written to.
        """
        self._history.append(datasets=pd.DataFrame([self._dataset()]))
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
        run.last_step = max(run.last_step, step)
        for split, key in (("val", self._scored_by()), ("test", f"test_{self._scored_by()}")):
            value = result.get(key)
            if value is not None and math.isfinite(value):
                point = {"step": step, "split": split, "value": float(value), "seconds": seconds_of(result)}
                run.note(point)
                run.due = True
        self._maybe_publish()

    def on_checkpoint(
        self, iteration: int, trials: list[Trial], trial: Trial, checkpoint: Checkpoint, **info: Any
    ) -> None:
        """Note in the journal that a trial can go on from here."""
        scheduler = self._scheduler
        entry = journal.Entry(
            checkpoint=checkpoint.path,
            metrics=trial.last_result,
            curve=list(scheduler.selection.curve(trial.trial_id).items()) if scheduler else [],
            points=self._run(trial).points,
        )
        journal.write(trial, self._run_id(trial), entry)

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
        run = self._run(trial)
        for point in entry.points:
            run.note(point)
        run.last_step = max([run.last_step, *(step for step, _ in entry.curve)])
        return dict(entry.curve)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial ended: at its last step, by itself, or stopped."""
        run = self._run(trial)
        scheduler = self._scheduler
        decision = scheduler.decisions.get(trial.trial_id) if scheduler else None
        run.due = True
        if decision is not None and decision.action == "stop":
            run.status, run.reason = "stopped", decision.reason
        elif scheduler is None and run.last_step < run.planned_steps:
            run.status = "stopped"
        else:
            # A trial that ends by itself before its last step has nothing more to show.
            run.status, run.planned_steps = "completed", run.last_step or run.planned_steps
        self._maybe_publish()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial failed for good."""
        run = self._run(trial)
        run.status, run.due = "failed", True
        self._maybe_publish()

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Write what is left; what the run started from may go when it is over."""
        for trial in trials:
            run = self._run(trial)
            if trial.is_finished() and run.status == "running":
                # Tune ends trials without a word when its time is up.
                run.status, run.reason, run.due = "stopped", "the experiment ended before the trial did", True
        self.publish()
        if all(trial.is_finished() for trial in trials) and self._pin in self._history.pins():
            self._history.unpin(self._pin)

    def get_state(self) -> dict[str, Any]:
        """What Tune saves with the run: plain data."""
        return {
            "name": self._name,
            "runs": {name: asdict(run) for name, run in self._runs.items()},
            "scheduler": self._scheduler.state() if self._scheduler else None,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up where `get_state` left off; Tune calls it before it adds the trials again."""
        self._name = state["name"]
        self._runs = {name: _Run(**run) for name, run in state["runs"].items()}
        if self._scheduler is not None and state["scheduler"] is not None:
            self._scheduler.restore_state(state["scheduler"])

    def publish(self) -> None:
        """Write what is not in the history yet; on failure keep it and warn."""
        self._published_at = time.monotonic()
        due = {name: run for name, run in self._runs.items() if run.due and not run.reused}
        if not due:
            return
        try:
            self._history.append(
                observations=self._observations(due),
                runs=pd.DataFrame([self._row(name, run) for name, run in due.items()]),
            )
        except (OSError, HistoryError) as error:
            logger.warning("%d curves wait: %s cannot be written to: %s", len(due), self._history.uri, error)
            return
        for run in due.values():
            run.due, run.points = False, []

    def _maybe_publish(self) -> None:
        if time.monotonic() - self._published_at >= self._publish_every:
            self.publish()

    def _run(self, trial: Trial) -> _Run:
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
        self._runs[name] = _Run(model=model, config=config, seed=seed, trial=trial.trial_id, planned_steps=planned)
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

    def _observations(self, runs: dict[str, _Run]) -> pd.DataFrame | None:
        rows = [
            {"run_id": name, "metric": self._scored_by(), **point} for name, run in runs.items() for point in run.points
        ]
        return pd.DataFrame(rows) if rows else None

    def _row(self, name: str, run: _Run) -> dict[str, Any]:
        return {
            "run_id": name,
            "model": run.model,
            "dataset": self._target.name,
            "fingerprint": self._target.fingerprint,
            "config": run.config,
            "seed": run.seed,
            "status": run.status,
            "reason": run.reason,
            "planned_steps": run.planned_steps,
        }

    def _dataset(self) -> dict[str, Any]:
        return {
            "dataset": self._target.name,
            "task": self._target.task,
            "classes": self._target.classes,
            "size": self._target.size,
            "primary_metric": self._scored_by(),
            "mode": self._direction(),
        }
