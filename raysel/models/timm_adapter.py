"""timm: its hub format, ``config.json`` with architecture, model_args and pretrained_cfg."""

from pathlib import Path
from typing import Any

import timm
from torch import nn

from raysel.errors import OptionError
from raysel.models.adapter import Adapter, Config
from raysel.models.checkpoints import Checkpoint
from raysel.models.images import ImageTransform


class TimmAdapter(Adapter[ImageTransform]):
    """Models that ``timm.create_model`` makes from JSON arguments."""

    library = "timm"

    def family(self, config: Config) -> str:
        return str(timm.models.model_entrypoint(config["architecture"]).__module__.rpartition(".")[2])

    def build(self, config: Config) -> nn.Module:
        return _create(config, pretrained=False, pretrained_cfg=config["pretrained_cfg"])

    def read(self, checkpoint: Checkpoint) -> tuple[nn.Module, bool]:
        config = checkpoint.config
        # By timm's own reading rather than by `build`: it knows how weights are laid out elsewhere.
        source = {"file": str(checkpoint.weights), "num_classes": config["num_classes"]}
        module = _create(config, pretrained=True, pretrained_cfg=config["pretrained_cfg"] | source)
        if config["num_classes"] > 0:
            return module, True
        module.reset_classifier(1)  # type: ignore[operator]
        if self.head(module) is None:
            raise OptionError("model", config["architecture"], "a model that timm can give a head")
        return module, False

    def transform(self, config: Config, folder: Path | None) -> ImageTransform:
        inputs = config["pretrained_cfg"]
        return ImageTransform.of(inputs["input_size"][1:], inputs["mean"], inputs["std"])

    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        # The offset is that of a class of the old head which timm leaves out.
        kept = {key: value for key, value in config["pretrained_cfg"].items() if key != "label_offset"}
        return {**config, "num_classes": outputs, "pretrained_cfg": {**kept, "num_classes": outputs}}

    def head(self, module: nn.Module) -> str | None:
        classifier = module.get_classifier()  # type: ignore[operator]
        parts = classifier.modules() if isinstance(classifier, nn.Module) else ()
        layers = [layer for layer in parts if isinstance(layer, nn.Linear)]
        if len(layers) != 1:  # the two heads of a distilled model, or a convolution
            return None
        return next(name for name, layer in module.named_modules() if layer is layers[0])


def _create(config: Config, *, pretrained: bool, pretrained_cfg: dict[str, Any]) -> nn.Module:
    module: nn.Module = timm.create_model(
        config["architecture"],
        pretrained=pretrained,
        pretrained_cfg=pretrained_cfg,
        num_classes=config["num_classes"],
        **config.get("model_args", {}),
    )
    return module
