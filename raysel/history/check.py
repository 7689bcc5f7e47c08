"""What can be wrong with a history, found and said in sentences."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from raysel.errors import CorruptPartError, HistoryError
from raysel.history.folder import MARKER, PARTS, PINS, RETIRED, TEMPORARY, Folder, is_part, table_of
from raysel.history.results import at_last_step, metrics, of_runs
from raysel.history.tables import TABLES, newest

_NAMED = 3


def problems(folder: Folder, parts: tuple[str, ...]) -> list[str]:
    """Everything wrong with the files of a history and with what these parts of it say together.

    Rows of parts that cannot be read are missing from what is said about the rest.
    """
    tables, unreadable = _readable(folder, parts)
    return [*_stray_files(folder), *unreadable, *_pins(folder), *_directions(tables), *_runs(tables)]


def _readable(folder: Folder, parts: tuple[str, ...]) -> tuple[dict[str, pa.Table], list[str]]:
    read: dict[str, list[pa.Table]] = {name: [table.empty] for name, table in TABLES.items()}
    unreadable = []
    for part in parts:
        rows = _rows_or_trouble(folder, part)
        if isinstance(rows, str):
            unreadable.append(rows)
        else:
            read[table_of(part)].append(rows)
    return {
        name: pa.concat_tables(rows).unify_dictionaries().combine_chunks() for name, rows in read.items()
    }, unreadable


def _rows_or_trouble(folder: Folder, part: str) -> pa.Table | str:
    try:
        return folder.read(part)
    except CorruptPartError as error:
        return f"{error}; move it away to read the rest"
    except FileNotFoundError:
        return f"the part {part} is gone"


def _stray_files(folder: Folder) -> Iterator[str]:
    for name in sorted(set(folder.files("")) - {MARKER, PARTS, PINS, RETIRED, TEMPORARY}):
        yield f"{name} does not belong to the history"
    for area in (PARTS, RETIRED):
        for name in sorted(folder.files(area)):
            if not is_part(name):
                yield f"{area}/{name} is not a part and is not read"
    for name in sorted(folder.files(TEMPORARY)):
        yield f"{TEMPORARY}/{name} was not published: its writer is busy or dead (compaction deletes it after a day)"


def _pins(folder: Folder) -> Iterator[str]:
    try:
        pins = folder.pins()
    except HistoryError as error:
        yield str(error)
        return
    present = set(folder.files(PARTS)) | set(folder.files(RETIRED))
    for name, parts in pins.items():
        gone = sorted(set(parts) - present)
        if gone:
            yield f"the pin {name} names {_some(gone, 'part')} that {'is' if len(gone) == 1 else 'are'} gone"


def _directions(tables: dict[str, pa.Table]) -> Iterator[str]:
    rows = tables["datasets"].to_pandas().dropna(subset=["primary_metric"])
    modes = rows.groupby(["dataset", "primary_metric"], observed=True)["mode"].nunique()
    for dataset, metric in modes[modes > 1].index:
        yield f"{metric} of dataset {dataset} was recorded as max and as min; the newest is in force"


def _runs(tables: dict[str, pa.Table]) -> Iterator[str]:
    runs, observations, datasets = (
        newest(TABLES[name], tables[name]).to_pandas() for name in ("runs", "observations", "datasets")
    )
    orphans = observations.loc[~observations["run_id"].isin(runs["run_id"]), "run_id"]
    if len(orphans):
        names = sorted(orphans.unique())
        yield f"{len(orphans)} observations belong to {_some(names, 'run')} that no row of `runs` describes"
    joined = of_runs(runs, observations)
    observed = np.zeros(len(runs), bool)
    observed[joined["run"]] = True
    due = runs["status"].isin(["completed", "stopped"]).to_numpy()
    if (due & ~observed).any():
        yield f"{_some(sorted(runs.loc[due & ~observed, 'run_id']), 'run')} ended without an observation"
    ended = np.zeros(len(runs), bool)
    ended[joined.loc[at_last_step(runs, joined), "run"]] = True
    endless = (runs["status"] == "completed").to_numpy() & observed & ~ended
    if endless.any():
        names = sorted(runs.loc[endless, "run_id"])
        yield f"{_some(names, 'completed run')} lack a value at the last planned step, and so a final"
    yield from _without_direction(runs, observations, datasets)


def _without_direction(runs: pd.DataFrame, observations: pd.DataFrame, datasets: pd.DataFrame) -> Iterator[str]:
    recorded = set(datasets.dropna(subset=["primary_metric"])["dataset"])
    taken = metrics(runs, observations, datasets)["metric"]
    for dataset in sorted(set(runs["dataset"].unique()) - recorded):
        if dataset in taken.index:
            rest = f"its only metric, {taken[dataset]}, is taken, higher being better"
        else:
            rest = "it has not exactly one metric, so it has no results"
        yield f"dataset {dataset} has no primary metric and direction on record: {rest}"


def _some(names: list[str], kind: str) -> str:
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} {kind}{'' if len(names) == 1 else 's'} ({listed})"
