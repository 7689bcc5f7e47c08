"""What a recall answers: the models worth fine-tuning, and why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np

_TOLD = 5  # models that could not be scored, by name


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """One recalled model.

    Args:
        model: Its name.
        cluster: The number of its cluster in `Shortlist.clusters`; `None` for a model without history.
        representative: The model whose proxy score stands for the cluster; `None` for a model without history.
        proxies: The proxy scores that it was ranked with, by proxy; its representative's where it has none of its own.
        score: The recall score; higher is better. The scale is the method's.
        reason: Why it is here, as a sentence with the numbers in it.
        uncertainty: The deviation of how good it is on average about what is expected, in deviations of finals: the
            wider, the less is known of it. `None` where the method has none.
    """

    model: str
    cluster: int | None
    representative: str | None
    proxies: Mapping[str, float]
    score: float
    reason: str
    uncertainty: float | None = None


@dataclass(frozen=True, kw_only=True)
class Shortlist:
    """The models recalled for a target, best first.

    Args:
        method: The method that ranked them.
        entries: One `Recalled` a model, best first.
        clusters: The models of each cluster, the clusters by number.
        proxies: The names of the proxies in force.
        regime: What the ranking rests on, in sentences (how much history, how far the proxies are trusted, whether
            models were chosen to be good for different reasons, and what would improve it).
    """

    method: str
    entries: tuple[Recalled, ...]
    clusters: tuple[tuple[str, ...], ...]
    proxies: tuple[str, ...]
    regime: str

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The names of the recalled models, best first."""
        return tuple(entry.model for entry in self.entries)

    @cached_property
    def priors(self) -> Mapping[str, float]:
        """The recall scores by model, standardised over the shortlist to mean 0 and deviation 1.

        All 0 if they are equal; and on day one, where no model has history, since nothing has shown yet what a ranking
        by proxies alone is worth beside what training shows.
        """
        scores = np.array([entry.score for entry in self.entries])
        spread = float(scores.std()) if any(entry.cluster is not None for entry in self.entries) else 0.0
        z = (scores - scores.mean()) / spread if spread > 0 else np.zeros_like(scores)
        return dict(zip(self.models, z.tolist(), strict=True))

    def explained(self, unscored: Mapping[str, str]) -> "Shortlist":
        """The same, saying which candidates lack proxy scores.

        Args:
            unscored: By model, what it lacks and why.
        """
        if not unscored:
            return self
        entries = tuple(
            replace(entry, reason=f"{entry.reason}; {unscored[entry.model]}") if entry.model in unscored else entry
            for entry in self.entries
        )
        told = "; ".join(f"{model} ({why})" for model, why in list(unscored.items())[:_TOLD])
        more = f"; and {len(unscored) - _TOLD} more" if len(unscored) > _TOLD else ""
        return replace(self, entries=entries, regime=f"{self.regime} Without some proxy scores: {told}{more}.")

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON: `method`, `proxies`, `regime`, `shortlist`, `clusters`."""
        return {
            "method": self.method,
            "proxies": list(self.proxies),
            "regime": self.regime,
            "shortlist": [asdict(entry) for entry in self.entries],
            "clusters": [list(cluster) for cluster in self.clusters],
        }
