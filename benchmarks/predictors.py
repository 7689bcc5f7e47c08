"""Which predictor of a run's final is best, told apart from any decision that is made with it.

\b
    RAYSEL_DATA=... python benchmarks/predictors.py --rows rows.csv > benchmarks/results/predictors.md

Every target of every curve set is left out in turn, with its near-duplicates. At each fraction of the planned steps
every predictor sees the validation curves of the live models up to there, their recall prior and the curves of the
other datasets, and predicts the finals.

Notation (n live models, D past datasets of the history)
    s (n,)    validation scores at the fraction, higher is better
    y (n,)    finals
    p (n,)    recall priors, standardised over the live models
    x (n, D)  the live models' scores at the fraction on past datasets, NaN where not measured
    v (n, D)  their finals there
    spread    deviation over the live models of scores clipped from below at median - 3 * (max - median)
"""

import sys
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click
import numpy as np
import pandas as pd
from public_sets import CURVE_SETS, CurveSet, data_folder, mini_zoo
from scipy.stats import rankdata, t

from raysel.arrays import FloatArray
from raysel.history import Curve
from raysel.recall.prior import prior, standardise
from raysel.replay.tasks import task
from raysel.trends import mine
from raysel.trends.outlook import Gain, past_gain, predict
from raysel.trends.mining import Trends
from raysel.trends.paper import convergence_trends

FRACTIONS = (0.2, 0.4, 0.6, 0.8, 1.0)
RECALLED = 10
FEWEST = 5  # live models, or those of them measured on a past dataset, below which a spread says little
SMALL = 0.01  # deviations: added to errors before their logarithms are taken, so that none is of nothing
PROCESSES = 5  # a set each
SEED, DRAWS = 0, 2000
MINI_ZOO = "mini_zoo"

Predicted = tuple[FloatArray, FloatArray | None, FloatArray | None]
"""(n,) predicted finals and the ends of their intervals, `None` for a predictor without intervals."""


# What is known ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The completed runs of a history as arrays (n_models, n_datasets), the mean where a cell has several runs.

    Args:
        models: Their row.
        datasets: Their column.
        finals: NaN where not measured.
        scores: By fraction.
    """

    models: Mapping[str, int]
    datasets: Mapping[str, int]
    finals: FloatArray
    scores: Mapping[float, FloatArray]


def measured(curves: list[Curve]) -> Measured:
    """Lays the completed runs out."""
    ended = [curve for curve in curves if curve.final is not None]
    models = {name: row for row, name in enumerate(sorted({curve.model for curve in ended}))}
    datasets = {name: column for column, name in enumerate(sorted({curve.dataset for curve in ended}))}
    shape = len(models), len(datasets)
    count, finals = np.zeros(shape), np.zeros(shape)
    scores = {fraction: np.zeros(shape) for fraction in FRACTIONS}
    for curve in ended:
        cell = models[curve.model], datasets[curve.dataset]
        count[cell] += 1
        finals[cell] += curve.final
        for fraction in FRACTIONS:
            scores[fraction][cell] += curve.at(fraction)
    with np.errstate(invalid="ignore"):
        return Measured(
            models=models,
            datasets=datasets,
            finals=finals / count,
            scores={fraction: total / count for fraction, total in scores.items()},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What a predictor sees of a target at a fraction of the planned steps.

    Args:
        curves: (n,) the live models' runs on the target; no point beyond the fraction may be looked at.
        fraction: In (0, 1].
        p: (n,) as in the module's notation.
        trends: Past runs of the target's direction.
        x: (n, D), the live models' scores on those past datasets, of either direction, where `FEWEST` or more of them
            are measured and differ; clipped.
        v: (n, D), their finals, clipped.
        priors: (n, D), their recall priors there, standardised over the live models.
    """

    curves: tuple[Curve, ...]
    fraction: float
    p: FloatArray
    trends: Trends
    x: FloatArray
    v: FloatArray
    priors: FloatArray

    @cached_property
    def s(self) -> FloatArray:
        """(n,) validation scores."""
        return np.array([curve.at(self.fraction) for curve in self.curves])


