"""Proxy scores on the target, computed by Ray tasks and kept in the history."""

import faulthandler
import hashlib
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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

logger = logging.getLogger(__name__)

Scores = dict[str, dict[str, float]]

LOOKED_AT = 1000  # samples of the target that proxies look at, at most, where nobody says otherwise
_KEPT_TOGETHER = 100  # rows: what a driver that dies loses, against files in the history


class ProxyScoring:
    """Scores models on a target: one Ray task a model, several at a time, none computed twice.

    A model that cannot be scored, whatever happens to it, is left without scores; `failures` says why, by model.

    Args:
        history: Where scores are looked up and kept (under model, dataset, fingerprint of the data, proxy and version).
        target: The dataset, with `samples`.
        proxies: Names of proxies.
        models: The models to score.
        extract: See `RecallSearcher`.
        resources: Resources of one task: `cpu`, `gpu` and custom ones.
        max_samples: How many samples to look at, at most.
        timeout: Seconds that one model may take.
        seed: Draws the samples.
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
        self.failures: dict[str, str] = {}
        self._scores: Scores = {}
        self._rows: list[dict[str, Any]] = []

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
        if self._rows and (not self._pending or len(self._rows) >= _KEPT_TOGETHER):
            self._keep()
        return not self._pending

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
        without = [model for model in self._models if model in self.failures]
        return {model: self.failures[model] for model in sorted(without, key=lambda model: model in self._scores)}

    def _start(self) -> None:
        self._scores = self._cached()
        for model in self._models:
            missing = [proxy for proxy in self._proxies if proxy not in self._scores.get(model, {})]
            if missing:
                ref = self._task.remote(model, missing, self._samples, self._target.task, self._extract, self._timeout)
                self._pending[ref] = model, time.monotonic()
        logger.info("scoring %d of %d models on %s", len(self._pending), len(self._models), self._target.name)

    def _cached(self) -> Scores:
        table = self._history.proxies()
        versions = {proxy: proxy_named(proxy).version for proxy in self._proxies}
        known = table[
            (table["dataset"] == self._target.name)
            & (table["fingerprint"] == self._fingerprint)
            & table["model"].isin(self._models)
        ]
        scores: Scores = {}
        for row in known.to_dict("records"):
            current = self._revisions.get(row["model"], row["revision"])
            if versions.get(row["proxy"]) == row["version"] and current == row["revision"]:
                scores.setdefault(row["model"], {})[row["proxy"]] = float(row["value"])
        return scores

    def _take(self, model: str, begun: float, ref: Any) -> None:
        try:
            revision, hardware, results = ray.get(ref)
        except Exception as error:  # whatever a model's own code raises must not end the selection
            self.failures[model] = f"cannot be scored: {_why(error, self._timeout, time.monotonic() - begun)}"
            logger.warning("%s on %s %s", model, self._target.name, self.failures[model])
            return
        for proxy, (value, seconds, problem) in results.items():
            if problem is not None:
                logger.warning("%s has no %s on %s: %s", model, proxy, self._target.name, problem)
                self.failures[model] = f"no {proxy}: {problem}"
                continue
            logger.info("%s: %s %.4f on %s (%.2f s)", model, proxy, value, self._target.name, seconds)
            self._scores.setdefault(model, {})[proxy] = value
            self._rows.append(
                {
                    "model": model,
                    "revision": revision,
                    "dataset": self._target.name,
                    "fingerprint": self._fingerprint,
                    "proxy": proxy,
                    "version": proxy_named(proxy).version,
                    "value": value,
                    "seconds": seconds,
                    "hardware": hardware,
                }
            )

    def _keep(self) -> None:
        try:
            self._history.append(proxies=pd.DataFrame(self._rows))
        except (OSError, HistoryError) as error:
            logger.warning("proxy scores could not be kept in %s: %s", self._history.uri, error)
        self._rows = []


def _take_samples(
    target: Target, names: Sequence[str], max_samples: int, seed: int
) -> tuple[tuple[Any, Any], tuple[str, dict[str, str]]]:
    """A task: the samples that proxies look at; the fingerprint of all of them, and the revisions of folders."""
    if target.samples is None:
        raise OptionError("samples", None, "a function that returns (inputs, labels)")
    inputs, labels = target.samples()
    labels = np.asarray(labels)
    if len(labels) < 2 or labels.ndim != 1 or len(inputs) != len(labels):
        raise OptionError("samples", (len(inputs), labels.shape), "inputs and labels of one length, at least 2")
    chosen = subsample(labels, task=target.task, size=max_samples, seed=seed)
    taken = [inputs[i] for i in chosen] if isinstance(inputs, list | tuple) else inputs[chosen]
    # A model of a hub stays at the revision that the cache has; a folder is easily written over.
    folders = {name: _revision(name) for name in names if name.startswith("file:")}
    return (taken, labels[chosen]), (fingerprint(inputs, labels), folders)


def _revision(model: str) -> str:
    try:
        return models.revision(model)
    except (RayselError, OSError):
        return ""  # that it cannot be read is said when it is scored


def subsample(labels: Any, *, task: str, size: int, seed: int) -> Any:
    """Indices of at most `size` samples, in order; for classification every class keeps its share."""
    if len(labels) <= size:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    if task == "regression":
        return np.sort(order[:size])
    # Sorting samples by their rank within the class, as a share of it, takes all classes down together.
    groups = pd.Series(labels[order])
    within = groups.groupby(groups).cumcount().to_numpy() / groups.map(groups.value_counts()).to_numpy()
    return np.sort(order[np.argsort(within, kind="stable")[:size]])


def fingerprint(inputs: Any, labels: Any) -> str:
    """Sixteen hexadecimal digits that change with the data."""
    digest = hashlib.sha256()
    for part in (inputs, labels):
        if hasattr(part, "digest"):  # files, which know their own
            digest.update(part.digest.encode())
            continue
        array = np.asarray(part)
        digest.update(f"{array.dtype.kind}{array.shape}".encode())
        if array.dtype.kind in "OU":
            for item in array.ravel().tolist():
                digest.update(f"{len(str(item))}:{item}".encode())
        else:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _score_model(
    model: str,
    proxies: Sequence[str],
    samples: tuple[Any, Any],
    task: str,
    extract: Callable[[str, Any], Any] | None,
    timeout: float,
) -> tuple[str, str, dict[str, tuple[float, float, str | None]]]:
    """A task: the model's revision, the hardware and (value, seconds, problem) by proxy; one forward pass feeds all."""
    # Ends this process whatever it hangs in, and leaves in Ray's logs where that was.
    faulthandler.dump_traceback_later(timeout, exit=True, file=sys.__stderr__ or 2)
    try:
        inputs, labels = samples
        began = time.perf_counter()
        found = (extract or models.extract)(model, inputs)
        passed = getattr(found, "seconds", None) or time.perf_counter() - began  # a first pass loads libraries too
        revision = _revision(model) if extract is None else ""
        results = {name: _scored(proxy_named(name), found, labels, task, passed) for name in proxies}
        return revision, hardware_here(), results
    finally:
        faulthandler.cancel_dump_traceback_later()


def _scored(proxy: Proxy, found: Any, labels: Any, task: str, passed: float) -> tuple[float, float, str | None]:
    """(value, seconds, problem) of one proxy; the seconds count those of the forward pass."""
    began, value, problem = time.perf_counter(), float("nan"), None
    needed = getattr(found, proxy.needs, None)
    if task not in proxy.tasks:
        problem = f"{proxy.name} is not defined for {task}"
    elif needed is None:
        problem = f"the model gives no {proxy.needs}"
    else:
        try:
            value = float(proxy.score(np.asarray(needed), labels, task=task))
        except (ValueError, ArithmeticError) as error:
            problem = str(error)
        else:
            problem = None if np.isfinite(value) else f"the score is {value}"
    return value, passed + time.perf_counter() - began, problem


def _why(error: Exception, timeout: float, waited: float) -> str:
    """Why a task failed, in a line."""
    if isinstance(error, OutOfMemoryError):
        return "its process was killed, since the machine's memory ran out"
    if isinstance(error, WorkerCrashedError):  # what the watchdog ends looks the same, but not so soon
        return f"its process died, or took longer than {timeout:g} s" if waited >= timeout else "its process died"
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
