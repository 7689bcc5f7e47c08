"""transformers: what ``save_pretrained`` writes, and the image processor's ``preprocessor_config.json`` beside it."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification
from transformers.utils import logging

from raysel.models.adapter import Adapter, Config
from raysel.models.images import ImageTransform

_PROCESSOR = "preprocessor_config.json"

logging.disable_progress_bar()  # one bar for every checkpoint of every trial, otherwise


class TransformersAdapter(Adapter):
    """Image classifiers of transformers' own code; code from a checkpoint is never run."""

    library = "transformers"

    def build(self, config: Config) -> nn.Module:
        arguments = {key: value for key, value in config.items() if key != "model_type"}
        described = AutoConfig.for_model(config["model_type"], **arguments)
        module: nn.Module = AutoModelForImageClassification.from_config(described)
        return module

    def read(self, folder: Path, config: Config) -> nn.Module:
        # From the folder rather than by `build`: the library knows how to read what its older versions wrote.
        module: nn.Module
        module, found = AutoModelForImageClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        if found["missing_keys"]:  # drawn at random and passed over in silence, otherwise
            raise RuntimeError(f"no weights for {', '.join(sorted(found['missing_keys']))}")
        return module

    def transform(self, config: Config, folder: Path | None) -> ImageTransform:
        side = config.get("image_size", 224)
        half = [0.5] * 3
        said: dict[str, Any] = {"size": {"height": side, "width": side}, "image_mean": half, "image_std": half}
        if folder is not None and (folder / _PROCESSOR).is_file():
            said |= json.loads((folder / _PROCESSOR).read_text())
        size = said["size"]
        edge = size.get("shortest_edge", side)
        height, width = size.get("height", edge), size.get("width", edge)
        return ImageTransform.of((height, width), said["image_mean"], said["image_std"])

    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        resized = {key: value for key, value in config.items() if key not in ("id2label", "label2id")}
        return {**resized, "num_labels": outputs}

    def write(self, module: nn.Module, config: Config, transform: ImageTransform, folder: Path) -> None:
        if "num_labels" in config:  # as `with_outputs` left it; a configuration that was read has names instead
            module.config.num_labels = config["num_labels"]  # type: ignore[union-attr]
        module.save_pretrained(folder)  # type: ignore[operator]
        height, width = transform.size
        processor = {
            "image_processor_type": "ViTImageProcessor",
            "size": {"height": height, "width": width},
            "image_mean": list(transform.mean),
            "image_std": list(transform.std),
        }
        (folder / _PROCESSOR).write_text(json.dumps(processor, indent=1) + "\n")

    def logits(self, module: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = module(pixel_values=batch).logits
        return answer
