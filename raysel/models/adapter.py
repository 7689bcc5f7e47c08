"""What raysel asks of a model library; one adapter a library answers."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from raysel.models.images import ImageTransform

Config = Mapping[str, Any]
"""The content of a checkpoint's ``config.json``, in its library's own words."""


class Adapter(ABC):
    """One model library: how its configurations become modules, and its checkpoints folders.

    A checkpoint folder is in the library's own format, so that the library alone can load what raysel saved. Weights
    are read from safetensors only and no code comes from a checkpoint.
    """

    library: ClassVar[str]

    @abstractmethod
    def build(self, config: Config) -> nn.Module:
        """The module that a configuration describes, in its random initial state."""

    @abstractmethod
    def transform(self, config: Config, folder: Path | None) -> ImageTransform:
        """What the model expects of images; `folder` may hold files that say it."""

    @abstractmethod
    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        """The configuration of the same model with that many outputs."""

    def read(self, folder: Path, config: Config) -> nn.Module:
        """The module of a checkpoint folder, in float32."""
        module = self.build(config)
        module.load_state_dict(load_file(folder / "model.safetensors"))
        return module

    def write(self, module: nn.Module, config: Config, transform: ImageTransform, folder: Path) -> None:
        """Save as a checkpoint folder that the library alone can load."""
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        weights = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    def logits(self, module: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        """(n, outputs) from (n, channels, height, width)."""
        answer: torch.Tensor = module(batch)
        return answer
