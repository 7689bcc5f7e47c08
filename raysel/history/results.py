"""From rows to results: finals, curves and the performance matrix.

Notation: `run` is the number of a row of `runs`; arrays are by run, `(n_runs,)`, or by observation, `(n_points,)`.
Tables come with text dictionary-encoded and without repeated keys. Nothing loops over runs but the making of `Curve`s.

The rules (what the definitions leave open is decided here):

- A dataset without a row in `datasets`, or with a row that names no primary metric, takes the only metric that its runs
  have, higher being better; where they have several it has no results until its primary metric is recorded.
- A run's *final* is its test value at the last planned step, else its validation value there; completed runs only.
- A *configuration* of a model on a dataset is its revision and its other hyperparameters. Its validation value is the
  mean over its completed runs of the validation value at the last planned step. A configuration without one yields to
  any that has one; where none has, the best final decides. Ties go to the configuration whose revision and JSON text
  sort first.
- A *cell* of the performance matrix is the mean of the finals of the best configuration's runs.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from raysel.arrays import FloatArray, IntArray
from raysel.errors import HistoryError
from raysel.history.curves import Curve
from raysel.history.matrix import PerformanceMatrix
from raysel.history.tables import encoded

BoolArray = NDArray[np.bool_]
# Steps are counted in floating point: three steps of 0.1 and 0.3 are the same place.
_STEP_TOLERANCE = 1e-9
_OF_CURVE = ["run_id", "model", "dataset", "status", "planned_steps", "seed", "config", "hardware"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Observations of runs that are described: all arrays are (n_points,).

    Args:
        run: The run that each belongs to.
        step: Where in that run.
        is_test: True for a test value, false for a validation value.
        value: The value as recorded.
        seconds: Since the run began; NaN where not recorded.
        metric: The code of the metric.
    """

    run: IntArray
    step: FloatArray
    is_test: BoolArray
    value: FloatArray
    seconds: FloatArray
    metric: IntArray

    def at_end(self, runs: pa.Table) -> BoolArray:
        """Which of them were made at the last planned step of their run."""
        planned = runs["planned_steps"].to_numpy()[self.run]
        close: BoolArray = np.isclose(self.step, planned, rtol=_STEP_TOLERANCE, atol=0.0)
        return close

    def pick(self, chosen: BoolArray | IntArray) -> "Points":
        """Those chosen, by a mask or in the order of an index."""
        return Points(**{name: values[chosen] for name, values in vars(self).items()})


def points(runs: pa.Table, observations: pa.Table) -> tuple[Points, pa.Array]:
    """The observations of these runs, and the metrics that their codes stand for."""
    codes, ids = encoded(observations["run_id"])
    run = _place_in(runs["run_id"].cast(pa.string()), ids)[codes]
    metric, names = encoded(observations["metric"])
    split, splits = encoded(observations["split"])
    found = Points(
        run=run,
        step=observations["step"].to_numpy(),
        is_test=_place_in(pa.array(["test"]), splits)[split] == 0,
        value=observations["value"].to_numpy(),
        seconds=observations["seconds"].to_numpy()
        if "seconds" in observations.column_names
        else np.full(len(observations), np.nan),
        metric=metric,
    )
    return found.pick(run >= 0), names


def directions(runs: pa.Table, observations: pa.Table, datasets: pa.Table) -> dict[str, tuple[str, str]]:
    """The primary metric and the mode of each dataset that has one."""
    recorded = datasets.filter(pc.is_valid(datasets["primary_metric"]))
    columns = (recorded[name].to_pylist() for name in ("dataset", "primary_metric", "mode"))
    known = {dataset: (metric, mode) for dataset, metric, mode in zip(*columns, strict=True)}
    dataset, names = encoded(runs["dataset"])
    unknown = _place_in(pa.array(list(known), type=pa.string()), names) < 0
    if not unknown[dataset].any():
        return known
    found, metrics = points(runs, observations)
    pairs = pd.DataFrame({"dataset": dataset[found.run], "metric": found.metric})
    single = pairs[unknown[pairs["dataset"]]].drop_duplicates().drop_duplicates("dataset", keep=False)
    for code, metric in zip(single["dataset"], single["metric"], strict=True):
        known[names[code].as_py()] = metrics[metric].as_py(), "max"
    return known


