"""The Ray seam: recall as a searcher, fine selection as a scheduler, and the recorder that fills the history."""

from raysel.tune.recorder import HistoryRecorder
from raysel.tune.run import Selected, TrialOutcome, run_selection
from raysel.tune.scheduler import TrendScheduler
from raysel.tune.searcher import RecallSearcher
from raysel.tune.snapshot import mend

__all__ = ["HistoryRecorder", "RecallSearcher", "Selected", "TrendScheduler", "TrialOutcome", "mend", "run_selection"]
