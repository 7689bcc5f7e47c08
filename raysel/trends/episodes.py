"""Episodes: had past datasets been selected on, what would their shortlists have shown at a stage, and meant?

The convergence trend that the default reads off the history is the trend of *shortlists*: among models that were all
worth trying, how much of what they come to in the end can be told at a fraction of the budget?

Notation, for the shortlist of one past dataset: x the scores at a fraction, standardised, plus half the standardised
prior; y the standardised finals. Over the shortlists of all past datasets

    slope(f)     of y on x, shrunk
    residual(f)  the mean of (y - slope x)^2: what is still unknown at fraction f
    spread(f)    how far scores are apart at f, by how far they were apart at the first stage
"""

from dataclasses import dataclass

import numpy as np

from raysel.arrays import FloatArray, IntArray
from raysel.recall.prior import standardise
from raysel.trends.halving import PRIOR_WEIGHT
from raysel.trends.mining import Trends
from raysel.trends.outlook import clipped, standardised

MIN_DATASETS = 5
"""Past datasets from which something can be learned."""

_LEAST = 3  # models of a shortlist that tells anything
_SLOPE, _WORTH = 0.6, 10  # as if ten more trials had shown this slope


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a score at a fraction of the budget is worth.

    Args:
        slope: Deviations of the final that one deviation of score and prior is worth; positive.
        residual: Variance of the standardised final about that.
        spread: Deviation of the scores at this fraction by that at the first stage: the median over past datasets.
        n_datasets: How many past datasets this is learned from.
    """

    slope: float
    residual: float
    spread: float
    n_datasets: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shortlist:
    runs: IntArray
    prior: FloatArray


def reading(trends: Trends, fraction: float, *, first: float, size: int) -> Reading:
    """What past shortlists of `size` models tell at a fraction of the budget.

    Args:
        trends: What past runs did.
        fraction: In (0, 1].
        first: The fraction of the first stage, at most `fraction`.
        size: How many models a shortlist has, at least 1.
    """
    key = ("reading", fraction, first, size)
    return trends.cached(key, lambda: _read(trends, fraction, first=first, size=size))


def _read(trends: Trends, fraction: float, *, first: float, size: int) -> Reading:
    begun, scores = trends.at(first), trends.at(fraction)
    xs, ys, ratios = [], [], []
    for shortlist in trends.cached(("shortlists", size), lambda: _shortlists(trends, size)):
        known = ~np.isnan(scores[shortlist.runs])
        runs = shortlist.runs[known]
        if len(runs) < _LEAST:
            continue
        xs.append(standardised(scores[runs]) + PRIOR_WEIGHT * shortlist.prior[known])
        ys.append(standardised(trends.finals[runs]))
        before = begun[runs]
        if not np.isnan(before).any() and (apart := clipped(before).std()) > 0:
            ratios.append(float(clipped(scores[runs]).std() / apart))
    if not xs:
        return Reading(slope=_SLOPE, residual=1.0, spread=1.0, n_datasets=0)
    x, y = np.concatenate(xs), np.concatenate(ys)
    slope = max((float(x @ y) + _SLOPE * _WORTH) / (float(x @ x) + _WORTH), 0.05)
    return Reading(
        slope=slope,
        residual=float(np.mean((y - slope * x) ** 2)),
        spread=float(np.median(ratios)) if ratios else 1.0,
        n_datasets=len(xs),
    )


def _shortlists(trends: Trends, size: int) -> tuple[_Shortlist, ...]:
    """For each past dataset the `size` best of its models by their prior from the other datasets."""
    cell = trends.model * len(trends.datasets) + trends.dataset
    completed = np.flatnonzero(~np.isnan(trends.finals))
    cells, first = np.unique(cell[completed], return_index=True)
    runs = completed[first]  # one a model and dataset
    finals = np.full((len(trends.models), len(trends.datasets)), np.nan)
    finals.flat[cells] = trends.finals[runs]
    z = standardise(finals)
    total, count = np.nansum(z, axis=1), (~np.isnan(z)).sum(axis=1)
    found = []
    for dataset in range(len(trends.datasets)):
        own = runs[trends.dataset[runs] == dataset]
        models = trends.model[own]
        prior = (total[models] - z[models, dataset]) / (count[models] - 1 + 2)
        best = np.argsort(-prior.round(12), kind="stable")[:size]
        found.append(_Shortlist(runs=own[best], prior=standardise(prior[best]) if len(best) else prior[best]))
    return tuple(found)