def clipped(scores: FloatArray) -> FloatArray:
    """Scores, along the first axis, without the depths of those that failed: at least median - 3 * (max - median)."""
    median, best = np.nanmedian(scores, axis=0), np.nanmax(scores, axis=0)
    return np.maximum(scores, median - 3 * (best - median))


def views(found: Measured, of: CurveSet, target: str) -> list[tuple[str, View, FloatArray]]:
    """Scope, view and finals of a target at each fraction; models not yet measured there are left out."""
    runs = task(of.history, target).runs
    lower = next(iter(runs.values())).lower_is_better
    past_runs = of.history.curves(without=target)
    trends = mine(past_runs, lower_is_better=lower)
    names = {curve.dataset for curve in past_runs if curve.final is not None}
    past = [column for name, column in found.datasets.items() if name in names]
    z = standardise(found.finals[:, past])
    total = prior(z)
    # As of each past dataset: its own column is left out of its prior.
    number = (~np.isnan(z)).sum(axis=1)[:, None]
    each = (total[:, None] * (number + 2) - np.nan_to_num(z)) / (number + 2 - ~np.isnan(z))

    listed = sorted(runs, key=lambda model: (-total[found.models[model]], model))
    result = []
    for scope, named in (("all", listed), ("recalled", listed[:RECALLED])):
        for fraction in FRACTIONS:
            live = [model for model in named if np.isfinite(runs[model].at(fraction))]
            if len(live) < FEWEST:
                continue
            rows = [found.models[model] for model in live]
            x, v = found.scores[fraction][np.ix_(rows, past)], found.finals[np.ix_(rows, past)]
            missing = np.isnan(x) | np.isnan(v)
            x, v = np.where(missing, np.nan, x), np.where(missing, np.nan, v)
            kept = np.flatnonzero((~missing).sum(axis=0) >= FEWEST)
            x, v = clipped(x[:, kept]), clipped(v[:, kept])
            differ = (np.nanstd(x, axis=0) > 1e-12) & (np.nanstd(v, axis=0) > 1e-12)
            kept = kept[differ]
            priors = np.where(missing[:, kept], np.nan, each[rows][:, kept])
            view = View(
                curves=tuple(runs[model] for model in live),
                fraction=fraction,
                p=standardise(total[rows]),
                trends=trends,
                x=x[:, differ],
                v=v[:, differ],
                priors=standardise(priors),
            )
            result.append((scope, view, np.array([runs[model].final for model in live], dtype=float)))
    return result


# Predictors ---------------------------------------------------------------------------------------------------------


def last_value(view: View) -> Predicted:
    """The last validation score."""
    return view.s, None, None


def default_gain(view: View) -> Predicted:
    """The default method's: the score plus the median past gain, in own units, or as a ratio where lower is better."""
    return _gained(past_gain(view.trends, view.fraction), view.s)


def _gained(gain: Gain | None, scores: FloatArray) -> Predicted:
    found = [predict(gain, score) for score in scores]
    low, high = np.array([(np.nan, np.nan) if bounds is None else bounds for _, bounds in found]).T
    return np.array([final for final, _ in found]), low, high


def paper_trends(view: View) -> Predicted:
    """The paper's convergence trends: the mean final of the nearest of 4 clusters of the model's past scores."""
    finals = [
        view.trends.cached(
            ("convergence trends", curve.model, view.fraction),
            lambda curve=curve: convergence_trends(view.trends, curve.model, fraction=view.fraction, seed=SEED),
        ).final(score)
        for curve, score in zip(view.curves, view.s, strict=True)
    ]
    return np.where(np.isnan(finals), view.s, finals), None, None


