"""Why trials fail. One that hangs is ended; one whose machine was lost has done nothing wrong."""

import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import ray
from ray._private.state import actors
from ray.tune.experiment import Trial

from raysel.errors import OptionError

logger = logging.getLogger(__name__)

PATIENCE = 6 * 3600.0
"""Seconds within which a running trial is to make a step, where nobody says otherwise."""

_LOOK_EVERY = 1.0
_LONGEST = 300  # characters of a reason
_SILENCE = 300.0  # seconds after which a machine that does not answer is known to be lost, or not to be
_UNAVAILABLE = re.compile(r"The actor ([0-9a-f]{32}) is unavailable")
_NODE_LOST, _PREEMPTED = "its node has died", "node was preempted"


class Failures:
    """The clocks of running trials, and what became of those that failed.

    Args:
        timeout: Seconds that a running trial may take for a step, the start of its process included. Waiting for
            resources, or at a stage, does not count.

    Raises:
        OptionError: If that is not a positive number.
    """

    def __init__(self, timeout: float) -> None:
        if not (math.isfinite(timeout) and timeout > 0):
            raise OptionError("report_timeout", timeout, "a positive number of seconds")
        self._timeout = timeout
        self._looked_at = -math.inf
        self._moved: dict[str, tuple[float, float]] = {}  # each running trial's highest step since its start, and when
        self._backwards: set[str] = set()  # whom the log has named already
        self._silent: list[tuple[Trial, str, float]] = []  # trials whose process did not answer, its machine, and when
        self._ended: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._failed: set[str] = set()  # since this driver started, and not tried again yet

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why each trial that is not tried again failed, by trial id."""
        return self._reasons

    def restore(self, reasons: Mapping[str, str]) -> None:
        """Take up what was known before a restart."""
        self._reasons = dict(reasons)

    def report(self, trial: Trial, step: float) -> None:
        """A running trial reported: only a step beyond all that it made since its start is progress."""
        highest, _ = self._moved.get(trial.trial_id, (-math.inf, 0.0))
        if step > highest:
            self._moved[trial.trial_id] = step, time.monotonic()
        elif step < highest and trial.trial_id not in self._backwards:
            self._backwards.add(trial.trial_id)
            logger.warning("%s reports step %g after step %g: it does not count", trial.trial_id, step, highest)

    def end_hanging(self, trials: Sequence[Trial]) -> None:
        """Kill the process of each running trial that has made no step for too long; Tune then sees it fail."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY:
            return
        self._looked_at = now
        self._forgive(now)
        running = {trial.trial_id: trial for trial in trials if trial.status == Trial.RUNNING}
        self._moved = {name: self._moved.get(name, (-math.inf, now)) for name in running}
        for name, (step, since) in self._moved.items():
            process = running[name].temporary_state.ray_actor
            if now - since <= self._timeout or process is None:
                continue
            beyond = "" if step == -math.inf else f" beyond {step:g}"
            self._ended[name] = f"hung: no step{beyond} within {self._timeout:g} s (report_timeout)"
            self._moved[name] = step, now
            logger.warning("%s %s", name, self._ended[name])
            ray.kill(process)

    def forget(self, trial: Trial) -> bool:
        """A trial is added, perhaps again: whether it failed since this driver started."""
        self._reasons.pop(trial.trial_id, None)
        failed = trial.trial_id in self._failed
        self._failed.discard(trial.trial_id)
        return failed

    def note(self, trial: Trial, reason: str | None = None) -> None:
        """A trial failed: remember why. That its machine was lost does not count against Tune's `max_failures`.

        Args:
            trial: The trial.
            reason: Why, where its error does not say so.
        """
        error = "" if reason else _newest_error(trial)
        trial.run_metadata.num_failures -= counted_in_vain(error)
        if silent := _UNAVAILABLE.search(error):  # whether its process or its machine is gone shows later
            machine = actors(silent[1]).get("Address", {}).get("NodeID", "")
            self._silent.append((trial, machine, time.monotonic()))
        self._failed.add(trial.trial_id)
        self._moved.pop(trial.trial_id, None)
        ended = self._ended.pop(trial.trial_id, None)
        self._reasons[trial.trial_id] = reason or ended or told(error)

    def _forgive(self, now: float) -> None:
        """Take back failures that turn out to be the loss of a machine."""
        if not self._silent:
            return
        lost = {node["NodeID"] for node in ray.nodes() if not node["Alive"]}
        for trial, machine, _ in self._silent:
            trial.run_metadata.num_failures -= machine in lost
        self._silent = [
            (trial, machine, since)
            for trial, machine, since in self._silent
            if machine not in lost and now - since < _SILENCE
        ]


def _newest_error(trial: Trial) -> str:
    """What Tune wrote into the trial's error file last."""
    path = trial.error_file
    return Path(path).read_text().rpartition("Failure # ")[2] if path and Path(path).is_file() else ""


def told(error: str) -> str:
    """A reason from what Tune wrote of an error: its last line.

    >>> told("in line 3\\nRuntimeError: weights do not fit\\n")
    'failed: RuntimeError: weights do not fit'
    """
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return f"failed: {lines[-1][:_LONGEST]}" if lines else "failed, nobody knows why"


def counted_in_vain(error: str) -> bool:
    """Whether Ray counted a failure that is the loss of a machine; announced ones (pre-emption) it does not count."""
    return _NODE_LOST in error and _PREEMPTED not in error
