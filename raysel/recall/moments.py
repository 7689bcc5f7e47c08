"""The scale of each dataset, kept so that z-scores of some models can be had without those of all."""

from dataclasses import dataclass

import numpy as np

from raysel.arrays import FloatArray

_ROUNDING = 1e-9  # a deviation of less, in parts of the mean, is what rounding leaves


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """How many models of a zoo each dataset measured, and their mean and deviation.

    Args:
        count: (n_datasets,)
        mean: (n_datasets,) 0 where none was measured.
        spread: (n_datasets,) 0 where all are equal, or none was measured.

    >>> moments = Moments.of(np.array([[1.0], [3.0]]))
    >>> later = moments.exchanged(np.array([[1.0]]), np.array([[5.0], [4.0]]))
    >>> later.count.tolist(), later.mean.tolist(), later.standardised(np.array([[4.0]])).tolist()
    ([3.0], [4.0], [[0.0]])
    """

    count: FloatArray
    mean: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> "Moments":
        """Those of (n_models, n_datasets) values, NaN where not measured."""
        found = []
        for column in values.T:  # one at a time: memory for a column
            known = column[~np.isnan(column)]
            found.append((len(known), known.mean(), known.std()) if len(known) else (0.0, 0.0, 0.0))
        return cls(**dict(zip(("count", "mean", "spread"), np.array(found, dtype=float).reshape(-1, 3).T, strict=True)))

    def standardised(self, values: FloatArray) -> FloatArray:
        """(n, n_datasets) z-scores of some models' values, NaN where not measured, 0 where all of the zoo are equal."""
        varied = self.spread > _ROUNDING * np.abs(self.mean)
        z: FloatArray = (values - self.mean) / np.where(varied, self.spread, 1.0)
        return np.where(varied | np.isnan(values), z, 0.0)

    def exchanged(self, before: FloatArray, after: FloatArray) -> "Moments":
        """Those of the zoo with some models' values (n, n_datasets) put in the place of other ones."""
        # Sums about the old mean, where they lose no digits.
        total, squares, count = np.zeros_like(self.mean), self.count * self.spread**2, self.count.copy()
        for sign, values in ((-1, before), (1, after)):
            apart = values - self.mean
            total += sign * np.nansum(apart, axis=0)
            squares += sign * np.nansum(apart**2, axis=0)
            count += sign * (~np.isnan(values)).sum(axis=0)
        many = np.maximum(count, 1)
        variance = np.maximum(squares / many - (total / many) ** 2, 0.0)
        return Moments(count=count, mean=np.where(count > 0, self.mean + total / many, 0.0), spread=np.sqrt(variance))
