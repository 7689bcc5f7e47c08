"""raysel: which pre-trained model should we fine-tune on our data?

The public names, imported on first use, so that ``import raysel`` brings in neither ray nor torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysel.history import Curve, History, PerformanceMatrix
    from raysel.recall import Shortlist
    from raysel.target import Target
    from raysel.trends import Decision
    from raysel.tune import HistoryRecorder, RecallSearcher, TrendScheduler

__all__ = [
    "Curve",
    "Decision",
    "History",
    "HistoryRecorder",
    "PerformanceMatrix",
    "RecallSearcher",
    "Shortlist",
    "Target",
    "TrendScheduler",
]
__version__ = version("raysel")

_HOMES = {
    "Curve": "raysel.history",
    "Decision": "raysel.trends",
    "History": "raysel.history",
    "HistoryRecorder": "raysel.tune",
    "PerformanceMatrix": "raysel.history",
    "RecallSearcher": "raysel.tune",
    "Shortlist": "raysel.recall",
    "Target": "raysel.target",
    "TrendScheduler": "raysel.tune",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'raysel' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
