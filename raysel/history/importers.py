"""Importers: files in long form and folders of Ray Tune experiments become rows of a history.

What a file may hold is described in `raysel.history.tidy`, what of an experiment is read in
`raysel.history.ray_results`. Run ids are made from what was run, so importing the same again changes nothing.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from raysel.errors import DataError, OptionError, UnknownNameError
from raysel.history.facts import completed
from raysel.history.ray_results import read_ray_experiment
from raysel.history.store import History
from raysel.history.tables import TABLES, canonical, run_id, validate
from raysel.history.tidy import SPLIT_NAMES, Tidy, read_fields, split_of

_RUN = ["model", "revision", "dataset", "config", "seed"]
_OF_RUN = ["fingerprint", "hardware", "status", "planned_steps"]
_POINT = ["run_id", "step", "split", "metric"]
_STEP_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """Rows for a history, and what was left out on the way.

    Args:
        rows: By table: `runs`, `observations`, `datasets` and perhaps `models`, or `proxies`.
        ignored: Columns of the file that are no field.
        decides: Whether a dataset's primary metric was named, rather than being its only one.
    """

    rows: Mapping[str, pd.DataFrame]
    ignored: tuple[str, ...] = ()
    decides: bool = False


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import added.

    Args:
        rows: The number of rows added by table; those that the history had already are not among them.
        ignored: Columns of the file that were left out.
    """

    rows: Mapping[str, int]
    ignored: tuple[str, ...] = ()


def import_file(
    history: History,
    path: str | Path,
    *,
    mapping: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    scale: float = 1.0,
    wide: bool = False,
    without: Collection[str] = (),
    prefix: str = "",
) -> Imported:
    """Add a file in long form, or the folder of a Ray Tune experiment, to a history.

    For a folder, `constants` gives `dataset`, `metric` and `mode` and may give `planned_steps`; `mapping` may say which
    key of the configuration holds the `model` and which result counts the `step` (see `import_ray_experiment`).

    Args:
        history: Where to.
        path: A CSV file with a header, a Parquet file (`.parquet`), a matrix of the two-phase paper (`.txt`), or the
            folder of an experiment.
        mapping: The column of each field that is not in the column of its own name.
        constants: The value of each field that is the same in every row.
        scale: What values are multiplied by (0.01 turns per cent into shares); positive.
        wide: Whether the file has a row a model (in the column that `mapping` says) and a column of values a dataset.
        without: Columns of a wide file that are no datasets, such as averages.
        prefix: What the names of models are to begin with, such as ``timm/``.

    Raises:
        OptionError: If the file cannot be read or an option breaks its rule.
        UnknownNameError: If an option names no field, or a column that the file lacks.
        DataError: If a row breaks a rule, or gives a metric the direction opposite to the one that the history has.
            Nothing is added then.
    """
    if not Path(path).is_dir():
        tables = read_tidy(
            path, mapping=mapping, constants=constants, scale=scale, wide=wide, without=without, prefix=prefix
        )
        return _add(history, tables)
    if wide or without or prefix:
        raise OptionError("wide", str(path), "a file, with `without` and `prefix` too, and no folder")
    mapping, constants = mapping or {}, dict(constants or {})
    for given, fields in ((mapping, ("model", "step")), (constants, ("dataset", "metric", "mode", "planned_steps"))):
        for field in given:
            if field not in fields:
                raise UnknownNameError("field of a Ray Tune experiment", field, fields)
    for field in ("dataset", "metric", "mode"):
        if field not in constants:
            raise OptionError(field, None, f"given for a Ray Tune experiment (--set {field}=VALUE)")
    return import_ray_experiment(
        history,
        path,
        dataset=constants["dataset"],
        metric=constants["metric"],
        mode=constants["mode"],
        model=mapping.get("model", "model"),
        step=mapping.get("step", "training_iteration"),
        planned_steps=_number("planned_steps", constants["planned_steps"]) if "planned_steps" in constants else None,
        scale=scale,
    )


