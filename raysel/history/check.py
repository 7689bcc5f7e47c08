"""What can be wrong with a history, found and said in sentences."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysel.errors import CorruptPartError, HistoryError
from raysel.history.folder import DERIVED, MARKER, PARTS, PINS, RETIRED, TEMPORARY, Folder, is_part, plain, table_of
from raysel.history.results import directions, points
from raysel.history.tables import TABLES, newest

_NAMED = 3


def problems(folder: Folder, parts: tuple[str, ...]) -> list[str]:
    """Everything wrong with the files of a history and with what these parts of it say together.

    Rows of parts that cannot be read are missing from what is said about the rest.

    Raises:
        FileNotFoundError: If one of the parts is gone.
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


def _stray_files(folder: Folder) -> Iterator[str]:
    for name in sorted(set(folder.files("")) - {MARKER, PARTS, PINS, RETIRED, DERIVED, TEMPORARY}):
        yield f"{plain(name)} does not belong to the history"
    for area in (PARTS, RETIRED):
        for name in sorted(folder.files(area)):
            if not is_part(name):
                yield f"{area}/{plain(name)} is not a part and is not read"
    for name in sorted(folder.files(TEMPORARY)):
        why = "its writer is busy or dead (compaction deletes it after a day)"
        yield f"{TEMPORARY}/{plain(name)} was not published: {why}"


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
            yield f"the pin {plain(name)} names {_some(gone, 'part')} that {'is' if len(gone) == 1 else 'are'} gone"


def _directions(tables: dict[str, pa.Table]) -> Iterator[str]:
    modes = defaultdict(set)
    for row in tables["datasets"].select(["dataset", "primary_metric", "mode"]).to_pylist():
        modes[row["dataset"], row["primary_metric"]].add(row["mode"])
    for (dataset, metric), found in modes.items():
        if len(found) > 1:
            yield f"{metric} of dataset {dataset} was recorded as max and as min; the newest is in force"


def _runs(tables: dict[str, pa.Table]) -> Iterator[str]:
    runs, observations, datasets = (newest(TABLES[name], tables[name]) for name in ("runs", "observations", "datasets"))
    ids, status = runs["run_id"].cast(pa.string()), runs["status"]
    orphans = observations["run_id"].filter(pc.invert(pc.is_in(observations["run_id"], value_set=ids)))
    if len(orphans):
        names = sorted(pc.unique(orphans.cast(pa.string())).to_pylist())
        yield f"{len(orphans)} observations belong to {_some(names, 'run')} that no row of `runs` describes"
    found = points(runs, observations)[0]
    observed, ended = np.zeros(len(runs), bool), np.zeros(len(runs), bool)
    observed[found.run] = True
    ended[found.run[found.at_end(runs)]] = True
    due = pc.is_in(status, value_set=pa.array(["completed", "stopped"])).to_numpy()
    if (due & ~observed).any():
        names = sorted(ids.filter(pa.array(due & ~observed)).to_pylist())
        yield f"{_some(names, 'run')} ended without an observation"
    endless = pc.equal(status, "completed").to_numpy() & observed & ~ended
    if endless.any():
        names = sorted(ids.filter(pa.array(endless)).to_pylist())
        yield f"{_some(names, 'completed run')} without a value at the last planned step, and so without a final"
    yield from _without_direction(runs, observations, datasets)


def _without_direction(runs: pa.Table, observations: pa.Table, datasets: pa.Table) -> Iterator[str]:
    recorded = set(datasets.filter(pc.is_valid(datasets["mode"]))["dataset"].to_pylist())
    taken = directions(runs, observations, datasets)
    for dataset in sorted(set(pc.unique(runs["dataset"].cast(pa.string())).to_pylist()) - recorded):
        if dataset in taken:
            rest = f"its only metric, {taken[dataset][0]}, is taken, higher being better"
        else:
            rest = "it has not exactly one metric, so it has no results"
        yield f"dataset {dataset} has no primary metric and direction on record: {rest}"


def _some(names: list[str], kind: str) -> str:
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} {kind}{'' if len(names) == 1 else 's'} ({listed})"
