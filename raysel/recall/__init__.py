"""Coarse recall: which few models of a zoo are worth fine-tuning on the target."""

from raysel.recall.clustering import Clustering
from raysel.recall.evidence import PROPAGATIONS, Propagate
from raysel.recall.rank import METHODS, Method, cluster, rank, to_score
from raysel.recall.shortlist import Recalled, Shortlist

__all__ = [
    "METHODS",
    "PROPAGATIONS",
    "Clustering",
    "Method",
    "Propagate",
    "Recalled",
    "Shortlist",
    "cluster",
    "rank",
    "to_score",
]
