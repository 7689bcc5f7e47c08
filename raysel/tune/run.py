"""One selection from start to end: recall, trials on Ray, trend decisions, the selected model with its reasons."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.train import Checkpoint
from ray.tune.experiment import Trial

from raysel.errors import InterruptedSelectionError, NothingToRecallError
from raysel.history import History
from raysel.recall import Shortlist
from raysel.target import Target
from raysel.tune.budget import BudgetStopper, in_force
from raysel.tune.cleanup import DropCheckpoints
from raysel.tune.controller import seconds_of
from raysel.tune.metrics import SelectionMetrics
from raysel.tune.recorder import HistoryRecorder
from raysel.tune.scheduler import TrendScheduler
from raysel.tune.searcher import RecallSearcher
from raysel.tune.snapshot import mend


@dataclass(frozen=True, kw_only=True)
class TrialOutcome:
    """What one trial did, and why it ended.

    Args:
        model: The model that it fine-tuned.
        curve: (step, validation score) pairs in the user's direction.
        stopped_at: The step at which it was stopped, or cut off with the experiment; `None` if it was not.
        reason: Why it was stopped, or how it ended.
        seconds: Seconds of training.
        config: Its other hyperparameters.
        checkpoint: Its last one; `None` if there is none, or it was stopped and its checkpoint deleted.
        reused: Whether it was told again from a finished run instead of trained; the model is then with that.
        test_score: Its last test score, if it reported one.
        other_metrics: Other metrics as it last reported them, those on the test split with `test_` before the name.
    """

    model: str
    curve: tuple[tuple[float, float], ...]
    stopped_at: float | None
    reason: str
    seconds: float
    config: Mapping[str, Any]
    checkpoint: Checkpoint | None
    reused: bool
    test_score: float | None
    other_metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A selection's answer.

    Args:
        selected: The model to use.
        metric: What was optimised.
        mode: `max` or `min`.
        validation_score: The selected trial's last validation score, in the user's direction.
        test_score: Its last test score; `None` if the trainable reports no `test_<metric>`.
        other_metrics: Its other metrics, which decided nothing; those on the test split with `test_` before the name.
        steps: Steps that all trials together made on the target.
        seconds: Seconds from the start to the end of the selection.
        shortlist: The recalled models.
        trials: One outcome a trial, in the order of the shortlist.
        winner: That of the selected model.
    """

    selected: str
    metric: str
    mode: str
    validation_score: float
    test_score: float | None
    other_metrics: Mapping[str, float]
    steps: float
    seconds: float
    shortlist: Shortlist
    trials: tuple[TrialOutcome, ...]
    winner: TrialOutcome


