"""Fine selection: which trials to stop, from what convergence trends of past runs say."""

from raysel.trends.decide import decide, winner
from raysel.trends.decision import Decision, Progress
from raysel.trends.mining import Trends, mine
from raysel.trends.past import Past
from raysel.trends.risk import Calibration, calibrate, check_risk
from raysel.trends.selection import Policy, Selection, Standing
from raysel.trends.stages import METHODS, stages

__all__ = [
    "METHODS",
    "Calibration",
    "Decision",
    "Past",
    "Policy",
    "Progress",
    "Selection",
    "Standing",
    "Trends",
    "calibrate",
    "check_risk",
    "decide",
    "mine",
    "stages",
    "winner",
]