def model_regression(view: View) -> Predicted:
    """Ridge regression of the gain on the score over the model's own past runs, over all runs for fewer than 3 of them.

    The ridge is one run's worth of the spread within models, so that with little to go by the gain is the mean gain.
    """
    trends = view.trends
    scores, finals = trends.at(view.fraction), trends.finals
    known = ~np.isnan(scores) & ~np.isnan(finals)
    if known.sum() < 3:
        return view.s, None, None
    within = pd.Series(scores[known]).groupby(trends.model[known]).transform("mean").to_numpy()
    ridge = float(np.mean((scores[known] - within) ** 2)) + 1e-12
    found = []
    for curve, score in zip(view.curves, view.s, strict=True):
        rows = trends.rows(curve.model)
        own = known[rows]
        a, b = (scores[rows][own], finals[rows][own]) if own.sum() >= 3 else (scores[known], finals[known])
        gain, centred = (b - a).mean(), a - a.mean()
        slope = (centred @ (b - a)) / (centred @ centred + ridge)
        noise = np.sqrt(np.sum((b - a - gain - slope * centred) ** 2) / (len(a) - 2))
        middle = score + gain + slope * (score - a.mean())
        leverage = 1 + 1 / len(a) + (score - a.mean()) ** 2 / (centred @ centred + ridge)
        half = t.ppf(0.9, len(a) - 2) * noise * np.sqrt(leverage)
        found.append((middle, middle - half, middle + half))
    final, low, high = np.array(found).T
    return final, low, high


_EXPONENTS = np.geomspace(0.05, 4.0, 24)


def power_law(curve: Curve, fraction: float) -> float:
    """The final by a - b * step^-c, fitted by least squares to the curve up to a fraction of the planned steps.

    a and b have a closed form for each c on a grid, so the fit cannot fail to converge. Needs four points after step 0
    and b >= 0; without them the last score is the prediction.
    """
    last = curve.at(fraction)
    seen = (curve.fractions <= fraction + 1e-9) & (curve.steps > 0)
    if seen.sum() < 4 or not np.isfinite(last):
        return last
    values = curve.values[seen]
    u = curve.fractions[seen] ** -_EXPONENTS[:, None]  # (24, n_points)
    centred, centred_values = u - u.mean(axis=1, keepdims=True), values - values.mean()
    b = -(centred @ centred_values) / np.sum(centred**2, axis=1)
    error = np.sum((centred_values + b[:, None] * centred) ** 2, axis=1)
    error[b < 0] = np.inf
    best = int(np.argmin(error))
    if not np.isfinite(error[best]):
        return last
    return float(values.mean() + b[best] * u[best].mean() - b[best])


def own_power_law(view: View) -> Predicted:
    """A power law through the target's own curve alone."""
    return np.array([power_law(curve, view.fraction) for curve in view.curves]), None, None


