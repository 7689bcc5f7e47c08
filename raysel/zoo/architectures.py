"""The image zoo's architectures, each as its library's own configuration in a small size.

Sized to train in under a minute on one core: 17 to 130 thousand parameters. Convolutional networks whose stem shrinks
the image by four take 32 by 32 pixels, so that enough of it is left; the others take the 16 by 16 that is drawn.
"""

from dataclasses import dataclass
from typing import Any

from raysel.zoo import Inputs

_HALF = [0.5, 0.5, 0.5]


@dataclass(frozen=True)
class Architecture:
    """A family's small model.

    Args:
        family: What kind of network it is, in one word.
        library: Where its code comes from.
        config: Its library's own configuration, for 12 outputs.
        tokens: Whether it works on patches, and so is pre-trained for longer at a lower learning rate.
        inputs: What it takes.
    """

    family: str
    library: str
    config: dict[str, Any]
    tokens: bool = False
    inputs: Inputs = "images"


def _timm(
    family: str, architecture: str, *, side: int, arguments: dict[str, Any], tokens: bool = False
) -> Architecture:
    given = {"num_classes": 12, "input_size": [3, side, side], "fixed_input_size": tokens}
    pretrained = {**given, "interpolation": "bilinear", "crop_pct": 1.0, "mean": _HALF, "std": _HALF}
    config = {"architecture": architecture, "num_classes": 12, "model_args": arguments, "pretrained_cfg": pretrained}
    return Architecture(family, "timm", config, tokens)


def _torchvision(
    family: str, builder: str, *, side: int, arguments: dict[str, Any], tokens: bool = False
) -> Architecture:
    inputs = {"input_size": [3, side, side], "mean": _HALF, "std": _HALF}
    config = {"library": "torchvision", "builder": builder, "num_classes": 12, "arguments": arguments, **inputs}
    return Architecture(family, "torchvision", config, tokens)


def _transformers(
    family: str, model_type: str, *, side: int, arguments: dict[str, Any], tokens: bool = False
) -> Architecture:
    config = {"model_type": model_type, "num_labels": 12, "image_size": side, **arguments}
    return Architecture(family, "transformers", config, tokens)


ARCHITECTURES = {
    "vit": _timm(
        "vit",
        "test_vit",
        side=16,
        arguments={"img_size": 16, "patch_size": 4, "embed_dim": 48, "depth": 4, "num_heads": 3, "mlp_ratio": 2},
        tokens=True,
    ),
    "vit-tv": _torchvision(
        "vit",
        "VisionTransformer",
        side=16,
        arguments={
            "image_size": 16,
            "patch_size": 4,
            "num_layers": 3,
            "num_heads": 3,
            "hidden_dim": 48,
            "mlp_dim": 96,
        },
        tokens=True,
    ),
    "vit-hf": _transformers(
        "vit",
        "vit",
        side=16,
        arguments={
            "patch_size": 4,
            "hidden_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "intermediate_size": 96,
        },
        tokens=True,
    ),
    "levit": _timm(
        "levit",
        "levit_128s",
        side=16,
        arguments={
            "img_size": 16,
            "embed_dim": [32, 48, 64],
            "key_dim": 8,
            "depth": [1, 1, 1],
            "num_heads": [2, 3, 4],
            "attn_ratio": 2,
            "mlp_ratio": 2,
            "stem_type": "s8",
            "distilled": False,
        },
        tokens=True,
    ),
    "swin": _torchvision(
        "swin",
        "SwinTransformer",
        side=16,
        arguments={
            "patch_size": [2, 2],
            "embed_dim": 24,
            "depths": [1, 2],
            "num_heads": [2, 4],
            "window_size": [4, 4],
            "mlp_ratio": 2.0,
        },
        tokens=True,
    ),
    "convnext": _transformers(
        "convnext",
        "convnextv2",
        side=16,
        arguments={"patch_size": 2, "num_stages": 3, "depths": [1, 1, 1], "hidden_sizes": [24, 40, 64]},
    ),
    "convnext-timm": _timm(
        "convnext",
        "test_convnext",
        side=32,
        arguments={"depths": [1, 1, 1, 1], "dims": [16, 24, 40, 64], "patch_size": 2},
    ),
    "resnet": _transformers(
        "resnet",
        "resnet",
        side=32,
        arguments={"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1], "layer_type": "basic"},
    ),
    "resnet-timm": _timm("resnet", "resnet10t", side=32, arguments={"channels": [16, 24, 40, 64], "stem_width": 16}),
    "regnet": _transformers(
        "regnet",
        "regnet",
        side=16,
        arguments={"embedding_size": 16, "hidden_sizes": [24, 40, 64], "depths": [1, 1, 1], "groups_width": 8},
    ),
    "efficientnet": _timm("efficientnet", "test_efficientnet", side=32, arguments={}),
    "densenet": _torchvision(
        "densenet",
        "DenseNet",
        side=32,
        arguments={"growth_rate": 8, "block_config": [2, 3, 3], "num_init_features": 16, "bn_size": 2},
    ),
    "shufflenet": _torchvision(
        "shufflenet",
        "ShuffleNetV2",
        side=32,
        arguments={"stages_repeats": [1, 2, 1], "stages_out_channels": [16, 24, 48, 96, 96]},
    ),
}
