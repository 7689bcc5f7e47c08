"""What earlier fine-tuning runs showed: curves, the performance matrix, and the store that keeps them."""

from raysel.history.curves import Curve
from raysel.history.described import Described
from raysel.history.matrix import PerformanceMatrix
from raysel.history.store import History
from raysel.history.summary import DatasetSummary, Summary
from raysel.history.tables import canonical, run_id

__all__ = ["Curve", "DatasetSummary", "Described", "History", "PerformanceMatrix", "Summary", "canonical", "run_id"]
