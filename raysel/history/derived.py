"""Derived data: what was worked out from parts, kept beside them so that it need not be worked out again.

A file `derived/<kind>-<fingerprint>.parquet` says in its metadata which parts it came from; the fingerprint is theirs.
Parts never change, so it is right for whoever reads those parts, and a good start for one who reads more. It is
published whole, under a name that says what is in it: writers at the same time write the same, and readers see all of
it or nothing. Losing it costs time alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raysel.errors import HistoryError
from raysel.history.folder import DERIVED, Folder, Where
from raysel.history.matrix import PerformanceMatrix

_VERSION = 1  # of how things are derived: others are not read
_META = b"raysel"
_ROW_GROUP = 16_384  # models by name: who asks for a few reads few of them
_LARGE = 2_000_000  # cells from which columns lie in one piece, as they come; below rows do


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """Derived data as it was found.

    Args:
        rows: Its table.
        parts: The parts that it came from.
        notes: Plain data that was kept with it.
    """

    rows: pa.Table
    parts: frozenset[str]
    notes: Mapping[str, Any] = field(default_factory=dict)


def keep(folder: Folder, kind: str, kept: Kept) -> None:
    """Publish derived data, and drop what was kept of that kind before.

    Raises:
        HistoryError: If the folder cannot be written to.
    """
    meta = {"version": _VERSION, "parts": sorted(kept.parts), "notes": kept.notes}
    rows = kept.rows.replace_schema_metadata({_META: json.dumps(meta)})
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", use_dictionary=False, row_group_size=_ROW_GROUP)
    name, before = _name(kind, kept.parts), folder.files(DERIVED)
    folder.put(DERIVED, name, sink.getvalue())
    folder.drop(DERIVED, (other for other in before if other.startswith(f"{kind}-") and other != name))


def find(
    folder: Folder, kind: str, parts: Iterable[str], *, where: Where | None = None, columns: Sequence[str] | None = None
) -> Kept | None:
    """What is kept of a kind, made of these parts or, failing that, of the most of them; `None` where nothing is.

    What cannot be read, was made of parts that are not among them, or by another version, is passed over.

    Args:
        folder: Where it is.
        kind: What was derived.
        parts: Those it may have come from.
        where: Only rows that have one of the values wanted in each of its columns.
        columns: Only these, those of `where` among them; by default all.
    """
    parts = frozenset(parts)
    there = [name for name in folder.files(DERIVED) if name.startswith(f"{kind}-") and name.endswith(".parquet")]
    exact = _name(kind, parts)
    names = [exact] if exact in there else there
    found = [
        kept for name in names if (kept := _read(folder, name, where, columns)) is not None and kept.parts <= parts
    ]
    return max(found, key=lambda kept: len(kept.parts), default=None)


def as_table(matrix: PerformanceMatrix) -> pa.Table:
    """A performance matrix as a table: `model`, then a column a dataset, by number, null where not measured."""
    columns = {str(j): pa.array(column, from_pandas=True) for j, column in enumerate(matrix.values.T)}
    return pa.table({"model": pa.array(matrix.models, type=pa.string()), **columns})


def values_of(rows: pa.Table, n_datasets: int) -> np.ndarray:
    """(n_models, n_datasets) the numbered columns of a table."""
    values = np.empty((len(rows), n_datasets), order="F" if len(rows) * n_datasets > _LARGE else "C")
    for j in range(n_datasets):
        values[:, j] = rows[str(j)].to_numpy()
    return values


def as_matrix(kept: Kept) -> PerformanceMatrix:
    """The performance matrix that was kept."""
    notes = kept.notes
    return PerformanceMatrix(
        models=tuple(kept.rows["model"].to_pylist()),
        datasets=tuple(notes["datasets"]),
        values=values_of(kept.rows, len(notes["datasets"])),
        lower_is_better=tuple(notes["lower_is_better"]),
    )


def _name(kind: str, parts: Iterable[str]) -> str:
    text = "\n".join([str(_VERSION), *sorted(parts)])
    return f"{kind}-{blake2b(text.encode(), digest_size=16).hexdigest()}.parquet"


def _read(folder: Folder, name: str, where: Where | None, columns: Sequence[str] | None) -> Kept | None:
    try:
        rows = folder.read_derived(name, where, columns)
        meta = json.loads((rows.schema.metadata or {})[_META])
        if meta["version"] != _VERSION:
            return None
        return Kept(rows=rows, parts=frozenset(meta["parts"]), notes=meta["notes"])
    except (FileNotFoundError, HistoryError, KeyError, TypeError, ValueError):
        return None
