"""Folders that `save_to_disk` of the package `datasets` wrote."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raysel.errors import OptionError, UnknownNameError
from raysel.finetune.dataset_images import DatasetImages, Opener
from raysel.finetune.part import SPLITS, Part
from raysel.finetune.tables import from_tables

logger = logging.getLogger(__name__)


def is_saved(folder: Path) -> bool:
    """Whether a folder is one of these."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "dataset_info.json"))


def from_saved(folder: Path, inputs: Sequence[str], label: str) -> dict[str, Part]:
    """The splits that were saved; one dataset alone is for training.

    Raises:
        OptionError: If the package is missing, or the folder cannot be read by it.
        UnknownNameError: If there is no such column.
        DataError: If a text is empty, or an image none.
    """
    loaded = {str(split): one for split, one in _splits(_load(folder)).items()}
    passed_over = sorted(set(loaded) - set(SPLITS))
    if passed_over:
        logger.info("%s: splits passed over: %s", folder.name, ", ".join(passed_over))
    kept = {split: one for split, one in loaded.items() if split in SPLITS}
    if not kept:
        raise OptionError("data", str(folder), f"a dataset with a split of {', '.join(SPLITS)}")
    images = _image_column(next(iter(kept.values())), inputs)
    if images is not None:
        logger.info("inputs are %s (images), labels %s", images, label)
        return {SPLITS[split]: _images(folder, split, one, images, label) for split, one in kept.items()}
    tables = {}
    for split, one in kept.items():
        table = one.to_pandas()
        if label in table.columns:
            table[label] = _labels(one, label)
        tables[SPLITS[split]] = (folder / split, table)
    return from_tables(tables, inputs, label)


def _load(folder: Path) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise OptionError("data", str(folder), "read with the package `datasets`: pip install datasets") from error
    try:
        return datasets.load_from_disk(str(folder))
    except Exception as error:  # of many kinds, with what is missing or of another version
        raise OptionError("data", str(folder), f"a folder that `datasets` can load ({error})") from error


def _splits(loaded: Any) -> dict[Any, Any]:
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def _image_column(dataset: Any, inputs: Sequence[str]) -> str | None:
    """The column of images, if the inputs are images."""
    images = [column for column, feature in dataset.features.items() if type(feature).__name__ == "Image"]
    if inputs:
        return inputs[0] if len(inputs) == 1 and inputs[0] in images else None
    if len(images) > 1:
        raise OptionError("inputs", (), f"one column of {', '.join(images)}")
    return images[0] if images else None


@dataclass(frozen=True)
class _Encoded:
    """Opens a split with its images as they are encoded."""

    folder: Path
    split: str
    column: str

    def __call__(self) -> Any:
        import datasets

        return _splits(_load(self.folder))[self.split].cast_column(self.column, datasets.Image(decode=False))


def _images(folder: Path, split: str, dataset: Any, column: str, label: str) -> Part:
    if label not in dataset.features:
        raise UnknownNameError(f"column of {folder.name}", label, list(dataset.features))
    opener = Opener(_Encoded(folder, split, column), column, f"{folder.name}/{split}")
    rows = np.arange(len(dataset))
    part = Part(inputs=DatasetImages(opener, rows), labels=_labels(dataset, label), source=opener.name, rows=rows + 1)
    part.check(column)
    return part


def _labels(dataset: Any, label: str) -> "pd.Series[Any]":
    """Classes by their names, which are kept as numbers there; -1 stands for none."""
    found, feature = list(dataset[label]), dataset.features[label]
    if hasattr(feature, "names"):
        found = [None if number is None or number < 0 else feature.names[number] for number in found]
    return pd.Series(found, dtype=object).infer_objects()
