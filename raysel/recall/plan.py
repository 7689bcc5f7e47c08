"""Where to spend an offline budget: which runs to make next, so that recall improves most per second.

Recall takes the K models that stand highest on average. A run is worth making if it may change who they are: that of a
model far above or far below the K-th teaches nothing that recall would use, one near it or hardly known may. So the
worth of a run is how much it is expected to move its model across the line, per second that it takes.

Notation
    x (n, D)   finals, NaN where not measured; N_d of them in dataset d
    a (n,)     how good a model is on average: standard normal over the zoo, believed to be N(m, v) given x
    c (D,)     how far a dataset tells: x[m, d] = level_d + s_d (c_d a_m + sqrt(1 - c_d²) noise)
    i (D,)     what one run tells of a: c² / (1 - c²), less as long as the dataset's level is not known: N_d / (N_d + 1)
    g (n,)     the gap between m and the line: the best left out for one of the K, the last of the K for another

Beliefs are those of one-factor analysis with holes, fitted by EM (Rubin, Thayer 1982), each dataset pulled towards the
average one as if `_PULL` more models had been measured there. Runs that add information i to a model's 1/v move m by a
deviation of r = sqrt(v - 1 / (1/v + i)), whatever comes out, so the expected gain for the sum over the K is

    f(g, r) = r φ(g/r) - |g| Φ(-|g|/r)

the knowledge gradient (Frazier, Powell, Dayanik 2008). A single run is often worth nothing where several together are
worth much, so a run counts for the best rate, over the runs of its model that come with it, of gain per second (their
KG(*), Frazier and Powell 2010). Within a plan means stay as believed, since what will come out is not known.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from raysel.arrays import FloatArray, IntArray
from raysel.errors import NothingToRecallError, OptionError
from raysel.history import PerformanceMatrix

_PULL = 4.0  # models
_ROUNDS = 30  # of EM
_FEW = 3  # finals below which a dataset's spread is taken for the usual one
_DRAWS = 2_000
_NOTHING = 1e-9  # deviations: less is rounding


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run to make.

    Args:
        model: Fine-tuned on...
        dataset: ...this benchmark dataset.
        gain: Its share of what the plan is expected to gain: regret of recall, in deviations of the finals.
        seconds: What it is expected to take; `None` where that is not known.
    """

    model: str
    dataset: str
    gain: float
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Runs to make next, the most worthwhile first.

    Regret is by how much the best model of all is expected to beat the best of the K recalled, on a dataset that is
    like those on record, in deviations of the finals of a dataset; times `scale` it is in points of the metric.

    Args:
        runs: The runs.
        regret: What is expected now.
        gain: By how much it is expected to be less after the plan; not below 0.
        scale: The median deviation of the finals of a dataset.
        measured: How many of the cells of `models` and `datasets` are measured.
        models: How many there are to choose from.
        datasets: On how many they may be run.
        top_k: K.
    """

    runs: tuple[PlannedRun, ...]
    regret: float
    gain: float
    scale: float
    measured: int
    models: int
    datasets: int
    top_k: int

    @property
    def seconds(self) -> float | None:
        """What the runs take one after the other; `None` where that is not known."""
        known = [run.seconds for run in self.runs if run.seconds is not None]
        return sum(known) if len(known) == len(self.runs) else None


@dataclass(frozen=True, kw_only=True)
class Belief:
    """What the finals on record say.

    Args:
        mean: (n_models,) m.
        variance: (n_models,) v, above 0 and at most 1.
        telling: (n_datasets,) c, above 0 and below 1.
        spread: (n_datasets,) s.
    """

    mean: FloatArray
    variance: FloatArray
    telling: FloatArray
    spread: FloatArray

    @property
    def information(self) -> FloatArray:
        """(n_datasets,) i, where the level is known."""
        squared = self.telling**2
        told: FloatArray = squared / (1 - squared)
        return told


def believe(values: FloatArray) -> Belief:
    """How good each model is on average, with its uncertainty, and how far each dataset tells.

    Unlike mean z-scores, it is fair to a model that was measured beside good ones only: a dataset's level is that of
    an average model, not of those that happen to be measured.

    Args:
        values: (n_models, n_datasets) x.

    >>> believed = believe(np.array([[0.9, 0.8, 0.7], [0.8, 0.6, np.nan], [0.1, 0.2, np.nan], [0.2, 0.1, np.nan]]))
    >>> believed.mean.round(1).tolist(), believed.variance.argmin().item()
    ([1.2, 0.7, -0.9, -1.0], 0)
    """
    measured = ~np.isnan(values)
    count = measured.sum(axis=0)
    x = np.where(measured, values, 0.0)
    level = x.sum(axis=0) / np.maximum(count, 1)
    spread = np.sqrt(np.where(measured, (x - level) ** 2, 0.0).sum(axis=0) / np.maximum(count, 1))
    usual = _usual(spread, count)
    spread = np.where((count < _FEW) | (spread <= 1e-9 * usual), usual, spread)
    average = 0.6
    loading, noise = average * spread, (1 - average**2) * spread**2
    known = np.maximum(count - 1, 0) / np.maximum(count, 1)  # of the level

    for _ in range(_ROUNDS):
        weight = np.where(measured, known * loading**2 / noise, 0.0)
        variance = 1 / (1 + weight.sum(axis=1))
        mean = variance * np.where(measured, (x - level) * known * loading / noise, 0.0).sum(axis=1)
        # Each dataset's regression on what is believed of the models, with _PULL average ones beside them.
        a, aa = np.where(measured, mean[:, None], 0.0), np.where(measured, (mean**2 + variance)[:, None], 0.0)
        y = np.where(measured, x - level, 0.0)
        n, sum_a, sum_y = count + _PULL, a.sum(axis=0), y.sum(axis=0)
        sum_aa = aa.sum(axis=0) + _PULL
        sum_ay = (a * y).sum(axis=0) + _PULL * average * spread
        sum_yy = (y**2).sum(axis=0) + _PULL * spread**2
        slope = np.maximum((n * sum_ay - sum_a * sum_y) / (n * sum_aa - sum_a**2), 0.02 * spread)
        shift = (sum_y - slope * sum_a) / n
        left = sum_yy - 2 * shift * sum_y - 2 * slope * sum_ay + n * shift**2 + 2 * shift * slope * sum_a
        loading, noise = slope, np.maximum((left + slope**2 * sum_aa) / n, 1e-3 * spread**2)
        level = level + shift
        telling = loading / np.sqrt(loading**2 + noise)
        average = float(np.clip(np.average(telling, weights=count), 0.2, 0.95)) if count.any() else average
    return Belief(mean=mean, variance=variance, telling=telling, spread=np.sqrt(loading**2 + noise))


def plan(
    matrix: PerformanceMatrix,
    models: Iterable[str],
    datasets: Iterable[str],
    *,
    runs: int | None = None,
    seconds: float | None = None,
    each: FloatArray | None = None,
    without: Iterable[tuple[str, str]] = (),
    top_k: int = 10,
    seed: int = 0,
) -> Plan:
    """The runs of these models on these datasets that are worth most for what they take.

    The order of models and datasets does not matter.

    Args:
        matrix: The whole history.
        models: To choose from; they need no row in `matrix`.
        datasets: To run them on; they need no column in `matrix`.
        runs: At most so many, at least 1.
        seconds: At most so many, above 0; exactly one of the two is given.
        each: (n_models, n_datasets) the expected seconds of a run, in the order of `models` and `datasets`; all runs
            cost the same without.
        without: Cells (model, dataset) that are not to be run.
        top_k: K.
        seed: Draws what the expectations are taken over, and the order of equals.

    Raises:
        NothingToRecallError: If there are no models.
        OptionError: If an option breaks its rule.

    >>> values = np.array([[0.9, 0.8, np.nan], [0.8, 0.9, np.nan], [0.5, np.nan, 0.5], [0.1, 0.1, 0.1]])
    >>> matrix = PerformanceMatrix(models=tuple("abcd"), datasets=tuple("xyz"), values=values)
    >>> [(run.model, run.dataset) for run in plan(matrix, "abcd", "xyz", runs=2, top_k=1).runs]
    [('b', 'z'), ('a', 'z')]
    """
    models, datasets = tuple(dict.fromkeys(models)), tuple(dict.fromkeys(datasets))
    _check(models, datasets, runs=runs, seconds=seconds, each=each, top_k=top_k)
    order = np.argsort(np.array(models, dtype=object)), np.argsort(np.array(datasets, dtype=object))
    cost = np.ones((len(models), len(datasets))) if each is None else each
    cost = cost[np.ix_(*order)]
    models, datasets = tuple(models[i] for i in order[0]), tuple(datasets[j] for j in order[1])

    whole = _extended(matrix, models, datasets)
    believed, count = believe(whole.values), (~np.isnan(whole.values)).sum(axis=0)
    rows = np.array([whole.row[model] for model in models])
    columns = np.array([whole.datasets.index(dataset) for dataset in datasets])
    open_ = np.isnan(whole.values[np.ix_(rows, columns)])
    measured = int((~open_).sum())
    refused = set(without)
    open_ &= np.array([[(model, dataset) not in refused for dataset in datasets] for model in models])

    rng = np.random.default_rng(seed)
    m, v = believed.mean[rows], believed.variance[rows]
    told = (believed.information / (1 + 1 / np.maximum(count, 0.5)))[columns]
    chosen = _chosen(m, v, np.where(open_, told, 0.0), cost, top_k=top_k, rng=rng, runs=runs, seconds=seconds)
    shares = _shares(m, v, told, chosen, top_k)
    added = np.zeros(len(models))
    np.add.at(added, chosen[:, 0], told[chosen[:, 1]])
    regret, gain = _expected(m, v, added, believed.telling, top_k=top_k, rng=rng)
    return Plan(
        runs=tuple(
            PlannedRun(
                model=models[i],
                dataset=datasets[j],
                gain=gain * float(share),
                seconds=None if each is None else float(cost[i, j]),
            )
            for (i, j), share in zip(chosen.tolist(), shares, strict=True)
        ),
        regret=regret,
        gain=gain,
        scale=float(np.median(believed.spread[count > 0])) if count.any() else 1.0,
        measured=measured,
        models=len(models),
        datasets=len(datasets),
        top_k=top_k,
    )


def _check(
    models: tuple[str, ...],
    datasets: tuple[str, ...],
    *,
    runs: int | None,
    seconds: float | None,
    each: FloatArray | None,
    top_k: int,
) -> None:
    if not models:
        raise NothingToRecallError("`models` is empty, but must name at least one model to run")
    if not datasets:
        raise OptionError("datasets", "empty", "at least one dataset to run models on")
    if (runs is None) == (seconds is None):
        raise OptionError("runs", runs, "given, or `seconds`, and not both")
    if runs is not None and (not isinstance(runs, int) or runs < 1):
        raise OptionError("runs", runs, "an integer of at least 1")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise OptionError("seconds", seconds, "a number above 0")
    if seconds is not None and each is None:
        raise OptionError("each", None, "given where `seconds` is")
    if each is not None and (each.shape != (len(models), len(datasets)) or not np.all((each > 0) & np.isfinite(each))):
        raise OptionError("each", each.shape, f"{(len(models), len(datasets))} numbers above 0")
    if not isinstance(top_k, int) or top_k < 1:
        raise OptionError("top_k", top_k, "an integer of at least 1")


def _usual(spread: FloatArray, count: IntArray) -> float:
    """The median spread of datasets on which enough was measured, 1 where there is none."""
    known = spread[(count >= _FEW) & (spread > 0)]
    return float(np.median(known)) if len(known) else 1.0


def _extended(matrix: PerformanceMatrix, models: tuple[str, ...], datasets: tuple[str, ...]) -> PerformanceMatrix:
    """The matrix with a row for each of these models and a column for each of these datasets, by name."""
    rows, columns = sorted({*matrix.models, *models}), sorted({*matrix.datasets, *datasets})
    values = np.full((len(rows), len(columns)), np.nan)
    place = {name: i for i, name in enumerate(rows)}, {name: j for j, name in enumerate(columns)}
    at = [place[0][name] for name in matrix.models], [place[1][name] for name in matrix.datasets]
    values[np.ix_(*at)] = matrix.values
    return PerformanceMatrix(models=tuple(rows), datasets=tuple(columns), values=values)


def _gaps(m: FloatArray, top_k: int) -> FloatArray:
    """(n,) |g|: how far each mean is from where its model would join the K, or leave them."""
    if top_k >= len(m):
        return np.full(len(m), np.inf)
    ranked = np.sort(m)[::-1]
    last, best_left = ranked[top_k - 1], ranked[top_k]
    among = np.zeros(len(m), bool)
    among[np.argsort(-m, kind="stable")[:top_k]] = True
    return np.abs(m - np.where(among, best_left, last))


def _gain(gap: FloatArray, deviation: FloatArray) -> FloatArray:
    """f(g, r), 0 where r is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.where(deviation > 0, gap / deviation, np.inf)
    return deviation * np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi) - np.where(np.isinf(u), 0.0, gap) * ndtr(-u)


