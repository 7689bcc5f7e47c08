"""A loaded model with what is needed to use it, whichever library made it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from raysel.errors import OptionError
from raysel.models.adapter import Adapter, Config
from raysel.models.images import ImageTransform


@dataclass
class ModelBundle:
    """A model: its module, its library's adapter and configuration, and what it expects of inputs.

    Args:
        name: The name it was loaded by.
        adapter: Speaks for its library.
        config: Its configuration in the library's own words.
        module: The network; its parameters change as it is trained.
        transform: From a dataset's images to its inputs.

    Raises:
        OptionError: If the model does not end in a linear layer.
    """

    name: str
    adapter: Adapter
    config: Config
    module: nn.Module
    transform: ImageTransform

    def __post_init__(self) -> None:
        layers = [name for name, layer in self.module.named_modules() if isinstance(layer, nn.Linear)]
        if not layers:
            raise OptionError("model", self.name, "a model that ends in a linear layer")
        self._head = layers[-1]  # every classifier of the three libraries registers its head last

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

    def logits(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, outputs) from a transformed batch."""
        return self.adapter.logits(self.module, batch)

    def replace_head(self, outputs: int, *, seed: int) -> None:
        """Put a fresh head of `outputs` outputs in place of the old one: small normal weights, no bias."""
        generator = torch.Generator().manual_seed(seed)
        fresh = nn.Linear(self.head.in_features, outputs)
        nn.init.normal_(fresh.weight, std=0.01, generator=generator)
        nn.init.zeros_(fresh.bias)
        parent, _, attribute = self._head.rpartition(".")
        setattr(self.module.get_submodule(parent), attribute, fresh.to(self.head.weight))
        self.config = self.adapter.with_outputs(self.config, outputs)

    @torch.no_grad()
    def predict(self, inputs: NDArray[Any], *, batch_size: int = 256) -> NDArray[np.float32]:
        """(n, outputs) logits of a dataset's inputs, with the module in evaluation mode."""
        self.module.eval()
        device = self.head.weight.device
        starts = range(0, len(inputs), batch_size)
        parts = [self.logits(self.transform(inputs[i : i + batch_size]).to(device)).cpu() for i in starts]
        return torch.cat(parts).numpy()

    def features(
        self, inputs: NDArray[Any], *, batch_size: int = 256
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, d) what enters the head, and (n, outputs) the logits, of a dataset's inputs."""
        seen: list[torch.Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, entering: seen.append(entering[0].flatten(1).cpu()))
        try:
            logits = self.predict(inputs, batch_size=batch_size)
        finally:
            hook.remove()
        return torch.cat(seen).numpy(), logits

    def save(self, folder: Path) -> None:
        """Write a checkpoint folder in the library's own format; ``file:<folder>`` names it from then on."""
        folder.mkdir(parents=True, exist_ok=True)
        self.adapter.write(self.module, self.config, self.transform, folder)
