"""Recall as it was: proxy scores come from the history instead of Ray tasks."""

from collections.abc import Sequence
from typing import Any

from raysel.proxies import PROXIES
from raysel.recall import Propagate
from raysel.replay.snapshot import Snapshot
from raysel.target import Target
from raysel.tune.searcher import RecallSearcher


class RecordedRecall(RecallSearcher):
    """A `RecallSearcher` that takes the proxy scores that it asks for from the record.

    Proxies without a score on the target are passed over; without any, recall rests on the history alone. Only models
    that the method asks to have scored are.

    Args:
        history: The past runs, and the proxy scores on every dataset.
        target: The dataset that a model is wanted for.
        method: `default` or `paper`.
        top_k: How many models to recall, at least 1.
        proxies: Names of proxies; by default all that the history has on record.
        propagate: As of `RecallSearcher`.
        seed: Seeds every draw.
    """

    def __init__(
        self,
        history: Snapshot,
        *,
        target: str,
        method: str,
        top_k: int,
        proxies: Sequence[str] = tuple(PROXIES),
        propagate: Propagate = "representative",
        seed: int,
    ) -> None:
        rows = history.proxies()
        rows = rows[(rows["dataset"] == target) & rows["proxy"].isin(proxies)]
        rows = rows.drop_duplicates(["model", "proxy"], keep="last")
        self._on_record: dict[str, dict[str, tuple[float, float]]] = {}
        for row in rows.to_dict("records"):
            seconds = float(row["seconds"]) if row["seconds"] == row["seconds"] else 0.0
            self._on_record.setdefault(row["model"], {})[row["proxy"]] = (float(row["value"]), seconds)
        self.spent = 0.0
        super().__init__(
            history,
            target=Target(target, task="", samples=_no_samples),
            proxies=[proxy for proxy in proxies if proxy in set(rows["proxy"])],
            method=method,
            top_k=top_k,
            propagate=propagate,
            seed=seed,
        )

    def _score(self) -> bool:
        asked = self._clustered().to_score(self._propagate)
        found = {model: self._on_record[model] for model in asked if model in self._on_record}
        self.spent = sum(_seconds([seconds for _, seconds in scores.values()]) for scores in found.values())
        by_proxy = {
            proxy: {model: scores[proxy][0] for model, scores in found.items() if proxy in scores}
            for proxy in self._proxies
        }
        self._rank({proxy: scores for proxy, scores in by_proxy.items() if scores}, {})
        return True


def _seconds(recorded: Sequence[float]) -> float:
    """What several proxies of one model took together: each has the one forward pass, which feeds them all, in it."""
    return sum(recorded) - (len(recorded) - 1) * min(recorded)


def _no_samples() -> Any:
    raise NotImplementedError("a replay computes no proxy")
