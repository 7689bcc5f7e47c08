"""Tables in long form, from CSV or Parquet: one value a row, and columns that say what of.

Three kinds are told apart by their fields:

======================  ========================================  =============================================
kind                    fields it must have                       what it becomes
======================  ========================================  =============================================
performance matrix      model, dataset, metric, mode, value       completed runs of one step, with test values
curves                  the same and step                         runs with values by step
proxies                 model, dataset, proxy, value              proxy scores
======================  ========================================  =============================================

A field is one value for every row that `constants` names (`--set metric=accuracy`), else the column that `mapping`
names (`--map step=epoch`), else the column of that name. The other fields are optional:

- `split`: `val` (also `valid`, `validation`) or `test`. Where nobody gives it, a metric called `val_X`, `valid_X`,
  `validation_X` or `test_X` is metric X in that split, and any other is a validation value in curves and a test value
  in matrices. `--set split=val` keeps metrics' names, and makes curves of test values usable where there are no others.
- `revision`, `fingerprint`, `hardware`, `seed` and `seconds` as in the tables; `version` for proxies.
- `config`: JSON, or any text, which is kept as the hyperparameter `config`; `config.NAME` is the hyperparameter NAME
  (`--map config.lr=learning_rate`). Runs that differ in it are different runs.
- `planned_steps`: where the run was to end; its last step in the file by default. A run that does not get there is
  `stopped`, unless `status` says otherwise.
- `primary_metric`: the metric that decides; to be given where a dataset has several.
- `parameters`: how many the model has; `parameters_in_millions` where the file counts so.
- `nan`: `refuse` (the default) or `failed`, by which a value that is no finite number means that the run diverged: its
  other values are kept and the run counts as failed (a proxy score is left out).
- `repeats`: `refuse` (the default), `first` or `last`: which of several values given for the same thing to take. Rows
  that repeat the same value are one.

Columns that are none of this are left out and named in `ignored`. A column whose name is a field's but for a slip is
refused, and so are rows that only an ignored column could tell apart.

Two habits of those who publish tables are known here. A file called ``results-NAME.csv``, as timm's are, is of dataset
NAME unless it says otherwise. A ``.txt`` file is a matrix as the two-phase paper (arXiv 2404.00069) released them: a
column a model, with ``--`` for the ``/`` in its name, and a row a dataset, whose names are the lines of the
``datasets.txt`` beside it (a file of one row may be given its `dataset` instead).
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from raysel.arrays import FloatArray
from raysel.errors import DataError, OptionError, UnknownNameError
from raysel.history.curves import STATUSES
from raysel.history.tables import MODES

Kind = Literal["results", "proxies"]

SPLIT_NAMES = {"val": "val", "valid": "val", "validation": "val", "test": "test"}
_RULES = {"nan": ("refuse", "failed"), "repeats": ("refuse", "first", "last")}
_DUE = {"results": ("model", "dataset", "metric", "mode", "value"), "proxies": ("model", "dataset", "proxy", "value")}
_FACTS = ("parameters", "parameters_in_millions")
_OPTIONAL = {
    "results": (
        *("step", "split", "seconds", "revision", "fingerprint", "hardware", "seed", "config"),
        *("planned_steps", "status", "primary_metric", *_FACTS),
    ),
    "proxies": ("revision", "fingerprint", "version", "seconds"),
}
_CHOICES = {"mode": MODES, "status": STATUSES, "split": tuple(SPLIT_NAMES)}
_NUMBERS = {
    "value": "a finite number (where it means that a run diverged: --set nan=failed)",
    "step": "a finite number of at least 0",
    "seconds": "a finite number of at least 0",
    "planned_steps": "a finite number above 0",
    "seed": "an integer",
    "parameters": "an integer of at least 0",
    "parameters_in_millions": "a finite number of at least 0",
}
_MISSING = ("", "nan", "na", "n/a", "null", "none")
_SIMILAR = 0.8
_RESULTS_OF = re.compile(r"results-(.+)\.csv")
_THOUSANDS = r"(?<=\d),(?=\d{3}(?:\D|$))"


# Called with a field, its values, whether it must be filled in, and whether values may be no finite numbers.
_Parser = Callable[[str, pd.Series, bool, bool], tuple[FloatArray | pd.Categorical, NDArray[np.bool_]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tidy:
    """The fields of a file in long form, checked one by one.

    Args:
        source: The file's name, for messages.
        kind: `results` (a performance matrix or curves) or `proxies`.
        fields: A column a field, as many rows as the file: numbers as float64, the rest as categories of text, empty
            where nothing was given. Only `value` may hold what is not finite, and only where that is no mistake.
        raw: The file as read, for messages.
        ignored: Columns of the file that are no field.
        repeats: What to do about several values for the same thing: `refuse`, or take the `first` or the `last`.
    """

    source: str
    kind: Kind
    fields: pd.DataFrame
    raw: pd.DataFrame
    ignored: tuple[str, ...]
    repeats: str

    def has(self, field: str) -> bool:
        """Whether the field was given in any way."""
        return field in self.fields

    def refuse(self, field: str, wrong: NDArray[np.bool_], rule: str) -> None:
        """Raise for the first row that is wrong, if any is.

        Raises:
            DataError: If there is one.
        """
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(field, _plain(self.fields[field].iloc[row]), rule, self.source, row + 1)


def read_fields(
    path: Path,
    *,
    mapping: Mapping[str, str],
    constants: Mapping[str, str],
    wide: bool = False,
    without: Collection[str] = (),
    prefix: str = "",
) -> Tidy:
    """Read a file in long form, or a wide one, and find its fields.

    Args:
        path: A CSV file with a header, a Parquet file (`.parquet`), or a matrix of the two-phase paper (`.txt`).
        mapping: The column of each field that is not in the column of its own name.
        constants: The value of each field that is the same in every row.
        wide: Whether the file has a row a model and a column of values a dataset.
        without: Columns of a wide file that are no datasets.
        prefix: What the names of models begin with elsewhere, such as ``timm/``.

    Raises:
        OptionError: If the file cannot be read or an option breaks its rule.
        UnknownNameError: If an option names no field, or a column that the file lacks.
        DataError: If a field is missing or a value breaks its rule; rows are counted from 1, the header not among them.
    """
    source = path.name
    raw = _released(path, dataset=constants.get("dataset")) if path.suffix == ".txt" else _read(path)
    if wide and path.suffix == ".txt":
        raise OptionError("wide", wide, "given for a file with a row a model only")
    if wide:
        raw = _long(raw, model=mapping.get("model", "model"), without=without, source=source)
        mapping = {field: column for field, column in mapping.items() if field != "model"}
    elif without:
        raise OptionError("without", list(without), "given for a wide file only")
    rules = {rule: constants.get(rule, choices[0]) for rule, choices in _RULES.items()}
    for rule, choices in _RULES.items():
        if rules[rule] not in choices:
            raise OptionError(rule, rules[rule], f"one of {', '.join(choices)}")
    constants = {field: value for field, value in constants.items() if field not in _RULES}
    columns = {**{str(name): str(name) for name in raw.columns}, **mapping}
    if "dataset" not in columns and (named := _RESULTS_OF.fullmatch(source)):
        constants = {"dataset": named[1], **constants}
    kind: Kind = "proxies" if "proxy" in {*columns, *constants} else "results"
    known = [*_DUE[kind], *_OPTIONAL[kind]]
    if kind == "results":
        known += [name for name in {**columns, **constants} if name.startswith("config.")]
    _check_options(mapping, constants, known, raw.columns, source)
    given = [field for field in known if field in columns or field in constants]
    for field in _DUE[kind]:
        if field not in given:
            rule = f"there (--map {field}=COLUMN or --set {field}=VALUE; the file has {', '.join(raw.columns)})"
            raise DataError(field, "missing", rule, source)
    taken = {columns[field] for field in given if field in columns} | {field for field in given if field in constants}
    ignored = tuple(column for column in raw.columns if column not in taken)
    # A column of results under another name is taken for a mistake; what is known of models is not missed.
    expected = [field for field in known if field not in given and field not in _FACTS]
    for column in ignored:
        meant = get_close_matches(column, expected, n=1, cutoff=_SIMILAR)
        if meant:
            raise DataError(column, "unknown", f"a field (--map {meant[0]}={column} if that is meant)", source)
    fields: dict[str, FloatArray | pd.Categorical] = {}
    for field in given:
        values = pd.Series([constants[field]] * len(raw)) if field in constants else raw[columns[field]]
        if prefix and field == "model":
            values = prefix + values.astype("string")
        read: _Parser = _numbers if field in _NUMBERS else _text
        required = field in _DUE[kind] or field == "step"
        fields[field], wrong = read(field, values, required, rules["nan"] == "failed")
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(field, _plain(values.iloc[row]), _rule_of(field), source, row + 1)
    return Tidy(
        source=source,
        kind=kind,
        fields=pd.DataFrame(fields),
        raw=raw,
        ignored=ignored,
        repeats=rules["repeats"],
    )


def _long(raw: pd.DataFrame, *, model: str, without: Collection[str], source: str) -> pd.DataFrame:
    """A wide table in long form; cells that are empty were not measured."""
    for column in (model, *without):
        if column not in raw.columns:
            raise UnknownNameError(f"column of {source}", column, raw.columns)
    datasets = [column for column in raw.columns if column != model and column not in without]
    long = raw.melt(id_vars=[model], value_vars=datasets, var_name="dataset").rename(columns={model: "model"})
    return long[long["value"].notna() & (long["value"].astype(str) != "")].reset_index(drop=True)


def _released(path: Path, *, dataset: str | None) -> pd.DataFrame:
    """A matrix as the two-phase paper released it, in long form; its one row is of `dataset`, if that is given."""
    try:
        table = pd.read_csv(path, sep=r"\s+", dtype=str, keep_default_na=False)
        beside = path.with_name("datasets.txt")
        names = [dataset] if dataset else beside.read_text(encoding="utf-8").splitlines()
        names = [name.strip() for name in names if name.strip()]
    except (OSError, ValueError) as error:
        raise OptionError("file", str(path), f"a matrix beside its datasets.txt ({_first_line(error)})") from error
    if len(names) != len(table) or not names:
        rule = f"a matrix with a row for each of {len(names)} datasets (it has {len(table)})"
        raise OptionError("file", str(path), rule)
    named = table.rename(columns=lambda name: name.replace("--", "/")).assign(dataset=names)
    long = named.melt(id_vars=["dataset"], var_name="model", value_name="value")
    return long.drop(columns="dataset") if dataset else long


def split_of(metric: str) -> tuple[str | None, str]:
    """The split that a metric's name tells, if it does, and the metric's name without it.

    >>> split_of("valid_loss"), split_of("accuracy")
    (('val', 'loss'), (None, 'accuracy'))
    """
    match = re.fullmatch(rf"({'|'.join(SPLIT_NAMES)})_(.+)", metric)
    return (SPLIT_NAMES[match[1]], match[2]) if match else (None, metric)


def _plain(value: object) -> object:
    """A number of numpy's as one of Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            rows: pd.DataFrame = pq.read_table(path).replace_schema_metadata(None).to_pandas()
        else:
            # As text, so that neither a model called 007 nor one called NA loses its name.
            rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig").fillna("")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise OptionError("file", str(path), f"a CSV or Parquet file ({_first_line(error)})") from error
    if rows.empty:
        raise OptionError("file", str(path), "a table with at least one row")
    return rows


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _check_options(
    mapping: Mapping[str, str], constants: Mapping[str, str], known: list[str], columns: Iterable[str], source: str
) -> None:
    for field in (*mapping, *constants):
        if field not in known:
            raise UnknownNameError("field", field, [*known, "config.NAME", *_RULES])
        if field in mapping and field in constants:
            raise OptionError(field, constants[field], f"either set or mapped (to {mapping[field]}), not both")
    for column in mapping.values():
        if column not in columns:
            raise UnknownNameError(f"column of {source}", column, columns)


