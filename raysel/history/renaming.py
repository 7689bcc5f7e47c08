"""Models under another name, and models that are forgotten: the tables of a history without, or with, their names.

Notation: tables as parts are read, text dictionary-encoded; `runs` tells which runs are whose.
"""

import re
from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

WITH_MODELS = ("models", "proxies", "runs")
"""The tables with a row or more a model, in the order in which they are written: runs come last."""

_TOLD = 12  # letters of a revision
_HEXADECIMAL = re.compile("[0-9a-f]+")


def renamed(rows: pa.Table, model: str, name: str) -> pa.Table:
    """The rows of a table with a column `model`, one model under another name.

    >>> renamed(pa.table({"model": pa.array(["a", "b"]).dictionary_encode()}), "a", "c")["model"].to_pylist()
    ['c', 'b']
    """
    said = rows["model"].cast(pa.string())
    other = pc.if_else(pc.equal(said, model), name, said)
    place = rows.schema.get_field_index("model")
    return rows.set_column(place, "model", other.cast(rows.schema.field("model").type))


Uploads = Mapping[tuple[str, str], str]
"""What older uploads are called, by model and revision."""


def older(recorded: Mapping[str, Collection[str]], current: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """What older uploads of models are called: `NAME@REVISION`.

    Commits are held against commits and digests against digests: what somebody wrote into `revision` besides (a branch,
    a tag) does not say whether the files are the same.

    Args:
        recorded: The revisions that runs were made with, by model.
        current: The revision that models have now.

    >>> older({"net": ["0123456789abcdef", "fedcba9876543210", "main"]}, {"net": "fedcba9876543210"})
    {('net', '0123456789abcdef'): 'net@0123456789ab'}
    """
    return {
        (model, revision): f"{model}@{revision[:_TOLD]}"
        for model, found in sorted(recorded.items())
        for revision in sorted(found)
        if model in current and revision != current[model] and _alike(revision, current[model])
    }


def _alike(one: str, other: str) -> bool:
    return len(one) == len(other) and all(map(_HEXADECIMAL.fullmatch, (one, other)))


def apart(rows: pa.Table, uploads: Uploads) -> pa.Table:
    """The rows of a table with columns `model` and `revision`, those of older uploads under names of their own.

    >>> rows = pa.table({"model": ["a", "a", "b"], "revision": ["1", "2", "1"]}, schema=pa.schema(
    ...     [(name, pa.dictionary(pa.int32(), pa.string())) for name in ("model", "revision")]))
    >>> apart(rows, {("a", "1"): "a@1"})["model"].to_pylist()
    ['a@1', 'a', 'b']
    """
    if not uploads:
        return rows
    said, revision = (rows[name].cast(pa.string()) for name in ("model", "revision"))
    keys = pa.array(["\n".join(key) for key in uploads])
    place = pc.index_in(pc.binary_join_element_wise(said, revision, "\n"), value_set=keys)
    name = pc.coalesce(pc.take(pa.array([*uploads.values()]), place), said)
    return rows.set_column(rows.schema.get_field_index("model"), "model", name.cast(rows.schema.field("model").type))


def forgotten(tables: Mapping[str, pa.Table], model: str) -> dict[str, pa.Table]:
    """Tables by name without what is of a model, observations of its runs among them.

    >>> tables = {"runs": pa.table({"run_id": ["1", "2"], "model": ["a", "b"]}), "observations": pa.table(
    ...     {"run_id": ["1", "2", "2"], "value": [0.1, 0.2, 0.3]})}
    >>> left = forgotten(tables, "a")
    >>> left["runs"]["run_id"].to_pylist(), left["observations"]["value"].to_pylist()
    (['2'], [0.2, 0.3])
    """
    runs = tables["runs"]
    its = runs.filter(pc.equal(runs["model"].cast(pa.string()), model))["run_id"].cast(pa.string()).combine_chunks()
    left = {}
    for table, rows in tables.items():
        column, gone = ("run_id", its) if table == "observations" else ("model", pa.array([model]))
        left[table] = rows.filter(pc.invert(pc.is_in(rows[column].cast(pa.string()), value_set=gone)))
    return left
