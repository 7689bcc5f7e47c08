"""The five tables of a history: their columns, and what makes a row acceptable.

::

    runs          run_id | model, revision, dataset, fingerprint, config, seed, hardware, status, reason, planned_steps,
                  recorded_at
    observations  run_id, step, split, metric | value, seconds
    models        model | source, family, parameters, licence, card
    datasets      dataset | task, classes, size, primary_metric, mode
    proxies       model, revision, dataset, fingerprint, proxy, version | value, seconds, hardware, reason

Left of the bar stands the key: among rows of the same key the newest wins. Numbers are float64 (steps may be parts of
an epoch) or int64, text is UTF-8, `recorded_at` is in UTC. Text that nobody gave is empty, so that it can be in a key.
Parts may lack columns that are not required, as those of older versions do; they are read as if nobody had given it.

What a model was trained on is its `source`, and `family` what its library calls its architecture, whatever the size. A
row of `proxies` without a value has the reason why the model cannot have one. Seconds say something of other seconds
only where `hardware` (`1 x NVIDIA A10G`) is the same text.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from raysel.arrays import IntArray
from raysel.errors import DataError, OptionError
from raysel.history.curves import STATUSES

Split = Literal["val", "test"]
Mode = Literal["max", "min"]
SPLITS: tuple[Split, ...] = get_args(Split)
MODES: tuple[Mode, ...] = get_args(Mode)

NAME_LENGTH = 500
_TEXT_LENGTH = 1_000_000
_MAX_KEY = 2**62


@dataclass(frozen=True)
class Column:
    """One column: its type, the rule that every value keeps, and what stands for a missing value.

    Args:
        name: The column's name.
        type: Its Arrow type.
        rule: The rule in words, for messages.
        holds: True for each value that keeps the rule; missing values are not asked.
        required: Whether every row must have a value.
        default: Stands for a missing value (called for it, if it is callable).
    """

    name: str
    type: pa.DataType
    rule: str
    holds: Callable[[pa.Array], pa.Array]
    required: bool = False
    default: object = None

    @property
    def is_text(self) -> bool:
        """Whether the column holds text."""
        return bool(pa.types.is_string(self.type))

    @property
    def stored(self) -> pa.DataType:
        """The type that parts are read in: text dictionary-encoded."""
        return pa.dictionary(pa.int32(), pa.string()) if self.is_text else self.type

    @property
    def missing(self) -> object:
        """What stands for a value that nobody gave."""
        return self.default() if callable(self.default) else self.default


@dataclass(frozen=True)
class Table:
    """One table of a history: its columns, and those that make up the key of a row."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema that parts of this table are written in."""
        return pa.schema([(column.name, column.type) for column in self.columns])

    @cached_property
    def empty(self) -> pa.Table:
        """No rows, in the types that parts are read in: text dictionary-encoded."""
        return pa.schema([(column.name, column.stored) for column in self.columns]).empty_table()

    def broken(self, rows: pa.Table) -> Column | None:
        """The first column of these rows that holds a value against its rule, if any does (text dictionary-encoded)."""
        for column in (column for column in self.columns if column.name in rows.column_names):
            values = rows[column.name].combine_chunks()
            if column.required and values.null_count:
                return column
            distinct = values.dictionary if column.is_text else values
            if not pc.all(pc.fill_null(column.holds(distinct), True), min_count=0).as_py():
                return column
        return None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


def _shorter(length: int, least: int = 0) -> Callable[[pa.Array], pa.Array]:
    def holds(values: pa.Array) -> pa.Array:
        lengths = pc.utf8_length(values)
        return pc.and_(pc.greater_equal(lengths, least), pc.less_equal(lengths, length))

    return holds


def _name(name: str, *, required: bool = True) -> Column:
    rule = f"text of 1 to {NAME_LENGTH} characters"
    return Column(name, pa.string(), rule, _shorter(NAME_LENGTH, 1), required=required)


def _text(name: str, length: int = NAME_LENGTH) -> Column:
    return Column(name, pa.string(), f"text of at most {length} characters", _shorter(length), default="")


