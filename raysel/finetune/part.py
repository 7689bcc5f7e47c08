"""Samples as a source holds them, before they are numbered and split."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raysel.errors import DataError
from raysel.models.image_files import Inputs, LazyImages, named

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}
"""What a split may be called."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Samples of one split, or of all of them.

    Args:
        inputs: What models are given.
        labels: (n,) as they were found.
        source: What an error calls where they come from.
        rows: (n,) where each is found there, from 1; `None` where samples have no rows.
    """

    inputs: Inputs
    labels: "pd.Series[Any]"
    source: str
    rows: NDArray[np.int64] | None = None

    def refused(self, sample: int, column: str, value: object, rule: str) -> DataError:
        """An error that names a sample's place."""
        row = None if self.rows is None else int(self.rows[sample])
        return DataError(column, value, rule, source=self.source, row=row)

    def check(self, column: str) -> None:
        """See that every image has the head of one.

        Raises:
            DataError: If one has not; it names up to three.
        """
        assert isinstance(self.inputs, LazyImages)  # noqa: S101  (only called where they are)
        broken = self.inputs.broken()
        for row, reason in broken.items():
            others = [self.inputs.place(other) for other in broken if other != row]
            rule = f"an image file ({reason})" + (f"; so must {named(others)}" if others else "")
            raise self.refused(row, column, self.inputs.place(row), rule)
