"""The front of a large zoo: the few thousand models among which recall looks, found in one pass over all of them.

To compare every two of n models takes time and memory of n squared. Up to `EXACT` models that is affordable, and
nothing is left out. Of a larger zoo only the models go on that stand highest by prior, or would if any one of the
datasets were left out. Their z-scores and priors remain those in the whole zoo; clusters, trust in proxies and
diversity are worked out within the front. (Without a proxy a shortlist takes only models that are far ahead by prior;
and to tell whether diversity pays, each dataset is left out in turn.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from raysel.arrays import FloatArray, IntArray
from raysel.history import PerformanceMatrix
from raysel.recall.prior import prior, standardise

EXACT = 5_000
"""Models up to which all are compared with one another, and the size of the front of a larger zoo."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Front(PerformanceMatrix):
    """The leading models of a larger zoo.

    Args:
        z: (n_models, n_datasets) z-scores among all models of the zoo, NaN where not measured.
        beyond: How many models to choose from are left out.
    """

    z: FloatArray
    beyond: int

    def without(self, dataset: str) -> "Front":
        """The front less one dataset and the models that it alone measured.

        Z-scores on the other datasets stay as they are, and so do the leaders, who are those wherever one is left out.
        """
        columns = [j for j, name in enumerate(self.datasets) if name != dataset]
        if len(columns) == len(self.datasets):
            return self
        rows = np.flatnonzero(~np.isnan(self.z[:, columns]).all(axis=1))
        return self.picked(rows, columns)

    def picked(self, rows: IntArray, columns: Sequence[int]) -> "Front":
        """Some of its models on some of the datasets."""
        cells = np.ix_(rows, np.array(columns, dtype=np.int64))
        return Front(
            models=tuple(self.models[i] for i in rows),
            datasets=tuple(self.datasets[j] for j in columns),
            values=self.values[cells],
            lower_is_better=tuple(self.lower_is_better[j] for j in columns),
            z=self.z[cells],
            beyond=self.beyond,
        )


def z_scores(matrix: PerformanceMatrix) -> FloatArray:
    """(n_models, n_datasets) z-scores of models in their zoo: the matrix itself, unless it is the front of a larger."""
    return matrix.z if isinstance(matrix, Front) else standardise(matrix.values)


def front(matrix: PerformanceMatrix, *, among: IntArray | None = None, most: int = EXACT) -> PerformanceMatrix:
    """The matrix itself where it has at most `most` models, else the `most` that lead it, in its own order.

    Args:
        matrix: The whole zoo; of models that stand equally high the first are taken.
        among: Rows to choose from; by default all.
        most: Models up to which nothing is left out, at least 1.

    >>> values = np.array([[0.9, 0.8], [0.1, 0.9], [0.2, 0.2], [0.3, 0.1]])
    >>> front(PerformanceMatrix(models=tuple("abcd"), datasets=("x", "y"), values=values), most=2).models
    ('a', 'b')
    """
    if len(matrix.models) <= most or isinstance(matrix, Front):
        return matrix
    z = standardise(matrix.values)
    rows = np.arange(len(z)) if among is None else among
    candidates = len(rows)
    if candidates > most:
        rows = rows[leaders(z if among is None else z[rows], most=most)]
    return Front(
        models=tuple(matrix.models[row] for row in rows),
        datasets=matrix.datasets,
        values=matrix.values[rows],
        lower_is_better=matrix.lower_is_better,
        z=z[rows],
        beyond=candidates - len(rows),
    )


def leaders(z: FloatArray, *, most: int) -> IntArray:
    """The `most` rows that come first by prior, from all datasets or all but one, whichever places a row best.

    Args:
        z: (n_models, n_datasets) z-scores, NaN where not measured.
        most: At least 1.

    Returns:
        Row numbers, ascending.
    """
    place = np.full(len(z), len(z))
    for rows in _by_prior(z, most):
        place[rows] = np.minimum(place[rows], np.arange(len(rows)))
    return np.sort(np.argsort(place, kind="stable")[:most])


def _by_prior(z: FloatArray, most: int) -> Iterator[IntArray]:
    """The best rows by prior, best first; then, dataset by dataset, those measured there by prior from the others."""
    measured = ~np.isnan(z)
    total, count = np.sum(z, axis=1, where=measured), measured.sum(axis=1)
    yield _best(prior(z), most)
    for column, known in zip(z.T, measured.T, strict=True):
        rows = np.flatnonzero(known)
        yield rows[_best((total[rows] - column[rows]) / (count[rows] + 1), most)]


def _best(scores: FloatArray, count: int) -> IntArray:
    """The places of the highest scores, best first; of equals the first."""
    scores = scores.round(12)
    rows = np.arange(len(scores))
    if len(scores) > count:
        rows = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    best: IntArray = rows[np.argsort(-scores[rows], kind="stable")][:count]
    return best
