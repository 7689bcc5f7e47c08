"""Mining: past curves, laid out so that trends can be read off them at any fraction of a run."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from raysel.arrays import FloatArray, IntArray
from raysel.history.curves import Curve

T = TypeVar("T")

_SLACK = 1e-9  # 3 steps of 5 and 0.6 differ in the last bit


@dataclass(frozen=True, kw_only=True, eq=False)
class Trends:
    """The validation curves of past runs in one direction, aligned by fraction of their planned steps.

    Made by `mine`. Runs are sorted by model, then dataset, then run, so that equal histories give equal trends however
    their rows were stored. A run that was stopped or still goes on has no final: it says where scores lie at a
    fraction, never where they end.

    Args:
        models: n_models distinct names, sorted.
        datasets: n_datasets distinct names, sorted.
        model: (n_runs,) index into `models`, ascending.
        dataset: (n_runs,) index into `datasets`.
        finals: (n_runs,) finals, higher is better; NaN where the run has none.
        starts: (n_runs + 1,) where each run's points begin in `fractions` and `values`; its last entry is n_points.
        fractions: (n_points,) steps as fractions of the planned steps, increasing within a run.
        values: (n_points,) validation scores, higher is better.
        lower_is_better: True when the metric is to be minimised, so that `values` and `finals` are negated.
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...]
    model: IntArray
    dataset: IntArray
    finals: FloatArray
    starts: IntArray
    fractions: FloatArray
    values: FloatArray
    lower_is_better: bool
    _cache: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """The number of runs."""
        return len(self.model)

    def rows(self, model: str) -> slice:
        """The runs of one model; empty for a model without any."""
        index = self._index.get(model)
        if index is None:
            return slice(0, 0)
        begin, end = np.searchsorted(self.model, [index, index + 1])
        return slice(int(begin), int(end))

    def at(self, fraction: float, rows: slice = slice(None)) -> FloatArray:
        """Validation scores at a fraction of the planned steps, interpolated; NaN outside what a run measured.

        The same value as `Curve.at`, for many runs at once.

        Args:
            fraction: Where to read, in (0, 1].
            rows: A contiguous range of runs; all of them by default.

        Returns:
            One score a run of `rows`, higher is better.
        """
        begin, end = self.starts[:-1][rows], self.starts[1:][rows]
        if not len(begin):
            return np.empty(0)
        fractions, values = self.fractions[begin[0] : end[-1]], self.values[begin[0] : end[-1]]
        begin, end = begin - begin[0], end - begin[0]
        reached = np.add.reduceat((fractions <= fraction + _SLACK).astype(np.int64), begin)
        left = begin + np.maximum(reached, 1) - 1
        right = np.minimum(left + 1, end - 1)
        ahead, gap = fraction - fractions[left], fractions[right] - fractions[left]
        weight = np.divide(ahead, gap, out=np.zeros(len(begin)), where=(gap > 0) & (ahead > _SLACK))
        scores = (1 - weight) * values[left] + weight * values[right]
        return np.where((reached > 0) & (fraction <= fractions[end - 1] + _SLACK), scores, np.nan)

    def cached(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` returned when it was first asked for under this key; not pickled."""
        if key not in self._cache:
            self._cache[key] = compute()
        value: T = self._cache[key]
        return value

    @cached_property
    def _index(self) -> dict[str, int]:
        return {model: index for index, model in enumerate(self.models)}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_cache": {}}


def mine(curves: Iterable[Curve], *, lower_is_better: bool) -> Trends:
    """Lays past curves out as `Trends`.

    Kept are the runs whose metric has the direction asked for and that measured something. Completed runs bring scores
    and finals; stopped and running ones bring scores alone. Failed runs are left out: what broke a run may have
    spoilt its scores.

    Args:
        curves: Past runs, the target's own left out (`History.curves(without=...)`).
        lower_is_better: The target metric's direction.

    >>> run = dict(model="m", status="completed", planned_steps=2, steps=np.array([1.0, 2.0]))
    >>> past = [Curve(run_id="r2", dataset="y", values=np.array([0.4, 0.8]), final=0.7, **run),
    ...         Curve(run_id="r1", dataset="x", values=np.array([0.5, 0.6]), final=0.6, **run)]
    >>> trends = mine(past, lower_is_better=False)
    >>> trends.datasets, trends.at(0.75).round(2).tolist(), trends.finals.tolist()
    (('x', 'y'), [0.55, 0.6], [0.6, 0.7])
    """
    kept = sorted(
        (c for c in curves if c.lower_is_better == lower_is_better and c.status != "failed" and len(c.steps)),
        key=lambda curve: (curve.model, curve.dataset, curve.run_id),
    )
    models, model = _coded(curve.model for curve in kept)
    datasets, dataset = _coded(curve.dataset for curve in kept)
    return Trends(
        models=models,
        datasets=datasets,
        model=model,
        dataset=dataset,
        finals=np.array([np.nan if curve.final is None else curve.final for curve in kept], dtype=np.float64),
        starts=np.cumsum([0, *(len(curve.steps) for curve in kept)], dtype=np.int64),
        fractions=np.concatenate([np.empty(0), *(curve.fractions for curve in kept)]),
        values=np.concatenate([np.empty(0), *(curve.values for curve in kept)]),
        lower_is_better=lower_is_better,
    )


def _coded(names: Iterator[str]) -> tuple[tuple[str, ...], IntArray]:
    """The distinct names, sorted, and where each name stands among them."""
    listed = list(names)
    distinct = tuple(sorted(set(listed)))
    place = {name: index for index, name in enumerate(distinct)}
    return distinct, np.array([place[name] for name in listed], dtype=np.int64)
