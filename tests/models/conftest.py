"""Checkpoint folders that each library wrote by itself, without raysel."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

CLASSES, SIDE = 7, 16
HALF = [0.5, 0.5, 0.5]


def _timm_made(folder: Path) -> nn.Module:
    import timm

    arguments = {"img_size": SIDE, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2, "mlp_ratio": 2}
    module = timm.create_model("test_vit", num_classes=CLASSES, **arguments)
    inputs = {"input_size": [3, SIDE, SIDE], "mean": HALF, "std": HALF, "num_classes": CLASSES}
    config = {"architecture": "test_vit", "num_classes": CLASSES, "model_args": arguments, "pretrained_cfg": inputs}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(module.state_dict(), folder / "model.safetensors")
    return module


def _timm_reads(folder: Path) -> nn.Module:
    import timm

    return timm.create_model(f"local-dir:{folder}", pretrained=True)


def _torchvision_made(folder: Path) -> nn.Module:
    from torchvision import models

    arguments = {"growth_rate": 4, "block_config": [1, 1], "num_init_features": 8, "bn_size": 2}
    module = models.DenseNet(num_classes=CLASSES, **arguments)
    config = {"library": "torchvision", "builder": "DenseNet", "arguments": arguments, "num_classes": CLASSES}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**config, "input_size": [3, 32, 32], "mean": HALF, "std": HALF}))
    save_file(module.state_dict(), folder / "model.safetensors")
    return module


def _torchvision_reads(folder: Path) -> nn.Module:
    from torchvision import models

    config = json.loads((folder / "config.json").read_text())
    module = getattr(models, config["builder"])(num_classes=config["num_classes"], **config["arguments"])
    module.load_state_dict(load_file(folder / "model.safetensors"))
    return module


def _transformers_made(folder: Path) -> nn.Module:
    import transformers

    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=CLASSES
    )
    module = transformers.ResNetForImageClassification(config)
    module.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return module


def _transformers_reads(folder: Path) -> nn.Module:
    import transformers

    return transformers.AutoModelForImageClassification.from_pretrained(folder)


@dataclass(frozen=True)
class Library:
    """A library on its own: how it makes and reads a checkpoint folder."""

    name: str
    make: Callable[[Path], nn.Module]
    read: Callable[[Path], nn.Module]
    side: int

    def logits(self, module: nn.Module, inputs: NDArray[Any]) -> torch.Tensor:
        """What the library's module answers, with the transform written out."""
        batch = torch.from_numpy(inputs).float() / 255
        if batch.shape[-1] != self.side:
            batch = nn.functional.interpolate(batch, (self.side, self.side), mode="bilinear", antialias=True)
        with torch.no_grad():
            answer = module.eval()((batch - 0.5) / 0.5)
        return answer if torch.is_tensor(answer) else answer.logits


LIBRARIES = (
    Library("timm", _timm_made, _timm_reads, SIDE),
    Library("torchvision", _torchvision_made, _torchvision_reads, 32),
    Library("transformers", _transformers_made, _transformers_reads, 32),
)


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.name)
def library(request: pytest.FixtureRequest) -> Library:
    """Each library in turn."""
    found: Library = request.param
    return found


@pytest.fixture
def inputs() -> NDArray[np.uint8]:
    """A few random images."""
    return np.random.default_rng(0).integers(0, 256, (9, 3, SIDE, SIDE), dtype=np.uint8)
