"""A loaded model with what is needed to use it, whichever library made it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from raysel.errors import OptionError
from raysel.models.adapter import Adapter, Batch, Config
from raysel.models.devices import fastest_type
from raysel.models.image_files import Inputs
from raysel.models.images import ImageTransform
from raysel.models.passes import passes
from raysel.models.texts import TextTransform


@dataclass
class ModelBundle:
    """A model: its module, its library's adapter and configuration, and what it expects of inputs.

    Args:
        name: The name it was loaded by.
        adapter: Speaks for its library.
        config: Its configuration in the library's own words.
        module: The network; its parameters change as it is trained.
        transform: From a dataset's inputs, images or texts, to its own.

    Raises:
        OptionError: If the model does not end in a linear layer.
    """

    name: str
    adapter: Adapter[Any]
    config: Config
    module: nn.Module
    transform: ImageTransform | TextTransform

    def __post_init__(self) -> None:
        head = self.adapter.head(self.module)
        if head is None:
            raise OptionError("model", self.name, "a model that ends in a linear layer")
        self._head = head

    @property
    def head(self) -> nn.Linear:
        """The last layer, from features to outputs."""
        layer = self.module.get_submodule(self._head)
        assert isinstance(layer, nn.Linear)  # noqa: S101  (as found in __post_init__)
        return layer

    @property
    def outputs(self) -> int:
        """How many numbers the model answers with: classes, or 1 for regression."""
        return self.head.out_features

    @property
    def parameters(self) -> int:
        """How many parameters the model has."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def logits(self, batch: Batch) -> torch.Tensor:
        """(n, outputs) from a transformed batch."""
        return self.adapter.logits(self.module, batch)

    def replace_head(self, outputs: int, *, seed: int) -> None:
        """Put a fresh head of `outputs` outputs in place of the old one: small normal weights, and no bias yet."""
        generator = torch.Generator().manual_seed(seed)
        biased = self.head.bias is not None
        fresh = nn.Linear(self.head.in_features, outputs, bias=biased)
        nn.init.normal_(fresh.weight, std=0.01, generator=generator)
        if biased:
            nn.init.zeros_(fresh.bias)
        parent, _, attribute = self._head.rpartition(".")
        setattr(self.module.get_submodule(parent), attribute, fresh.to(self.head.weight))
        self.config = self.adapter.with_outputs(self.config, outputs)

    def predict(self, inputs: Inputs, *, batch_size: int = 256) -> NDArray[np.float32]:
        """(n, outputs) logits of a dataset's inputs, with the module in evaluation mode."""
        return self._passes(inputs, batch_size, lambda batch: (self.logits(batch),))[0]

    def features(self, inputs: Inputs, *, batch_size: int = 256) -> tuple[NDArray[np.float32], ...]:
        """What proxies look at, in mixed precision on a GPU.

        Returns:
            (n, d) what enters the head; (n, outputs) the logits; and, for most models of texts, (n, width) the hidden
            states, averaged over tokens and layers.
        """
        entered: list[torch.Tensor] = []
        device = self.head.weight.device
        kind = fastest_type(device)

        def look(batch: Batch) -> tuple[torch.Tensor, ...]:
            entered.clear()  # of a pass that ran out of memory
            with torch.autocast(device.type, kind, enabled=kind is not torch.float32):
                logits, layers = self.adapter.layered(self.module, batch)
            found = self.adapter.features(entered.pop(), batch), logits
            return found if layers is None else (*found, layers)

        hook = self.head.register_forward_pre_hook(lambda _, entering: entered.append(entering[0]))
        try:
            return self._passes(inputs, batch_size, look)
        finally:
            hook.remove()

    def _passes(
        self, inputs: Inputs, batch_size: int, look: Callable[[Batch], tuple[torch.Tensor, ...]]
    ) -> tuple[NDArray[np.float32], ...]:
        """What `look` sees of all inputs."""
        self.module.eval()
        device = self.head.weight.device
        seen, _ = passes(
            lambda part: self.transform(inputs[part]),
            lambda batch: tuple(found.float().cpu() for found in look(batch.to(device))),
            samples=len(inputs),
            size=batch_size,
            name=self.name,
        )
        return tuple(found.numpy() for found in seen)

    def save(self, folder: Path) -> None:
        """Write a checkpoint folder in the library's own format; ``file:<folder>`` names it from then on."""
        folder.mkdir(parents=True, exist_ok=True)
        self.adapter.write(self.module, self.config, self.transform, folder)
