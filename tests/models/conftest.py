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

    @property
    def inputs(self) -> NDArray[Any]:
        """A few random images."""
        return np.random.default_rng(0).integers(0, 256, (9, 3, SIDE, SIDE), dtype=np.uint8)

    def logits(self, module: nn.Module, inputs: NDArray[Any]) -> torch.Tensor:
        """What the library's module answers, with the transform written out."""
        batch = torch.from_numpy(inputs).float() / 255
        if batch.shape[-1] != self.side:
            batch = nn.functional.interpolate(batch, (self.side, self.side), mode="bilinear", antialias=True)
        with torch.no_grad():
            answer = module.eval()((batch - 0.5) / 0.5)
        return answer if torch.is_tensor(answer) else answer.logits


ALPHABET = "abcdefgh "
WIDE = {"vocab_size": len(ALPHABET) + 3, "num_labels": CLASSES}
ENCODER = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 34,
}


@dataclass(frozen=True)
class TextFamily:
    """A family of text classifiers of transformers on its own, with a tokenizer of characters.

    Args:
        family: Its model type.
        arguments: Its configuration.
        special: Whether texts are framed by a beginning and an end, and there is a token to pad with.
        padding: The side that short texts are padded on.
    """

    family: str
    arguments: dict[str, Any]
    special: bool = True
    padding: str = "right"
    name = "transformers"

    @property
    def inputs(self) -> NDArray[Any]:
        """Texts of many lengths."""
        rng = np.random.default_rng(0)
        return np.array(["".join(rng.choice(list(ALPHABET), n)) for n in (3, 9, 1, 12, 5, 30, 7, 2, 8)])

    def make(self, folder: Path) -> nn.Module:
        import transformers
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

        config = transformers.AutoConfig.for_model(self.family, **WIDE, **self.arguments)
        module = transformers.AutoModelForSequenceClassification.from_config(config)
        module.save_pretrained(folder)
        words = ["[PAD]", "[CLS]", "[SEP]", *ALPHABET]
        characters = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, "[PAD]"))
        characters.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
        given = {"eos_token": "[SEP]"}
        if self.special:
            frame = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
            characters.post_processor = frame
            given |= {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=characters,
            padding_side=self.padding,
            model_input_names=["input_ids", "attention_mask"],
            **given,
        )
        tokenizer.save_pretrained(folder)
        return module

    def read(self, folder: Path) -> nn.Module:
        import transformers

        return transformers.AutoModelForSequenceClassification.from_pretrained(folder)

    def logits(self, module: nn.Module, inputs: NDArray[Any]) -> torch.Tensor:
        """What the library's module answers to each text by itself, without padding."""
        ids = [[3 + ALPHABET.index(character) for character in text] for text in inputs]
        framed = [[1, *text, 2] if self.special else text for text in ids]
        with torch.no_grad():
            return torch.cat([module.eval()(input_ids=torch.tensor([text])).logits for text in framed])


LIBRARIES: tuple[Library | TextFamily, ...] = (
    Library("timm", _timm_made, _timm_reads, SIDE),
    Library("torchvision", _torchvision_made, _torchvision_reads, 32),
    Library("transformers", _transformers_made, _transformers_reads, 32),
    TextFamily("bert", {**ENCODER, "pad_token_id": 0}),
    TextFamily("roberta", {**ENCODER, "pad_token_id": 0}),
    TextFamily("albert", {**ENCODER, "embedding_size": 6, "pad_token_id": 0}),
    TextFamily("distilbert", {"dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 12, "max_position_embeddings": 34}),
    TextFamily("gpt2", {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 34, "eos_token_id": 2}, special=False),
    TextFamily("xlnet", {"d_model": 8, "n_layer": 2, "n_head": 2, "d_inner": 12, "pad_token_id": 0}, padding="left"),
)


@pytest.fixture(params=LIBRARIES, ids=lambda library: getattr(library, "family", library.name))
def library(request: pytest.FixtureRequest) -> Library | TextFamily:
    """Each library in turn, and of transformers each family of text models."""
    found: Library | TextFamily = request.param
    return found


@pytest.fixture
def inputs(library: Library | TextFamily) -> NDArray[Any]:
    """A few random images or texts."""
    return library.inputs
