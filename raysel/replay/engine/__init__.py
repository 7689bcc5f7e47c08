"""The engine: real searchers and schedulers on a virtual cluster. Imports Ray Tune, starts no Ray process."""

from raysel.replay.engine.cluster import DeadlockError, replay
from raysel.replay.engine.halving import Halving
from raysel.replay.engine.proposals import InOrder, UpTo
from raysel.replay.engine.recorded_recall import RecordedRecall

__all__ = ["DeadlockError", "Halving", "InOrder", "RecordedRecall", "UpTo", "replay"]