def import_ray_experiment(
    history: History,
    folder: str | Path,
    *,
    dataset: str,
    metric: str,
    mode: str,
    model: str = "model",
    step: str = "training_iteration",
    planned_steps: float | None = None,
    scale: float = 1.0,
) -> Imported:
    """Add the trials of a Ray Tune experiment to a history.

    Args:
        history: Where to.
        folder: The experiment's folder, on this machine: it holds one folder a trial.
        dataset: The dataset that the trials fine-tuned on.
        metric: The result that is the validation score; `test_<metric>` is the test score, where reported.
        mode: `max` or `min`.
        model: The key of the configuration that names the model.
        step: The result that counts steps.
        planned_steps: Where every trial was to end; by default the last step that any of them reached.
        scale: What values are multiplied by; positive.

    Raises:
        OptionError: If an option breaks its rule, or the folder holds no trial.
        UnknownNameError: If no trial reports the metric.
        DataError: If a trial's files break a rule, or the history has the opposite direction for the metric.
    """
    _check_scale(scale)
    rows = read_ray_experiment(
        Path(folder),
        dataset=dataset,
        metric=metric,
        mode=mode,
        model=model,
        step=step,
        planned_steps=planned_steps,
    )
    if "observations" in rows:
        rows["observations"]["value"] *= scale
    return _add(history, Tables(rows=rows))


def read_tidy(
    path: str | Path,
    *,
    mapping: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    scale: float = 1.0,
    wide: bool = False,
    without: Collection[str] = (),
    prefix: str = "",
) -> Tables:
    """A file in long form as rows of a history; options and errors are those of `import_file`."""
    _check_scale(scale)
    tidy = read_fields(
        Path(path), mapping=mapping or {}, constants=constants or {}, wide=wide, without=without, prefix=prefix
    )
    rows = {"proxies": _proxies(tidy, scale)} if tidy.kind == "proxies" else _results(tidy, scale)
    return Tables(rows=rows, ignored=tidy.ignored, decides=tidy.has("primary_metric"))


# Rows of a file -----------------------------------------------------------------------------------------------------


def _proxies(tidy: Tidy, scale: float) -> pd.DataFrame:
    names = [name for name in TABLES["proxies"].names if tidy.has(name)]
    rows = tidy.fields[names].assign(value=tidy.fields["value"] * scale)
    rows = rows[np.isfinite(rows["value"])]
    return _without_repeats(tidy, rows, [name for name in TABLES["proxies"].key if name in names])


def _results(tidy: Tidy, scale: float) -> dict[str, pd.DataFrame]:
    rows = _placed(tidy).assign(value=tidy.fields["value"] * scale, config=_configs(tidy))
    for name in ("revision", "fingerprint", "hardware", "status"):
        rows[name] = tidy.fields[name] if tidy.has(name) else ""
    for name in ("seed", "seconds", "planned_steps"):
        rows[name] = tidy.fields[name] if tidy.has(name) else np.nan
    run = rows.groupby(_RUN, dropna=False, observed=True, sort=False).ngroup().to_numpy()
    runs = _runs(tidy, rows, run)
    points = rows.assign(run_id=pd.Categorical(runs["run_id"].to_numpy()[run]))[np.isfinite(rows["value"].to_numpy())]
    points = _without_repeats(tidy, points, _POINT)
    return {
        "datasets": _datasets(tidy, rows),
        "models": _models(tidy),
        "observations": points[list(TABLES["observations"].names)],
        "runs": runs,
    }


def _placed(tidy: Tidy) -> pd.DataFrame:
    """Model and dataset of each row with its step, split and metric, by the rules for those that are not given."""
    fields = tidy.fields
    names = [split_of(metric) for metric in fields["metric"].cat.categories]
    told, plain = np.array([split or "" for split, _ in names]), np.array([metric for _, metric in names])
    split, metric = told[fields["metric"].cat.codes], plain[fields["metric"].cat.codes]
    if tidy.has("split"):
        split = fields["split"].astype(object).map({**SPLIT_NAMES, "": ""}).to_numpy()
        metric = fields["metric"].astype(object).to_numpy()
    default = "val" if tidy.has("step") else "test"
    placed = fields[["model", "dataset"]].assign(
        split=pd.Categorical(np.where(split == "", default, split)), metric=pd.Categorical(metric)
    )
    if tidy.has("step"):
        return placed.assign(step=fields["step"])
    return placed.assign(step=fields["planned_steps"].fillna(1.0) if tidy.has("planned_steps") else 1.0)


