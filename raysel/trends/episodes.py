"""Episodes: had past datasets been selected on, what would their shortlists have shown at a stage, and meant?

The convergence trend that the default reads off the history is the trend of *shortlists*: among models that were all
worth trying, how much of what they come to in the end can be told at a fraction of the budget?

Notation, for the shortlist of one past dataset: s the scores at a fraction f, p the priors, y the finals, each
standardised. Over the shortlists of all past datasets

    y ~ a s + c p  least squares, pulled towards a = 0.6, c = 0.3 as if ten more trials had shown that; a, c >= 0
    residual(f)    the mean of (y - a s - c p)^2: what is still unknown at f
    spread(f)      how far scores are apart at f, by how far they were apart at the first stage
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from raysel.arrays import FloatArray, IntArray
from raysel.recall.prior import prior_elsewhere, standardise
from raysel.trends.mining import Trends
from raysel.trends.outlook import clipped, standardised

MIN_DATASETS = 5
"""Past datasets from which something can be learned."""

_LEAST = 3  # models of a shortlist that tells anything
_USUAL = np.array([0.6, 0.3])  # what a score and half as much of a prior are worth where nothing else is known
_PULL = 10.0  # trials
_EXACT = 16  # models; shortlists of a hundred and of a hundred and one tell the same


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a score at a fraction of the budget is worth.

    Args:
        score: Deviations of the final that one deviation of the score is worth; not negative.
        prior: The same of the prior.
        residual: Variance of the standardised final about that.
        spread: Deviation of the scores at this fraction by that at the first stage: the median over past datasets.
        n_datasets: How many past datasets this is learned from.
    """

    score: float
    prior: float
    residual: float
    spread: float
    n_datasets: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """The shortlist of one past dataset.

    Args:
        dataset: Its number in `Trends.datasets`.
        runs: (n,) the runs of the models, best prior first.
        prior: (n,) their priors from the other datasets, standardised over the shortlist.
    """

    dataset: int
    runs: IntArray
    prior: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Told:
    """What one episode tells: its moments of (s, p, y), and its spread by that of the first stage, NaN if unknown."""

    dataset: int
    moments: FloatArray
    trials: int
    ratio: float


def episodes(trends: Trends, *, size: int) -> tuple[Episode, ...]:
    """For each past dataset the `size` best of its models by their prior from the other datasets.

    Args:
        trends: What past runs did; models count with one completed run a dataset.
        size: At least 1.
    """
    return trends.cached(("episodes", size), lambda: _episodes(trends, size))


def reading(trends: Trends, fraction: float, *, first: float, size: int, without: int | None = None) -> Reading:
    """What past shortlists tell at a fraction of the budget.

    Args:
        trends: What past runs did.
        fraction: In (0, 1].
        first: The fraction of the first stage, at most `fraction`.
        size: How many models a shortlist has, at least 1; above 16 it is rounded down to three binary digits.
        without: The number of a dataset to leave out.
    """
    size = rounded(size)
    key = (fraction, first, size)
    told = trends.cached(("told", *key), lambda: _told(trends, fraction, first=first, size=size))
    return trends.cached(("reading", *key, without), lambda: _read([t for t in told if t.dataset != without]))


def rounded(size: int) -> int:
    """A size of shortlists that a few of them stand for: trials that arrive one by one do not ask for each anew.

    >>> [rounded(size) for size in (10, 16, 19, 31, 1000)]
    [10, 16, 16, 28, 896]
    """
    beyond = 1 << max(0, size.bit_length() - 3)
    return size if size <= _EXACT else size // beyond * beyond


def _read(told: list[_Told]) -> Reading:
    if not told:
        return Reading(score=_USUAL[0], prior=_USUAL[1], residual=1.0, spread=1.0, n_datasets=0)
    moments, trials = np.sum([t.moments for t in told], axis=0), sum(t.trials for t in told)
    # Normal equations with the pull; their Cholesky factor turns them back into least squares.
    factor = np.linalg.cholesky(moments[:2, :2] + _PULL * np.eye(2))
    weights, _ = nnls(factor.T, np.linalg.solve(factor, moments[:2, 2] + _PULL * _USUAL))
    error = np.array([*weights, -1.0])
    ratios = [t.ratio for t in told if not np.isnan(t.ratio)]
    return Reading(
        score=float(weights[0]),
        prior=float(weights[1]),
        residual=max(float(error @ moments @ error) / trials, 0.0),
        spread=float(np.median(ratios)) if ratios else 1.0,
        n_datasets=len(told),
    )


def _told(trends: Trends, fraction: float, *, first: float, size: int) -> list[_Told]:
    begun, scores = (trends.cached(("at", f), lambda f=f: trends.at(f)) for f in (first, fraction))  # type: ignore[misc]
    found = []
    for episode in episodes(trends, size=size):
        known = ~np.isnan(scores[episode.runs])
        runs = episode.runs[known]
        if len(runs) < _LEAST:
            continue
        columns = (standardised(scores[runs]), episode.prior[known], standardised(trends.finals[runs]))
        table, before = np.column_stack(columns), begun[runs]
        apart = 0.0 if np.isnan(before).any() else float(clipped(before).std())
        ratio = float(clipped(scores[runs]).std()) / apart if apart > 0 else np.nan
        found.append(_Told(dataset=episode.dataset, moments=table.T @ table, trials=len(runs), ratio=ratio))
    return found


def _episodes(trends: Trends, size: int) -> tuple[Episode, ...]:
    cell = trends.model * len(trends.datasets) + trends.dataset
    completed = np.flatnonzero(~np.isnan(trends.finals))
    cells, first = np.unique(cell[completed], return_index=True)
    runs = completed[first]  # one a model and dataset
    finals = np.full((len(trends.models), len(trends.datasets)), np.nan)
    finals.flat[cells] = trends.finals[runs]
    priors, found = prior_elsewhere(standardise(finals)), []
    for dataset in range(len(trends.datasets)):
        own = runs[trends.dataset[runs] == dataset]
        prior = priors[trends.model[own], dataset]
        best = np.argsort(-prior.round(12), kind="stable")[:size]
        if len(best):
            found.append(Episode(dataset=dataset, runs=own[best], prior=standardise(prior[best])))
    return tuple(found)
