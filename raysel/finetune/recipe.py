"""The hyperparameters of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from raysel.errors import OptionError, UnknownNameError

Tuning = Literal["full", "head", "lora"]
"""What is trained: every parameter, the last layer alone, or low-rank additions to the matrices and the last layer."""

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""What a forward pass computes in; weights stay float32. `auto` is bfloat16 or float16 on a GPU, float32 on a CPU."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is fine-tuned: AdamW, warmed up over a tenth of the run, then a cosine down to zero.

    Args:
        seed: Draws the head, the order of the data and whatever is random in the model.
        lr: Peak learning rate, positive.
        batch_size: Samples a batch, at least 1.
        epochs: Passes over the training data, at least 1.
        points_per_epoch: How often an epoch is judged, at least 1.
        tuning: `full`, `head` (the body stays as it is, batch statistics included) or `lora` (transformers with the
            package peft).
        precision: `auto`, `float32`, `bfloat16` or `float16`.
        accumulate: In how many parts a batch passes through the model, from 1 to `batch_size`: less memory for the same
            batch, but for batch statistics.
        weight_decay: On matrices and kernels, at least 0.

    Raises:
        OptionError: If a value breaks its rule.

    >>> Recipe(epochs=0)
    Traceback (most recent call last):
    raysel.errors.OptionError: `epochs` is 0, but must be an integer of at least 1
    """

    seed: int = 0
    lr: float = 2e-3
    batch_size: int = 16
    epochs: int = 5
    points_per_epoch: int = 1
    tuning: Tuning = "full"
    precision: Precision = "auto"
    accumulate: int = 1
    weight_decay: float = 0.02

    def __post_init__(self) -> None:
        whole = (("seed", 0), ("batch_size", 1), ("epochs", 1), ("points_per_epoch", 1), ("accumulate", 1))
        for name, least in whole:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise OptionError(name, value, f"an integer of at least {least}")
        if not isinstance(self.lr, int | float) or not 0 < self.lr < float("inf"):
            raise OptionError("lr", self.lr, "a positive number")
        if not isinstance(self.weight_decay, int | float) or not 0 <= self.weight_decay < float("inf"):
            raise OptionError("weight_decay", self.weight_decay, "a number of at least 0")
        if self.accumulate > self.batch_size:
            raise OptionError("accumulate", self.accumulate, f"at most {self.batch_size}, the batch size")
        for name, valid in (("tuning", get_args(Tuning)), ("precision", get_args(Precision))):
            if getattr(self, name) not in valid:
                raise OptionError(name, getattr(self, name), f"one of {', '.join(valid)}")

    @property
    def points(self) -> int:
        """How often a run is judged in all: its planned steps."""
        return self.epochs * self.points_per_epoch

    def as_dict(self) -> dict[str, Any]:
        """Plain data by field name."""
        return asdict(self)

    @classmethod
    def split(cls, config: Mapping[str, Any]) -> tuple[str, "Recipe"]:
        """The model and the recipe in a trainable's `config`.

        Raises:
            OptionError: If there is no model, or a value breaks its rule.
            UnknownNameError: If a key is none of the recipe's.
        """
        known = [field.name for field in fields(cls)]
        for key in config:
            if key != "model" and key not in known:
                raise UnknownNameError("option of the trainable", key, ["model", *known])
        model = config.get("model")
        if not isinstance(model, str) or not model:
            raise OptionError("model", model, "a name")
        return model, cls(**{key: value for key, value in config.items() if key != "model"})
