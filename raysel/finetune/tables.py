"""Tables of texts, of pairs of texts, or of image files: CSV, Parquet and JSON lines."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raysel.errors import DataError, OptionError, UnknownNameError
from raysel.finetune.part import SPLITS, Part
from raysel.models.image_files import SUFFIXES, ImageFiles

logger = logging.getLogger(__name__)

_SPLIT = "split"
_NUMBERS_OF_ROWS = ("id", "idx", "index", "guid", "uid", "unnamed: 0", "")
"""Columns that count rows rather than say something of them, in small letters."""
_MISSING = ("", "na", "nan", "none", "null")
"""What stands for a number that is missing; among names, only what is empty does."""


def from_file(path: Path, inputs: Sequence[str], label: str) -> dict[str, Part]:
    """The splits of one table, by its column `split`; without that, all of it is for training."""
    table = read_table(path)
    if _SPLIT not in table.columns or label == _SPLIT or _SPLIT in inputs:
        return from_tables({"train": (path, table)}, inputs, label)
    strange = np.flatnonzero(~table[_SPLIT].isin(list(SPLITS)))
    if len(strange):
        row = int(strange[0])
        rule = f"one of {', '.join(SPLITS)}"
        raise DataError(_SPLIT, table[_SPLIT].iloc[row], rule, source=path.name, row=row + 1)
    named = table[_SPLIT].map(SPLITS)
    rest = table.drop(columns=_SPLIT)
    return from_tables({split: (path, rest[named == split]) for split in named.unique()}, inputs, label)


def from_tables(tables: Mapping[str, tuple[Path, pd.DataFrame]], inputs: Sequence[str], label: str) -> dict[str, Part]:
    """The splits from a table each, which share their columns.

    Args:
        tables: By split: the file, and its rows (or some of them) under their numbers from 0.
        inputs: The columns of the inputs; none to look for them.
        label: The column of the labels.

    Raises:
        UnknownNameError: If a column is missing.
        OptionError: If the columns of the inputs are not plain.
        DataError: If an input is empty, or an image none.
    """
    for path, table in tables.values():
        for column in (label, *inputs):
            if column not in table.columns:
                raise UnknownNameError(f"column of {path.name}", column, table.columns)
    whole = pd.concat([table for _, table in tables.values()], ignore_index=True)
    written = {path.suffix for path, _ in tables.values()} == {".csv"}
    chosen = tuple(inputs) or _plain_inputs(whole.drop(columns=label))
    if not 1 <= len(chosen) <= 2:
        others = ", ".join(column for column in whole.columns if column != label)
        raise OptionError("inputs", chosen, f"one column, or two for pairs, of {others or 'more than the labels'}")
    labels = _as_written(whole[label]) if written else whole[label].infer_objects()
    images = len(chosen) == 1 and _are_paths(whole[chosen[0]])
    logger.info("inputs are %s (%s), labels %s", " and ".join(chosen), "image files" if images else "texts", label)
    parts, start = {}, 0
    for split, (path, table) in tables.items():
        end = start + len(table)
        mine = labels.iloc[start:end].reset_index(drop=True)
        parts[split], start = _part(path, table, mine, chosen, images=images), end
    return parts


def read_table(path: Path) -> pd.DataFrame:
    """A table whose cells are as they are written there: of a CSV all texts.

    Raises:
        OptionError: If it cannot be read, is empty, or has two columns of one name.
        DataError: If a JSON line is no object.
    """
    try:
        table = TABLES[path.suffix](path)
    except DataError:
        raise
    except (ValueError, OSError, pa.ArrowException) as error:  # what pandas and pyarrow raise for what they cannot read
        raise OptionError("data", str(path), f"a table that can be read ({str(error).strip()})") from error
    table.columns = table.columns.astype(str)
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise OptionError("data", str(path), f"a table of columns of different names; {twice!r} comes twice")
    if table.empty:
        raise OptionError("data", str(path), "a table with at least one row")
    return table


def _csv(path: Path) -> pd.DataFrame:
    # As text, so that neither a class called 007 nor one called NA loses its name, and no class is both 1 and "1". The
    # header as a row, for pandas would rename a column that comes twice.
    cells = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", header=None)
    table = cells.iloc[1:].reset_index(drop=True)
    table.columns = pd.Index(cells.iloc[0].fillna("").tolist())
    return table


def _parquet(path: Path) -> pd.DataFrame:
    table: pd.DataFrame = pq.read_table(path).replace_schema_metadata(None).to_pandas()  # without pandas' own index
    categories = list(table.select_dtypes("category").columns)
    return table.astype(dict.fromkeys(categories, object))


def _json_lines(path: Path) -> pd.DataFrame:
    # Not pandas' own, which takes "01" for a number and what is called a date for one.
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            rows.append(None)
        if not isinstance(rows[-1], dict):
            raise DataError("line", line[:60], "a JSON object", source=path.name, row=number)
    return pd.DataFrame(rows, dtype=object)


TABLES: Mapping[str, Callable[[Path], pd.DataFrame]] = {".csv": _csv, ".parquet": _parquet, ".jsonl": _json_lines}
"""How a table is read, by what its file's name ends in."""


def _plain_inputs(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns of text; of these the one of image files, if there is one."""
    texts = [
        column
        for column in table.columns
        if column.lower() not in _NUMBERS_OF_ROWS and table[column].map(_is_text).any() and not _counts(table[column])
    ]
    paths = [column for column in texts if _are_paths(table[column])]
    return tuple(paths if len(paths) == 1 else texts)


def _counts(column: "pd.Series[Any]") -> bool:
    """Whether a column of texts holds numbers: not plainly what a model is to read."""
    return bool(pd.to_numeric(column, errors="coerce").notna().all())


def _are_paths(column: "pd.Series[Any]") -> bool:
    """Whether most are paths of images; the others are then errors to be told, not texts."""
    return float(column.map(lambda value: _is_text(value) and value.lower().endswith(SUFFIXES)).mean()) > 0.5


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _as_written(labels: "pd.Series[Any]") -> "pd.Series[Any]":
    """Labels of a CSV: numbers if all that are given are, else names."""
    given = ~labels.str.lower().isin(_MISSING)
    numbers = pd.to_numeric(labels[given], errors="coerce")
    if given.any() and numbers.notna().all():
        return numbers.reindex(labels.index)
    return labels.where(labels != "", None)


def _part(path: Path, table: pd.DataFrame, labels: "pd.Series[Any]", chosen: tuple[str, ...], *, images: bool) -> Part:
    rows = table.index.to_numpy(np.int64) + 1
    for column in chosen:
        empty = np.flatnonzero(~table[column].map(_is_text).to_numpy(bool))
        if len(empty):
            value, row = table[column].iloc[empty[0]], int(rows[empty[0]])
            raise DataError(column, value, "a text that is not empty", source=path.name, row=row)
    texts = table[list(chosen)].to_numpy(object)
    if images:
        files = ImageFiles(np.array([str(path.parent / text) for text in texts[:, 0]], object))
        part = Part(inputs=files, labels=labels, source=path.name, rows=rows)
        part.check(chosen[0])
        return part
    return Part(inputs=texts[:, 0] if len(chosen) == 1 else texts, labels=labels, source=path.name, rows=rows)