def matrix(runs: pa.Table, observations: pa.Table, datasets: pa.Table) -> PerformanceMatrix:
    """The performance matrix, models and datasets by name, those without a single cell left out."""
    runs = _by_id(runs)
    found, signs = _in_primary_metric(runs, observations, datasets)
    final, validation = _ends(runs, found)
    keys = {name: encoded(runs[name]) for name in ("model", "dataset", "revision", "config")}
    cells = pd.DataFrame(
        {name: codes for name, (codes, _) in keys.items()} | {"final": final * signs, "validation": validation * signs}
    )[~np.isnan(final)]
    configurations = cells.groupby(list(keys)).mean().reset_index()
    best = (
        configurations.assign(
            unvalidated=configurations["validation"].isna(),
            loss=-configurations["validation"].fillna(configurations["final"]),
        )
        .sort_values(["model", "dataset", "unvalidated", "loss"], kind="stable")
        .drop_duplicates(["model", "dataset"])
    )
    models, rows = np.unique(best["model"].to_numpy(), return_inverse=True)
    columns, places = np.unique(best["dataset"].to_numpy(), return_inverse=True)
    values = np.full((len(models), len(columns)), np.nan)
    values[rows, places] = best["final"]
    lower = np.zeros(len(keys["dataset"][1]), bool)
    lower[keys["dataset"][0]] = signs < 0
    return PerformanceMatrix(
        models=tuple(keys["model"][1].take(models).to_pylist()),
        datasets=tuple(keys["dataset"][1].take(columns).to_pylist()),
        values=values,
        lower_is_better=tuple(lower[columns].tolist()),
    )


def curves(runs: pa.Table, observations: pa.Table, datasets: pa.Table) -> list[Curve]:
    """The validation curve of every run that has one, by dataset, model and run."""
    runs = _by_id(runs)
    found, signs = _in_primary_metric(runs, observations, datasets)
    final = _ends(runs, found)[0] * signs
    found = found.pick(~found.is_test)
    found = found.pick(np.lexsort((found.step, found.run)))
    values = found.value * signs[found.run]
    numbers, starts = np.unique(found.run, return_index=True)
    stops = np.append(starts, len(found.run))[1:]
    described = runs.select(_OF_CURVE).take(pa.array(numbers)).to_pylist()
    configs: dict[str, dict[str, object]] = {}
    drawn = []
    for run, number, start, stop in zip(described, numbers, starts, stops, strict=True):
        config, seconds, end = run.pop("config"), found.seconds[start:stop], final[number]
        if config not in configs:
            configs[config] = _parsed(config, run["run_id"])
        drawn.append(
            Curve(
                **run,
                steps=found.step[start:stop],
                values=values[start:stop],
                seconds=None if np.isnan(seconds).any() else seconds,
                final=None if np.isnan(end) else float(end),
                lower_is_better=bool(signs[number] < 0),
                config=configs[config],
            )
        )
    return sorted(drawn, key=lambda curve: (curve.dataset, curve.model, curve.run_id))


def _parsed(config: str, run: str) -> dict[str, object]:
    try:
        parsed = json.loads(config)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise HistoryError(f"the configuration of run {run} is no JSON object: {config[:40]!r}")
    return parsed


def _place_in(wanted: pa.Array, names: pa.Array) -> IntArray:
    """The place of each name among those wanted, -1 where it is none of them."""
    places: IntArray = pc.fill_null(pc.index_in(names, value_set=wanted), -1).to_numpy().astype(np.int64)
    return places


def _by_id(runs: pa.Table) -> pa.Table:
    """The runs sorted by id, so that sums do not depend on the order that parts were written in."""
    return runs.take(pc.sort_indices(runs["run_id"].cast(pa.string())))


def _in_primary_metric(runs: pa.Table, observations: pa.Table, datasets: pa.Table) -> tuple[Points, FloatArray]:
    """The points in the primary metric of their dataset, and each run's sign: -1 where lower is better, else 1."""
    known = directions(runs, observations, datasets)
    found, metrics = points(runs, observations)
    dataset, names = encoded(runs["dataset"])
    primary = [known.get(name, (None, None)) for name in names.to_pylist()]
    wanted = _place_in(metrics, pa.array([metric for metric, _ in primary], type=pa.string()))
    signs = np.array([-1.0 if mode == "min" else 1.0 for _, mode in primary])
    return found.pick(found.metric == wanted[dataset[found.run]]), signs[dataset]


def _ends(runs: pa.Table, found: Points) -> tuple[FloatArray, FloatArray]:
    """Final and validation value at the last planned step, as recorded; NaN unless completed and measured there."""
    at_end = found.at_end(runs)
    ends = np.full((2, len(runs)), np.nan)
    for row, chosen in enumerate((at_end & ~found.is_test, at_end & found.is_test)):
        ends[row, found.run[chosen]] = found.value[chosen]
    ends[:, pc.not_equal(runs["status"], "completed").to_numpy()] = np.nan
    validation, test = ends
    return np.where(np.isnan(test), validation, test), validation