def medians(rows: FloatArray) -> FloatArray:
    """The median of each row's numbers, NaN where it has none; many times as fast as `np.nanmedian`."""
    number, ordered = (~np.isnan(rows)).sum(axis=1), np.sort(rows, axis=1)
    each, upper = np.arange(len(rows)), np.minimum(number // 2, rows.shape[1] - 1)
    return (ordered[each, np.maximum(number - 1, 0) // 2] + ordered[each, upper]) / 2


@dataclass(frozen=True, kw_only=True)
class SpreadGain:
    """The score plus what past runs still gained, in units of the spread of the scores that are live together.

    A gain in own units or as a ratio carries over only among datasets of one scale; in units of the spread it carries
    over between any two, of either direction. With c = 0, w = 0 and S(s) the spread,

        predicted = s + S(s) * median over m, d of (v[m, d] - x[m, d]) / S(x[:, d])

    Args:
        w: How far scores are first pulled to the prior: s' = mean + (s - mean + w * S(s) * p) / (1 + w), x' likewise.
        c: Whether a model's own gain counts: its median over its n_m past runs, shrunk to that of all as if five more
            runs had shown it.
    """

    w: float
    c: bool

    def __call__(self, view: View) -> Predicted:
        """Of a view."""
        return self.of(view.s, view.p, x=view.x, v=view.v, priors=view.priors)

    def of(self, s: FloatArray, p: FloatArray, *, x: FloatArray, v: FloatArray, priors: FloatArray) -> Predicted:
        """Of the arrays of a view; the interval holds 0.8 of what past runs missed the prediction by."""
        if not x.size:
            return s, None, None
        base = self._pulled(s, p)
        spread = float(clipped(s).std())
        gains = (v - self._pulled(x, priors)) / np.nanstd(x, axis=0)
        gain = np.full(len(s), medians(gains.reshape(1, -1))[0])
        if self.c:
            number = (~np.isnan(gains)).sum(axis=1)
            gain += number / (number + 5) * np.nan_to_num(medians(gains) - gain)
        final = base + spread * gain
        missed = np.sort((gains - gain[:, None])[~np.isnan(gains)])
        beyond = (len(missed) + 1) // 10
        if not beyond:
            return final, None, None
        return final, final + spread * missed[beyond - 1], final + spread * missed[-beyond]

    def _pulled(self, scores: FloatArray, p: FloatArray) -> FloatArray:
        if not self.w:
            return scores
        scores = clipped(scores)
        mean, spread = np.nanmean(scores, axis=0), np.nanstd(scores, axis=0)
        return mean + (scores - mean + self.w * spread * p) / (1 + self.w)


VARIANTS = tuple(SpreadGain(w=w, c=c) for w in (0.0, 0.5) for c in (False, True))
JUDGED = 20


def chosen(view: View) -> Predicted:
    """Of the four spread gains (pulled to the prior or not, by model or not), the one that erred least in the past.

    Each past dataset is left out in turn (some `JUDGED` of them where there are more) and predicted from the others.
    The error on it is the mean absolute one in units of its deviation; of the logarithms the mean is taken.
    """
    number = view.x.shape[1]
    if number < 2:
        return VARIANTS[0](view)
    total = np.zeros(len(VARIANTS))
    for d in np.unique(np.linspace(0, number - 1, JUDGED).astype(int)):
        there, rest = ~np.isnan(view.x[:, d]), np.arange(number) != d
        s, p, v = view.x[there, d], view.priors[there, d], view.v[there, d]
        past = {name: array[there][:, rest] for name, array in (("x", view.x), ("v", view.v), ("priors", view.priors))}
        # What is left may be too few models of some dataset.
        full = (~np.isnan(past["x"])).sum(axis=0) > 1
        full &= np.nanstd(past["x"], axis=0) > 1e-12
        past = {name: array[:, full] for name, array in past.items()}
        for index, variant in enumerate(VARIANTS):
            error = np.mean(np.abs(variant.of(s, p, **past)[0] - v)) / v.std()
            total[index] += np.log(error + SMALL)
    return VARIANTS[int(np.argmin(total))](view)


PREDICTORS: Mapping[str, Callable[[View], Predicted]] = {
    "last value": last_value,
    "default's gain": default_gain,
    "paper's k-means": paper_trends,
    "per-model regression": model_regression,
    "power law": own_power_law,
    "spread gain": VARIANTS[0],
    "spread gain by model": VARIANTS[1],
    "spread gain and prior": VARIANTS[2],
    "spread gain by model and prior": VARIANTS[3],
    "spread gain, chosen": chosen,
}


# Rows ---------------------------------------------------------------------------------------------------------------


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Rank correlation; 0 where all of one are equal."""
    a, b = rankdata(a), rankdata(b)
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def rows_of(name: str) -> tuple[list[dict[str, object]], str, str]:
    """One row a target, scope, fraction and predictor of a curve set; what the set is, and its unit."""
    began = time.perf_counter()
    of = mini_zoo() if name == MINI_ZOO else CURVE_SETS[name](data_folder() or Path())
    warnings.simplefilter("ignore", RuntimeWarning)  # means of models or datasets without a number are NaN, and wanted
    found = measured(of.history.curves())
    result: list[dict[str, object]] = []
    for target in of.targets:
        every = np.array(list(task(of.history, target).finals.values()))
        unit = float(clipped(every).std())
        floor = float(clipped(every).min())
        if unit < 1e-12:  # no model differs from another
            continue
        for scope, view, finals in views(found, of, target):
            true = np.maximum(finals, floor)
            for called, predictor in PREDICTORS.items():
                if predictor is paper_trends and scope == "all":  # thousands of fits of k-means
                    continue
                final, low, high = predictor(view)
                error = float(np.mean(np.abs(np.maximum(final, floor) - true)))
                within = width = np.nan
                if low is not None and high is not None and np.isfinite(low).all():
                    within = float(np.mean((low <= finals) & (finals <= high)))
                    width = float(np.mean(np.maximum(high, floor) - np.maximum(low, floor))) / unit
                result.append(
                    {
                        "set": of.name,
                        "target": target,
                        "scope": scope,
                        "fraction": view.fraction,
                        "predictor": called,
                        "models": len(finals),
                        "error": error / unit,
                        "own_error": error,
                        "spearman": spearman(final, finals),
                        "regret": float(finals.max() - finals[int(np.argmax(final))]) / unit,
                        "coverage": within,
                        "width": width,
                    }
                )
    print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return result, of.told, of.unit


# The page -----------------------------------------------------------------------------------------------------------

ABOUT = f"""# Predictors of the final, compared on their own

Made by `RAYSEL_DATA=... python benchmarks/predictors.py --rows benchmarks/results/predictors.parquet > \
benchmarks/results/predictors.md`; one row a set, target, scope, fraction and predictor is in the Parquet file.

Each target is left out in turn with its near-duplicates. At 20, 40, 60, 80 and 100 % of the planned steps a predictor
sees the validation curves up to there, the recall priors and the other datasets' curves, and predicts the finals of all
models that are measured by then, or of the {RECALLED} recalled by history (by mean z-score) alone. Between two points
of a curve the score is interpolated, as the library does, for every predictor alike.

- **error**: mean absolute error in units of the target's deviation over all its models' finals, since scales differ
  between datasets. **own units** are the dataset's own. Finals and predictions below median - 3 * (max - median) count
  as that: how deep a run failed is not asked for.
- **of last value**: the error divided by that of the last value on the same target and fraction ({SMALL} deviations
  added to both), geometric mean over targets and the fractions .2 to .8; below 1 is better. In brackets the bootstrap
  95 % interval over targets; of the three targets of llm_finetune_scaling it says little.
- **rank**: Spearman's correlation of predicted and true finals within a target. **regret**: best final of those models
  less that of the one predicted best, in deviations. Both are means over targets and all five fractions, with intervals
  over targets. What moves every score alike ranks as the last value does.
  A target on which no two finals differ, or fewer than {FEWEST} models are measured, is left out.
- **holds**: the share of finals within the nominal 80 % interval. **width**: its mean width in deviations.

The predictors:
- *last value*.
- *default's gain* (raysel.trends.default): the score plus the median past gain, a ratio where lower is better.
- *paper's k-means* (raysel.trends.paper.convergence_trends), for the recalled alone: it takes a fit for each model.
- *per-model regression*: ridge of the gain on the score over the model's own past runs.
- *power law*: a - b * step^-c through the target's own curve, by least squares on a grid of c; the last value where
  there are fewer than four points.
- *spread gain*: s + S * median((v - x) / S(x)): the gain in units of the spread. s are the live models' scores, S their
  deviation (scores clipped as above), x and v the same models' scores and finals on each past dataset. *By model*: with
  the model's own median, shrunk to that of all as if five more runs had shown it. *And prior*: scores are first pulled
  to the prior with weight 1/2, as the default ranks. *Chosen*: of these four the one that erred least on the past.
"""


def interval(values: FloatArray, seed: int = SEED) -> tuple[float, float]:
    """The bootstrap 95 % interval of a mean over targets."""
    drawn = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def shown(value: float, digits: int = 2) -> str:
    """A number of the page."""
    if not np.isfinite(value):
        return "-"
    return "> 100" if value > 100 else f"{value:.{digits}f}"


def ratios(rows: pd.DataFrame, over: str) -> pd.DataFrame:
    """Logarithms of errors over another predictor's, targets by predictors: means over the fractions below 1."""
    table = np.log(
        rows[rows["fraction"] < 1].pivot_table(index=["target", "fraction"], columns="predictor", values="error")
        + SMALL
    )
    return table.sub(table[over], axis=0).groupby("target").mean()


def page(rows: pd.DataFrame, sets: Mapping[str, tuple[str, str]]) -> str:
    """The page in Markdown; of each set what it is and its unit."""
    lines = [ABOUT, "## Which wins where", ""]
    lines += [
        "The least error (over the last value's), the best rank and the least regret; then the errors of two over that "
        "of the default's gain, paired by target, below 1 where they are better, with 95 % intervals. Of equals the "
        "first by name is named: where the default's gain has the best rank, last value and spread gain share it.",
        "",
        "| set | models | targets | least error | best rank | least regret | spread gain | spread gain, chosen |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    tables: list[str] = []
    for name, (told, unit) in sets.items():
        for scope, models in (("all", "all"), ("recalled", f"{RECALLED} recalled")):
            part = rows[(rows["set"] == name) & (rows["scope"] == scope)]
            logs, against = ratios(part, "last value"), ratios(part, "default's gain")
            mean = part.groupby("predictor")[["own_error", "spearman", "regret", "coverage", "width"]].mean()
            won = (
                f"{logs.mean().idxmin()} ({shown(float(np.exp(logs.mean().min())))})",
                f"{mean['spearman'].idxmax()} ({shown(mean['spearman'].max(), 3)})",
                f"{mean['regret'].idxmin()} ({shown(mean['regret'].min(), 3)})",
                *(ratio_of(against[called]) for called in ("spread gain", "spread gain, chosen")),
            )
            lines.append(f"| {name} | {models} | {part['target'].nunique()} | {' | '.join(won)} |")
            tables += ["", f"## {name}, {models}", "", f"{told}; own units: {unit}.", ""]
            tables += table_of(part, logs, mean)
    return "\n".join([*lines, *tables]) + "\n"


def ratio_of(logs: pd.Series) -> str:
    """A geometric mean over targets and its interval."""
    low, high = interval(logs.to_numpy())
    return f"{shown(float(np.exp(logs.mean())))} [{shown(float(np.exp(low)))}, {shown(float(np.exp(high)))}]"


def ranged(values: pd.Series) -> str:
    """A mean over targets and its interval."""
    low, high = interval(values.to_numpy())
    return f"{shown(float(values.mean()), 3)} [{shown(low)}, {shown(high)}]"


def table_of(part: pd.DataFrame, logs: pd.DataFrame, mean: pd.DataFrame) -> list[str]:
    """The table of one set and scope."""
    errors = part.pivot_table(index="predictor", columns="fraction", values="error")
    by_target = part.groupby(["predictor", "target"])[["spearman", "regret"]].mean()
    lines = [
        f"| predictor | {' | '.join(f'error at {fraction:g}' for fraction in FRACTIONS)} "
        "| own units | of last value | rank | regret | holds | width |",
        "| --- " * (len(FRACTIONS) + 7) + "|",
    ]
    for name in PREDICTORS:
        if name not in errors.index:
            continue
        row = mean.loc[name]
        cells = [shown(errors.loc[name, fraction]) for fraction in FRACTIONS]
        cells += [
            f"{row['own_error']:.3g}",
            ratio_of(logs[name]),
            *(ranged(by_target.loc[name, of]) for of in ("spearman", "regret")),
        ]
        cells += [shown(row["coverage"]), shown(row["width"])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


@click.command(help=__doc__)
@click.option("--rows", "file", type=click.Path(path_type=Path), help="Where the rows go, as Parquet.")
def main(file: Path | None) -> None:
    names = [MINI_ZOO, *(CURVE_SETS if data_folder() else ())]
    with ProcessPoolExecutor(PROCESSES) as pool:
        found = dict(zip(names, pool.map(rows_of, names), strict=True))
    rows = pd.DataFrame([row for of_set, _, _ in found.values() for row in of_set])
    if file is not None:
        rows.to_parquet(file, index=False)
    print(page(rows, {name: (told, unit) for name, (_, told, unit) in found.items()}), end="")


if __name__ == "__main__":
    main()
