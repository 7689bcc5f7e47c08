"""What raysel asks of a model library; one adapter a library answers."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from safetensors.torch import save_file
from torch import nn

from raysel.models.checkpoints import Checkpoint
from raysel.models.images import ImageTransform
from raysel.models.texts import TextTransform, Tokens

Config = Mapping[str, Any]
"""The content of a checkpoint's ``config.json``, in its library's own words."""

Batch = torch.Tensor | Tokens
"""What a transform makes of a dataset's inputs: (n, channels, height, width) of images, or tokens of texts."""

Given = TypeVar("Given", ImageTransform, TextTransform)


class Adapter(ABC, Generic[Given]):
    """One model library: how its configurations become modules, and its checkpoints folders.

    A checkpoint folder is in the library's own format, so that the library alone can load what raysel saved. Weights
    are read as tensors and nothing else, and no code comes from a checkpoint.
    """

    library: ClassVar[str]
    modality: ClassVar[Literal["images", "texts"]] = "images"

    @classmethod
    def of(cls, config: Config) -> "Adapter[Any]":
        """The adapter for a configuration of this library."""
        return cls()

    @abstractmethod
    def family(self, config: Config) -> str:
        """What its library calls models of this architecture, whatever their size."""

    @abstractmethod
    def build(self, config: Config) -> nn.Module:
        """The module that a configuration describes, in its random initial state."""

    @abstractmethod
    def transform(self, config: Config, folder: Path | None) -> Given:
        """What the model expects of inputs; `folder` may hold files that say it."""

    @abstractmethod
    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        """The configuration of the same model with that many outputs."""

    @abstractmethod
    def read(self, checkpoint: Checkpoint) -> tuple[nn.Module, bool]:
        """The module of a checkpoint in float32, and whether the checkpoint has its head; its body it must have."""

    def head(self, module: nn.Module) -> str | None:
        """The name of the linear layer that the outputs come from, or `None` if there is no such layer."""
        layers = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
        return layers[-1] if layers else None  # every classifier registers its head last

    def write(self, module: nn.Module, config: Config, transform: Given, folder: Path) -> None:
        """Save as a checkpoint folder that the library alone can load."""
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        weights = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    def logits(self, module: nn.Module, batch: Any) -> torch.Tensor:
        """(n, outputs) from what the transform made."""
        answer: torch.Tensor = module(batch)
        return answer

    def layered(self, module: nn.Module, batch: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The logits, and (n, width) what hidden layers made of the inputs on average, where that is defined."""
        return self.logits(module, batch), None

    def features(self, entered: torch.Tensor, batch: Any) -> torch.Tensor:
        """(n, d): of what entered the head, the part that the logits come from."""
        return entered.flatten(1)
