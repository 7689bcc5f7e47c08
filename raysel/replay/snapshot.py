"""A history held in memory, for reading it hundreds of times."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from raysel.errors import OptionError
from raysel.history import Curve, Described, History, PerformanceMatrix
from raysel.history.derived import Kept


class Snapshot(History):
    """What a history held at one moment, read once; it cannot be written to.

    Args:
        history: The history.
        together: Groups of near-duplicate datasets: who leaves out one leaves out its group, so that a target is not
            judged by its own copies.

    Raises:
        OptionError: If a dataset is in two groups.
    """

    def __init__(self, history: History, *, together: Iterable[Iterable[str]] = ()) -> None:
        self.__dict__.update(history.__dict__)
        self._pinned = history.parts()
        self._curves = tuple(super().curves())
        self._matrix = super().matrix()
        self._proxies, self._models = super().proxies(), super().models()
        self._datasets = super().datasets()
        self._described = super().described(self._models["model"])
        self._scores = {name: super(Snapshot, self).proxy_scores(name) for name in sorted(set(self._proxies["proxy"]))}
        self._groups: dict[str, frozenset[str]] = {}
        for group in map(frozenset, together):
            if repeated := sorted(group & self._groups.keys()):
                raise OptionError("together", repeated, "in one group only")
            self._groups |= dict.fromkeys(group, group)

    @property
    def together(self) -> tuple[frozenset[str], ...]:
        """The groups of near-duplicate datasets."""
        return tuple(dict.fromkeys(self._groups.values()))

    def append(self, **tables: Any) -> None:
        """Refused.

        Raises:
            OptionError: Always.
        """
        raise OptionError("history", self, "one that can be written to, which a snapshot is not")

    def pinned(self, parts: Iterable[str]) -> "Snapshot":
        """Itself: it reads no others.

        Raises:
            OptionError: If asked for other parts.
        """
        if tuple(parts) != self.parts():
            raise OptionError("parts", list(parts), "those of the snapshot")
        return self

    def derived(self, kind: str) -> None:
        """Nothing is."""

    def derive(self, kind: str, kept: Kept) -> None:
        """Nothing is kept."""

    def uploads(self, models: Iterable[str]) -> tuple[str, ...]:
        """As of the history."""
        wanted = set(models)
        return tuple(model for model in self._matrix.models if model.rpartition("@")[0] in wanted)

    def left_out(self, dataset: str) -> frozenset[str]:
        """Its group."""
        return self._hidden(dataset)

    def curves(
        self, *, without: str | None = None, dataset: str | None = None, models: Iterable[str] | None = None
    ) -> list[Curve]:
        """As of the history."""
        hidden = self._hidden(without)
        wanted = None if models is None else set(models)
        return [
            curve
            for curve in self._curves
            if curve.dataset not in hidden
            and dataset in (None, curve.dataset)
            and (wanted is None or curve.model in wanted)
        ]

    def matrix(
        self, *, without: str | None = None, models: Iterable[str] | None = None, store: bool = False
    ) -> PerformanceMatrix:
        """As of the history; nothing is kept."""
        matrix = self._matrix if models is None else self._matrix.restricted(models)
        for dataset in sorted(self._hidden(without)):
            matrix = matrix.without(dataset)
        return matrix

    def models(self) -> pd.DataFrame:
        """As of the history."""
        return self._models

    def described(self, models: Iterable[str]) -> dict[str, Described]:
        """As of the history."""
        return {model: self._described[model] for model in models if model in self._described}

    def datasets(self) -> pd.DataFrame:
        """As of the history."""
        return self._datasets

    def proxies(self) -> pd.DataFrame:
        """As of the history."""
        return self._proxies

    def proxy_scores(
        self, proxy: str, *, models: Iterable[str] | None = None, without: str | None = None
    ) -> dict[tuple[str, str], float]:
        """As of the history; a dataset's near-duplicates stay in."""
        wanted = None if models is None else set(models)
        return {
            (model, dataset): score
            for (model, dataset), score in self._scores.get(proxy, {}).items()
            if dataset != without and (wanted is None or model in wanted)
        }

    def _hidden(self, without: str | None) -> frozenset[str]:
        return frozenset() if without is None else self._groups.get(without, frozenset([without]))
