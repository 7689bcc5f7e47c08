"""The engine: real searchers and schedulers on a virtual cluster. Imports Ray Tune, starts no Ray process."""

from raysel.replay.engine.cluster import DeadlockError, replay
from raysel.replay.engine.one_stage import OneStage
from raysel.replay.engine.proposals import InOrder
from raysel.replay.engine.recorded_recall import RecordedRecall

__all__ = ["DeadlockError", "InOrder", "OneStage", "RecordedRecall", "replay"]
