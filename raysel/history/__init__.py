"""What earlier fine-tuning runs showed: curves, the performance matrix, and the store that keeps them."""

from raysel.history.curves import Curve
from raysel.history.matrix import PerformanceMatrix

__all__ = ["Curve", "PerformanceMatrix"]
