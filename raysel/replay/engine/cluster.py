"""A virtual cluster: what Ray's searchers and schedulers see as their controller, on a virtual clock.

It follows `TuneController.step` of Ray 2.60: new trials are asked for while few are pending; then the trial that the
scheduler chooses is staged, then pending ones first come first served; staged trials start when a worker is free; then
one thing happens. A pausing trial counts as running until it is saved. Ray goes round this loop many times a second, so
at one moment of the virtual clock it is repeated until nothing changes.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from raysel.errors import OptionError, RayselError
from raysel.history.curves import Curve, timed
from raysel.replay.engine.proposals import Proposals
from raysel.replay.outcome import Costs, Event, Replay, ReplayedTrial, unit

METRIC = "score"
"""What replayed trials report, beside `step`, `units` (steps by `raysel.replay.outcome.unit`), `training_iteration` and
`time_total_s`."""


_PATIENCE = 100
"""Rounds in which nothing happens and nothing is to come, until a scheduler is taken to wait for ever. Some count a few
before they go on without further trials."""

_SAVING: Any = True
"""Stands in for Tune's future of a save: schedulers ask only whether there is one."""


class DeadlockError(RayselError):
    """A replayed scheduler left trials that nothing will ever run or end."""


def replay(
    runs: Mapping[str, Curve],
    *,
    searcher: Searcher,
    scheduler: TrialScheduler,
    workers: int = 1,
    costs: Costs | None = None,
    max_pending: int | None = None,
    time_budget: float | None = None,
    seed: int = 0,
) -> Replay:
    """Drive a real searcher and a real scheduler against recorded runs.

    A trial of a model reports what the model's run has on record, in the user's own direction, under the metric
    `score`. The clock advances by the recorded seconds, or by one unit a step where some run recorded none, or
    on other hardware than another.

    Args:
        runs: The recorded run of each model, all of one direction.
        searcher: Proposes models; a `ConcurrencyLimiter` around one will do.
        scheduler: Decides on trials; with `score` as its metric, or none given yet.
        workers: How many trials can run at a time, at least 1.
        costs: What a worker is busy with besides training; nothing by default.
        max_pending: How many trials may wait for a worker before the searcher is asked for more; by Tune's own rule
            where not given (the limit of a `ConcurrencyLimiter`, else 1).
        time_budget: When the clock ends the run, in its units, as `time_budget_s` of Tune does.
        seed: Seeds NumPy's global random state during the replay, which Ray's schedulers draw from.

    Returns:
        What became of every trial.

    Raises:
        OptionError: If an option breaks its rule, or runs differ in direction.
        DeadlockError: If trials are left that nothing will run or end, and there is no time budget.

    >>> def run(model, *values):
    ...     return Curve(run_id=model, model=model, dataset="d", status="completed", planned_steps=2, final=values[-1],
    ...                  steps=np.array([1.0, 2.0]), values=np.array(values), seconds=np.array([10.0, 20.0]))
    >>> from raysel.replay.engine import Halving, InOrder
    >>> runs = {"a": run("a", 0.6, 0.7), "b": run("b", 0.5, 0.9)}
    >>> found = replay(runs, searcher=InOrder(runs), scheduler=Halving(stages=[1]), workers=2)
    >>> found.selected, found.steps, found.busy, found.makespan
    ('a', 3.0, 30.0, 20.0)
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise OptionError("workers", workers, "an integer of at least 1")
    if len({run.lower_is_better for run in runs.values()}) != 1:
        raise OptionError("runs", sorted(runs), "at least one, all of one direction")
    cluster = _VirtualCluster(
        runs, searcher=searcher, scheduler=scheduler, workers=workers, costs=costs or Costs(), max_pending=max_pending
    )
    with _global_random_state(seed):
        return cluster.run(time_budget)


@contextmanager
def _global_random_state(seed: int) -> Iterator[None]:
    """NumPy's global random state, seeded; as it was afterwards."""
    before = np.random.get_state()  # noqa: NPY002  what Ray's schedulers draw from
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@dataclass(kw_only=True, eq=False)
class _Running:
    """A trial's place in its recorded run, and its hold on a worker.

    `lease` counts how often it gave a worker back: what was scheduled under an earlier one will not happen.
    """

    model: str
    steps: list[float]
    values: list[float]
    clock: list[float]
    done: int = 0
    lease: int = 0
    since: float | None = None
    busy: float = 0.0

    @property
    def step(self) -> float:
        return self.steps[self.done - 1] if self.done else 0.0


