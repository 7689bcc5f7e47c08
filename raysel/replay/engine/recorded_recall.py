"""Recall as it was: proxy scores come from the history instead of Ray tasks."""

from collections.abc import Mapping
from typing import Any

from raysel.proxies import PROXIES
from raysel.recall import to_score
from raysel.replay.snapshot import Snapshot
from raysel.target import Target
from raysel.tune.searcher import RecallSearcher


class RecordedRecall(RecallSearcher):
    """A `RecallSearcher` that takes the proxy scores that it asks for from the record.

    Of the proxies with scores on the target the one that scored most models is used, of equals the first of `PROXIES`;
    without any, recall rests on the history alone. Only models that the method asks to have scored are.

    Args:
        history: The past runs, and the proxy scores on every dataset.
        target: The dataset that a model is wanted for.
        method: `default` or `paper`.
        top_k: How many models to recall, at least 1.
        seed: Seeds every draw.
    """

    def __init__(self, history: Snapshot, *, target: str, method: str, top_k: int, seed: int) -> None:
        order, rows = list(PROXIES), history.proxies()
        rows = rows[(rows["dataset"] == target) & rows["proxy"].isin(order)]
        counts = rows.groupby("proxy")["model"].nunique()
        self._proxy = min(counts.index, key=lambda name: (-counts[name], order.index(name)), default=None)
        rows = rows[rows["proxy"] == self._proxy].drop_duplicates("model", keep="last")
        self._on_record: Mapping[str, tuple[float, float]] = {
            model: (float(value), float(seconds)) if seconds == seconds else (float(value), 0.0)
            for model, value, seconds in zip(rows["model"], rows["value"], rows["seconds"], strict=True)
        }
        self.spent = 0.0
        super().__init__(
            history,
            target=Target(target, samples=_no_samples),
            proxies=() if self._proxy is None else (self._proxy,),
            method=method,
            top_k=top_k,
            seed=seed,
        )

    def _score(self) -> bool:
        matrix, clustering = self._clustered()
        asked = to_score(matrix, self._known, clustering, method=self._method, propagate=self._propagate)
        found = {model: self._on_record[model] for model in asked if model in self._on_record}
        self.spent = sum(seconds for _, seconds in found.values())
        self._rank(proxy=self._proxy if found else None, scores={model: score for model, (score, _) in found.items()})
        return True


def _no_samples() -> Any:
    raise NotImplementedError("a replay computes no proxy")