def _rule_of(field: str) -> str:
    if field in _CHOICES:
        return f"one of {', '.join(_CHOICES[field])}"
    return _NUMBERS.get(field, "filled in")


def _text(field: str, values: pd.Series, required: bool, _: bool) -> tuple[pd.Categorical, NDArray[np.bool_]]:
    """Text as categories, empty where nothing was given, and the rows that break the field's rule."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, distinct = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, distinct = pd.factorize(values)
    names, place = np.unique(np.array([*(str(value) for value in distinct), ""], dtype=object), return_inverse=True)
    allowed = _CHOICES.get(field)
    wrong = np.array([(required and not name) or bool(allowed and name and name not in allowed) for name in names])
    # What is missing has the code -1, and so takes the last place: that of the empty text.
    return pd.Categorical.from_codes(place[codes], pd.Index(names)), wrong[place[codes]]


def _numbers(field: str, values: pd.Series, required: bool, lenient: bool) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Numbers, NaN where nothing was given, and the rows that break the field's rule."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        wrong = np.zeros(len(numbers), bool)
    else:
        codes, distinct = pd.factorize(values)
        texts = [*(str(value).strip() for value in distinct), ""]
        if field.startswith("parameters"):
            texts = [re.sub(_THOUSANDS, "", text) for text in texts]  # as in 1,014.45
        parsed = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)
        numbers = parsed[codes]
        wrong = (np.isnan(parsed) & ~np.isin([text.lower() for text in texts], _MISSING))[codes]
    if field == "value":
        return numbers, wrong | (~np.isfinite(numbers) & (not lenient))
    given = ~np.isnan(numbers)
    broken, negative = numbers != np.floor(numbers), numbers < 0
    low = {"planned_steps": numbers <= 0, "seed": broken, "parameters": broken | negative}.get(field, negative)
    return numbers, wrong | (given & (low | np.isinf(numbers))) | (~given & required)
