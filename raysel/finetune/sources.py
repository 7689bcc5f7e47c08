"""Datasets as people have them: a folder of images, a table of texts or of image files, a torch dataset.

::

    photos/cat/1.jpg, photos/dog/2.jpg            a folder a class, as torchvision's ImageFolder has it
    photos/train/cat/1.jpg, photos/test/dog/2.jpg the same in splits
    reviews.csv, .parquet, .jsonl                 a row a sample: one or two columns of text, or one of image paths
    reviews/train.csv, reviews/test.csv           the same in splits; a column `split` does as well
    a folder that datasets' `save_to_disk` wrote  if the package `datasets` is installed
    s3://bucket/photos, gs://bucket/reviews.csv   any of these on an object store, copied once a node
    a function without arguments                  one or more torch datasets of (input, label)
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from raysel.errors import OptionError
from raysel.finetune.data import Data, Split
from raysel.finetune.labels import guessed, numbered
from raysel.finetune.part import SPLITS, Part
from raysel.finetune.remote import Remote, is_remote
from raysel.finetune.saved_datasets import from_saved, is_saved
from raysel.finetune.splitting import copies, draw
from raysel.finetune.tables import TABLES, from_file, from_tables, read_table
from raysel.finetune.torch_datasets import from_torch
from raysel.models.image_files import SUFFIXES, ImageFiles, Inputs, LazyImages
from raysel.target import Task

logger = logging.getLogger(__name__)


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
    the seed, of every class its share; copies of a text stay together.

    Args:
        source: A folder, a file, the URI of one (see `raysel.finetune.remote`), or a function without arguments that
            returns a torch dataset of (input, label), or up to three of them (train, val, test; `None` for one that is
            to be drawn). An input is an image (see `raysel.finetune.dataset_images.picture`), a text or a pair of
            texts. Images of any sizes are made again whenever they are needed, and each should come out the same each
            time.
        name: Names the dataset in a history; by default what the source is called.
        task: `classification` or `regression`. By default labels that are fractions, or more than fifty distinct whole
            numbers, make a regression, all others a classification.
        inputs: The columns of a table with the texts (two of them for pairs), or the one with paths of images, which
            count from the table's folder. By default the column of image paths or of images, else the one or two
            columns of text beside the label and what is called an id; the log says which.
        label: The column of a table with the labels.
        metric: A key of `raysel.finetune.METRICS`; by default the task's own.
        val: The share of the samples to validate on, where the source has no split for it; above 0 and below 1.
        test: The same to test on.
        seed: Draws the splits.

    Raises:
        OptionError: If there is nothing at the source, it is of no kind above, or an option breaks its rule.
        UnknownNameError: If a table has no such column.
        DataError: If a sample breaks a rule: an image that is none, a text or a label that is missing, one class only,
            a class of which there is nothing to train on. Rows of a table count from 1, its header left out.
    """
    for parameter, share in (("val", val), ("test", test)):
        if not isinstance(share, int | float) or not 0 < share < 1 or val + test >= 1:
            raise OptionError(parameter, share, "a share above 0; val and test together below 1")
    columns = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    called, found = _parts(source, columns, label)
    if not (name or called):
        raise OptionError("name", name, "given, for the source has none of its own")
    parts = {split: part for split, part in found.items() if len(part.labels)}
    if "train" not in parts:
        raise OptionError("data", str(source), f"a dataset with training samples; it has {', '.join(parts) or 'none'}")
    task = task or guessed(pd.concat([part.labels for part in parts.values()]))
    if task not in get_args(Task):
        raise OptionError("task", task, f"one of {', '.join(get_args(Task))}")
    labelled, names = numbered(parts, task, label)
    splits = _split(labelled, stratified=task == "classification", val=val, test=test, seed=seed)
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


