"""From the texts of a dataset to what a model was trained on."""

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from raysel.errors import OptionError


@dataclass(frozen=True)
class Tokens:
    """What a tokenizer makes of texts.

    Args:
        tensors: By the name that the model takes it under (`input_ids`, `attention_mask`, ...): (n, length).
    """

    tensors: dict[str, torch.Tensor]

    def to(self, device: torch.device) -> "Tokens":
        """The same on a device."""
        return Tokens({name: tensor.to(device) for name, tensor in self.tensors.items()})


@dataclass(frozen=True)
class TextTransform:
    """Tokenize as the model's own tokenizer does, padded to the longest text of the batch.

    Args:
        tokenizer: A tokenizer of transformers, with a token to pad with.
        max_length: How many tokens the model takes at most; longer texts are cut.
    """

    tokenizer: Any
    max_length: int

    def __call__(self, inputs: NDArray[Any]) -> Tokens:
        """(n,) texts to tensors of (n, length).

        Raises:
            OptionError: If the inputs are no texts.
        """
        if not all(isinstance(text, str) for text in inputs):
            found = f"{inputs.dtype} of shape {inputs.shape}" if hasattr(inputs, "dtype") else type(inputs).__name__
            raise OptionError("inputs", found, "texts: str in an array of shape (n,)")
        texts = [str(text) for text in inputs]
        made = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        return Tokens(dict(made))