def _configs(tidy: Tidy) -> "pd.Categorical[str]":
    """The configuration of each row as canonical JSON."""
    names = [name for name in map(str, tidy.fields) if name == "config" or name.startswith("config.")]
    if not names:
        return pd.Categorical(["{}"] * len(tidy.fields))
    number = tidy.fields.groupby(names, observed=True, sort=False).ngroup().to_numpy()
    texts = []
    for values in tidy.fields[names].drop_duplicates().itertuples(index=False):
        config: dict[str, object] = {}
        for name, text in zip(names, values, strict=True):
            if name == "config":
                parsed = _parsed(text)
                config |= parsed if isinstance(parsed, dict) else ({"config": text} if text else {})
            elif text:
                config[name.removeprefix("config.")] = _parsed(text)
        texts.append(canonical(config))
    return pd.Categorical(np.array(texts, dtype=object)[number])


def _parsed(text: str) -> object:
    """What a text says in JSON, or the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _runs(tidy: Tidy, rows: pd.DataFrame, run: np.ndarray) -> pd.DataFrame:
    """One row a run, `run` being the number of the run that each row of the file belongs to."""
    first = np.unique(run, return_index=True)[1]
    runs = rows[_RUN + _OF_RUN].iloc[first].astype(dict.fromkeys(("model", "revision", "dataset", "config"), object))
    for name in _OF_RUN:
        same = runs[name].to_numpy()[run]
        differs = (rows[name].to_numpy() != same) & ~(pd.isna(rows[name].to_numpy()) & pd.isna(same))
        tidy.refuse(name, differs, "the same in all rows of a run")
    measured = np.isfinite(rows["value"].to_numpy())
    steps = pd.DataFrame({"all": rows["step"], "measured": rows["step"].where(measured)}).groupby(run).max()
    planned = runs["planned_steps"].fillna(pd.Series(steps["all"].to_numpy(), index=runs.index)).to_numpy()
    if tidy.has("step"):
        tidy.refuse("step", ~(planned > 0)[run], "above 0 in at least one row of a run")
        beyond = rows["step"].to_numpy() > planned[run] * (1 + _STEP_TOLERANCE)
        tidy.refuse("step", beyond, "at most the run's planned_steps")
    reached = np.isclose(steps["measured"].to_numpy(), planned, rtol=_STEP_TOLERANCE, atol=0.0)
    diverged = ~pd.Series(measured).groupby(run).all().to_numpy()
    given = runs["status"].astype(object).to_numpy()
    if tidy.has("status"):
        tidy.refuse(
            "status", ((given == "completed") & ~reached)[run], "another one: the run ends before planned_steps"
        )
    derived = np.where(diverged, "failed", np.where(reached, "completed", "stopped"))
    seeds = [None if np.isnan(seed) else int(seed) for seed in runs["seed"]]
    columns = (runs[name] for name in ("model", "revision", "dataset", "config"))
    ids = [
        run_id(model=model, revision=revision, dataset=dataset, config=config, seed=seed)
        for model, revision, dataset, config, seed in zip(*columns, seeds, strict=True)
    ]
    return runs.assign(
        run_id=ids,
        seed=pd.array(seeds, dtype="Int64"),
        planned_steps=planned,
        status=np.where(given == "", derived, given),
    ).reset_index(drop=True)


def _datasets(tidy: Tidy, rows: pd.DataFrame) -> pd.DataFrame:
    """The primary metric and the direction of each dataset."""
    pairs = rows[["dataset", "metric"]].assign(mode=tidy.fields["mode"])
    mode = pairs["mode"].cat.codes
    first = mode.groupby([pairs["dataset"], pairs["metric"]], observed=True).transform("first")
    tidy.refuse("mode", (mode != first).to_numpy(), "the same for a metric in all rows of a dataset")
    found = pairs.drop_duplicates(["dataset", "metric"]).astype(object)
    if tidy.has("primary_metric"):
        wanted = tidy.fields["primary_metric"].astype(object)
        one = wanted.groupby(pairs["dataset"], observed=True).transform("first")
        tidy.refuse("primary_metric", (wanted != one).to_numpy(), "the same in all rows of a dataset")
        primary = found[found["metric"] == wanted.loc[found.index]]
        lacking = ~pairs["dataset"].isin(primary["dataset"]).to_numpy()
        tidy.refuse("primary_metric", lacking, "a metric of the row's dataset")
    else:
        primary = found
        several = found.groupby("dataset")["metric"].agg(list)
        several = several[several.map(len) > 1]
        if len(several):
            rule = (
                f"the only one of dataset {several.index[0]}, or --set primary_metric={several.iloc[0][0]} must say so"
            )
            raise DataError("metric", ", ".join(several.iloc[0]), rule, tidy.source)
    return primary.rename(columns={"metric": "primary_metric"}).reset_index(drop=True)


def _models(tidy: Tidy) -> pd.DataFrame:
    """How large each model is, where the file says."""
    units = {"parameters": 1.0, "parameters_in_millions": 1e6}
    given = [name for name in units if tidy.has(name)]
    if len(given) == 2:
        raise OptionError("parameters_in_millions", "parameters_in_millions", "given only where `parameters` is not")
    if not given:
        return pd.DataFrame(columns=["model", "parameters"])
    field = given[0]
    sizes = tidy.fields[["model", field]].dropna()
    one = sizes.groupby("model", observed=True)[field].transform("first")
    differs = (sizes[field] != one).reindex(tidy.fields.index, fill_value=False)
    tidy.refuse(field, differs.to_numpy(), "the same in all rows of a model")
    first = sizes.drop_duplicates("model").astype({"model": object})
    return first.assign(parameters=(first[field] * units[field]).round().astype("int64"))[["model", "parameters"]]


def _without_repeats(tidy: Tidy, rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The rows with one value a key; the index of `rows` counts the rows of the file from 0."""
    if not rows.duplicated(key).any():
        return rows
    if tidy.repeats == "refuse":
        first = rows.groupby(key, observed=True, sort=False)["value"].transform("first")
        differs = (rows["value"] != first).to_numpy()
        if differs.any():
            row = int(rows.index[int(differs.argmax())])
            same = (rows[key] == rows.loc[row, key]).all(axis=1)
            other = int(rows.index[int(same.to_numpy().argmax())])
            apart = [name for name in tidy.ignored if str(tidy.raw[name][row]) != str(tidy.raw[name][other])]
            field = "config.NAME" if tidy.kind == "results" else "revision"
            hint = f"; --map {field}=COLUMN tells them apart by a column: {', '.join(apart)}" if apart else ""
            rule = f"the value of row {other + 1}, which is for the same thing (--set repeats=first takes that{hint})"
            raise DataError("value", float(tidy.fields["value"][row]), rule, tidy.source, row + 1)
    return rows.drop_duplicates(key, keep="last" if tidy.repeats == "last" else "first")


