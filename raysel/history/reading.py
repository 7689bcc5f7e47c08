"""Reading tables and the performance matrix from parts: no more of them than is asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysel.history.derived import Kept, as_matrix, as_table, find, keep
from raysel.history.folder import Folder, Where, order_of, table_of
from raysel.history.matrix import PerformanceMatrix
from raysel.history.renaming import Uploads, apart
from raysel.history.results import matrix
from raysel.history.tables import TABLES, newest

_RESULTS = ("runs", "observations", "datasets")
_OF_CELL = ("run_id", "step", "split", "metric", "value")
_OF_MATRIX = ("run_id", "model", "revision", "dataset", "config", "status", "planned_steps")

_NONE: Uploads = MappingProxyType({})


def merged(
    folder: Folder,
    name: str,
    parts: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    where: Where | None = None,
) -> tuple[pa.Table, list[str]]:
    """The rows of one table, the newest of each key, and the parts they came from.

    Args:
        folder: Where the parts are.
        name: The table.
        parts: Parts of any tables, in order.
        columns: Only these, the key and that of `where` among them.
        where: Only rows with these values in its columns; of a key that has several rows, the newest of those.
    """
    table = TABLES[name]
    own = [part for part in parts if table_of(part) == name]
    return newest(table, folder.read_all(table, own, columns=columns, where=where)), own


def results(
    folder: Folder,
    parts: Sequence[str],
    *,
    where: Where | None = None,
    columns: Sequence[str] | None = None,
    points: Sequence[str] | None = None,
) -> list[pa.Table]:
    """Runs, observations and datasets; with `where`, only of the runs that have these values in its columns.

    Of observations only those in a primary metric are read, where every dataset that has runs names one.

    Args:
        folder: Where the parts are.
        parts: In order.
        where: The values wanted by column of `runs`.
        columns: Those of `runs`; by default all.
        points: Those of `observations`; by default all.
    """
    datasets, _ = merged(folder, "datasets", parts)
    if where is None:
        runs, _ = merged(folder, "runs", parts, columns=columns)
        chosen = {}
    else:
        # A run may once have been filed under another model: what it says now is in the newest of its rows.
        ids, _ = merged(folder, "runs", parts, columns=("run_id", *where), where=where)
        runs, _ = merged(folder, "runs", parts, columns=columns, where={"run_id": _texts(ids["run_id"])})
        for name, values in where.items():
            runs = runs.filter(pc.is_in(runs[name], value_set=pa.array(values, type=pa.string())))
        chosen = {"run_id": _texts(runs["run_id"])}
    known = _directions(datasets)
    if known.keys() >= {*_texts(runs["dataset"])}:
        chosen["metric"] = sorted({metric for metric, _ in known.values()})
    observations, _ = merged(folder, "observations", parts, columns=points, where=chosen or None)
    return [runs, observations, datasets]


def names(folder: Folder, parts: Sequence[str]) -> tuple[str, ...]:
    """The models that were run or described, by name."""
    found: set[str] = set()
    for name in ("models", "runs"):
        own = [part for part in parts if table_of(part) == name]
        found.update(_texts(folder.read_all(TABLES[name], own, columns=("model",))["model"]))
    return tuple(sorted(found))


def uploads(folder: Folder, parts: Sequence[str], *, models: Collection[str]) -> tuple[str, ...]:
    """Older uploads of models that have runs, `NAME@REVISION` of a `NAME`; where the matrix is kept, by its names."""
    kept = find(folder, "matrix", of_results(parts), columns=("model",))
    kept = None if kept is None or kept.rows.column_names != ["model"] else kept
    new = [part for part in parts if table_of(part) == "runs" and (kept is None or part not in kept.parts)]
    columns = [
        folder.read_all(TABLES["runs"], new, columns=("model",))["model"],
        *([kept.rows["model"]] if kept else []),
    ]
    wanted, found = set(models), set[str]()
    for column in columns:
        names = pc.unique(column).cast(pa.string())
        found.update(names.filter(pc.match_substring(names, "@")).to_pylist())
    return tuple(sorted(name for name in found if name.rpartition("@")[0] in wanted))


def run_count(folder: Folder, parts: Sequence[str]) -> int:
    """How many runs there are at most: one that several parts tell of counts in each."""
    return folder.count([part for part in parts if table_of(part) == "runs"])


def unmeasured(folder: Folder, models: Sequence[str], *, since: Collection[str]) -> frozenset[str]:
    """Those of the models that have no row in the matrix of some parts; where it is kept, only names are read."""
    kept = find(folder, "matrix", since, columns=("model",))
    if kept is None or len(kept.parts) != len(since) or kept.rows.column_names != ["model"]:
        return frozenset(models) - performance(folder, sorted(since, key=order_of)).row.keys()
    named = pa.array(models, type=pa.string())
    return frozenset(named.filter(pc.invert(pc.is_in(named, value_set=kept.rows["model"]))).to_pylist())


def of_results(parts: Sequence[str]) -> list[str]:
    """Those parts that say something of results."""
    return [part for part in parts if table_of(part) in _RESULTS]


def performance(
    folder: Folder, parts: Sequence[str], *, models: Sequence[str] | None = None, store: bool = False
) -> PerformanceMatrix:
    """The performance matrix.

    Where one is kept that was made of some of the parts, only the models that the others say something of are worked
    out anew.

    Args:
        folder: Where the parts are.
        parts: In order.
        models: Only these; of a matrix that is kept no others are read.
        store: Keep the matrix for those who read the same parts, if it is the whole.
    """
    own = of_results(parts)
    kept = find(folder, "matrix", own, where=None if models is None else {"model": models})
    before = None if kept is None else _matrix_of(kept)
    if kept is not None and before is not None and len(kept.parts) == len(own):
        return before
    change = None if kept is None or before is None else changes(folder, own, since=kept.parts)
    if before is not None and change is not None:
        after = change.after if models is None else change.after.restricted(models)
        whole = joined(before, after, without=change.models)
    else:
        whole = matrix(*results(folder, own, columns=_OF_MATRIX, points=_OF_CELL))
        if models is not None:
            return whole.restricted(models)
    if store and own and models is None:
        notes = {
            "datasets": whole.datasets,
            "lower_is_better": whole.lower_is_better,
            "directions": _directions(merged(folder, "datasets", own)[0]),
        }
        keep(folder, "matrix", Kept(rows=as_table(whole), parts=frozenset(own), notes=notes))
    return whole


def _matrix_of(kept: Kept) -> PerformanceMatrix | None:
    """The matrix that was kept; `None` where what was kept is none, for anybody may have written it."""
    try:
        dict(kept.notes["directions"])
        return as_matrix(kept)
    except (pa.ArrowException, AttributeError, LookupError, TypeError, ValueError, MemoryError):
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes:
    """What some parts change in the performance matrix of the parts before them.

    Args:
        models: Those of which the newer parts say something, by name.
        before: Their rows without the newer parts; models that had none are not in it.
        after: Their rows with all parts.
    """

    models: tuple[str, ...]
    before: PerformanceMatrix
    after: PerformanceMatrix


def changes(
    folder: Folder, parts: Sequence[str], *, since: Collection[str], uploads: Uploads = _NONE
) -> Changes | None:
    """What parts change in the matrix that is kept of some of them.

    Args:
        folder: Where the parts are.
        parts: In order.
        since: Those of which the matrix is kept.
        uploads: As for `anew`: models of which older uploads are to be told apart change too.

    Returns:
        `None` where none is kept of exactly those, or the metric of a dataset in it may have changed.
    """
    new = [part for part in of_results(parts) if part not in since]
    told = merged(folder, "runs", new)[0]
    ids = {*_texts(told["run_id"]), *_texts(merged(folder, "observations", new)[0]["run_id"])}
    runs = [part for part in parts if table_of(part) == "runs"]
    old = folder.read_all(TABLES["runs"], runs, columns=("run_id", "model"), where={"run_id": sorted(ids)})
    models = sorted({*_texts(told["model"]), *_texts(old["model"]), *_touched(uploads)})
    kept = find(folder, "matrix", since, where={"model": models})
    directions = _directions(merged(folder, "datasets", parts)[0])
    before = None if kept is None else _matrix_of(kept)
    if kept is None or before is None or len(kept.parts) != len(since):
        return None
    recorded = kept.notes["directions"]
    if any(recorded.get(dataset) != directions.get(dataset) for dataset in before.datasets):
        return None
    fresh = results(folder, parts, where={"model": models}, columns=_OF_MATRIX, points=_OF_CELL)
    if not directions.keys() >= {*_texts(fresh[0]["dataset"])}:
        return None  # the only metric of all its runs, which were not read, would be its primary one
    return Changes(models=tuple(models), before=before, after=matrix(apart(fresh[0], uploads), *fresh[1:]))


def anew(folder: Folder, parts: Sequence[str], *, uploads: Uploads) -> PerformanceMatrix:
    """The rows of models that were uploaded again, worked out from their runs; older uploads under names of their own.

    Args:
        folder: Where the parts are.
        parts: In order.
        uploads: What older uploads are called.
    """
    runs, *others = results(
        folder, parts, where={"model": sorted(_touched(uploads))}, columns=_OF_MATRIX, points=_OF_CELL
    )
    return matrix(apart(runs, uploads), *others)


def _touched(uploads: Uploads) -> set[str]:
    """The models themselves, and those that may have been given the older uploads' names before."""
    return {model for model, _ in uploads} | {*uploads.values()}


