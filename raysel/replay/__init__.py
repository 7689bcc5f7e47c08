"""Replay: what a selection would have spent and found, told from recorded runs."""

from raysel.replay.baselines import Outcome, fine_tune_all, successive_halving

__all__ = ["Outcome", "fine_tune_all", "successive_halving"]