def _choice(name: str, values: Iterable[str], *, required: bool = True) -> Column:
    values = list(values)

    def holds(column: pa.Array) -> pa.Array:
        return pc.is_in(column, value_set=pa.array(values))

    return Column(name, pa.string(), f"one of {', '.join(values)}", holds, required=required)


def _finite(values: pa.Array) -> pa.Array:
    return pc.is_finite(values)


def _not_negative(values: pa.Array) -> pa.Array:
    return pc.and_(pc.is_finite(values), pc.greater_equal(values, 0))


def _positive(values: pa.Array) -> pa.Array:
    return pc.and_(pc.is_finite(values), pc.greater(values, 0))


def _anything(values: pa.Array) -> pa.Array:
    return pc.or_(pc.is_valid(values), pc.is_null(values))


def _count(name: str) -> Column:
    return Column(name, pa.int64(), "an integer of at least 0", lambda values: pc.greater_equal(values, 0))


def _now() -> datetime:
    return datetime.now(timezone.utc)


_SECONDS = Column("seconds", pa.float64(), "a finite number of at least 0", _not_negative)
_VALUE = Column("value", pa.float64(), "a finite number", _finite, required=True)
_CONFIG_RULE = "a JSON object"

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table(
            "models",
            (
                _name("model"),
                _text("source"),
                _text("family"),
                _count("parameters"),
                _text("licence"),
                _text("card", _TEXT_LENGTH),
            ),
            ("model",),
        ),
        Table(
            "datasets",
            (
                _name("dataset"),
                _text("task"),
                _count("classes"),
                _count("size"),
                _name("primary_metric", required=False),
                _choice("mode", MODES, required=False),
            ),
            ("dataset",),
        ),
        Table(
            "proxies",
            (
                _name("model"),
                _text("revision"),
                _name("dataset"),
                _text("fingerprint"),
                _name("proxy"),
                _text("version"),
                Column("value", pa.float64(), "a finite number", _finite),
                _SECONDS,
                _text("hardware"),
                _text("reason", _TEXT_LENGTH),
            ),
            ("model", "revision", "dataset", "fingerprint", "proxy", "version"),
        ),
        Table(
            "observations",
            (
                _name("run_id"),
                Column("step", pa.float64(), "a finite number of at least 0", _not_negative, required=True),
                _choice("split", SPLITS),
                _name("metric"),
                _VALUE,
                _SECONDS,
            ),
            ("run_id", "step", "split", "metric"),
        ),
        Table(
            "runs",
            (
                _name("run_id"),
                _name("model"),
                _text("revision"),
                _name("dataset"),
                _text("fingerprint"),
                Column("config", pa.string(), _CONFIG_RULE, _shorter(_TEXT_LENGTH), default="{}"),
                Column("seed", pa.int64(), "an integer", _anything),
                _text("hardware"),
                _choice("status", STATUSES),
                _text("reason", _TEXT_LENGTH),
                Column("planned_steps", pa.float64(), "a finite number above 0", _positive, required=True),
                Column("recorded_at", pa.timestamp("us", tz="UTC"), "a point in time", _anything, default=_now),
            ),
            ("run_id",),
        ),
    )
}
"""The tables by name, in the order that an append publishes them: a reader that sees a run sees its observations."""


def canonical(config: Mapping[str, object]) -> str:
    """The one text that stands for a configuration: JSON with sorted keys and no spaces.

    >>> canonical({"lr": 0.1, "batch": 16})
    '{"batch":16,"lr":0.1}'
    """
    return json.dumps(config, sort_keys=True, separators=(",", ":"), default=str)


