"""What the adapters ask of Tune's controller and its trials."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.trainable import FunctionTrainable

from raysel.tune.searcher import RecallSearcher

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController

_PATIENCE = 10


def base_searcher(search_alg: Any) -> Any:
    """The searcher under Tune's wrappers (`SearchGenerator`, `ConcurrencyLimiter`)."""
    while hasattr(search_alg, "searcher"):
        search_alg = search_alg.searcher
    return search_alg


def seconds_of(result: Mapping[str, Any]) -> float | None:
    """Seconds of training so far: what the trainable reports as `seconds`, else Tune's own count.

    Tune's count includes what a process needs to start and to import, each time that a trial is resumed.
    """
    return result.get("seconds", result.get("time_total_s"))


def can_pause(trial: Trial, result: Mapping[str, Any]) -> bool:
    """Whether a trial that reported this result can be paused and go on from there.

    A function trainable is paused at the checkpoint that it last reported: with none it would begin anew, with an older
    one it would go back. Class trainables are asked to save.
    """
    function = not trial.stub and issubclass(trial.get_trainable_cls(), FunctionTrainable)
    return not function or bool(result.get(SHOULD_CHECKPOINT))


def arrivals(tune_controller: "TuneController", *, idle: int) -> bool:
    """Whether more trials may still be added.

    Args:
        tune_controller: Tune's controller.
        idle: How often in a row Tune has asked the searcher in vain while no trial ran.
    """
    search = tune_controller.search_alg
    if search.is_finished():
        return False
    # Another searcher may count paused trials as running (Tune's concurrency limits do): then it waits for trials that
    # wait for it.
    return isinstance(base_searcher(search), RecallSearcher) or idle < _PATIENCE
