"""What the adapters ask of Tune's controller and its trials."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.trainable import FunctionTrainable

from raysel.tune.searcher import RecallSearcher

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController


def base_searcher(search_alg: Any) -> Any:
    """The searcher under Tune's wrappers (`SearchGenerator`, `ConcurrencyLimiter`)."""
    while hasattr(search_alg, "searcher"):
        search_alg = search_alg.searcher
    return search_alg


def can_pause(trial: Trial, result: Mapping[str, Any]) -> bool:
    """Whether a trial that reported this result can be paused and go on from there.

    A function trainable is paused at the checkpoint that it last reported: with none it would begin anew, with an older
    one it would go back. Class trainables are asked to save.
    """
    function = not trial.stub and issubclass(trial.get_trainable_cls(), FunctionTrainable)
    return not function or bool(result.get(SHOULD_CHECKPOINT))


def arrivals(tune_controller: "TuneController") -> bool:
    """Whether more trials may still be added."""
    search = tune_controller.search_alg
    if search.is_finished():
        return False
    limiter: Any = getattr(search, "searcher", None)
    if isinstance(base_searcher(search), RecallSearcher) or not hasattr(limiter, "live_trials"):
        return True
    # Another searcher behind a ConcurrencyLimiter, which counts paused trials as running: when all that it allows are
    # waiting at a stage it adds none before the stage is judged.
    waiting = sum(t.status == Trial.PAUSED for t in tune_controller.get_trials())
    return bool(waiting < limiter.max_concurrent)