# Into the history ---------------------------------------------------------------------------------------------------


def _add(history: History, tables: Tables) -> Imported:
    """Append what the history does not have yet."""
    rows = {name: validate(TABLES[name], frame) for name, frame in tables.rows.items() if len(frame)}
    known = {name: getattr(history, name)() for name in rows}
    if "models" in rows:
        rows["models"] = validate(TABLES["models"], completed(rows["models"].to_pandas(), known["models"]))
    if "datasets" in rows:
        rows["datasets"] = _directions(rows["datasets"].to_pandas(), known["datasets"], decides=tables.decides)
    new = {name: _unknown(table, known[name], name) for name, table in rows.items()}
    new = {name: frame for name, frame in new.items() if len(frame)}
    if new:
        history.append(**new)
    return Imported(rows={name: len(frame) for name, frame in new.items()}, ignored=tables.ignored)


def _directions(rows: pd.DataFrame, known: pd.DataFrame, *, decides: bool) -> pa.Table:
    """The datasets' rows with the facts that the history has; a primary metric gives way only to one that was named."""
    merged = rows[["dataset", "primary_metric", "mode"]].merge(
        known.drop(columns="mode").rename(columns={"primary_metric": "old"}), on="dataset", how="left"
    )
    kept = merged["old"].isna() | (merged["old"] == merged["primary_metric"]) | decides
    return pa.Table.from_pandas(merged[kept].drop(columns="old"), preserve_index=False)


def _unknown(rows: pa.Table, known: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows that the history lacks; when a run was recorded makes no difference."""
    table = TABLES[name]
    frame: pd.DataFrame = rows.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    columns = [column for column in table.names if column in frame and column != "recorded_at"]
    keys = list(table.key)
    near = known.merge(frame[keys], on=keys)[columns]
    return frame[(frame.merge(near, on=columns, how="left", indicator=True)["_merge"] == "left_only").to_numpy()]


def _check_scale(scale: float) -> None:
    if not 0 < scale < float("inf"):
        raise OptionError("scale", scale, "a finite number above 0")


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(option, text, "a number") from None
