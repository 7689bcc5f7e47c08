"""Loading models by name, and the features that proxies look at."""

import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from raysel.errors import OptionError, RayselError
from raysel.models.adapter import Adapter, Config
from raysel.models.bundle import ModelBundle
from raysel.models.devices import device_here
from raysel.models.image_files import Inputs
from raysel.models.names import checkpoint_of
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
        layers: (n, width) hidden states, averaged over a text's tokens and the model's layers; `None` for images, and
            where layers differ in shape.
        seconds: What the forward pass took, without loading the model; `None` where nobody measured it.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None
    layers: NDArray[np.float32] | None = None
    seconds: float | None = None


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
    adapter = adapter_of(config, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = adapter.build(config)
    return ModelBundle(name, adapter, config, module, transform or adapter.transform(config, None))


def load(name: str, *, outputs: int | None = None, seed: int = 0) -> ModelBundle:
    """The pre-trained model that `name` stands for.

    Args:
        name: See `raysel.models.names`.
        outputs: With a fresh head of that many outputs (classes, or 1 for regression); `None` keeps its own head. A
            checkpoint without a head, such as a language model's, can be given a fresh one too.
        seed: Draws the fresh head.

    Raises:
        UnknownNameError: If the name stands for nothing.
        ModelError: If the model cannot be had: missing, gated, or no network.
        OptionError: If the checkpoint cannot be read, lacks weights of its body, or has no head and is given none; or
            if `outputs` is less than 1.

    >>> load("zoo/latin-vit", outputs=10).outputs
    10
    """
    if outputs is not None and outputs < 1:
        raise OptionError("outputs", outputs, "at least 1, or None for the model's own head")
    bundle, headed = _read(name, seed)
    if outputs is not None:
        bundle.replace_head(outputs, seed=seed)
    elif not headed:
        raise OptionError("model", name, "a checkpoint with a head of its own, or be given a fresh one by `outputs`")
    return bundle


def extract(name: str, inputs: Inputs, *, batch_size: int = 256) -> Features:
    """Features and class probabilities of `inputs` from the pre-trained model that `name` stands for, in one pass.

    On a GPU, if this process sees one, in mixed precision. A batch that does not fit the memory is halved, down to one.

    A checkpoint without a head has no probabilities. Where its library puts a further layer before the head that the
    checkpoint lacks (RoBERTa's), the features pass through that layer as drawn from seed 0.

    Args:
        name: See `raysel.models.names`.
        inputs: (n, channels, height, width) images of uint8, `LazyImages`, (n,) texts or (n, 2) pairs of them.
        batch_size: Inputs that pass through the model at once.

    Raises:
        UnknownNameError, ModelError, OptionError: As `load`.
        RuntimeError, MemoryError: If not even one input fits the memory.
    """
    bundle, headed = _read(name, seed=0)
    bundle.module.to(device_here())
    began = time.perf_counter()
    features, logits, *layers = bundle.features(inputs, batch_size=batch_size)
    classifies = headed and bundle.outputs > 1
    probabilities = torch.from_numpy(logits).double().softmax(1).float().numpy() if classifies else None
    return Features(features, probabilities, layers[0] if layers else None, time.perf_counter() - began)


def _read(name: str, seed: int) -> tuple[ModelBundle, bool]:
    """The model, and whether the head is the checkpoint's own; `seed` draws what it lacks."""
    checkpoint = checkpoint_of(name)
    adapter = adapter_of(checkpoint.config, name)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module, headed = adapter.read(checkpoint)
    except RayselError:
        raise
    except Exception as error:  # each library has its own for what it cannot read
        raise OptionError("model", name, f"a checkpoint whose weights fit its configuration ({error})") from error
    transform = adapter.transform(checkpoint.config, checkpoint.folder)
    return ModelBundle(name, adapter, checkpoint.config, module, transform), headed


def adapter_of(config: Config, name: str) -> Adapter[Any]:
    """The adapter of the library whose configuration it is.

    Raises:
        OptionError: If no library recognises it.
    """
    for key, (module, adapter) in _LIBRARIES.items():
        if key in config:
            found: Adapter[Any] = getattr(import_module(module), adapter).of(config)
            return found
    raise OptionError("model", name, f"of a library that raysel knows: config.json has none of {', '.join(_LIBRARIES)}")