def _parts(source: str | Path | Callable[[], Any], inputs: Sequence[str], label: str) -> tuple[str, dict[str, Part]]:
    """What the source is called, and the splits that it has."""
    if callable(source):
        return getattr(source, "__name__", "").replace("<lambda>", ""), from_torch(source)
    if is_remote(source):
        remote = Remote.at(str(source))
        called, parts = _parts(remote(), inputs, label)
        return called, {split: replace(part, inputs=_below(remote, part.inputs)) for split, part in parts.items()}
    path = Path(str(source).removeprefix("file://"))
    if not path.exists():
        raise OptionError("data", str(source), "a folder or a file that is there")
    path = path.resolve()
    if path.is_dir():
        return path.name, _from_folder(path, inputs, label)
    if path.suffix not in TABLES:
        raise OptionError("data", str(path), f"a folder, or a file that ends in {', '.join(TABLES)}")
    return path.stem, from_file(path, inputs, label)


def _from_folder(folder: Path, inputs: Sequence[str], label: str) -> dict[str, Part]:
    if is_saved(folder):
        return from_saved(folder, inputs, label)
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    tables = [path for path in inside if path.suffix in TABLES and path.stem in SPLITS]
    folders = [path for path in inside if path.is_dir()]
    found = tables or [path for path in folders if path.name in SPLITS] or [folder]
    splits = ["train"] if found == [folder] else [SPLITS[path.stem] for path in found]
    if len(set(splits)) < len(splits):
        names = ", ".join(path.name for path in found)
        raise OptionError("data", str(folder), f"a folder with each split once; it has {names}")
    if tables:
        read_ones = {split: (path, read_table(path)) for split, path in zip(splits, tables, strict=True)}
        return from_tables(read_ones, inputs, label)
    return {split: _from_classes(path) for split, path in zip(splits, found, strict=True)}


def _below(remote: Remote, inputs: Inputs) -> Inputs:
    """Images by their places in the copy that each node makes for itself."""
    if isinstance(inputs, LazyImages) and not isinstance(inputs, ImageFiles):
        raise OptionError("data", remote.uri, "a folder or table of image files; a dataset of `datasets`: in a folder")
    if not isinstance(inputs, ImageFiles):
        return inputs
    return ImageFiles(np.array([os.path.relpath(path, remote()) for path in inputs.paths], object), below=remote)


def _from_classes(folder: Path) -> Part:
    """A folder a class; what is nested deeper belongs to the class as well."""
    paths: list[str] = []
    labels: list[str] = []
    for place in sorted(folder.iterdir()):
        if not place.is_dir() or place.name.startswith("."):
            continue
        found = [path for path in _visible_files(place) if path.suffix.lower() in SUFFIXES]
        if not found:
            raise OptionError("data", str(place), f"a folder with images of a class ({', '.join(SUFFIXES)})")
        paths += map(str, found)
        labels += [place.name] * len(found)
    if not paths:
        raise OptionError("data", str(folder), f"a folder a class with images in it ({', '.join(SUFFIXES)})")
    part = Part(inputs=ImageFiles(np.array(paths, object)), labels=pd.Series(labels), source=str(folder))
    part.check("image")
    return part


def _visible_files(folder: Path) -> list[Path]:
    """Every file in it, links followed as torchvision does; without what systems hide beside one's own files."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _split(found: dict[str, Split], *, stratified: bool, val: float, test: float, seed: int) -> dict[str, Split]:
    """The three splits; those that are missing come out of the training samples."""
    train = found["train"]
    wanted = {split: share for split, share in (("val", val), ("test", test)) if split not in found}
    for split, number in copies(found).items():
        logger.warning("%d of %d inputs of %s are trained on as well: scores flatter", number, len(found[split]), split)
    if not wanted:
        return found
    rule = f"enough different ones to draw {' and '.join(wanted)} from"
    if len(train) <= 2 * len(wanted):
        raise OptionError("data", f"{len(train)} training samples", rule)
    drawn = draw(train, wanted, stratified=stratified, seed=seed)
    if not all(map(len, drawn.values())):
        raise OptionError("data", f"{len(train)} training samples, of single ones or copies", rule)
    return found | {split: Split(train.inputs[index], train.labels[index]) for split, index in drawn.items()}
