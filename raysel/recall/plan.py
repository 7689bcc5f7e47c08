"""Where to spend an offline budget: which runs to make next, so that recall improves most per second.

Recall takes the K models that stand highest on average over the benchmark datasets. A run is worth making if it may
change who they are: that of a model far above or far below the K-th teaches nothing that recall would use, one near it
or hardly known may. So the worth of a run is how much it is expected to move its model across the line, per second that
it takes.

Notation
    x (n, D)   finals, NaN where not measured; N_d of them in dataset d
    z (n, D)   the same, each dataset with level 0 and deviation 1 over all models: z[m, d] = c_d f_m + noise
    f (n,)     what datasets have in common: standard normal over the zoo, believed to be N(f, u) given x
    c (D,)     how far a dataset goes with the others; its noise has the variance w_d = 1 - c_d²
    t (n,)     the mean of z over all datasets, what the whole matrix would show: believed to be N(m, v)
    g (n,)     the gap between m and the line: the best left out for one of the K, the last of the K for another

Beliefs are those of one-factor analysis with holes, fitted by EM (Rubin, Thayer 1982), each dataset pulled towards the
average one as if `_PULL` more models had been measured there. With C and W the sums of c and w over the datasets on
which a model was not measured, v = (C² u + W) / D², and a run on dataset d makes that less by

    (C u c_d + w_d)² / (u c_d² + w_d (1 + 1 / N_d)) / D²

(the last factor since a dataset's level must be learned too). Runs that lessen v by r² in all move m by a deviation of
r, whatever comes out, so the expected gain for the sum over the K is

    h(g, r) = r φ(g/r) - |g| Φ(-|g|/r)

the knowledge gradient (Frazier, Powell, Dayanik 2008). A plan is made as a whole, since what comes out of its first
runs is not known when the last are chosen: it takes the runs whose h are most in sum, those with the most gain per
second first. As r grows with the root of the number of runs, the second of a model that stands near the line is soon
worth less than the first of one that stands farther off. And as a single run is often worth nothing where several
together are worth much, a run counts for the best rate over the runs of its model that come with it (their KG(*),
Frazier and Powell 2010): a model's runs are taken by the concave hull of h.

Of datasets that would tell as much, all models take the same one first, so that they are compared side by side. So an
empty matrix is begun with every model on the same few datasets, and then only contenders go on.

Gains are expectations under these beliefs. Where models are good for different reasons, which one factor does not have,
regret is larger than expected, and so may be the gain; ranking by it does not suffer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from raysel.arrays import FloatArray, IntArray
from raysel.errors import NothingToRecallError, OptionError
from raysel.history import PerformanceMatrix

BoolArray = NDArray[np.bool_]

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
        variance: (n_models,) v, not below 0.
        common: (n_models,) u, above 0 and at most 1.
        telling: (n_datasets,) c, above 0 and below 1.
        spread: (n_datasets,) the deviation of the finals of all models, measured or not.
        measured: (n_models, n_datasets) where x is.
    """

    mean: FloatArray
    variance: FloatArray
    common: FloatArray
    telling: FloatArray
    spread: FloatArray
    measured: BoolArray

    @property
    def count(self) -> IntArray:
        """(n_datasets,) N."""
        counted: IntArray = self.measured.sum(axis=0)
        return counted


