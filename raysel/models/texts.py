"""From the texts of a dataset to what a model was trained on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from raysel.errors import OptionError
from raysel.models.image_files import Inputs, LazyImages


@dataclass(frozen=True)
class Tokens:
    """What a tokenizer makes of texts.

    Args:
        tensors: By the name that the model takes it under (`input_ids`, `attention_mask`, ...): (n, length).
    """

    tensors: dict[str, torch.Tensor]

    def to(self, device: torch.device, *, non_blocking: bool = False) -> "Tokens":
        """The same on a device, as of a tensor."""
        return Tokens({name: tensor.to(device, non_blocking=non_blocking) for name, tensor in self.tensors.items()})

    def pin_memory(self) -> "Tokens":
        """The same in page-locked memory, from which a GPU copies while it computes."""
        return Tokens({name: tensor.pin_memory() for name, tensor in self.tensors.items()})


@dataclass(frozen=True)
class TextTransform:
    """Tokenize as the model's own tokenizer does, padded to the longest text of the batch.

    Args:
        tokenizer: A tokenizer of transformers, with a token to pad with.
        max_length: How many tokens the model takes at most; longer texts are cut.
    """

    tokenizer: Any
    max_length: int

    def __call__(self, inputs: Inputs) -> Tokens:
        """(n,) texts, or (n, 2) pairs of them, to tensors of (n, length).

        Raises:
            OptionError: If the inputs are no texts.
        """
        shape = getattr(inputs, "shape", ())
        shaped = len(shape) == 1 or shape[1:] == (2,)
        if isinstance(inputs, LazyImages) or not shaped or not all(isinstance(text, str) for text in inputs.flat):
            found = f"{inputs.dtype} of shape {shape}" if isinstance(inputs, np.ndarray) else type(inputs).__name__
            raise OptionError("inputs", found, "texts: str in an array of shape (n,), or (n, 2) for pairs")
        columns = [[str(text) for text in column] for column in np.atleast_2d(inputs.T)]
        made = self.tokenizer(*columns, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        return Tokens(dict(made))
