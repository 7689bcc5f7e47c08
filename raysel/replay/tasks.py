"""Tasks: one dataset of a history becomes the target, and its recorded runs are what trials of it would do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raysel.errors import OptionError, UnknownNameError
from raysel.history import Curve
from raysel.history.curves import timed
from raysel.history.tables import canonical
from raysel.replay.outcome import unit
from raysel.replay.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A target whose runs are all on record.

    Args:
        history: Everything known; what is asked of it leaves the target out.
        target: The dataset that a model is wanted for.
        runs: The run of each model on the target: completed, with a final, all of the same planned steps.
    """

    history: Snapshot
    target: str
    runs: Mapping[str, Curve]

    @cached_property
    def finals(self) -> dict[str, float]:
        """The final of each model, higher is better."""
        return {model: run.final for model, run in self.runs.items() if run.final is not None}

    @cached_property
    def best(self) -> str:
        """The model with the best final, of equal ones the first by name."""
        return max(sorted(self.finals), key=lambda model: self.finals[model])

    @cached_property
    def after_all(self) -> str:
        """The model that fine-tuning all would select: the best last validation score."""
        return max(sorted(self.runs), key=lambda model: self.runs[model].values[-1])

    @property
    def max_t(self) -> float:
        """Where trials end, in steps."""
        return next(iter(self.runs.values())).planned_steps

    @property
    def unit(self) -> float:
        """What schedulers that count in epochs count in, in steps."""
        return unit(self.runs.values())

    @property
    def timed(self) -> bool:
        """Whether every run recorded its seconds, on the same hardware."""
        return timed(self.runs.values())


def targets(history: Snapshot, *, more_than: int) -> tuple[str, ...]:
    """The datasets on which more models than a number have a run that can be replayed, by name."""
    names = sorted({curve.dataset for curve in history.curves()})
    return tuple(name for name in names if len(_tables(history, name)) > more_than)


def task(history: Snapshot, target: str, *, seed: int = 0) -> Task:
    """The task of finding a model for a dataset of the history.

    A model is replayed by a completed run with a final. Of several configurations the one with the best mean last
    validation score is taken (the one that the performance matrix is made of), and of its runs the one that `seed`
    numbers. Where planned steps differ, the most common number counts and models with another are left out.

    Args:
        history: A history that has runs of the target.
        target: A dataset of it.
        seed: From 0 on.

    Raises:
        UnknownNameError: If the history knows no such dataset.
        OptionError: If fewer than two models have such a run.
    """
    known = {curve.dataset for curve in history.curves()}
    if target not in known:
        raise UnknownNameError("dataset", target, sorted(known))
    tables = _tables(history, target)
    if len(tables) < 2:
        raise OptionError("target", target, "a dataset on which at least two models have a completed run")
    return Task(
        history=history, target=target, runs={model: found[seed % len(found)] for model, found in tables.items()}
    )


def _tables(history: Snapshot, target: str) -> dict[str, list[Curve]]:
    """The runs of each model's best configuration on a dataset, by model."""
    found = [c for c in history.curves(dataset=target) if c.final is not None and c.steps[-1] >= c.planned_steps]
    planned = Counter(curve.planned_steps for curve in found).most_common(1)
    by_model: dict[str, dict[str, list[Curve]]] = {}
    for curve in found:
        if curve.planned_steps == planned[0][0]:
            by_model.setdefault(curve.model, {}).setdefault(canonical(curve.config), []).append(curve)
    return {model: max(groups.values(), key=_last_score) for model, groups in by_model.items()}


def _last_score(runs: Sequence[Curve]) -> float:
    return float(np.mean([run.values[-1] for run in runs]))