def _chosen(
    m: FloatArray,
    v: FloatArray,
    told: FloatArray,
    cost: FloatArray,
    *,
    top_k: int,
    rng: np.random.Generator,
    runs: int | None,
    seconds: float | None,
) -> IntArray:
    """(n_runs, 2) the cells to measure, the best first; `told` is 0 where a run is not to be made."""
    n, width = told.shape
    rate = told / cost * (1 + 1e-9 * rng.random(told.shape))
    along = np.argsort(-rate, axis=1)
    informed = np.take_along_axis(told, along, axis=1)
    worth = _worth(_gaps(m, top_k), v, informed, np.take_along_axis(cost, along, axis=1))
    # Of equals, each model's first before any one's second.
    nth = np.broadcast_to(np.arange(width), (n, width))
    shuffled = np.broadcast_to(rng.permutation(n)[:, None], (n, width))
    best_first = np.lexsort((shuffled.ravel(), nth.ravel(), -worth.ravel()))
    best_first = best_first[worth.ravel()[best_first] * cost.mean() > _NOTHING]
    cells = np.stack([best_first // width, along.ravel()[best_first]], axis=1)
    if seconds is None:
        return cells[:runs]
    taken, left = [], seconds
    for cell in cells:
        if (takes := cost[tuple(cell)]) <= left:
            taken.append(cell)
            left -= takes
    return np.array(taken, dtype=np.int64).reshape(-1, 2)


def _worth(gap: FloatArray, v: FloatArray, told: FloatArray, cost: FloatArray) -> FloatArray:
    """(n, D) gain per second of a model's p-th run, the best with any that come with it; falling along a row."""
    n, width = told.shape
    nothing = np.zeros((n, 1))
    precision = 1 / v[:, None] + np.hstack([nothing, told.cumsum(axis=1)])
    spent = np.hstack([nothing, cost.cumsum(axis=1)])
    worth = np.zeros((n, width))
    for ahead in (2**power for power in range(width.bit_length())):
        before, after = precision[:, : width + 1 - ahead], precision[:, ahead:]
        deviation = np.sqrt(np.maximum(1 / before - 1 / after, 0.0))
        rate = _gain(gap[:, None], deviation) / (spent[:, ahead:] - spent[:, : width + 1 - ahead])
        worth[:, : width + 1 - ahead] = np.maximum(worth[:, : width + 1 - ahead], rate)
    falling: FloatArray = np.minimum.accumulate(np.where(told > 0, worth, 0.0), axis=1)
    return falling


def _shares(m: FloatArray, v: FloatArray, told: FloatArray, chosen: IntArray, top_k: int) -> FloatArray:
    """(n_runs,) what part of the gain each run brings, after those of its model that come before it; they sum to 1."""
    gap, precision, shares = _gaps(m, top_k), 1 / v, np.zeros(len(chosen))
    gained = np.zeros(len(m))
    for number, (i, j) in enumerate(chosen):
        precision[i] += told[j]
        gain = float(_gain(gap[i : i + 1], np.sqrt(np.maximum(v[i : i + 1] - 1 / precision[i : i + 1], 0.0)))[0])
        shares[number], gained[i] = gain - gained[i], gain
    total = shares.sum()
    equal = np.full(len(chosen), 1 / max(1, len(chosen)))
    return shares / total if total > 0 else equal


def _expected(
    m: FloatArray, v: FloatArray, added: FloatArray, telling: FloatArray, *, top_k: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Regret on a dataset like those on record, and by how much added information (n,) is expected to lessen it."""
    if top_k >= len(m):
        return 0.0, 0.0
    after = 1 / (1 / v + added)
    now = np.argsort(-m, kind="stable")[:top_k]
    regret = gain = 0.0
    block = max(1, 1_000_000 // len(m))
    for start in range(0, _DRAWS, block):
        count = min(block, _DRAWS - start)
        will_be = m + np.sqrt(np.maximum(v - after, 0.0)) * rng.standard_normal((count, len(m)))
        a = will_be + np.sqrt(after) * rng.standard_normal((count, len(m)))
        c = rng.choice(telling, size=(count, 1))
        z = c * a + np.sqrt(1 - c**2) * rng.standard_normal((count, len(m)))
        then = np.argpartition(-will_be, top_k - 1, axis=1)[:, :top_k]
        recalled = z[:, now].max(axis=1)
        regret += float((z.max(axis=1) - recalled).sum())
        gain += float((np.take_along_axis(z, then, axis=1).max(axis=1) - recalled).sum())
    return regret / _DRAWS, max(0.0, gain / _DRAWS)
