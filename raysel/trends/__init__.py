"""Fine selection: which trials to stop, from what convergence trends of past runs say."""

from raysel.trends.decision import Decision, Progress

__all__ = ["Decision", "Progress"]
