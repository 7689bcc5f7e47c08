"""torchvision: a ``config.json`` that names the builder or class in ``torchvision.models`` and its arguments.

torchvision has no checkpoint format of its own beyond the state dict, so the configuration says what to build::

    {"library": "torchvision", "builder": "SwinTransformer", "arguments": {"patch_size": [2, 2], ...},
     "num_classes": 12, "input_size": [3, 16, 16], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}

which torchvision alone loads as ``getattr(torchvision.models, builder)(num_classes=..., **arguments)`` followed by
``load_state_dict``.
"""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision import models as zoo

from raysel.errors import UnknownNameError
from raysel.models.adapter import Adapter, Config
from raysel.models.checkpoints import Checkpoint
from raysel.models.images import ImageTransform


class TorchvisionAdapter(Adapter[ImageTransform]):
    """Models that a builder or a class of ``torchvision.models`` makes from JSON arguments."""

    library = "torchvision"

    def family(self, config: Config) -> str:
        return str(_builder(config["builder"]).__module__.rpartition(".")[2])

    def build(self, config: Config) -> nn.Module:
        module: nn.Module = _builder(config["builder"])(num_classes=config["num_classes"], **config["arguments"])
        return module

    def read(self, checkpoint: Checkpoint) -> tuple[nn.Module, bool]:
        module = self.build(checkpoint.config)
        if checkpoint.weights.suffix == ".safetensors":
            weights = load_file(checkpoint.weights)
        else:
            weights = _as_today(torch.load(checkpoint.weights, map_location="cpu", weights_only=True))
        module.load_state_dict(weights)
        return module, True

    def transform(self, config: Config, folder: Path | None) -> ImageTransform:
        return ImageTransform.of(config["input_size"][1:], config["mean"], config["std"])

    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        return {**config, "num_classes": outputs}


def _as_today(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict that torchvision published long ago, as its module has it now and without heads of training."""
    for key in list(weights):
        if re.match("aux[12]|AuxLogits", key):  # GoogLeNet and Inception
            del weights[key]
        elif "denselayer" in key:  # DenseNet: norm.1 became norm1
            weights[re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", key)] = weights.pop(key)
    return weights


def _builder(name: str) -> Any:
    """A registered builder or a module class of ``torchvision.models``: nothing else is ever called."""
    builders = zoo.list_models(module=zoo)
    if name in builders:
        return zoo.get_model_builder(name)
    classes = {
        key: value for key, value in vars(zoo).items() if isinstance(value, type) and issubclass(value, nn.Module)
    }
    if name not in classes:
        raise UnknownNameError("torchvision builder", name, [*classes, *builders])
    return classes[name]
