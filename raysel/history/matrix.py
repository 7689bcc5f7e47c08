"""The performance matrix: finals of models on datasets, with holes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raysel.arrays import FloatArray
from raysel.errors import OptionError


@dataclass(frozen=True, kw_only=True, eq=False)
class PerformanceMatrix:
    """Finals of models on datasets, turned so that higher is better.

    Args:
        models: n_models distinct names.
        datasets: n_datasets distinct names.
        values: (n_models, n_datasets) finals, NaN where not measured; negated where lower is better.
        lower_is_better: n_datasets flags, true where the column's metric is to be minimised (its values are negated);
            empty means that none is.

    Raises:
        OptionError: If names repeat, shapes differ or a value is infinite.

    >>> matrix = PerformanceMatrix(models=("a", "b"), datasets=("x", "y"), values=np.array([[0.5, 0.9], [0.7, np.nan]]))
    >>> matrix.without("y").values.tolist()
    [[0.5], [0.7]]
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...]
    values: FloatArray
    lower_is_better: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if not self.lower_is_better:
            object.__setattr__(self, "lower_is_better", (False,) * len(self.datasets))
        for field, names in (("models", self.models), ("datasets", self.datasets)):
            if len(set(names)) != len(names):
                raise OptionError(field, sorted({n for n in names if names.count(n) > 1}), "free of repeated names")
        if self.values.shape != (len(self.models), len(self.datasets)):
            raise OptionError("values", self.values.shape, f"of shape {(len(self.models), len(self.datasets))}")
        if np.any(np.isinf(self.values)):
            raise OptionError("values", "infinite", "finite, or NaN where not measured")
        if len(self.lower_is_better) != len(self.datasets):
            raise OptionError("lower_is_better", len(self.lower_is_better), f"{len(self.datasets)} flags")

    @cached_property
    def row(self) -> dict[str, int]:
        """Row number by model."""
        return {model: index for index, model in enumerate(self.models)}

    def without(self, dataset: str) -> "PerformanceMatrix":
        """The matrix less one dataset (unchanged where it has none of that name) and the models it alone measured."""
        kept = [j for j, name in enumerate(self.datasets) if name != dataset]
        if len(kept) == len(self.datasets) and not np.isnan(self.values).all(axis=1).any():
            return self
        return self._pick(range(len(self.models)), kept)._measured()

    def restricted(self, models: Iterable[str]) -> "PerformanceMatrix":
        """The matrix of the models named, in its own order; names without a row are passed over."""
        wanted = set(models)
        rows = [i for i, name in enumerate(self.models) if name in wanted]
        return self._pick(rows, range(len(self.datasets)))

    def _measured(self) -> "PerformanceMatrix":
        rows = np.flatnonzero(~np.all(np.isnan(self.values), axis=1))
        return self._pick(rows.tolist(), range(len(self.datasets)))

    def _pick(self, rows: Sequence[int], columns: Sequence[int]) -> "PerformanceMatrix":
        return PerformanceMatrix(
            models=tuple(self.models[i] for i in rows),
            datasets=tuple(self.datasets[j] for j in columns),
            values=self.values[np.ix_(list(rows), list(columns))],
            lower_is_better=tuple(self.lower_is_better[j] for j in columns),
        )
