"""transformers: what ``save_pretrained`` writes, with the image processor's or the tokenizer's files beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSequenceClassification, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)
from transformers.utils import logging

from raysel.errors import OptionError
from raysel.models.adapter import Adapter, Config, Given
from raysel.models.checkpoints import Checkpoint
from raysel.models.images import ImageTransform
from raysel.models.texts import TextTransform, Tokens

_PROCESSOR = "preprocessor_config.json"
_UNTOLD = 10**6  # a tokenizer that does not know its longest text says a far larger number

logging.disable_progress_bar()  # one bar for every checkpoint of every trial, otherwise


class TransformersAdapter(Adapter[Given]):
    """Classifiers of transformers' own code; code from a checkpoint is never run.

    Whether a configuration is of a model of images or of texts is looked up in transformers' own lists.
    """

    library = "transformers"
    loader: ClassVar[Any]
    classes: ClassVar[Mapping[str, Any]]
    """transformers' own list: model type to the class that classifies, or several."""

    @classmethod
    def of(cls, config: Config) -> Adapter[Any]:
        kinds = (TransformersImages, TransformersTexts)
        # A few types are in both lists; what the checkpoint was saved as decides there.
        for kind in kinds:
            if set(config.get("architectures") or ()) & set(map(str, kind.classes.values())):
                return kind()
        for kind in kinds:
            if config["model_type"] in kind.classes:
                return kind()
        raise OptionError(
            "model_type", config["model_type"], "a type that transformers classifies images or texts with"
        )

    def family(self, config: Config) -> str:
        return str(config["model_type"])

    def build(self, config: Config) -> nn.Module:
        arguments = {key: value for key, value in config.items() if key != "model_type"}
        described = AutoConfig.for_model(config["model_type"], **arguments)
        module: nn.Module = self.loader.from_config(described)
        return module

    def read(self, checkpoint: Checkpoint) -> tuple[nn.Module, bool]:
        # From the folder rather than by `build`: the library knows how to read what its older versions wrote.
        module: nn.Module
        module, found = self.loader.from_pretrained(
            checkpoint.folder,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        missing = set(found["missing_keys"])  # drawn at random and passed over in silence, otherwise
        # What was pre-trained on something else ends before the head, and some before the layer that pools for it.
        body = f"{module.base_model_prefix}."
        lost = {key for key in missing if key.startswith(body) and not key.startswith(f"{body}pooler.")}
        if lost:
            raise RuntimeError(f"no weights for {', '.join(sorted(lost))}")
        return module, not missing

    def with_outputs(self, config: Config, outputs: int) -> dict[str, Any]:
        resized = {key: value for key, value in config.items() if key not in ("id2label", "label2id")}
        return {**resized, "num_labels": outputs}

    def write(self, module: nn.Module, config: Config, transform: Given, folder: Path) -> None:
        if "num_labels" in config:  # as `with_outputs` left it; a configuration that was read has names instead
            module.config.num_labels = config["num_labels"]  # type: ignore[union-attr]
        module.save_pretrained(folder)  # type: ignore[operator]


class TransformersImages(TransformersAdapter[ImageTransform]):
    """Image classifiers."""

    loader = AutoModelForImageClassification
    classes = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

    def transform(self, config: Config, folder: Path | None) -> ImageTransform:
        side = config.get("image_size", 224)
        half = [0.5] * 3
        said: dict[str, Any] = {"size": {"height": side, "width": side}, "image_mean": half, "image_std": half}
        if folder is not None and (folder / _PROCESSOR).is_file():
            said |= json.loads((folder / _PROCESSOR).read_text())
        cropped = said.get("do_center_crop") and said.get("crop_size")
        mean, std = said["image_mean"] or half, said["image_std"] or half
        if said.get("do_normalize") is False:
            mean, std = [0.0] * 3, [1.0] * 3
        return ImageTransform.of(_height_width(cropped or said["size"], side), mean, std)

    def write(self, module: nn.Module, config: Config, transform: ImageTransform, folder: Path) -> None:
        super().write(module, config, transform, folder)
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


class TransformersTexts(TransformersAdapter[TextTransform]):
    """Text classifiers, each with its tokenizer."""

    modality = "texts"
    loader = AutoModelForSequenceClassification
    classes = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

    def read(self, checkpoint: Checkpoint) -> tuple[nn.Module, bool]:
        module, headed = super().read(checkpoint)
        if module.config.pad_token_id is None:  # type: ignore[union-attr]
            # Where texts end is seen by the padding, which a model that only continued texts never needed.
            module.config.pad_token_id = _tokenizer(checkpoint.folder).pad_token_id  # type: ignore[union-attr]
        return module, headed

    def transform(self, config: Config, folder: Path | None) -> TextTransform:
        if folder is None:
            raise OptionError("transform", None, "a TextTransform: no configuration says how texts are tokenized")
        tokenizer = _tokenizer(folder)
        told = tokenizer.model_max_length
        described = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        positions = getattr(described, "max_position_embeddings", None) or -1
        if positions < 0:  # XLNet's, which has no such limit
            positions = _UNTOLD
        # Two less, since some families (RoBERTa's) begin to count positions at two.
        return TextTransform(tokenizer, min(told, positions) if told < _UNTOLD else positions - 2)

    def write(self, module: nn.Module, config: Config, transform: TextTransform, folder: Path) -> None:
        super().write(module, config, transform, folder)
        transform.tokenizer.save_pretrained(folder)

    def logits(self, module: nn.Module, batch: Tokens) -> torch.Tensor:
        answer: torch.Tensor = module(**batch.tensors).logits
        return answer

    def layered(self, module: nn.Module, batch: Tokens) -> tuple[torch.Tensor, torch.Tensor | None]:
        answer = module(**batch.tensors, output_hidden_states=True)
        # What encodes and then decodes has them under the encoder's name; the first are those that entered the layers.
        states = (getattr(answer, "hidden_states", None) or getattr(answer, "encoder_hidden_states", None) or ())[1:]
        kept = batch.tensors["attention_mask"][..., None]
        if not states or any(state.shape != (*kept.shape[:2], states[0].shape[2]) for state in states):
            return answer.logits, None  # such as those that pool tokens on their way
        total = torch.stack([(state.float() * kept).sum(1) for state in states]).mean(0)
        return answer.logits, total / kept.sum(1)

    def features(self, entered: torch.Tensor, batch: Tokens) -> torch.Tensor:
        if entered.ndim == 2:
            return entered
        # A head that is put on every token (GPT-2's and its like): the last token that is no padding counts.
        kept = batch.tensors["attention_mask"]
        last = (kept * torch.arange(kept.shape[1], device=kept.device)).argmax(1)
        return entered[torch.arange(len(entered), device=entered.device), last]


def _height_width(size: Any, side: Any) -> tuple[int, int]:
    """What a processor says of sizes, in any of the ways that transformers has written it."""
    if isinstance(size, dict):
        edge = size.get("shortest_edge", side)
        size = (size.get("height", edge), size.get("width", edge))
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return height, width


def _tokenizer(folder: Path) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise OptionError("model", str(folder), f"a checkpoint with its tokenizer's files ({error})") from error
    files = set(tokenizer.vocab_files_names.values())
    if not any((folder / file).is_file() for file in files):  # an empty tokenizer in silence, otherwise
        raise OptionError("model", str(folder), f"a checkpoint with its tokenizer's files, one of {', '.join(files)}")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