def revisions(folder: Folder, parts: Sequence[str], *, models: Sequence[str]) -> dict[str, frozenset[str]]:
    """The revisions that runs of models were made with, where any is recorded."""
    rows, _ = merged(folder, "runs", parts, columns=("run_id", "model", "revision"), where={"model": models})
    found: dict[str, set[str]] = {}
    for row in rows.group_by(["model", "revision"]).aggregate([]).to_pylist():
        if row["revision"]:
            found.setdefault(row["model"], set()).add(row["revision"])
    return {model: frozenset(of) for model, of in found.items()}


def joined(before: PerformanceMatrix, fresh: PerformanceMatrix, *, without: Collection[str]) -> PerformanceMatrix:
    """The rows of both, those of the models named taken from `fresh` alone; models and datasets by name."""
    rows = before.restricted(before.row.keys() - set(without))
    models = np.array([*rows.models, *fresh.models], dtype=object)
    datasets = sorted({*before.datasets, *fresh.datasets})
    values = np.full((len(models), len(datasets)), np.nan, order="F" if rows.values.flags.f_contiguous else "C")
    place = {dataset: j for j, dataset in enumerate(datasets)}
    lower = [False] * len(datasets)
    for part, start in ((rows, 0), (fresh, len(rows.models))):
        for j, dataset in enumerate(part.datasets):
            values[start : start + len(part.models), place[dataset]] = part.values[:, j]
            lower[place[dataset]] = part.lower_is_better[j]
    order = np.argsort(models)
    columns = np.flatnonzero(~np.isnan(values).all(axis=0))
    return PerformanceMatrix(
        models=tuple(models[order].tolist()),
        datasets=tuple(datasets[j] for j in columns),
        values=values[np.ix_(order, columns)],
        lower_is_better=tuple(lower[j] for j in columns),
    )


def _directions(datasets: pa.Table) -> dict[str, list[str]]:
    """The recorded primary metric and mode by dataset."""
    known = datasets.filter(pc.is_valid(datasets["primary_metric"])).select(["dataset", "primary_metric", "mode"])
    return {row["dataset"]: [row["primary_metric"], row["mode"]] for row in known.to_pylist()}


def _texts(column: pa.ChunkedArray) -> list[str]:
    """The distinct texts of a dictionary-encoded column."""
    found: list[str] = pc.unique(column).to_pylist()
    return found
