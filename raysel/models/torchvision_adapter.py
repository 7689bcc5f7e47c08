"""torchvision: a ``config.json`` that names the builder or class in ``torchvision.models`` and its arguments.

torchvision has no checkpoint format of its own beyond the state dict, so the configuration says what to build::

    {"library": "torchvision", "builder": "SwinTransformer", "arguments": {"patch_size": [2, 2], ...},
     "num_classes": 12, "input_size": [3, 16, 16], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}

which torchvision alone loads as ``getattr(torchvision.models, builder)(num_classes=..., **arguments)`` followed by
``load_state_dict``.
"""

from pathlib import Path
from typing import Any

from torch import nn
from torchvision import models as zoo

from raysel.errors import UnknownNameError
from raysel.models.adapter import Adapter, Config
from raysel.models.images import ImageTransform


class TorchvisionAdapter(Adapter[ImageTransform]):
    """Models that a builder or a class of ``torchvision.models`` makes from JSON arguments."""

    library = "torchvision"

    def build(self, config: Config) -> nn.Module:
        module: nn.Module = _builder(config["builder"])(num_classes=config["num_classes"], **config["arguments"])
        return module

    def transform(self, config: Config, folder: Path | None) -> ImageTransform:
        return ImageTransform.of(config["input_size"][1:], config["mean"], config["std"])

    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        return {**config, "num_classes": outputs}


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
