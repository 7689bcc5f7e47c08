"""A dataset to fine-tune on: inputs and labels in three splits."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from raysel.errors import DataError, OptionError
from raysel.finetune.metrics import METRICS, metrics_of
from raysel.models.image_files import Inputs, LazyImages
from raysel.target import Task


@dataclass(frozen=True, eq=False)
class Split:
    """Inputs with their labels.

    Args:
        inputs: (n, channels, height, width) images of uint8, (n,) `LazyImages`, (n,) texts or (n, 2) pairs of them.
        labels: (n,) integers from 0 for classification, finite floats for regression.

    Raises:
        OptionError: If there are none, their numbers differ, or a text is no str.
    """

    inputs: Inputs
    labels: NDArray[Any]

    def __post_init__(self) -> None:
        if not len(self.inputs):
            raise OptionError("inputs", "empty", "at least one")
        if not isinstance(self.inputs, LazyImages) and self.inputs.ndim != 4:
            shaped = self.inputs.ndim == 1 or self.inputs.shape[1:] == (2,)
            if not shaped or not all(isinstance(text, str) for text in self.inputs.flat):
                raise OptionError("inputs", f"{self.inputs.dtype} of shape {self.inputs.shape}", "texts or images")
        if self.labels.shape != (len(self.inputs),):
            raise OptionError("labels", self.labels.shape, f"one for each of {len(self.inputs)} inputs")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False, kw_only=True)
class Data:
    """A dataset with what is to be learnt from it.

    Args:
        name: Names the dataset in a history.
        task: `classification` or `regression`.
        train: What a model is trained on.
        val: What its curve is measured on.
        test: What its final is measured on.
        classes: How many classes there are; `None` for regression.
        class_names: What the classes are called, in the order of their numbers; `None` where nobody said.
        metric: A key of `raysel.finetune.METRICS`; empty means the task's own (accuracy, or RMSE).

    Raises:
        OptionError: If the task is unknown, the metric is not for it, or classes are not given where due.
        DataError: If a label is no class, or not finite.

    >>> images, labels = np.zeros((4, 3, 8, 8), np.uint8), np.array([0, 1, 0, 1])
    >>> split = Split(images, labels)
    >>> data = Data(name="toy", task="classification", train=split, val=split, test=split, classes=2)
    >>> data.metric, data.mode
    ('accuracy', 'max')
    """

    name: str
    task: Task
    train: Split
    val: Split
    test: Split
    classes: int | None = None
    class_names: tuple[str, ...] | None = None
    metric: str = ""

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise OptionError("task", self.task, f"one of {', '.join(get_args(Task))}")
        valid = metrics_of(self.task)
        if not self.metric:
            object.__setattr__(self, "metric", valid[0])
        if self.metric not in valid:
            raise OptionError("metric", self.metric, f"one of {', '.join(valid)} for {self.task}")
        if (self.classes is None) != (self.task == "regression") or (self.classes is not None and self.classes < 2):
            raise OptionError("classes", self.classes, "at least 2 for classification, None for regression")
        if self.class_names is not None and len(self.class_names) != self.classes:
            raise OptionError("class_names", self.class_names, f"a name for each of {self.classes} classes, or None")
        for name, split in (("train", self.train), ("val", self.val), ("test", self.test)):
            self._check(name, split.labels)

    def _check(self, split: str, labels: NDArray[Any]) -> None:
        if self.classes is None:
            bad, rule = np.flatnonzero(~np.isfinite(labels)), "finite"
        else:
            whole = np.issubdtype(labels.dtype, np.integer)
            bad = np.flatnonzero((labels < 0) | (labels >= self.classes)) if whole else np.arange(1)
            rule = f"an integer from 0 to {self.classes - 1}"
        if len(bad):
            raise DataError("label", labels[bad[0]].item(), rule, source=f"{self.name}, {split}", row=int(bad[0]))

    @property
    def other_metrics(self) -> tuple[str, ...]:
        """The task's other metrics, which decide nothing."""
        return tuple(name for name in metrics_of(self.task) if name != self.metric)

    def scores(self, predictions: NDArray[Any], split: Split) -> dict[str, float]:
        """Every metric of the task by name, of predictions (n,) for a split: classes, or numbers."""
        return {name: METRICS[name].score(predictions, split.labels) for name in metrics_of(self.task)}

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether the metric is to be maximised or minimised."""
        return METRICS[self.metric].mode

    @property
    def modality(self) -> Literal["images", "texts"]:
        """What a model for it must take."""
        inputs = self.train.inputs
        return "images" if isinstance(inputs, LazyImages) or inputs.ndim == 4 else "texts"

    @property
    def balance(self) -> dict[str, int]:
        """How many training samples each class has, by its name, the most first; empty for regression."""
        if self.classes is None:
            return {}
        counts = np.bincount(self.train.labels, minlength=self.classes).tolist()
        names = self.class_names or tuple(map(str, range(self.classes)))
        return dict(sorted(zip(names, counts, strict=True), key=lambda entry: -entry[1]))

    @property
    def outputs(self) -> int:
        """How many outputs a model for it has."""
        return self.classes or 1

    @cached_property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that change when an input, a label or a split does."""
        digest = hashlib.sha256()
        for split in (self.train, self.val, self.test):
            for array in (split.inputs, split.labels):
                if isinstance(array, LazyImages):
                    digest.update(array.digest.encode())
                    continue
                if array.dtype.kind in "OU":  # each with its length, whatever the array pads it to
                    array = np.frombuffer("".join(f"{len(text)}:{text}" for text in array.flat).encode(), np.uint8)
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:8]