def believe(values: FloatArray) -> Belief:
    """What the whole matrix would show of each model on average, with its uncertainty.

    Unlike mean z-scores, it is fair to a model that was measured beside good ones only: a dataset's level is that of
    an average model, not of those that happen to be measured.

    Args:
        values: (n_models, n_datasets) x.

    >>> believed = believe(np.array([[0.9, 0.8, 0.7], [0.8, 0.6, np.nan], [0.1, 0.2, np.nan], [0.2, 0.1, np.nan]]))
    >>> believed.mean.round(1).tolist(), believed.variance.round(2).tolist()
    ([1.2, 0.7, -0.9, -1.0], [0.0, 0.02, 0.02, 0.02])
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
        f, u = _common(np.where(measured, x - level, 0.0), measured, known, loading, noise)
        # Each dataset's regression on what is believed of the models, with _PULL average ones beside them.
        a, aa = np.where(measured, f[:, None], 0.0), np.where(measured, (f**2 + u)[:, None], 0.0)
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
    spread = np.sqrt(loading**2 + noise)
    z = np.where(measured, x - level, 0.0) / spread
    f, u = _common(z, measured, known, telling, 1 - telling**2)
    C, W = ~measured @ telling, ~measured @ (1 - telling**2)
    return Belief(
        mean=(z.sum(axis=1) + C * f) / max(1, len(count)),
        variance=(C**2 * u + W) / max(1, len(count)) ** 2,
        common=u,
        telling=telling,
        spread=spread,
        measured=measured,
    )


def _common(
    y: FloatArray, measured: BoolArray, known: FloatArray, loading: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(n,) f and u, from finals less their level, 0 where not measured."""
    weight = known * loading / noise
    u = 1 / (1 + measured @ (weight * loading))
    return u * (y @ weight), u


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
    [('a', 'z'), ('b', 'z')]
    """
    models, datasets = tuple(dict.fromkeys(models)), tuple(dict.fromkeys(datasets))
    _check(models, datasets, runs=runs, seconds=seconds, each=each, top_k=top_k)
    order = np.argsort(np.array(models, dtype=object)), np.argsort(np.array(datasets, dtype=object))
    cost = np.ones((len(models), len(datasets))) if each is None else each
    cost = cost[np.ix_(*order)]
    models, datasets = tuple(models[i] for i in order[0]), tuple(datasets[j] for j in order[1])

    whole = _extended(matrix, models, datasets)
    believed = believe(whole.values)
    rows = np.array([whole.row[model] for model in models])
    columns = np.array([whole.datasets.index(dataset) for dataset in datasets])
    at, refused = np.ix_(rows, columns), set(without)
    allowed = np.array([[(model, dataset) not in refused for dataset in datasets] for model in models])
    price = np.full(whole.values.shape, np.inf)
    price[at] = np.where(np.isnan(whole.values[at]) & allowed, cost, np.inf)

    rng = np.random.default_rng(seed)
    m = believed.mean[rows]
    gap = _gaps(m, top_k)
    path = _path(believed, rows, price[rows], rng)
    nth = _chosen(path.worth(gap), path.price, typical=float(cost.mean()), runs=runs, seconds=seconds, rng=rng)
    made = np.bincount(nth[:, 0], minlength=len(models))
    now, then = path.variance[:, 0], path.variance[np.arange(len(models)), made]
    regret, gain = _expected(m, now, then, believed.telling, top_k=top_k, rng=rng)
    shares = path.shares(gap, nth)
    return Plan(
        runs=tuple(
            PlannedRun(
                model=models[i],
                dataset=whole.datasets[path.dataset[i, p]],
                gain=gain * float(share),
                seconds=None if each is None else float(path.price[i, p]),
            )
            for (i, p), share in zip(nth.tolist(), shares, strict=True)
        ),
        regret=regret,
        gain=gain,
        scale=float(np.median(believed.spread[believed.count > 0])) if believed.count.any() else 1.0,
        measured=int(believed.measured[at].sum()),
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
    gaps: FloatArray = np.abs(m - np.where(among, best_left, last))
    return gaps


def _gain(gap: FloatArray, deviation: FloatArray) -> FloatArray:
    """h(g, r), 0 where r is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(deviation > 0, gap / deviation, np.inf)
    never = np.isinf(ratio)
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2 * np.pi)
    gain: FloatArray = deviation * density - np.where(never, 0.0, gap) * ndtr(-ratio)
    return gain


@dataclass(frozen=True, kw_only=True)
class _Path:
    """For each model the order in which it would best be run on the datasets that are left to it, one after the other.

    Args:
        dataset: (n, P) the columns, -1 where none is left.
        price: (n, P) what each run costs, infinite where none is left.
        variance: (n, P + 1) v before the first run and after each.
    """

    dataset: IntArray
    price: FloatArray
    variance: FloatArray

    def gained(self, gap: FloatArray) -> FloatArray:
        """(n, P + 1) h of all runs up to there."""
        return _gain(gap[:, None], np.sqrt(np.maximum(self.variance[:, :1] - self.variance, 0.0)))

    def worth(self, gap: FloatArray) -> FloatArray:
        """(n, P) gain by cost of each run, the best with any that come right after it; falling along a row."""
        length = self.dataset.shape[1]
        gained, spent = self.gained(gap), np.hstack([np.zeros((len(gap), 1)), self.price.cumsum(axis=1)])
        worth = np.zeros(self.dataset.shape)
        for ahead in range(1, length + 1):
            begun = slice(0, length + 1 - ahead)
            with np.errstate(invalid="ignore"):
                rate = (gained[:, ahead:] - gained[:, begun]) / (spent[:, ahead:] - spent[:, begun])
            worth[:, begun] = np.fmax(worth[:, begun], rate)
        falling: FloatArray = np.minimum.accumulate(worth, axis=1)
        return falling

    def shares(self, gap: FloatArray, nth: IntArray) -> FloatArray:
        """(n_runs,) what part of the gain each run brings, after those of its model before it; they sum to 1."""
        brought = np.diff(self.gained(gap), axis=1)[nth[:, 0], nth[:, 1]]
        total = float(brought.sum())
        shares: FloatArray = brought / total if total > 0 else np.full(len(nth), 1 / max(1, len(nth)))
        return shares


