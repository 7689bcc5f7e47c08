"""Models that were uploaded again under their old name, told apart by the revision that each run was made with.

A new upload is a new model. Where it is known which revision a name stands for now, what was recorded of a model with
another known revision is read as that of `NAME@REVISION`: so the new upload has no runs, and recall expects it to stand
where the old one did (`raysel.recall.kinship`). Nothing is written anew: whoever still has the old revision reads the
same history as before.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial

import pyarrow as pa

from raysel.history.curves import Curve
from raysel.history.derived import Kept
from raysel.history.described import Described
from raysel.history.matrix import PerformanceMatrix
from raysel.history.reading import Changes, anew, changes, joined
from raysel.history.renaming import apart, older
from raysel.history.store import History


class Revised(History):
    """A view of a history in which older uploads of some models are models of their own.

    Args:
        history: The history, or a pinned view of it.
        current: The revision that each name stands for now: a commit, or a digest. Models that it does not name, and
            runs that were made with that revision, or have none of its kind recorded, are as they were.

    >>> import pandas as pd
    >>> from tempfile import mkdtemp
    >>> history = History.create(mkdtemp() + "/history")
    >>> history.append(
    ...     datasets=pd.DataFrame({"dataset": ["d"], "primary_metric": ["accuracy"], "mode": ["max"]}),
    ...     runs=pd.DataFrame({"run_id": ["r"], "model": ["net"], "revision": ["abc0"], "dataset": ["d"],
    ...                        "status": ["completed"], "planned_steps": [1]}),
    ...     observations=pd.DataFrame({"run_id": ["r"], "step": [1], "split": ["val"], "metric": ["accuracy"],
    ...                                "value": [0.5]}))
    >>> Revised(history, {"net": "def0"}).matrix().models, Revised(history, {"net": "abc0"}).matrix().models
    (('net@abc0',), ('net',))
    """

    def __init__(self, history: History, current: Mapping[str, str]) -> None:
        self.__dict__.update(history.__dict__)
        self._older = older(history.revisions(current), current)
        self._as_filed = {name: model for (model, _), name in self._older.items()}

    @property
    def again(self) -> frozenset[str]:
        """The models that have runs of an older upload."""
        return frozenset(model for model, _ in self._older)

    def uploads(self, models: Iterable[str]) -> tuple[str, ...]:
        """As of the history, and those that it files under the model's own name."""
        wanted = set(models)
        filed = {name for (model, _), name in self._older.items() if model in wanted}
        return tuple(sorted({*super().uploads(wanted), *filed}))

    def matrix(
        self, *, without: str | None = None, models: Iterable[str] | None = None, store: bool = False
    ) -> PerformanceMatrix:
        """As of the history; what is kept is the matrix as others read it."""
        asked = None if models is None else set(models)
        whole = super().matrix(models=None if asked is None else self._filed(asked), store=store)
        # Of the same runs: a dataset in which they alone are measured is in the whole too.
        fresh = self._consistent(partial(anew, self._folder, uploads=self._older))
        whole = joined(whole, fresh, without=self.again | self._as_filed.keys())
        whole = whole if asked is None else whole.restricted(asked)
        return whole if without is None else whole.without(without)

    def curves(
        self, *, without: str | None = None, dataset: str | None = None, models: Iterable[str] | None = None
    ) -> list[Curve]:
        """As of the history."""
        asked = None if models is None else set(models)
        found = super().curves(without=without, dataset=dataset, models=None if asked is None else self._filed(asked))
        return [curve for curve in found if asked is None or curve.model in asked]

    def proxy_scores(
        self, proxy: str, *, models: Iterable[str] | None = None, without: str | None = None
    ) -> dict[tuple[str, str], float]:
        """As of the history."""
        asked = None if models is None else set(models)
        found = super().proxy_scores(proxy, models=None if asked is None else self._filed(asked), without=without)
        return {key: score for key, score in found.items() if asked is None or key[0] in asked}

    def described(self, models: Iterable[str]) -> dict[str, Described]:
        """As of the history; an older upload is described as the model is."""
        asked = list(models)
        known = super().described(self._filed(asked))
        base = {name: known[model] for name in asked if (model := self._model(name)) in known}
        return {name: replace(told, model=name) for name, told in base.items()}

    def changes(self, since: Collection[str]) -> Changes | None:
        """As of the history; and the older uploads, which are no part of what is kept."""
        return self._consistent(partial(changes, self._folder, since=since, uploads=self._older))

    def unmeasured(self, models: Iterable[str], *, since: Collection[str]) -> frozenset[str]:
        """As of the history; and those that were uploaded again."""
        asked = frozenset(models)
        return super().unmeasured(asked, since=since) | (asked & self.again)

    def derive(self, kind: str, kept: Kept) -> None:
        """Nothing is kept: to others these models have other names."""

    def _apart(self, rows: pa.Table) -> pa.Table:
        return apart(rows, self._older)

    def _model(self, name: str) -> str:
        """The name that the parts have a model under."""
        return self._as_filed.get(name, name)

    def _filed(self, names: Iterable[str]) -> list[str]:
        asked = list(names)
        return sorted({*map(self._model, asked), *asked})
