"""Past runs of a history, no more of them than decisions need and none before one is due.

Up to `RUNS` runs all are read, at once. Of a larger history a decision of the paper's method needs the curves of the
models that it is about. The default needs past shortlists: the models that led on each dataset by the others, and these
are who leads the front (`raysel.recall.front`), of whom as many are read as have about `RUNS` runs.
"""

from collections.abc import Collection

from raysel.history import History
from raysel.recall.front import Front, leaders, z_scores
from raysel.recall.kept import zoo
from raysel.trends.mining import Trends, mine

RUNS = 20_000
"""Runs up to which all past curves are read."""


class Past:
    """What past runs tell, read when it is asked for and kept.

    It can be pickled; what was read is then read again.

    Args:
        history: The past runs.
        without: The dataset to leave out, the target.
        method: `default` or `paper`.
        lower_is_better: The target metric's direction.

    >>> from tempfile import mkdtemp
    >>> past = Past(History.create(mkdtemp() + "/h"), without="t", method="default", lower_is_better=False)
    >>> len(past.trends(["a"]))
    0
    """

    def __init__(self, history: History, *, without: str, method: str, lower_is_better: bool) -> None:
        self._history, self._without, self._method = history, without, method
        self._lower_is_better = lower_is_better
        self._runs = history.run_count()
        self._of: frozenset[str] = frozenset()
        self._read: Trends | None = None
        if self._runs <= RUNS:
            self.trends(())  # what cannot be read is said at the start

    def trends(self, models: Collection[str]) -> Trends:
        """What is known for decisions about these models."""
        of_models = self._runs > RUNS and self._method == "paper"
        if self._read is None or (of_models and not self._of.issuperset(models)):
            self._of |= frozenset(models)
            chosen = self._of if of_models else self._leading() if self._runs > RUNS else None
            past = self._history.curves(without=self._without, models=chosen)
            self._read = mine(past, lower_is_better=self._lower_is_better)
        return self._read

    def _leading(self) -> tuple[str, ...]:
        """As many of the models that lead as have about `RUNS` runs."""
        matrix = zoo(self._history).matrix
        z, number = z_scores(matrix), len(matrix.models) + (matrix.beyond if isinstance(matrix, Front) else 0)
        most = max(1, number * RUNS // self._runs)
        return tuple(matrix.models[row] for row in leaders(z, most=most))

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_read": None}
