"""Names of models: the prefix says where the checkpoint comes from, the rest which one.

::

    zoo/latin-vit          a checkpoint of the mini zoo that ships with raysel
    file:/data/my-model    a checkpoint folder in its library's own format

Whatever the prefix, a name comes down to a folder with ``config.json`` and ``model.safetensors``.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from raysel.errors import OptionError, UnknownNameError

Locate = Callable[[str], Path]
"""From the part of a name after its prefix to the checkpoint's folder."""


def _zoo(model: str) -> Path:
    from raysel import zoo  # here, since the zoo is made with this package

    return zoo.checkpoint_path(f"zoo/{model}")


_PLACES: dict[str, Locate] = {"zoo/": _zoo, "file:": Path}


def register(prefix: str, locate: Locate) -> None:
    """Make names that begin with `prefix` (such as ``team/``) stand for the folders that `locate` finds.

    Raises:
        OptionError: If the prefix is empty or does not end in ``/`` or ``:``.
    """
    if len(prefix) < 2 or prefix[-1] not in "/:":
        raise OptionError("prefix", prefix, "a word that ends in / or :")
    _PLACES[prefix] = locate


def folder_of(name: str) -> Path:
    """The folder of the checkpoint that `name` stands for.

    Raises:
        UnknownNameError: If no prefix fits, or the prefix knows no such model.
        OptionError: If the folder is not a checkpoint.
    """
    for prefix, locate in _PLACES.items():
        if name.startswith(prefix):
            folder = locate(name.removeprefix(prefix))
            break
    else:
        raise UnknownNameError("model", name, [f"{prefix}..." for prefix in _PLACES])
    if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
        raise OptionError("model", name, f"a checkpoint: {folder} needs config.json and model.safetensors")
    return folder


def revision(name: str) -> str:
    """Eight hexadecimal digits that change when the model's configuration, weights or tokenizer do."""
    folder = folder_of(name)
    digest = hashlib.sha256()
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        if (folder / file).is_file():
            digest.update((folder / file).read_bytes())
    return digest.hexdigest()[:8]
