"""Proxy scores on the target, computed by Ray tasks and kept in the history."""

import faulthandler
import logging
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import ray
from ray.exceptions import OutOfMemoryError, WorkerCrashedError

from raysel import models
from raysel.errors import HistoryError, OptionError, RayselError
from raysel.finetune.hardware import hardware_here
from raysel.history import History
from raysel.proxies import Proxy, proxy_named
from raysel.target import Target
from raysel.tune.samples import fingerprint, looked_at

logger = logging.getLogger(__name__)

Scores = dict[str, dict[str, float]]

LOOKED_AT = 1000  # samples of the target that proxies look at, at most, where nobody says otherwise
# What a driver that is killed loses, against files in the history.
_KEPT_TOGETHER = 100  # rows
_KEPT_AFTER = 10.0  # seconds


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """What a task says of one proxy.

    Args:
        value: The score; not finite where there is none.
        seconds: What it took, the forward pass included.
        problem: Why there is no score.
        lasting: Whether the model can never have one, whatever happens.
    """

    value: float
    seconds: float
    problem: str | None
    lasting: bool = False


class ProxyScoring:
    """Scores models on a target: one Ray task a model, several at a time, none computed twice.

    A model that cannot be scored, whatever happens to it, is left without scores; `failures` says why, by model.

    Args:
        history: Where scores are looked up and kept (under model, dataset, fingerprint of the samples that were looked
            at, proxy and version), and why a model cannot have one.
        target: The dataset, with `samples`.
        proxies: Names of proxies.
        models: The models to score.
        extract: See `RecallSearcher`.
        resources: Resources of one task: `cpu`, `gpu` and custom ones.
        max_samples: How many samples to look at, at most.
        timeout: Seconds that one model may take.
        seed: Draws the samples.

    Raises:
        OptionError: If the target's task is not said.
    """

    def __init__(
        self,
        history: History,
        *,
        target: Target,
        proxies: Sequence[str],
        models: Sequence[str],
        extract: Callable[[str, Any], Any] | None,
        resources: Mapping[str, float],
        max_samples: int,
        timeout: float,
        seed: int,
    ) -> None:
        if not target.task:
            raise OptionError("task", target.task, "given with the target where proxies are to be computed")
        self._history, self._target, self._extract = history, target, extract
        self._proxies, self._models = tuple(proxies), tuple(models)
        self._timeout = timeout
        self._task: Any = ray.remote(_score_model).options(
            max_retries=0,  # what was killed for its memory once would be again, and Ray would never give up
            num_cpus=resources.get("cpu", 1),
            num_gpus=resources.get("gpu", 0),
            resources={name: amount for name, amount in resources.items() if name not in ("cpu", "gpu")},
        )
        taken: Any = ray.remote(_take_samples).options(num_returns=2).remote(target, models, max_samples, seed)
        self._samples, self._told_ref = taken
        self._fingerprint: str | None = None
        self._revisions: dict[str, str] = {}
        self._pending: dict[Any, tuple[str, float]] = {}
        self._lacking: dict[str, dict[str, str]] = {}
        self._scores: Scores = {}
        self._rows: list[dict[str, Any]] = []
        self._kept_at = time.monotonic()

    def poll(self) -> bool:
        """Take in what has finished; true when nothing is pending any more. Never blocks."""
        if self._fingerprint is None:
            if not ray.wait([self._told_ref], timeout=0)[0]:
                return False
            self._fingerprint, self._revisions = ray.get(self._told_ref)
            self._start()
        done = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)[0] if self._pending else []
        for ref in done:
            self._take(*self._pending.pop(ref), ref)
        due = len(self._rows) >= _KEPT_TOGETHER or time.monotonic() - self._kept_at >= _KEPT_AFTER
        if due or not self._pending:
            self.keep()
        return not self._pending

    def keep(self) -> None:
        """File in the history what has been found since the last time; `poll` does so by itself, now and then."""
        self._kept_at = time.monotonic()
        if not self._rows:
            return
        try:
            self._history.append(proxies=pd.DataFrame(self._rows))
        except (OSError, HistoryError) as error:
            logger.warning("proxy scores could not be kept in %s: %s", self._history.uri, error)
        self._rows = []

    @property
    def failures(self) -> dict[str, str]:
        """By model, which scores it lacks and why."""
        order = ("", *self._proxies)
        return {
            model: "; ".join(told[proxy] for proxy in order if proxy in told) for model, told in self._lacking.items()
        }

    def scores(self) -> dict[str, dict[str, float]]:
        """The scores by proxy and model; a proxy that no model has is left out."""
        found = {
            proxy: {model: scores[proxy] for model, scores in self._scores.items() if proxy in scores}
            for proxy in self._proxies
        }
        if not any(found.values()):
            logger.warning("no proxy could be computed on %s: recall goes on without", self._target.name)
        return {proxy: scores for proxy, scores in found.items() if scores}

    def unscored(self) -> dict[str, str]:
        """By model what it lacks and why: those without any score first, then as candidates come.

        Tasks end in any order; what is told of them does not depend on it.
        """
        failures = self.failures
        without = [model for model in self._models if model in failures]
        return {model: failures[model] for model in sorted(without, key=lambda model: model in self._scores)}

    def _start(self) -> None:
        for row in self._on_record(self._history.proxies()):
            self._scores.setdefault(row["model"], {})[row["proxy"]] = float(row["value"])
        for row in self._on_record(self._history.refusals()):
            self._lacks(row["model"], row["proxy"], row["reason"])
        for model in self._models:
            settled = {*self._scores.get(model, {}), *self._lacking.get(model, {})}
            missing = [proxy for proxy in self._proxies if proxy not in settled]
            if missing:
                ref = self._task.remote(model, missing, self._samples, self._target.task, self._extract, self._timeout)
                self._pending[ref] = model, time.monotonic()
        logger.info("scoring %d of %d models on %s", len(self._pending), len(self._models), self._target.name)

    def _on_record(self, table: pd.DataFrame) -> Iterator[dict[Hashable, Any]]:
        """The rows that are of these samples, and of models and proxies as they are now."""
        versions = {proxy: proxy_named(proxy).version for proxy in self._proxies}
        known = table[
            (table["dataset"] == self._target.name)
            & (table["fingerprint"] == self._fingerprint)
            & table["model"].isin(self._models)
        ]
        for row in known.to_dict("records"):
            # What somebody else's `extract` saw has no revision.
            current = "" if self._extract is not None else self._revisions.get(row["model"], row["revision"] or None)
            if versions.get(row["proxy"]) == row["version"] and current == row["revision"]:
                yield row

    def _lacks(self, model: str, proxy: str, why: str) -> None:
        logger.warning("%s has no %s on %s: %s", model, proxy, self._target.name, why)
        self._lacking.setdefault(model, {})[proxy] = f"no {proxy}: {why}"

    def _take(self, model: str, begun: float, ref: Any) -> None:
        try:
            revision, hardware, results = ray.get(ref)
        except Exception as error:  # whatever a model's own code raises must not end the selection
            why = f"cannot be scored: {_why(error, self._timeout, time.monotonic() - begun)}"
            logger.warning("%s on %s %s", model, self._target.name, why)
            self._lacking.setdefault(model, {})[""] = why
            return
        for proxy, found in results.items():
            if found.problem is None:
                logger.info("%s: %s %.4f on %s (%.2f s)", model, proxy, found.value, self._target.name, found.seconds)
                self._scores.setdefault(model, {})[proxy] = found.value
            else:
                self._lacks(model, proxy, found.problem)
            if found.problem is None or found.lasting:
                self._rows.append(
                    {
                        "model": model,
                        "revision": revision,
                        "dataset": self._target.name,
                        "fingerprint": self._fingerprint,
                        "proxy": proxy,
                        "version": proxy_named(proxy).version,
                        "value": found.value,
                        "seconds": found.seconds,
                        "hardware": hardware,
                        "reason": found.problem or "",
                    }
                )


