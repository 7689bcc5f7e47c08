"""Loading models by name, and the features that proxies look at."""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from raysel.errors import OptionError, RayselError
from raysel.models.adapter import Adapter, Config
from raysel.models.bundle import ModelBundle
from raysel.models.names import folder_of
from raysel.models.texts import TextTransform

# How a library's configurations are told apart without importing it: by a key that only they have.
_LIBRARIES = {
    "pretrained_cfg": ("raysel.models.timm_adapter", "TimmAdapter"),
    "builder": ("raysel.models.torchvision_adapter", "TorchvisionAdapter"),
    "model_type": ("raysel.models.transformers_adapter", "TransformersAdapter"),
}


@dataclass(frozen=True, eq=False)
class Features:
    """What a pre-trained model makes of a dataset's inputs.

    Args:
        features: (n, d) what enters the model's head.
        probabilities: (n, n_source) class probabilities of its original head, rows summing to 1, or `None` where that
            head is no classifier.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None


def create(config: Config, *, seed: int, name: str = "created", transform: TextTransform | None = None) -> ModelBundle:
    """A model from its library's configuration, with random weights drawn from `seed`.

    Args:
        config: The configuration, in its library's words.
        seed: Draws the weights.
        name: What the model is called.
        transform: For a model of texts its tokenizer, of which a configuration says nothing.

    Raises:
        OptionError: If no library recognises the configuration, or a model of texts is given no transform.
    """
    adapter = _adapter(config, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = adapter.build(config)
    return ModelBundle(name, adapter, config, module, transform or adapter.transform(config, None))


def load(name: str, *, outputs: int | None = None, seed: int = 0) -> ModelBundle:
    """The pre-trained model that `name` stands for.

    Args:
        name: See `raysel.models.names`.
        outputs: With a fresh head of that many outputs (classes, or 1 for regression); `None` keeps its own head.
        seed: Draws the fresh head.

    Raises:
        UnknownNameError: If the name stands for nothing.
        OptionError: If the checkpoint cannot be read, or `outputs` is less than 1.

    >>> load("zoo/latin-vit", outputs=10).outputs
    10
    """
    if outputs is not None and outputs < 1:
        raise OptionError("outputs", outputs, "at least 1, or None for the model's own head")
    folder = folder_of(name)
    config = _config(folder, name)
    adapter = _adapter(config, name)
    try:
        module = adapter.read(folder, config)
    except RayselError:
        raise
    except Exception as error:  # each library has its own for what it cannot read
        raise OptionError("model", name, f"a checkpoint whose weights fit its configuration ({error})") from error
    bundle = ModelBundle(name, adapter, config, module, adapter.transform(config, folder))
    if outputs is not None:
        bundle.replace_head(outputs, seed=seed)
    return bundle


def extract(name: str, inputs: NDArray[Any], *, batch_size: int = 256) -> Features:
    """Features and class probabilities of `inputs` from the pre-trained model that `name` stands for.

    Args:
        name: See `raysel.models.names`.
        inputs: (n, channels, height, width) images of uint8, or (n,) texts.
        batch_size: Inputs that pass through the model at once.

    Raises:
        UnknownNameError, OptionError: As `load`.
    """
    bundle = load(name)
    features, logits = bundle.features(inputs, batch_size=batch_size)
    probabilities = torch.from_numpy(logits).double().softmax(1).float().numpy() if bundle.outputs > 1 else None
    return Features(features, probabilities)


def _config(folder: Path, name: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text())
    except ValueError as error:
        raise OptionError("model", name, f"a checkpoint whose config.json is JSON ({error})") from error
    if not isinstance(config, dict):
        raise OptionError("model", name, "a checkpoint whose config.json is a JSON object")
    return config


def _adapter(config: Config, name: str) -> Adapter[Any]:
    for key, (module, adapter) in _LIBRARIES.items():
        if key in config:
            found: Adapter[Any] = getattr(import_module(module), adapter).of(config)
            return found
    raise OptionError("model", name, f"of a library that raysel knows: config.json has none of {', '.join(_LIBRARIES)}")
