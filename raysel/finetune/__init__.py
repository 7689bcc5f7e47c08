"""Fine-tuning: the data, the training loop, and the Ray trainable around it.

Imported on first use, so that ``import raysel.finetune`` brings in neither ray nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysel.finetune.data import Data, Split
    from raysel.finetune.distributed import distributed_trainable
    from raysel.finetune.loop import FineTuning, Point
    from raysel.finetune.metrics import METRICS, Metric
    from raysel.finetune.ray_trainable import trainable
    from raysel.finetune.recipe import Recipe
    from raysel.finetune.resources import resources_for
    from raysel.finetune.sources import read

__all__ = [
    "METRICS",
    "Data",
    "FineTuning",
    "Metric",
    "Point",
    "Recipe",
    "Split",
    "distributed_trainable",
    "read",
    "resources_for",
    "trainable",
]

_HOMES = {
    "METRICS": "raysel.finetune.metrics",
    "Data": "raysel.finetune.data",
    "FineTuning": "raysel.finetune.loop",
    "Metric": "raysel.finetune.metrics",
    "Point": "raysel.finetune.loop",
    "Recipe": "raysel.finetune.recipe",
    "Split": "raysel.finetune.data",
    "read": "raysel.finetune.sources",
    "distributed_trainable": "raysel.finetune.distributed",
    "resources_for": "raysel.finetune.resources",
    "trainable": "raysel.finetune.ray_trainable",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'raysel.finetune' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
