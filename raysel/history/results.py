"""From rows to results: finals, curves and the performance matrix.

Notation: a *run* is a row of `runs`, and `run` in a table of observations is the number of that row. All tables come
with text as categories and without repeated keys. Nothing here loops over runs but the making of `Curve`s.

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

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raysel.arrays import FloatArray, IntArray
from raysel.history.curves import Curve
from raysel.history.matrix import PerformanceMatrix

BoolArray = NDArray[np.bool_]
# Steps are counted in floating point: three steps of 0.1 and 0.3 are the same place.
_STEP_TOLERANCE = 1e-9
_OF_CURVE = ("run_id", "model", "dataset", "status", "planned_steps", "seed", "config")


def metrics(runs: pd.DataFrame, observations: pd.DataFrame, datasets: pd.DataFrame) -> pd.DataFrame:
    """The primary metric and the mode of each dataset that has one: columns `metric` and `mode`, indexed by dataset."""
    recorded = datasets.dropna(subset=["primary_metric"])
    known = pd.DataFrame(
        {"metric": recorded["primary_metric"].astype(object), "mode": recorded["mode"].astype(object)}
    ).set_index(recorded["dataset"].astype(object))
    others = runs[~runs["dataset"].isin(known.index)].reset_index(drop=True)
    if others.empty:
        return known
    observations = of_runs(others, observations)
    pairs = pd.DataFrame(
        {
            "dataset": others["dataset"].cat.codes.to_numpy()[observations["run"]],
            "metric": observations["metric"].cat.codes.to_numpy(),
        }
    ).drop_duplicates()
    single = pairs.drop_duplicates("dataset", keep=False)
    inferred = pd.DataFrame(
        {"metric": observations["metric"].cat.categories.to_numpy(object)[single["metric"]], "mode": "max"},
        index=others["dataset"].cat.categories.to_numpy(object)[single["dataset"]],
    )
    return pd.concat([known, inferred]) if len(inferred) else known


def matrix(runs: pd.DataFrame, observations: pd.DataFrame, datasets: pd.DataFrame) -> PerformanceMatrix:
    """The performance matrix, models and datasets by name, those without a single cell left out."""
    runs, observations, signs = _in_primary_metric(runs, observations, datasets)
    final, validation = _ends(runs, observations)
    models, model_names = _ranks(runs["model"])
    columns, dataset_names = _ranks(runs["dataset"])
    cells = pd.DataFrame(
        {
            "model": models,
            "dataset": columns,
            "revision": _ranks(runs["revision"])[0],
            "config": _ranks(runs["config"])[0],
            "final": final * signs,
            "validation": validation * signs,
        }
    )[~np.isnan(final)]
    configurations = cells.groupby(["model", "dataset", "revision", "config"]).mean().reset_index()
    best = (
        configurations.assign(
            unvalidated=configurations["validation"].isna(),
            loss=-configurations["validation"].fillna(configurations["final"]),
        )
        .sort_values(["model", "dataset", "unvalidated", "loss"], kind="stable")
        .drop_duplicates(["model", "dataset"])
    )
    rows, model_rows = np.unique(best["model"].to_numpy(), return_inverse=True)
    kept, dataset_columns = np.unique(best["dataset"].to_numpy(), return_inverse=True)
    values = np.full((len(rows), len(kept)), np.nan)
    values[model_rows, dataset_columns] = best["final"]
    lower = np.zeros(len(dataset_names), bool)
    lower[columns] = signs < 0
    return PerformanceMatrix(
        models=tuple(model_names[rows]),
        datasets=tuple(dataset_names[kept]),
        values=values,
        lower_is_better=tuple(lower[kept].tolist()),
    )


def curves(runs: pd.DataFrame, observations: pd.DataFrame, datasets: pd.DataFrame) -> list[Curve]:
    """The validation curve of every run that has one, by dataset, model and run."""
    runs, observations, signs = _in_primary_metric(runs, observations, datasets)
    final = _ends(runs, observations)[0] * signs
    points = observations[(observations["split"] == "val").to_numpy()].sort_values(["run", "step"])
    numbers, starts = np.unique(points["run"].to_numpy(), return_index=True)
    steps = points["step"].to_numpy()
    values = points["value"].to_numpy() * signs[points["run"]]
    seconds = points["seconds"].to_numpy()
    columns = {name: runs[name].astype(object).to_numpy()[numbers] for name in _OF_CURVE}
    configs: dict[str, dict[str, object]] = {text: json.loads(text) for text in set(columns["config"])}
    found = []
    for i, (start, stop) in enumerate(zip(starts, np.append(starts, len(points))[1:], strict=True)):
        seed, end = columns["seed"][i], final[numbers[i]]
        timed = not np.isnan(seconds[start:stop]).any()
        found.append(
            Curve(
                run_id=columns["run_id"][i],
                model=columns["model"][i],
                dataset=columns["dataset"][i],
                status=columns["status"][i],
                planned_steps=columns["planned_steps"][i],
                steps=steps[start:stop],
                values=values[start:stop],
                seconds=seconds[start:stop] if timed else None,
                final=None if np.isnan(end) else float(end),
                lower_is_better=bool(signs[numbers[i]] < 0),
                seed=None if pd.isna(seed) else int(seed),
                config=configs[columns["config"][i]],
            )
        )
    return sorted(found, key=lambda curve: (curve.dataset, curve.model, curve.run_id))


def of_runs(runs: pd.DataFrame, observations: pd.DataFrame) -> pd.DataFrame:
    """The observations of these runs, with `run`; those of other runs are left out."""
    ids = observations["run_id"].cat
    by_category = pd.Index(runs["run_id"].astype(object)).get_indexer(ids.categories.astype(object))
    run = np.append(by_category, -1)[ids.codes.to_numpy()]
    return observations.drop(columns="run_id").assign(run=run)[run >= 0]


def at_last_step(runs: pd.DataFrame, observations: pd.DataFrame) -> BoolArray:
    """True for each observation (with `run`) that was made at the last planned step of its run."""
    planned = runs["planned_steps"].to_numpy()[observations["run"]]
    close: BoolArray = np.isclose(observations["step"].to_numpy(), planned, rtol=_STEP_TOLERANCE, atol=0.0)
    return close


def _in_primary_metric(
    runs: pd.DataFrame, observations: pd.DataFrame, datasets: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, FloatArray]:
    """Runs by id, their observations in their dataset's primary metric, and each run's sign (-1: lower is better)."""
    runs = runs.sort_values("run_id", key=lambda ids: pd.Series(_ranks(ids)[0], index=ids.index))
    runs = runs.reset_index(drop=True)
    primary = metrics(runs, observations, datasets)
    observations = of_runs(runs, observations)
    names = runs["dataset"].cat.categories
    wanted = observations["metric"].cat.categories.get_indexer(pd.Index(primary["metric"].reindex(names)))
    signs = np.where(primary["mode"].reindex(names).to_numpy(object) == "min", -1.0, 1.0)
    # The extra last place answers for a run without a dataset code, which cannot be: it keeps empty tables in shape.
    dataset = runs["dataset"].cat.codes.to_numpy()
    wanted_of_run, signs_of_run = np.append(wanted, -1)[dataset], np.append(signs, 1.0)[dataset]
    codes = observations["metric"].cat.codes.to_numpy()
    kept = (codes == wanted_of_run[observations["run"]]) & (codes >= 0)
    return runs, observations[kept], signs_of_run


def _ends(runs: pd.DataFrame, observations: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Final and validation value at the last planned step, as recorded; NaN unless completed and measured there."""
    run, at_end = observations["run"].to_numpy(), at_last_step(runs, observations)
    values, is_test = observations["value"].to_numpy(), (observations["split"] == "test").to_numpy()
    ends = np.full((2, len(runs)), np.nan)
    for row, chosen in enumerate((~is_test & at_end, is_test & at_end)):
        ends[row, run[chosen]] = values[chosen]
    ends[:, (runs["status"] != "completed").to_numpy()] = np.nan
    validation, test = ends
    return np.where(np.isnan(test), validation, test), validation


def _ranks(names: pd.Series) -> tuple[IntArray, np.ndarray]:
    """Each name's place among the sorted names, and the sorted names: free of the order that rows were read in."""
    categories = names.cat.categories.to_numpy(object)
    order = np.argsort(categories, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.append(rank, -1)[names.cat.codes.to_numpy()], categories[order]