def run_id(
    *, model: str, dataset: str, revision: str = "", config: str = "{}", seed: int | None = None, trial: str = ""
) -> str:
    """A short name for a run that depends on nothing but what was run: the same run gets the same name again.

    Args:
        model: The model that was fine-tuned.
        dataset: The dataset that it was fine-tuned on.
        revision: The model's revision, empty where there is none.
        config: The other hyperparameters as `canonical` writes them.
        seed: The run's seed, or `None`.
        trial: Tells repeats of the same run apart (the id of a Ray Tune trial); empty for none.

    >>> run_id(model="m", dataset="d", seed=1)
    'e268ba15e2e7ddb44eb4'
    """
    text = json.dumps([model, revision, dataset, config, seed, trial])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def validate(table: Table, data: object, *, source: str | None = None) -> pa.Table:
    """The rows in the table's schema, if every one of them keeps the rules.

    Args:
        table: The table that the rows are for.
        data: A pandas.DataFrame or pyarrow.Table with at least the required columns, in any order. Names must be text
            (no number is taken for one); a configuration is JSON text or a mapping; times without a zone are UTC.
        source: Where the rows come from, for messages; the table's name by default. Rows are counted from 1.

    Raises:
        DataError: If a column is missing or unknown, there is no row, a value breaks a rule or a key repeats.
        OptionError: If `data` is neither a DataFrame nor a Table.

    >>> validate(TABLES["models"], pd.DataFrame({"model": ["a"], "parameters": [-1]}))
    Traceback (most recent call last):
    raysel.errors.DataError: models, row 1: column `parameters` is -1, but must be an integer of at least 0
    """
    if not isinstance(data, (pd.DataFrame, pa.Table)):
        raise OptionError(table.name, type(data).__name__, "a pandas.DataFrame or a pyarrow.Table")
    source = source or table.name
    given = list(data.columns) if isinstance(data, pd.DataFrame) else data.column_names
    for name in given:
        if name not in table.names:
            raise DataError(str(name), "unknown", f"one of {', '.join(table.names)}", source)
        if given.count(name) > 1:
            raise DataError(str(name), "given twice", "given once", source)
    for column in table.columns:
        if column.required and column.name not in given:
            raise DataError(column.name, "missing", "among the columns", source)
    if not len(data):
        raise DataError(table.key[0], "empty", "filled in at least one row", source)
    columns = [
        _checked(column, data[column.name], source) if column.name in given else _default(column, len(data))
        for column in table.columns
    ]
    checked = pa.Table.from_arrays(columns, schema=table.schema)
    _refuse_repeats(table, checked, source)
    if table.name == "datasets":
        _refuse_half_directions(checked, source)
    if table.name == "proxies":
        _refuse_unexplained(checked, source)
    return checked


def encoded(column: pa.ChunkedArray) -> tuple[IntArray, pa.Array]:
    """Dictionary-encoded text as codes (n_rows,) into its distinct values, which are sorted.

    >>> codes, names = encoded(pa.chunked_array([pa.array(["b", "a", "b"]).dictionary_encode()]))
    >>> codes.tolist(), names.to_pylist()
    ([1, 0, 1], ['a', 'b'])
    """
    array = column.combine_chunks()
    order = pc.sort_indices(array.dictionary)
    place = np.empty(len(order), np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    return place[array.indices.to_numpy()], array.dictionary.take(order)


def newest(table: Table, rows: pa.Table) -> pa.Table:
    """The last row of every key, in the order of `rows`."""
    repeated = pd.Series(_keys(table, rows)).duplicated(keep="last").to_numpy()
    return rows.filter(pa.array(~repeated)) if repeated.any() else rows


def _keys(table: Table, rows: pa.Table) -> IntArray:
    """One number a row that stands for its key."""
    key, size = np.zeros(len(rows), np.int64), 1
    for name in table.key:
        column = rows[name].combine_chunks()
        if pa.types.is_floating(column.type):
            codes, values = pd.factorize(column.to_numpy())
        else:
            text = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
            codes, values = text.indices.to_numpy(), text.dictionary
        if size * len(values) > _MAX_KEY:
            key, distinct = pd.factorize(key)
            size = len(distinct)
        key, size = key * len(values) + codes, size * len(values)
    return key


def _default(column: Column, length: int) -> pa.Array:
    return pa.array([column.missing], type=column.type).take(pa.array([0] * length, type=pa.int32()))


def _checked(column: Column, values: Any, source: str) -> pa.Array:
    """The values in the column's type, or an error that names the first row that breaks the rule."""
    array = _configs(values, source) if column.name == "config" else _cast(column, values, source)
    if column.required and array.null_count:
        row = pc.index(pc.is_null(array), True).as_py()
        raise DataError(column.name, _plain(values, row), column.rule, source, row + 1)
    kept = pc.fill_null(column.holds(array), True)
    if not pc.all(kept, min_count=0).as_py():
        row = pc.index(kept, False).as_py()
        raise DataError(column.name, _plain(values, row), column.rule, source, row + 1)
    missing = column.missing
    return array if missing is None else pc.fill_null(array, pa.scalar(missing, type=column.type))


def _cast(column: Column, values: Any, source: str) -> pa.Array:
    try:
        array = _arrow(values)
        if _suits(array.type, column.type):
            # A time has microseconds here, so its nanoseconds are dropped; nothing else may lose anything.
            return array.cast(column.type, safe=not pa.types.is_timestamp(column.type))
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError):
        pass
    row = next((i for i in range(len(values)) if not _converts(column, _plain(values, i))), 0)
    raise DataError(column.name, _plain(values, row), column.rule, source, row + 1)


