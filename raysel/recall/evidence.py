"""What a method of recall ranks from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from raysel.history import PerformanceMatrix
from raysel.recall.clustering import Clustering

Propagate = Literal["representative", "own"]
PROPAGATIONS: tuple[Propagate, ...] = get_args(Propagate)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known when a target's models are ranked.

    Args:
        matrix: The zoo's history, the target left out; rows and columns by name, none of them empty.
        clustering: The clusters of the candidates that have a row in `matrix`.
        unseen: The candidates without one, in the order in which ties among them fall: by proxy score, those without
            a score after those with, in an order drawn at random.
        proxy: The name of the proxy, or `None`.
        scores: Its scores on the target by model, finite.
        propagate: Whether members take the score of their cluster's representative.
        recorded: Its recorded scores by (model, dataset).
    """

    matrix: PerformanceMatrix
    clustering: Clustering
    unseen: tuple[str, ...]
    proxy: str | None
    scores: Mapping[str, float]
    propagate: Propagate
    recorded: Mapping[tuple[str, str], float]


def counted(number: int, noun: str) -> str:
    """A number and its noun, for sentences.

    >>> counted(1, "dataset"), counted(2, "dataset")
    ('1 dataset', '2 datasets')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
