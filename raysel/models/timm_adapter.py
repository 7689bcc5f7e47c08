"""timm: its hub format, ``config.json`` with architecture, model_args and pretrained_cfg."""

from pathlib import Path
from typing import Any

import timm
from torch import nn

from raysel.models.adapter import Adapter, Config
from raysel.models.images import ImageTransform


class TimmAdapter(Adapter[ImageTransform]):
    """Models that ``timm.create_model`` makes from JSON arguments."""

    library = "timm"

    def build(self, config: Config) -> nn.Module:
        arguments = config.get("model_args", {})
        module: nn.Module = timm.create_model(
            config["architecture"], pretrained=False, num_classes=config["num_classes"], **arguments
        )
        return module

    def transform(self, config: Config, folder: Path | None) -> ImageTransform:
        inputs = config["pretrained_cfg"]
        return ImageTransform.of(inputs["input_size"][1:], inputs["mean"], inputs["std"])

    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        return {
            **config,
            "num_classes": outputs,
            "pretrained_cfg": {**config["pretrained_cfg"], "num_classes": outputs},
        }