def _arrow(values: Any) -> pa.Array:
    array = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _suits(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type may be read as another: text as text, numbers as numbers, times as times."""
    kinds = (
        (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
        (pa.types.is_timestamp, pa.types.is_date),
    )
    if pa.types.is_null(given):
        return True
    return any(any(is_kind(given) for is_kind in kind) and any(is_kind(wanted) for is_kind in kind) for kind in kinds)


def _converts(column: Column, value: object) -> bool:
    try:
        array = pa.array([value], from_pandas=True)
        array.cast(column.type, safe=not pa.types.is_timestamp(column.type))
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError):
        return False
    return _suits(array.type, column.type)


def _configs(values: Any, source: str) -> pa.Array:
    texts: dict[str, str] = {}
    configs: list[str | None] = []
    for row, value in enumerate(values.tolist() if isinstance(values, pd.Series) else values.to_pylist()):
        if isinstance(value, Mapping):
            configs.append(canonical(value))
        elif isinstance(value, str) and value:
            if value not in texts:
                texts[value] = _parsed(value, source, row + 1)
            configs.append(texts[value])
        elif value == "" or value is None or value is pd.NA or value != value:
            configs.append(None)
        else:
            raise DataError("config", value, _CONFIG_RULE, source, row + 1)
    return pa.array(configs, type=pa.string())


def _parsed(text: str, source: str, row: int) -> str:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise DataError("config", text, _CONFIG_RULE, source, row)
    return canonical(config)


def _plain(values: Any, row: int) -> Any:
    """One value as a plain Python value, as its owner would recognise it."""
    value = values.iloc[row] if isinstance(values, pd.Series) else values[row].as_py()
    if value is pd.NA or value is pd.NaT:
        return None
    return value.item() if hasattr(value, "item") else value


def _refuse_repeats(table: Table, rows: pa.Table, source: str) -> None:
    keys = _keys(table, rows)
    repeated = pd.Series(keys).duplicated().to_numpy()
    if repeated.any():
        row = int(repeated.argmax())
        first = int((keys == keys[row]).argmax())
        value = ", ".join(str(rows[name][row]) for name in table.key)
        raise DataError(", ".join(table.key), value, f"free of repeats (row {first + 1} has it too)", source, row + 1)


def _refuse_half_directions(rows: pa.Table, source: str) -> None:
    """A metric without a mode, or a mode without a metric, says nothing."""
    for has, lacks in (("primary_metric", "mode"), ("mode", "primary_metric")):
        half = pc.and_(pc.is_valid(rows[has]), pc.is_null(rows[lacks]))
        if pc.any(half).as_py():
            row = pc.index(half, True).as_py()
            raise DataError(lacks, None, f"given where `{has}` is", source, row + 1)


def _refuse_unexplained(rows: pa.Table, source: str) -> None:
    """A score is a number, or there is a reason why not."""
    neither = pc.and_(pc.is_null(rows["value"]), pc.equal(rows["reason"], ""))
    if pc.any(neither).as_py():
        rule = "a finite number, or `reason` must say why there is none"
        raise DataError("value", None, rule, source, pc.index(neither, True).as_py() + 1)