def run_selection(
    trainable: Callable[..., Any],
    *,
    searcher: RecallSearcher,
    scheduler: TrendScheduler,
    history: History,
    target: Target,
    models: Sequence[str],
    metric: str,
    mode: str,
    other_metrics: Sequence[str] = (),
    space: Mapping[str, Any],
    resources: Mapping[str, float] | None = None,
    max_concurrent: int | None = None,
    storage_path: str | None = None,
    name: str | None = None,
    resume: bool = False,
    budget: BudgetStopper | None = None,
    max_failures: int = 0,
    callbacks: Sequence[tune.Callback] = (),
) -> Selected:
    """Select a model for the target: `tune.run` with the three objects of this package, and their answer as a value.

    Args:
        trainable: What Tune runs; see `raysel.finetune.trainable`.
        searcher: Recalls.
        scheduler: Stops; made like the searcher for this history and target.
        history: The past runs; this selection's curves are added to it.
        target: The dataset that a model is wanted for.
        models: The candidates.
        metric: The result to optimise.
        mode: `max` or `min`.
        other_metrics: Further results to record and to tell of, which decide nothing.
        space: The rest of the search space.
        resources: Resources of one trial.
        max_concurrent: How many trials run at once at most.
        storage_path: Where Tune keeps its results: of each live or finished trial its last checkpoint.
        name: What Tune calls the experiment.
        resume: Whether to go on with the experiment of that name, if there is one.
        budget: What ends the experiment early; the best so far is selected then.
        max_failures: How often a trial is tried again.
        callbacks: Further Tune callbacks, such as one that shows progress.

    Raises:
        NothingToRecallError: If every trial failed, or the budget ended them all before they reported a score.
        InterruptedSelectionError: After Ctrl-C. What the trials had reported is in the history.
    """
    began = time.perf_counter()
    if resume and storage_path is not None and name is not None:
        resume = mend(f"{storage_path}/{name}")
    with in_force(budget):
        analysis = tune.run(
            trainable,
            search_alg=searcher,
            scheduler=scheduler,
            config={"model": tune.choice(list(models)), **space},
            metric=metric,
            mode=mode,
            num_samples=-1,
            resources_per_trial=dict(resources or {"cpu": 1}),
            max_concurrent_trials=max_concurrent,
            reuse_actors=True,
            storage_path=storage_path,
            name=name,
            resume="AUTO" if resume else None,
            stop=budget,
            max_failures=max_failures,
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            callbacks=[
                HistoryRecorder(history, target=target, scheduler=scheduler, other_metrics=other_metrics),
                DropCheckpoints(scheduler),
                SelectionMetrics(scheduler, target=target),
                *([] if budget is None else [budget]),
                *callbacks,
            ],
            verbose=0,
            raise_on_failed_trial=False,
        )
    ended = budget is not None and budget.over
    if not ended and _unfinished(searcher, scheduler):
        how = "" if name is None else f"; resume {name} to go on with it"
        raise InterruptedSelectionError(f"interrupted: what was learned is in {history.uri}{how}")
    winner = scheduler.selection.winner()
    if winner is None or searcher.shortlist is None:
        if ended:
            raise NothingToRecallError("the budget was spent before any trial reported a score")
        raise NothingToRecallError("every trial failed, see its error file, before it reported a score")
    sign = 1.0 if mode == "max" else -1.0
    place = {model: number for number, model in enumerate(searcher.shortlist.models)}  # Tune's order changes on restore
    trials = sorted(analysis.trials, key=lambda trial: place[str(trial.config["model"])])
    outcomes = {trial.trial_id: _outcome(trial, scheduler, metric, sign, other_metrics) for trial in trials}
    curve = scheduler.selection.curve(winner)
    return Selected(
        selected=outcomes[winner].model,
        metric=metric,
        mode=mode,
        validation_score=sign * curve[max(curve)],
        test_score=outcomes[winner].test_score,
        other_metrics=outcomes[winner].other_metrics,
        steps=sum(max((step for step, _ in o.curve), default=0.0) for o in outcomes.values() if not o.reused),
        seconds=time.perf_counter() - began,
        shortlist=searcher.shortlist,
        trials=tuple(outcomes.values()),
        winner=outcomes[winner],
    )


def recalled(searcher: RecallSearcher, *, models: Sequence[str], metric: str, mode: str) -> Shortlist:
    """The shortlist that `run_selection` would fine-tune with this searcher; nothing is trained."""
    searcher.set_search_properties(metric, mode, {"model": tune.choice(list(models))})
    while searcher.shortlist is None:
        searcher.suggest("planned")  # proposes nothing while proxy scores are pending
        time.sleep(0.05)
    return searcher.shortlist


def _unfinished(searcher: RecallSearcher, scheduler: TrendScheduler) -> bool:
    """Whether Tune came back with work left, which it does after Ctrl-C and says nothing."""
    standings = list(scheduler.selection.standings().values())
    return searcher.shortlist is None or len(standings) < len(searcher.shortlist.models) or "live" in standings


def _outcome(
    trial: Trial, scheduler: TrendScheduler, metric: str, sign: float, other_metrics: Sequence[str]
) -> TrialOutcome:
    curve = sorted(scheduler.selection.curve(trial.trial_id).items())
    decision = scheduler.decisions.get(trial.trial_id)
    standing = scheduler.selection.standing(trial.trial_id)
    last = curve[-1][0] if curve else 0.0
    result = trial.last_result or {}
    reused, test_score = bool(result.get("reused")), result.get(f"test_{metric}")
    others = [name for other in other_metrics if other != metric for name in (other, f"test_{other}")]
    if standing == "stopped" and decision is not None:
        reason = decision.reason
    elif standing == "failed":
        reason = scheduler.failures.get(trial.trial_id, "failed: it was ended by somebody else")
    elif standing == "live":
        reason = f"cut off at step {last:g} of {scheduler.max_t:g}: the budget was spent"
    elif reused:
        reason = f"told again to step {last:g} of {scheduler.max_t:g} from a finished run"
    else:
        reason = f"trained to step {last:g} of {scheduler.max_t:g}"
    return TrialOutcome(
        model=str(trial.config["model"]),
        curve=tuple((step, sign * score) for step, score in curve if math.isfinite(score)),
        stopped_at=last if standing in ("stopped", "live") else None,
        reason=reason,
        seconds=seconds_of(result) or 0.0,
        config={key: value for key, value in trial.config.items() if key != "model"},
        checkpoint=None if standing == "stopped" else trial.checkpoint,
        reused=reused,
        test_score=None if test_score is None else float(test_score),
        other_metrics={name: float(result[name]) for name in others if result.get(name) is not None},
    )
