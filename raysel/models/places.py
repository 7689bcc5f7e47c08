"""Where models come from, a function a place: from a name's part after the prefix to the checkpoint, and what there is.

The library of a place is imported when a name of it is looked up.
"""

import dataclasses
import hashlib
import os
import re
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from filelock import FileLock

from raysel.errors import ModelError, UnknownNameError
from raysel.models import hub
from raysel.models.cards import Card
from raysel.models.checkpoints import Checkpoint
from raysel.models.retries import nobody_there, persistently

_PATIENCE = 10  # seconds that a server may be silent, as huggingface_hub has it


def zoo(model: str) -> Checkpoint:
    """A model of the mini zoo."""
    from raysel import zoo  # here, since the zoo is made with this package

    name = f"zoo/{model}"
    return Checkpoint.in_folder(name, zoo.checkpoint_path(name))


def zoo_names() -> list[str]:
    """All of the mini zoo."""
    from raysel import zoo

    return [name.removeprefix("zoo/") for name in (*zoo.models("images"), *zoo.models("texts"))]


def folder(path: str) -> Checkpoint:
    """A folder on this machine."""
    return Checkpoint.in_folder(f"file:{path}", Path(path))


def hugging_face(repository: str) -> Checkpoint:
    """Any checkpoint of the hub that transformers or timm can load."""
    return hub.checkpoint(f"hf/{repository}", repository)


def hugging_face_configuration(repository: str) -> tuple[dict[str, Any], Card]:
    """Of such a checkpoint the configuration and the card."""
    return hub.configuration(f"hf/{repository}", repository)


def hugging_face_installed(repository: str) -> str:
    """Of such a checkpoint the commit that the hub's cache holds."""
    return hub.installed(repository)


def timm(model: str) -> Checkpoint:
    """A pre-trained model that timm lists: its configuration is timm's, its weights are on the hub."""
    said = _said_by_timm(model)
    if not said.hf_hub_id:
        raise ModelError(f"timm/{model}", f"is not on the hub but at {said.url}: load it with timm and use `file:`")
    config, _ = timm_configuration(model)
    return dataclasses.replace(hub.checkpoint(f"timm/{model}", said.hf_hub_id), config=config)


def timm_configuration(model: str) -> tuple[dict[str, Any], Card]:
    """Of such a model the configuration and what timm says of it; the tag of its weights names their data."""
    said = _said_by_timm(model)
    config = {
        "architecture": said.architecture,
        "num_classes": said.num_classes,
        # Only weights in a foreign format call for code of their own; on the hub they are in timm's.
        "pretrained_cfg": said.to_dict(remove_source=True) | {"custom_load": False},
    }
    return config, Card(licence=said.license.lower() if said.license else None, source=said.tag or "")


def timm_installed(model: str) -> str:
    """Of such a model the commit that the hub's cache holds."""
    repository = _said_by_timm(model).hf_hub_id
    return hub.installed(repository) if repository else ""


def _said_by_timm(model: str) -> Any:
    from timm.models import get_pretrained_cfg, is_model_pretrained

    said = get_pretrained_cfg(model) if is_model_pretrained(model) else None
    if said is None:
        raise UnknownNameError("model", f"timm/{model}", [f"timm/{name}" for name in timm_names()])
    return said


def timm_names() -> list[str]:
    """Every pre-trained model of timm, as ``architecture.weights``."""
    from timm import list_models

    return list_models(pretrained=True)


def torchvision(model: str) -> Checkpoint:
    """A classifier of torchvision with its default weights, which torch's cache holds (``TORCH_HOME``)."""
    from torch.hub import get_dir
    from torchvision import models

    config, _ = torchvision_configuration(model)
    weights = models.get_model_weights(model).DEFAULT
    file = Path(get_dir(), "checkpoints", Path(urlparse(weights.url).path).name)
    if not file.is_file():
        _download_once(f"torchvision/{model}", weights.url, file)
    return Checkpoint(config, file)


def torchvision_configuration(model: str) -> tuple[dict[str, Any], Card]:
    """Of such a model the configuration; torchvision says nothing of the licence of weights, but their data."""
    from torchvision import models

    if model not in torchvision_names():
        raise UnknownNameError("model", f"torchvision/{model}", [f"torchvision/{name}" for name in torchvision_names()])
    weights = models.get_model_weights(model).DEFAULT
    expected = weights.transforms()
    side = expected.crop_size[0]
    config = {
        "library": "torchvision",
        "builder": model,
        "arguments": _arguments(model, side),
        "num_classes": len(weights.meta["categories"]),
        "input_size": [3, side, side],
        "mean": list(expected.mean),
        "std": list(expected.std),
    }
    return config, Card(source=weights.name)


def torchvision_names() -> list[str]:
    """Every classifier of torchvision; each has weights."""
    from torchvision import models

    return models.list_models(module=models)


def _arguments(model: str, side: int) -> dict[str, Any]:
    """What torchvision's builders change when they are given weights."""
    if model in ("googlenet", "inception_v3"):
        return {"transform_input": True, "aux_logits": False, "init_weights": False}
    return {"image_size": side} if model.startswith("vit_") else {}


def _download_once(name: str, url: str, file: Path) -> None:
    """Fetch a file that several processes of this machine may want at once; huggingface_hub does so by itself."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.is_file():
            persistently(lambda: _download(name, url, file), unless=_is_final)


def _is_final(error: Exception) -> bool:
    """Whether it would fail again in a moment."""
    broken = error.__cause__
    refused = isinstance(broken, urllib.error.HTTPError) and broken.code < 500
    return refused or nobody_there(error)


def _download(name: str, url: str, file: Path) -> None:
    """Fetch a file whose name holds the beginning of its SHA-256, whole or not at all.

    torch's own function has no timeout and unpickles what it fetched.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle, part = tempfile.mkstemp(dir=file.parent, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as written, urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310
            while block := answer.read(1 << 20):
                written.write(block)
                digest.update(block)
        promised = re.search(r"-([a-f0-9]{8,})\.", file.name)
        if promised is not None and not digest.hexdigest().startswith(promised[1]):
            raise ModelError(name, f"was not downloaded whole: SHA-256 of {url} is {digest.hexdigest()}; try again")
        os.replace(part, file)
    except OSError as error:
        raise ModelError(
            name, f"is not in the cache, and {url} cannot be had ({error}): put the file at {file}"
        ) from error
    finally:
        Path(part).unlink(missing_ok=True)
