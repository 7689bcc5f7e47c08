"""Datasets as people have them: a folder of images, a table of texts or of image files, a torch dataset.

::

    photos/cat/1.jpg, photos/dog/2.jpg            a folder a class, as torchvision's ImageFolder has it
    photos/train/cat/1.jpg, photos/test/dog/2.jpg the same in splits
    reviews.csv, .parquet, .jsonl                 a row a sample: one or two columns of text, or one of image paths
    reviews/train.csv, reviews/test.csv           the same in splits; a column `split` does as well
    a folder that datasets' `save_to_disk` wrote  if the package `datasets` is installed
    a function without arguments                  one or more torch datasets of (input, label)
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raysel.errors import DataError, OptionError, UnknownNameError
from raysel.finetune.data import Data, Split
from raysel.models.image_files import SUFFIXES, ImageFiles, Inputs
from raysel.target import Task

logger = logging.getLogger(__name__)

_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}
"""What a split may be called."""
_TABLES: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: pd.read_csv(path),
    ".parquet": lambda path: pd.read_parquet(path),
    ".jsonl": lambda path: pd.read_json(path, lines=True),
}
_SPLIT = "split"
_FEW = 50  # distinct whole numbers are still classes; more of them are quantities


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """Samples of one split, or of all of them, with their labels as they were found."""

    inputs: Inputs
    labels: "pd.Series[Any]"
    source: str


def read(
    source: str | Path | Callable[[], Any],
    *,
    name: str | None = None,
    task: Task | None = None,
    inputs: Sequence[str] = (),
    label: str = "label",
    metric: str = "",
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
) -> Data:
    """A dataset from where it lies, in three splits.

    Splits that the source has are kept. What is missing of validation and test is drawn from the training samples with
    the seed, of every class its share.

    Args:
        source: A folder, a file, or a function without arguments that returns a torch dataset of (input, label), or up
            to three of them (train, val, test). An input is an image (PIL's, or an array of uint8, channels first), a
            text or a pair of texts; images of a torch dataset are of one size and are held in memory.
        name: Names the dataset in a history; by default what the source is called.
        task: `classification` or `regression`. By default labels that are fractions, or more than fifty distinct whole
            numbers, make a regression, all others a classification.
        inputs: The columns of a table with the texts (two of them for pairs), or the one with paths of images, which
            count from the table's folder. By default the only columns of text beside the label.
        label: The column of a table with the labels.
        metric: A key of `raysel.finetune.METRICS`; by default the task's own.
        val: The share of the samples to validate on, where the source has no split for it; above 0 and below 1.
        test: The same to test on.
        seed: Draws the splits.

    Raises:
        OptionError: If there is nothing at the source, it is of no kind above, or an option breaks its rule.
        UnknownNameError: If a table has no such column.
        DataError: If a sample breaks a rule: an image that is none, a text or a label that is missing, one class only,
            a class of which there is nothing to train on.
    """
    for parameter, share in (("val", val), ("test", test)):
        if not isinstance(share, int | float) or not 0 < share < 1 or val + test >= 1:
            raise OptionError(parameter, share, "a share above 0; val and test together below 1")
    if callable(source):
        called, found = getattr(source, "__name__", "data"), _from_torch(source)
    else:
        path = Path(source)
        if not path.exists():
            raise OptionError("data", str(source), "a folder or a file that is there")
        called = path.resolve().stem if path.is_file() else path.resolve().name
        found = (
            _from_folder(path.resolve(), inputs, label) if path.is_dir() else _from_file(path.resolve(), inputs, label)
        )
    parts = {split: part for split, part in found.items() if len(part.labels)}
    if "train" not in parts:
        raise OptionError("data", str(source), f"a dataset with training samples; it has {', '.join(parts) or 'none'}")
    for part in parts.values():
        missing = np.flatnonzero(part.labels.isna())
        if len(missing):
            raise DataError(label, None, "a label", source=part.source, row=int(missing[0]))
    task = task or _guessed(pd.concat([part.labels for part in parts.values()]))
    labelled, names = _numbered(parts, task, label)
    splits = _split(labelled, task=task, val=val, test=test, seed=seed)
    data = Data(
        name=name or called,
        task=task,
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        classes=len(names) if names else None,
        class_names=names,
        metric=metric,
    )
    logger.info("%s", described(data))
    return data


def described(data: Data) -> str:
    """A sentence or two: what there is, and how even the classes are.

    >>> labels = np.array([0, 0, 0, 1])
    >>> split = Split(np.array(["a", "b", "c", "d"]), labels)
    >>> data = Data(name="toy", task="classification", classes=2, train=split, val=split, test=split)
    >>> described(data)
    'toy: 4 texts to train on, 4 to validate, 4 to test; 2 classes, of which 0 has 75 % and 1 has 25 %'
    """
    sizes = f"{len(data.train)} {data.modality} to train on, {len(data.val)} to validate, {len(data.test)} to test"
    if data.classes is None:
        return f"{data.name}: {sizes}; numbers from {data.train.labels.min():.4g} to {data.train.labels.max():.4g}"
    balance = data.balance
    (most, highest), *_, (least, lowest) = balance.items()
    told = f"{data.classes} classes, of which {most} has {highest / len(data.train):.0%}".replace("%", " %")
    told += f" and {least} has {lowest / len(data.train):.0%}".replace("%", " %")
    uneven = highest > 5 * lowest and data.metric == "accuracy"
    hint = "; so uneven that `macro_f1` may say more than accuracy" if uneven else ""
    return f"{data.name}: {sizes}; {told}{hint}"


def _from_folder(folder: Path, inputs: Sequence[str], label: str) -> dict[str, _Part]:
    if (folder / "dataset_dict.json").is_file() or (folder / "dataset_info.json").is_file():
        return _from_datasets(folder, inputs, label)
    tables = {
        _SPLITS[path.stem]: path for path in sorted(folder.iterdir()) if path.suffix in _TABLES and path.stem in _SPLITS
    }
    if tables:
        return {split: _from_table(_TABLES[path.suffix](path), path, inputs, label) for split, path in tables.items()}
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if any(path.name in _SPLITS for path in inside):
        return {_SPLITS[path.name]: _from_classes(path) for path in inside if path.name in _SPLITS}
    return {"train": _from_classes(folder)}


def _from_classes(folder: Path) -> _Part:
    """A folder a class; what is nested deeper belongs to the class as well."""
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    found = [
        (str(path), place.name)
        for place in classes
        for path in sorted(place.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file()
    ]
    if not found:
        raise OptionError("data", str(folder), f"a folder a class with images in it ({', '.join(SUFFIXES)})")
    files = ImageFiles(np.array([path for path, _ in found]))
    files.check()
    return _Part(inputs=files, labels=pd.Series([name for _, name in found]), source=str(folder))


def _from_file(path: Path, inputs: Sequence[str], label: str) -> dict[str, _Part]:
    if path.suffix not in _TABLES:
        raise OptionError("data", str(path), f"a folder, or a file that ends in {', '.join(_TABLES)}")
    try:
        table = _TABLES[path.suffix](path)
    except (ValueError, OSError) as error:  # what pandas and pyarrow raise for what they cannot read
        raise OptionError("data", str(path), f"a table that can be read ({error})") from error
    if _SPLIT not in table.columns or label == _SPLIT:
        return {"train": _from_table(table, path, inputs, label)}
    unknown = sorted(set(table[_SPLIT].astype(str)) - set(_SPLITS))
    if unknown:
        row = int(np.flatnonzero(table[_SPLIT].astype(str) == unknown[0])[0])
        raise DataError(_SPLIT, unknown[0], f"one of {', '.join(_SPLITS)}", source=path.name, row=row)
    named = table[_SPLIT].map(_SPLITS)
    return {split: _from_table(table[named == split].drop(columns=_SPLIT), path, inputs, label) for split in set(named)}


def _from_table(table: pd.DataFrame, path: Path, inputs: Sequence[str], label: str) -> _Part:
    columns = list(map(str, table.columns))
    for column in (label, *inputs):
        if column not in columns:
            raise UnknownNameError(f"column of {path.name}", column, columns)
    chosen = tuple(inputs) or tuple(
        column for column in columns if column != label and pd.api.types.is_string_dtype(table[column])
    )
    if not 1 <= len(chosen) <= 2:
        raise OptionError("inputs", chosen, f"one column, or two for pairs, of {', '.join(columns)}")
    for column in chosen:
        rows = [
            i for i, value in zip(table.index, table[column], strict=True) if not isinstance(value, str) or not value
        ]
        if rows:
            value = table[column].loc[rows[0]]
            raise DataError(column, value, "a text that is not empty", source=path.name, row=int(rows[0]))
    texts = table[list(chosen)].to_numpy(object)
    if len(chosen) == 1:
        texts = texts[:, 0]
        if len(texts) and all(str(text).lower().endswith(SUFFIXES) for text in texts):
            files = ImageFiles(np.array([str(path.parent / text) for text in texts]))
            files.check()
            return _Part(inputs=files, labels=table[label].reset_index(drop=True), source=path.name)
    return _Part(inputs=texts, labels=table[label].reset_index(drop=True), source=path.name)


def _from_datasets(folder: Path, inputs: Sequence[str], label: str) -> dict[str, _Part]:
    try:
        import datasets
    except ImportError as error:
        raise OptionError("data", str(folder), "read with the package `datasets`: pip install datasets") from error
    loaded = datasets.load_from_disk(str(folder))
    found = {}
    for split, one in loaded.items() if isinstance(loaded, dict) else [("train", loaded)]:
        if str(split) not in _SPLITS:
            continue
        table, feature = one.to_pandas(), one.features.get(label)
        if hasattr(feature, "names"):  # classes are kept as numbers there; -1 stands for none
            table[label] = [feature.names[number] if number >= 0 else None for number in table[label]]
        found[_SPLITS[str(split)]] = _from_table(table, folder / str(split), inputs, label)
    return found


def _from_torch(make: Callable[[], Any]) -> dict[str, _Part]:
    made = make()
    given = made if isinstance(made, tuple) else (made,)
    if not 1 <= len(given) <= 3:
        raise OptionError("data", f"{len(given)} datasets", "one, two (train, val) or three (train, val, test)")
    return {split: _from_items(one, split) for split, one in zip(("train", "val", "test"), given, strict=False)}


def _from_items(dataset: Any, split: str) -> _Part:
    items = [dataset[index] for index in range(len(dataset))]
    if not items:
        raise OptionError("data", f"an empty {split} set", "a dataset with samples")
    labels = pd.Series([getattr(label, "item", lambda label=label: label)() for _, label in items])
    first = items[0][0]
    if isinstance(first, str):
        return _Part(inputs=np.array([text for text, _ in items], object), labels=labels, source=split)
    if isinstance(first, tuple | list) and all(isinstance(text, str) for text in first):
        return _Part(inputs=np.array([list(pair) for pair, _ in items], object), labels=labels, source=split)
    images = [_pixels(image, row, split) for row, (image, _) in enumerate(items)]
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise OptionError(
            "data", f"images of shapes {shapes[:3]}", "of one size; a folder of images may hold any sizes"
        )
    return _Part(inputs=np.stack(images), labels=labels, source=split)


def _pixels(image: Any, row: int, split: str) -> NDArray[np.uint8]:
    """(channels, height, width) of one image."""
    if hasattr(image, "convert"):  # PIL's
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    array = np.asarray(image)
    if array.ndim != 3 or array.dtype != np.uint8:
        rule = "an image of PIL, or uint8 of shape (channels, height, width)"
        raise DataError("input", f"{array.dtype} of shape {array.shape}", rule, source=split, row=row)
    return array


def _guessed(labels: "pd.Series[Any]") -> Task:
    if not pd.api.types.is_numeric_dtype(labels) or pd.api.types.is_bool_dtype(labels):
        return "classification"
    whole = bool((labels == labels.round()).all())
    return "classification" if whole and labels.nunique() <= _FEW else "regression"


def _numbered(parts: Mapping[str, _Part], task: Task, column: str) -> tuple[dict[str, Split], tuple[str, ...] | None]:
    """The splits with labels as models learn them, and the names of the classes."""
    if task == "regression":
        numbers = {}
        for split, part in parts.items():
            values = pd.to_numeric(part.labels, errors="coerce").to_numpy(np.float64)
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                raise DataError(column, part.labels[bad[0]], "a finite number", source=part.source, row=int(bad[0]))
            numbers[split] = Split(part.inputs, values)
        return numbers, None
    classes = _ordered(parts["train"].labels.unique())
    if len(classes) < 2:
        raise DataError(column, classes[0], "one of several classes", source=parts["train"].source)
    number = {value: index for index, value in enumerate(classes)}
    found = {}
    for split, part in parts.items():
        strange = [(row, value) for row, value in enumerate(part.labels) if value not in number]
        if strange:
            row, value = strange[0]
            raise DataError(column, value, "a class that there is training data of", source=part.source, row=row)
        found[split] = Split(part.inputs, part.labels.map(number).to_numpy(np.int64))
    return found, tuple(f"{value:g}" if isinstance(value, float) else str(value) for value in classes)


def _ordered(values: Iterable[Hashable]) -> list[Any]:
    """By size where they are numbers, else by name."""
    try:
        return sorted(values)  # type: ignore[type-var, unused-ignore]
    except TypeError:  # names and numbers
        return sorted(values, key=str)


def _split(found: dict[str, Split], *, task: Task, val: float, test: float, seed: int) -> dict[str, Split]:
    """The three splits; those that are missing come out of the training samples."""
    wanted = {split: share for split, share in (("val", val), ("test", test)) if split not in found}
    train, rng = found["train"], np.random.default_rng(seed)
    if len(train) <= 2 * len(wanted):
        raise OptionError("data", f"{len(train)} training samples", f"enough to draw {' and '.join(wanted)} from")
    drawn: dict[str, NDArray[np.int64]] = {}
    left = np.arange(len(train))
    for split, share in wanted.items():
        drawn[split] = _share(train.labels[left], round(share * len(train)), task=task, rng=rng)
        drawn[split], left = left[drawn[split]], np.delete(left, drawn[split])
    return {
        **found,
        "train": Split(train.inputs[left], train.labels[left]) if wanted else train,
        **{split: Split(train.inputs[index], train.labels[index]) for split, index in drawn.items()},
    }


def _share(labels: NDArray[Any], size: int, *, task: Task, rng: np.random.Generator) -> NDArray[np.int64]:
    """(about size,) indices, ascending; of every class its share, but never its last sample."""
    order = rng.permutation(len(labels))
    size = max(1, size)
    if task == "regression":
        return np.sort(order[:size])
    groups = pd.Series(labels[order])
    place, count = groups.groupby(groups).cumcount().to_numpy(), groups.map(groups.value_counts()).to_numpy()
    # By the place within the class, as a share of it: all classes are drawn from together. The last stays.
    rank = np.where(place == count - 1, np.inf, (place + 0.5) / count)
    chosen = np.argsort(rank, kind="stable")[: min(size, int(np.isfinite(rank).sum()))]
    return np.sort(order[chosen])