def _path(believed: Belief, rows: IntArray, price: FloatArray, rng: np.random.Generator) -> _Path:
    """Run by run the dataset that lessens v most for what it costs; of equals the same for all models, drawn."""
    n, n_datasets = price.shape
    c, w = believed.telling, 1 - believed.telling**2
    noise = w * (1 + 1 / np.maximum(believed.count, 0.5))  # a dataset that nobody was run on is run on in company
    left, u = ~believed.measured[rows], believed.common[rows].copy()
    C, v = left @ c, believed.variance[rows].copy()
    price, ties = price.copy(), 1 + 1e-9 * rng.random(n_datasets)
    length = int(np.isfinite(price).sum(axis=1).max(initial=0))
    dataset, prices = np.full((n, length), -1), np.full((n, length), np.inf)
    variance = np.empty((n, length + 1))
    variance[:, 0] = v
    for p in range(length):
        lessens = (C[:, None] * u[:, None] * c + w) ** 2 / (u[:, None] * c**2 + noise) / n_datasets**2
        best = (lessens / price * ties).argmax(axis=1)
        (go,) = np.nonzero(np.isfinite(price[np.arange(n), best]))
        j = best[go]
        dataset[go, p], prices[go, p] = j, price[go, j]
        v[go] = np.maximum(v[go] - lessens[go, j], 0.0)
        u[go] -= (u[go] * c[j]) ** 2 / (u[go] * c[j] ** 2 + noise[j])
        C[go] -= c[j]
        price[go, j] = np.inf
        variance[:, p + 1] = v
    return _Path(dataset=dataset, price=prices, variance=variance)


def _chosen(
    worth: FloatArray,
    price: FloatArray,
    *,
    typical: float,
    runs: int | None,
    seconds: float | None,
    rng: np.random.Generator,
) -> IntArray:
    """(n_runs, 2) model and place on its path, the best first; of a path always the first ones."""
    n, length = worth.shape
    # Of equals, each model's first before any one's second.
    place = np.broadcast_to(np.arange(length), (n, length)).ravel()
    shuffled = np.broadcast_to(rng.permutation(n)[:, None], (n, length)).ravel()
    best_first = np.lexsort((shuffled, place, -worth.ravel()))
    best_first = best_first[worth.ravel()[best_first] * typical > _NOTHING]
    nth = np.stack([best_first // max(1, length), place[best_first]], axis=1)
    if seconds is None:
        return nth[:runs]
    taken: list[tuple[int, int]] = []
    over: set[int] = set()
    for i, p in nth.tolist():
        if i not in over and price[i, p] <= seconds:
            taken.append((i, p))
            seconds -= price[i, p]
        else:
            over.add(i)
    return np.array(taken, dtype=np.int64).reshape(-1, 2)


def _expected(
    m: FloatArray, now: FloatArray, then: FloatArray, c: FloatArray, *, top_k: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Regret on a dataset like those on record, and by how much it is expected to be less when v is `then`.

    Of a new dataset, z = c f + noise is seen through t, whose variance over the zoo is that of a mean of D datasets.
    """
    if top_k >= len(m):
        return 0.0, 0.0
    of_t = np.mean(c) ** 2 + np.mean(1 - c**2) / len(c)
    best_now = np.argsort(-m, kind="stable")[:top_k]
    regret = gain = 0.0
    block = max(1, 1_000_000 // len(m))
    for start in range(0, _DRAWS, block):
        count = min(block, _DRAWS - start)
        will_be = m + np.sqrt(np.maximum(now - then, 0.0)) * rng.standard_normal((count, len(m)))
        t = will_be + np.sqrt(then) * rng.standard_normal((count, len(m)))
        together = rng.choice(c, size=(count, 1)) * np.mean(c)
        noise = np.sqrt(np.maximum(1 - together**2 / of_t, 0.0))
        z = together / of_t * t + noise * rng.standard_normal((count, len(m)))
        best_then = np.argpartition(-will_be, top_k - 1, axis=1)[:, :top_k]
        recalled = z[:, best_now].max(axis=1)
        regret += float((z.max(axis=1) - recalled).sum())
        gain += float((np.take_along_axis(z, best_then, axis=1).max(axis=1) - recalled).sum())
    return regret / _DRAWS, max(0.0, gain / _DRAWS)
