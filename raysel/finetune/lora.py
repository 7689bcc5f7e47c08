"""LoRA: matrices stay as they are, and what is trained is a low-rank addition to each, and the head.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685, equation 3: W + BA alpha / r,
with A drawn at random and B zero, so that training starts from the model as it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from raysel.errors import OptionError
from raysel.finetune.tuning import Way
from raysel.models import ModelBundle

RANK, ALPHA = 8, 16
UNMERGED = "unmerged.safetensors"


class Lora(Way):
    """Low-rank additions to every linear layer but the head, which is trained as a whole.

    A checkpoint has the additions merged, so that the model's library alone can load it. What the sum no longer tells,
    the matrices and their additions one by one, lies beside it in `unmerged.safetensors`.

    Raises:
        OptionError: If peft is not installed.
    """

    def __init__(self) -> None:
        try:
            import_module("peft")
        except ImportError as error:
            rule = "full or head, as the package peft is not installed (pip install peft)"
            raise OptionError("tuning", "lora", rule) from error

    def prepare(self, bundle: ModelBundle, *, seed: int) -> None:
        """See `Way.prepare`.

        Raises:
            OptionError: If the model is not of transformers, or has no linear layer besides its head.
        """
        from peft import LoraConfig, inject_adapter_in_model
        from transformers.pytorch_utils import Conv1D  # GPT-2's linear layer, its matrix turned over

        if bundle.adapter.library != "transformers":
            rule = f"full or head for a model of {bundle.adapter.library}: LoRA is for those of transformers"
            raise OptionError("tuning", "lora", rule)
        layers = {
            name: layer
            for name, layer in bundle.module.named_modules()
            if isinstance(layer, nn.Linear | Conv1D) and layer is not bundle.head
        }
        if not layers:
            raise OptionError(
                "tuning", "lora", f"full or head for {bundle.name}, which has no linear layer but its head"
            )
        turned = any(isinstance(layer, Conv1D) for layer in layers.values())
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(layers), fan_in_fan_out=turned)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inject_adapter_in_model(config, bundle.module)
        bundle.head.requires_grad_(True)

    def save(self, bundle: ModelBundle, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        unmerged = {
            f"{name}.{key}": tensor.contiguous()
            for name, layer in _layers(bundle.module)
            for key, tensor in layer.state_dict().items()
        }
        save_file(unmerged, folder / UNMERGED)
        with merged(bundle.module):
            bundle.save(folder)

    def restore(self, bundle: ModelBundle, folder: Path) -> None:
        bundle.module.load_state_dict(load_file(folder / UNMERGED), strict=False)


@contextmanager
def merged(module: nn.Module) -> Iterator[None]:
    """The module as its library knows it, each addition within its matrix; afterwards as it was, to the last bit."""
    parts = []
    try:
        for name, layer in _layers(module):
            parent, _, attribute = name.rpartition(".")
            base = layer.get_base_layer()
            parts.append((module.get_submodule(parent), attribute, layer, base, base.weight.data))
            (adapter,) = layer.lora_A
            base.weight.data = base.weight.data + layer.get_delta_weight(adapter)
        for owner, attribute, _, base, _ in parts:
            setattr(owner, attribute, base)
        yield
    finally:
        for owner, attribute, layer, base, weight in parts:
            base.weight.data = weight
            setattr(owner, attribute, layer)


def _layers(module: nn.Module) -> list[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, LoraLayer)]
