"""Models under another name, and models that are forgotten: the tables of a history without, or with, their names.

Notation: tables as parts are read, text dictionary-encoded; `runs` tells which runs are whose.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

WITH_MODELS = ("models", "proxies", "runs")
"""The tables with a row or more a model, in the order in which they are written: runs come last."""


def renamed(rows: pa.Table, model: str, name: str) -> pa.Table:
    """The rows of a table with a column `model`, one model under another name.

    >>> renamed(pa.table({"model": pa.array(["a", "b"]).dictionary_encode()}), "a", "c")["model"].to_pylist()
    ['c', 'b']
    """
    said = rows["model"].cast(pa.string())
    other = pc.if_else(pc.equal(said, model), name, said)
    place = rows.schema.get_field_index("model")
    return rows.set_column(place, "model", other.cast(rows.schema.field("model").type))


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