class _VirtualCluster:
    """Stands in for Tune's `TuneController`, as far as searchers and schedulers look at it."""

    def __init__(
        self,
        runs: Mapping[str, Curve],
        *,
        searcher: Searcher,
        scheduler: TrialScheduler,
        workers: int,
        costs: Costs,
        max_pending: int | None,
    ) -> None:
        self._lower = next(iter(runs.values())).lower_is_better
        mode = "min" if self._lower else "max"
        if not scheduler.set_search_properties(METRIC, mode):
            raise OptionError("scheduler", type(scheduler).__name__, "one without metric and mode yet")
        self.search_alg = Proposals(searcher, models=list(runs), metric=METRIC, mode=mode)
        self._scheduler: Any = scheduler  # it expects a `TuneController` where this stands in
        self._runs, self._workers, self._costs = runs, workers, costs
        self._max_pending = max_pending or self.search_alg.max_pending
        self._timed = timed(runs.values())
        self._unit = unit(runs.values())
        self._trials: list[Trial] = []
        self._live: dict[Trial, None] = {}
        self._states: dict[Trial, _Running] = {}
        self._pending: deque[Trial] = deque()
        self._staged: deque[Trial] = deque()
        self._waiting: set[Trial] = set()  # PENDING, whether staged or not
        self._busy = 0
        self._changes = 0
        self._agenda: list[tuple[float, int, str, Trial, int]] = []
        self._order = itertools.count()
        self._events: list[Event] = []
        self.now = 0.0

    # What schedulers ask for ------------------------------------------------------------------------------------------

    def get_trials(self) -> list[Trial]:
        """All trials, in the order in which they were proposed."""
        return self._trials

    def get_live_trials(self) -> set[Trial]:
        """Those that have not ended."""
        return set(self._live)

    def stop_trial(self, trial: Trial) -> None:
        """End a trial, telling scheduler and searcher as Tune does."""
        if trial.is_finished():
            return
        if trial.status == Trial.RUNNING:
            result = dict(trial.last_result)
            self._scheduler.on_trial_complete(self, trial, result)
            self.search_alg.on_trial_complete(trial.trial_id, result=result)
        else:
            self._scheduler.on_trial_remove(self, trial)
            self.search_alg.on_trial_complete(trial.trial_id)
        self._release(trial)
        self._set(trial, Trial.TERMINATED)
        self._live.pop(trial, None)

    # The loop ---------------------------------------------------------------------------------------------------------

    def run(self, time_budget: float | None) -> Replay:
        quiet = 0
        while not self._finished():
            before = self._changes
            self._propose()
            self._stage()
            self._start()
            quiet = 0 if self._changes > before or self._agenda else quiet + 1
            if self._changes > before or 0 < quiet < _PATIENCE:
                continue
            if not self._agenda and time_budget is None:
                statuses = sorted(f"{trial.config['model']} is {trial.status}" for trial in self._live)
                told = f"{len(statuses)} trials left ({'; '.join(statuses[:3])})" if statuses else "no trial proposed"
                raise DeadlockError(
                    f"{type(self._scheduler).__name__} waits for ever at {self.now:g} of the virtual clock: {told}"
                )
            if time_budget is not None and (not self._agenda or self._agenda[0][0] > time_budget):
                self.now = time_budget
                for trial in list(self._live):
                    self._release(trial)
                return self._told("time budget")
            self._next()
        return self._told("finished")

    def _finished(self) -> bool:
        return not self._live and self.search_alg.is_finished()

    def _propose(self) -> None:
        if self.search_alg.is_finished():
            return
        while not self.search_alg.is_finished() and len(self._waiting) < self._max_pending:
            trial = self.search_alg.next_trial()
            if trial is None:
                break
            run = self._runs[trial.config["model"]]
            clock = run.seconds if self._timed and run.seconds is not None else run.steps
            self._states[trial] = _Running(
                model=run.model, steps=run.steps.tolist(), values=run.values.tolist(), clock=clock.tolist()
            )
            self._trials.append(trial)
            self._live[trial] = None
            self._wait(trial)
            self._scheduler.on_trial_add(self, trial)
        self._changes += self.search_alg.is_finished()  # news to schedulers as well

    def _stage(self) -> None:
        chosen = self._scheduler.choose_trial_to_run(self)
        if chosen is not None and self._states[chosen].since is None and chosen not in self._staged:
            self._set(chosen, Trial.PENDING)
            self._staged.append(chosen)
        while self._pending and len(self._staged) < self._max_pending:
            trial = self._pending.popleft()
            if trial in self._waiting and self._states[trial].since is None and trial not in self._staged:
                self._staged.append(trial)

    def _start(self) -> None:
        while self._staged and self._busy < self._workers:
            trial = self._staged.popleft()
            state = self._states[trial]
            if trial not in self._waiting:
                continue
            state.since = self.now
            self._busy += 1
            self._changes += 1
            self._later(self._costs.resume if state.done else self._costs.start, "started", trial)

    def _next(self) -> None:
        time, _, kind, trial, lease = heapq.heappop(self._agenda)
        if lease != self._states[trial].lease:
            return
        self.now = time
        if kind == "started":
            self._set(trial, Trial.RUNNING)
            self._train(trial)
        elif kind == "reported":
            self._report(trial)
        elif kind == "saved":
            self._saved(trial)
        else:
            trial.last_result["done"] = True
            self.stop_trial(trial)

    def _train(self, trial: Trial) -> None:
        state = self._states[trial]
        if state.done == len(state.steps):
            self._later(0.0, "ended", trial)
        else:
            elapsed = state.clock[state.done] - (state.clock[state.done - 1] if state.done else 0.0)
            self._later(elapsed, "reported", trial)

    def _report(self, trial: Trial) -> None:
        state = self._states[trial]
        score, step = state.values[state.done], state.steps[state.done]
        state.done += 1
        result: dict[str, Any] = {
            METRIC: 0.0 - score if self._lower else score,
            "step": step,
            "units": step / self._unit,
            "training_iteration": state.done,
            "time_total_s": state.clock[state.done - 1],
            "trial_id": trial.trial_id,
        }
        decision = self._scheduler.on_trial_result(self, trial, dict(result))
        self._events.append(Event(time=self.now, model=state.model, step=step, score=score, decision=decision))
        self._changes += 1
        if decision != TrialScheduler.STOP:
            self.search_alg.on_trial_result(trial.trial_id, dict(result))
        trial.run_metadata.last_result = result
        if trial.is_finished():
            return
        if decision == TrialScheduler.STOP:
            result["done"] = True
            self.stop_trial(trial)
        elif decision == TrialScheduler.PAUSE:
            trial.temporary_state.saving_to = _SAVING
            if self._costs.pause:
                self._later(self._costs.pause, "saved", trial)
            else:
                self._saved(trial)
        else:
            self._train(trial)

    def _saved(self, trial: Trial) -> None:
        self._release(trial)
        self._set(trial, Trial.PAUSED)

    # Books ------------------------------------------------------------------------------------------------------------

    def _later(self, delay: float, kind: str, trial: Trial) -> None:
        item = (self.now + max(delay, 0.0), next(self._order), kind, trial, self._states[trial].lease)
        heapq.heappush(self._agenda, item)

    def _set(self, trial: Trial, status: str) -> None:
        if trial.status == status:
            return
        self._waiting.discard(trial)
        trial.status = status
        self._changes += 1
        if status == Trial.PENDING:
            self._wait(trial)

    def _wait(self, trial: Trial) -> None:
        self._waiting.add(trial)
        self._pending.append(trial)
        self._changes += 1

    def _release(self, trial: Trial) -> None:
        """A trial gives its worker back, if it has one; nothing that was to happen to it happens."""
        state = self._states[trial]
        state.lease += 1
        trial.temporary_state.saving_to = None
        if state.since is not None:
            state.busy += self.now - state.since
            state.since = None
            self._busy -= 1

    def _told(self, ended: str) -> Replay:
        trials = []
        for trial in self._trials:
            state = self._states[trial]
            trials.append(
                ReplayedTrial(
                    model=state.model,
                    steps=state.step,
                    seconds=state.busy,
                    stopped_at=None if state.done == len(state.steps) else state.step,
                    score=state.values[state.done - 1] if state.done else None,
                )
            )
        if not trials:
            raise DeadlockError(f"{type(self.search_alg.searcher).__name__} proposed no trial")
        return Replay(
            trials=tuple(trials),
            makespan=self.now,
            ended=ended,
            events=tuple(self._events),
        )
