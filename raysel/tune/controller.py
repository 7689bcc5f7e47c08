"""What the adapters ask of Tune's controller and its trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.trainable import FunctionTrainable

from raysel.errors import OptionError
from raysel.tune.searcher import RecallSearcher

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController

_PATIENCE = 10


def base_searcher(search_alg: Any) -> Any:
    """The searcher under Tune's wrappers (`SearchGenerator`, `ConcurrencyLimiter`)."""
    while hasattr(search_alg, "searcher"):
        search_alg = search_alg.searcher
    return search_alg


@dataclass(frozen=True, kw_only=True)
class Place:
    """A trial's model, with its place on the shortlist and its prior there."""

    model: str
    rank: int
    prior: float


def place_of(tune_controller: "TuneController", trial: Trial) -> Place:
    """Where a trial's model was recalled; without a shortlist, where it was proposed."""
    searcher = base_searcher(tune_controller.search_alg)
    shortlist = searcher.shortlist if isinstance(searcher, RecallSearcher) else None
    model_key = searcher.model_key if isinstance(searcher, RecallSearcher) else "model"
    model = str(trial.config.get(model_key, trial.trial_id))
    if shortlist is None or model not in shortlist.models:
        return Place(model=model, rank=len(tune_controller.get_trials()), prior=0.0)
    return Place(model=model, rank=shortlist.models.index(model), prior=shortlist.priors[model])


def is_full(tune_controller: "TuneController") -> bool:
    """Whether as many trials run as a `RecallSearcher` was told may at most."""
    searcher = base_searcher(tune_controller.search_alg)
    limit = searcher.max_concurrent if isinstance(searcher, RecallSearcher) else None
    return limit is not None and sum(t.status == Trial.RUNNING for t in tune_controller.get_trials()) >= limit


def seconds_of(result: Mapping[str, Any]) -> float | None:
    """Seconds of training so far: what the trainable reports as `seconds`, else Tune's own count.

    Tune's count includes what a process needs to start and to import, each time that a trial is resumed.
    """
    return result.get("seconds", result.get("time_total_s"))


def step_of(result: Mapping[str, Any], time_attr: str) -> float:
    """The step of a result.

    Raises:
        OptionError: If it has none.
    """
    if time_attr not in result:
        raise OptionError("time_attr", time_attr, "a key of every result that the trainable reports")
    return float(result[time_attr])


def tell_searcher(tune_controller: "TuneController", trial: Trial, *, paused: bool) -> None:
    """Tell a `RecallSearcher` that a trial waits or goes on: one that waits holds no resources."""
    if isinstance(searcher := base_searcher(tune_controller.search_alg), RecallSearcher):
        (searcher.on_pause if paused else searcher.on_unpause)(trial.trial_id)


def can_pause(trial: Trial, result: Mapping[str, Any]) -> bool:
    """Whether a trial that reported this result can be paused and go on from there.

    A function trainable is paused at the checkpoint that it last reported: with none it would begin anew, with an older
    one it would go back. Class trainables are asked to save.
    """
    function = not trial.stub and issubclass(trial.get_trainable_cls(), FunctionTrainable)
    return not function or bool(result.get(SHOULD_CHECKPOINT))


def pause_added(tune_controller: "TuneController", trial: Trial, *, again: bool) -> None:
    """Let a trial wait that was just added, for the first time or because it is tried again.

    Tune files a new trial by its status after it has told the scheduler, one that is tried again before.
    """
    if again:
        tune_controller._set_trial_status(trial, Trial.PAUSED)
    else:
        trial.set_status(Trial.PAUSED)


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
