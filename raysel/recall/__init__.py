"""Coarse recall: which few models of a zoo are worth fine-tuning on the target."""

from raysel.recall.shortlist import Recalled, Shortlist

__all__ = ["Recalled", "Shortlist"]
