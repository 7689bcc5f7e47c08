"""What a function makes: torch datasets of (input, label), or whatever has a length and such items by number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raysel.errors import DataError, OptionError
from raysel.finetune.dataset_images import DatasetImages, Opener, picture
from raysel.finetune.part import Part

_ORDER = ("train", "val", "test")


def from_torch(make: Callable[[], Any]) -> dict[str, Part]:
    """The splits that a function returns: a dataset, or up to three in the order train, val, test; `None` for none.

    Every item is looked at once, for its label. Texts are kept; images are made again whenever they are needed.

    Raises:
        OptionError: If there are fewer or more, or one is empty or has no length.
        DataError: If an item is no pair, or its input neither an image nor a text nor a pair of texts.
    """
    made = _made(make)
    if not 1 <= len(made) <= len(_ORDER):
        raise OptionError("data", f"{len(made)} datasets", "one, two (train, val) or three (train, val, test)")
    return {
        split: _from_items(one, split, _Nth(make, number))
        for number, (split, one) in enumerate(zip(_ORDER, made, strict=False))
        if one is not None
    }


def _made(make: Callable[[], Any]) -> tuple[Any, ...]:
    made = make()
    return made if isinstance(made, tuple) else (made,)


@dataclass(frozen=True)
class _Nth:
    """Opens one of the datasets that a function returns."""

    make: Callable[[], Any]
    number: int

    def __call__(self) -> Any:
        return _made(self.make)[self.number]


def _from_items(dataset: Any, split: str, again: Callable[[], Any]) -> Part:
    if not hasattr(dataset, "__len__") or not len(dataset):
        problem = f"a {split} set that is {'empty' if hasattr(dataset, '__len__') else type(dataset).__name__}"
        raise OptionError("data", problem, "a dataset with a length and items by number")
    texts: list[Any] = []
    labels: list[Any] = []
    for row in range(len(dataset)):
        item = dataset[row]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError("item", type(item).__name__, "a pair of an input and its label", source=split, row=row)
        given, label = item
        try:
            texts.append(_text(given))
            if type(texts[row]) is not type(texts[0]):
                raise ValueError("those before it are of another kind")
        except (OSError, ValueError, TypeError) as error:
            rule = f"an image, a text or a pair of texts ({error})"
            raise DataError("input", type(given).__name__, rule, source=split, row=row) from error
        labels.append(label.item() if hasattr(label, "item") else label)
    rows = np.arange(len(dataset))  # from 0, as a dataset counts
    found = pd.Series(labels, dtype=object).infer_objects()
    if texts[0] is not None:
        kept = np.array([list(text) if isinstance(text, tuple) else text for text in texts], object)
        return Part(inputs=kept, labels=found, source=split, rows=rows)
    opener = Opener(again, 0, split)
    opener.items = dataset  # open here already
    return Part(inputs=DatasetImages(opener, rows), labels=found, source=split, rows=rows)


def _text(given: Any) -> str | tuple[str, str] | None:
    """The text or the pair of texts; `None` for an image.

    Raises:
        OSError, ValueError: If it is none of these.
    """
    if isinstance(given, str):
        pair: tuple[str, ...] = (given,)
    elif isinstance(given, tuple | list) and len(given) == 2 and all(isinstance(text, str) for text in given):
        pair = tuple(given)
    else:
        picture(given)
        return None
    if not all(text.strip() for text in pair):
        raise ValueError("it is empty")
    return given if isinstance(given, str) else (pair[0], pair[1])
