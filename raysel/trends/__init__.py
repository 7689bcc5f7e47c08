"""Fine selection: which trials to stop, from what convergence trends of past runs say."""

from raysel.trends.decide import decide, winner
from raysel.trends.decision import Decision, Progress
from raysel.trends.mining import Trends, mine
from raysel.trends.selection import Policy, Selection, Standing
from raysel.trends.stages import METHODS, stages

__all__ = [
    "METHODS",
    "Decision",
    "Policy",
    "Progress",
    "Selection",
    "Standing",
    "Trends",
    "decide",
    "mine",
    "stages",
    "winner",
]
