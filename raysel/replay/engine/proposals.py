"""Where trials come from: what Tune calls its search algorithm, and a searcher that proposes a given list."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.search.sample import Categorical

from raysel.errors import OptionError


class InOrder(Searcher):
    """Proposes the models of a list one after the other, then ends the search.

    Args:
        models: What to propose, in this order.
        spent: The seconds that it took to choose them.

    >>> searcher = InOrder(["a"])
    >>> searcher.suggest("t1"), searcher.suggest("t2")
    ({'model': 'a'}, 'FINISHED')
    """

    def __init__(self, models: Iterable[str], *, spent: float = 0.0) -> None:
        super().__init__()
        self._left, self.spent = list(models)[::-1], spent

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Nothing is needed."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """The next model, or `FINISHED`."""
        return {"model": self._left.pop()} if self._left else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing is learned."""


class UpTo(Searcher):
    """Another searcher, up to a number of proposals: what `num_samples` does in Tune.

    Args:
        count: How many proposals, at least 1.
        searcher: Who proposes.

    Raises:
        OptionError: If the count breaks its rule.

    >>> searcher = UpTo(1, InOrder(["a", "b"]))
    >>> searcher.suggest("t1"), searcher.suggest("t2")
    ({'model': 'a'}, 'FINISHED')
    """

    def __init__(self, count: int, searcher: Searcher) -> None:
        super().__init__()
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise OptionError("count", count, "an integer of at least 1")
        self._left, self._searcher = count, searcher

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Passed on."""
        return self._searcher.set_search_properties(metric, mode, config, **spec)

    def suggest(self, trial_id: str) -> Any:
        """The other's proposal, or `FINISHED`."""
        if not self._left:
            return Searcher.FINISHED
        config = self._searcher.suggest(trial_id)
        self._left -= config is not None
        return config

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passed on."""
        self._searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Passed on."""
        self._searcher.on_trial_complete(trial_id, result=result, error=error)


class Proposals:
    """What schedulers see as `tune_controller.search_alg`: stands in for Tune's `SearchGenerator`.

    Args:
        searcher: A real searcher that knows no space yet; a `ConcurrencyLimiter` around one will do.
        models: The choice of models that is the search space.
        metric: The result to optimise.
        mode: `max` or `min`.

    Raises:
        OptionError: If the searcher refuses the space.
    """

    def __init__(self, searcher: Searcher, *, models: Sequence[str], metric: str, mode: str) -> None:
        self.searcher, self._finished, self._numbers = searcher, False, itertools.count()
        if not searcher.set_search_properties(metric, mode, {"model": Categorical(list(models))}):
            raise OptionError("searcher", type(searcher).__name__, "one without metric, mode and space yet")

    @property
    def max_pending(self) -> int:
        """How many trials may be pending at once: Tune's rule for searchers."""
        return int(self.searcher.max_concurrent) if isinstance(self.searcher, ConcurrencyLimiter) else 1

    def is_finished(self) -> bool:
        """Whether no trial will be proposed any more."""
        return self._finished

    def next_trial(self) -> Trial | None:
        """The next trial; `None` if there is none now."""
        trial_id = f"t{next(self._numbers):06d}"
        config: Any = self.searcher.suggest(trial_id)
        if config == Searcher.FINISHED:
            self._finished = True
        if config is None or config == Searcher.FINISHED:
            return None
        return Trial("replay", stub=True, trial_id=trial_id, config=config)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passed on to the searcher."""
        self.searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Passed on to the searcher."""
        self.searcher.on_trial_complete(trial_id, result=result, error=error)