def _take_samples(
    target: Target, names: Sequence[str], max_samples: int, seed: int
) -> tuple[tuple[Any, Any], tuple[str, dict[str, str]]]:
    """A task: the samples that proxies look at; the fingerprint of just these, and the revisions of folders."""
    inputs, labels = looked_at(target, max_samples=max_samples, seed=seed)
    # A model of a hub stays at the revision that the cache has; a folder is easily written over.
    folders = {name: _revision(name) for name in names if name.startswith("file:")}
    return (inputs, labels), (fingerprint(inputs, labels), folders)


def _revision(model: str) -> str:
    try:
        return models.revision(model)
    except (RayselError, OSError):
        return ""  # that it cannot be read is said when it is scored


def _score_model(
    model: str,
    proxies: Sequence[str],
    samples: tuple[Any, Any],
    task: str,
    extract: Callable[[str, Any], Any] | None,
    timeout: float,
) -> tuple[str, str, dict[str, _Scored]]:
    """A task: the model's revision, the hardware and what was found by proxy; one forward pass feeds them all."""
    # Ends this process whatever it hangs in, and leaves in Ray's logs where that was.
    faulthandler.dump_traceback_later(timeout, exit=True, file=sys.__stderr__ or 2)
    try:
        inputs, labels = samples
        began = time.perf_counter()
        found = (extract or models.extract)(model, inputs)
        passed = getattr(found, "seconds", None) or time.perf_counter() - began  # a first pass loads libraries too
        revision = _revision(model) if extract is None else ""
        scored = {name: _scored(proxy_named(name), found, labels, task, passed) for name in proxies}
        if extract is not None:  # which may give more the next time
            scored = {name: replace(one, lasting=False) for name, one in scored.items()}
        return revision, hardware_here(), scored
    finally:
        faulthandler.cancel_dump_traceback_later()


def _scored(proxy: Proxy, found: Any, labels: Any, task: str, passed: float) -> _Scored:
    """One proxy from what a model makes of the samples; the forward pass took `passed` seconds."""
    needed = getattr(found, proxy.needs, None)
    if task not in proxy.tasks:
        return _Scored(value=np.nan, seconds=passed, problem=f"{proxy.name} is not defined for {task}", lasting=True)
    if needed is None:
        return _Scored(value=np.nan, seconds=passed, problem=f"the model gives no {proxy.needs}", lasting=True)
    began, value = time.perf_counter(), float("nan")
    try:
        value = float(proxy.score(np.asarray(needed), labels, task=task))
    except (ValueError, ArithmeticError) as error:
        problem: str | None = str(error)
    else:
        problem = None if np.isfinite(value) else f"the score is {value}"
    return _Scored(value=value, seconds=passed + time.perf_counter() - began, problem=problem)


def _why(error: Exception, timeout: float, waited: float) -> str:
    """Why a task failed, in a line."""
    if isinstance(error, OutOfMemoryError):
        return "its process was killed, since the machine's memory ran out"
    if isinstance(error, WorkerCrashedError):  # what the watchdog ends looks the same, but not so soon
        return f"its process died, or took longer than {timeout:g} s" if waited >= timeout else "its process died"
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
