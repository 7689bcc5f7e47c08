"""What a model's name means: where its checkpoint lies, which library made it, and what can be done with it.

Imported on first use, so that ``import raysel.models`` brings in neither torch nor a model library; loading a model
imports the one library that made it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysel.models.adapter import Adapter
    from raysel.models.bundle import ModelBundle
    from raysel.models.cards import Card
    from raysel.models.checkpoints import Checkpoint
    from raysel.models.facts import Facts, describe, forward_flops, record, revised, screened
    from raysel.models.image_files import ImageFiles, LazyImages
    from raysel.models.images import ImageTransform
    from raysel.models.loading import Features, create, extract, load
    from raysel.models.names import Family, checkpoint_of, expand, installed_revision, register, revision
    from raysel.models.texts import TextTransform, Tokens

__all__ = [
    "Adapter",
    "Card",
    "Checkpoint",
    "Facts",
    "Family",
    "Features",
    "ImageFiles",
    "ImageTransform",
    "LazyImages",
    "ModelBundle",
    "TextTransform",
    "Tokens",
    "checkpoint_of",
    "create",
    "describe",
    "expand",
    "extract",
    "forward_flops",
    "installed_revision",
    "load",
    "record",
    "register",
    "revised",
    "revision",
    "screened",
]

_HOMES = {
    "Adapter": "raysel.models.adapter",
    "Card": "raysel.models.cards",
    "Checkpoint": "raysel.models.checkpoints",
    "Facts": "raysel.models.facts",
    "Family": "raysel.models.names",
    "Features": "raysel.models.loading",
    "ImageFiles": "raysel.models.image_files",
    "LazyImages": "raysel.models.image_files",
    "ImageTransform": "raysel.models.images",
    "ModelBundle": "raysel.models.bundle",
    "TextTransform": "raysel.models.texts",
    "Tokens": "raysel.models.texts",
    "create": "raysel.models.loading",
    "describe": "raysel.models.facts",
    "forward_flops": "raysel.models.facts",
    "extract": "raysel.models.loading",
    "checkpoint_of": "raysel.models.names",
    "expand": "raysel.models.names",
    "installed_revision": "raysel.models.names",
    "load": "raysel.models.loading",
    "record": "raysel.models.facts",
    "register": "raysel.models.names",
    "revised": "raysel.models.facts",
    "revision": "raysel.models.names",
    "screened": "raysel.models.facts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'raysel.models' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
