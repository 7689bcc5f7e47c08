"""What a method of recall ranks from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from raysel.history import PerformanceMatrix
from raysel.recall.clustering import Clustering
from raysel.recall.kinship import Kinship
from raysel.recall.weights import Weights

Propagate = Literal["representative", "own"]
PROPAGATIONS: tuple[Propagate, ...] = get_args(Propagate)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known when a target's models are ranked.

    Args:
        matrix: The zoo's history, the target left out; rows and columns by name, none of them empty.
        clustering: The clusters of the candidates that have a row in `matrix`.
        unseen: The candidates without one, in an order drawn at random, in which ties among them fall.
        scores: Proxy scores on the target, finite, by proxy and model; no proxy without a score.
        propagate: Whether members take the scores of their cluster's representative.
        recorded: Recorded scores of those proxies, by proxy and (model, dataset).
        top_k: How many models are recalled.
        seed: Seeds what is drawn.
        kinship: Where those without history are expected to stand, by what is known of them.
        alike: The datasets whose finals models are compared by; `None` for all.
        wider: How many more are to be recalled, by the proxies alone, as the target is like no benchmark.
        weights: What was learned from the benchmark datasets, for just those proxies, where that was done before.
        explored: How many of the recalled, at least, are to be without history, where there are as many.
    """

    matrix: PerformanceMatrix
    clustering: Clustering
    unseen: tuple[str, ...]
    scores: Mapping[str, Mapping[str, float]]
    propagate: Propagate
    recorded: Mapping[str, Mapping[tuple[str, str], float]]
    top_k: int
    seed: int
    kinship: Kinship = field(default_factory=Kinship)
    alike: frozenset[str] | None = None
    wider: int = 0
    weights: Weights | None = None
    explored: int = 0

    @property
    def proxies(self) -> tuple[str, ...]:
        """The names of the proxies, in the order in which they were given."""
        return tuple(self.scores)


def counted(number: int, noun: str) -> str:
    """A number and its noun, for sentences.

    >>> counted(1, "dataset"), counted(2, "dataset")
    ('1 dataset', '2 datasets')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
