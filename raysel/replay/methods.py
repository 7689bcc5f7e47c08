"""Methods as data: what each way of choosing a model proposes, and what it does with the trials.

`METHODS` maps a name to a `Method`. Those that end in `-k` run on the models that raysel's default recalls, those in
`-all` on every model of the target; but `random-k` and `largest-k` recall in their own way. Halving is plain successive
halving, which knows no history, so that only the recall differs between these three. Ray's own schedulers are the real
ones, and so is Optuna.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search import Searcher
from ray.tune.search.sample import Categorical

from raysel.proxies import PROXIES
from raysel.recall import Propagate
from raysel.replay.baselines import equal_stages
from raysel.replay.engine import Halving, InOrder, RecordedRecall, UpTo
from raysel.replay.snapshot import Snapshot
from raysel.replay.tasks import Task
from raysel.trends import Trends, mine
from raysel.tune.scheduler import PolicyOption, TrendScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """One task under one seed: what methods are made for.

    Args:
        task: The task.
        top_k: How many models are recalled, at least 1.
        seed: Seeds every draw.
    """

    task: Task
    top_k: int
    seed: int

    def recalling(
        self,
        method: str,
        *,
        propagate: Propagate = "representative",
        proxies: Sequence[str] | None = None,
        kind: type[RecordedRecall] = RecordedRecall,
    ) -> RecordedRecall:
        """A recall on the task that knows no space yet; by default with logme, or with what is on record instead."""
        if proxies is None:
            rows = self.task.history.proxies()
            recorded = set(rows.loc[rows["dataset"] == self.task.target, "proxy"])
            proxies = ("logme",) if "logme" in recorded else tuple(recorded & PROXIES.keys())
        return kind(
            self.task.history,
            target=self.task.target,
            method=method,
            top_k=self.top_k,
            proxies=sorted(proxies),
            propagate=propagate,
            seed=self.seed,
        )

    @property
    def recalled(self) -> tuple[str, ...]:
        """The models that the default recalls, best first."""
        shortlist = self._recall.shortlist
        return shortlist.models if shortlist is not None else ()

    @property
    def recall_seconds(self) -> float:
        """The seconds that their proxy scores took."""
        return self._recall.spent

    @cached_property
    def _recall(self) -> RecordedRecall:
        searcher = self.recalling("default")
        searcher.set_search_properties("score", "max", {"model": Categorical(list(self.task.runs))})
        searcher.suggest("first")
        return searcher

    @cached_property
    def trends(self) -> Trends:
        """What past runs of the target's direction tell, mined once for all methods."""
        lower_is_better = next(iter(self.task.runs.values())).lower_is_better
        return mine(self.task.history.curves(without=self.task.target), lower_is_better=lower_is_better)

    @cached_property
    def shuffled(self) -> tuple[str, ...]:
        """Every model of the task, in an order drawn with the seed."""
        models = sorted(self.task.runs)
        drawn = np.random.default_rng([self.seed, *self.task.target.encode()]).permutation(len(models))
        return tuple(models[i] for i in drawn)

    @cached_property
    def largest_first(self) -> tuple[str, ...]:
        """Every model of the task, the one with most parameters first; those of unknown size last, ties by name."""
        size = _sizes(self.task.history)
        return tuple(sorted(self.task.runs, key=lambda model: (-size.get(model, 0.0), model)))


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way of choosing a model.

    Args:
        told: What it does, in a line.
        searcher: Makes what proposes the models; its `spent` is the seconds that choosing them took, 0 if it has none.
        scheduler: Makes what decides on the trials.
        may_hang: Whether the scheduler is known to wait for ever at times, so that the replay needs a time budget.
        lacks: Says what the method needs that is not there for a history; `None` where it can be replayed.
    """

    told: str
    searcher: Callable[[Setting], Searcher]
    scheduler: Callable[[Setting], TrialScheduler]
    may_hang: bool = False
    lacks: Callable[[Snapshot], str | None] = lambda history: None


def _units(setting: Setting) -> Any:
    """Where trials end, in the unit that schedulers count in. (Ray's say `int` and take any number.)"""
    return setting.task.max_t / setting.task.unit


class _Shared(TrendScheduler):
    """A `TrendScheduler` that has the past runs mined already."""

    def __init__(self, setting: Setting, *, method: str, policy: PolicyOption, risk: float | None) -> None:
        self._setting = setting
        super().__init__(
            setting.task.history,
            target=setting.task.target,
            # The paper's method judges at every whole unit: no more often than runs report.
            max_t=_units(setting),
            time_attr="units",
            method=method,
            policy=policy,
            risk=risk,
            seed=setting.seed,
        )

    def mined(self) -> Trends:
        """As of the scheduler."""
        return self._setting.trends


def trend(
    method: str, policy: PolicyOption = "sync", *, risk: float | None = None
) -> Callable[[Setting], TrialScheduler]:
    """Makes raysel's scheduler; see `TrendScheduler`."""
    return lambda setting: _Shared(setting, method=method, policy=policy, risk=risk)


def _all(setting: Setting) -> Searcher:
    return InOrder(setting.shuffled)


def _recalled(setting: Setting) -> Searcher:
    return InOrder(setting.recalled, spent=setting.recall_seconds)


def _first_recalled(setting: Setting) -> Searcher:
    return InOrder(setting.recalled[:1], spent=setting.recall_seconds)


def _random(setting: Setting) -> Searcher:
    return InOrder(setting.shuffled[: setting.top_k])


def _largest(setting: Setting) -> Searcher:
    return InOrder(setting.largest_first[: setting.top_k])


def _sizes(history: Snapshot) -> dict[str, float]:
    known = history.models().dropna(subset=["parameters"])
    return dict(zip(known["model"], known["parameters"].astype(float), strict=True))


def _lacks_sizes(history: Snapshot) -> str | None:
    absent = sorted({curve.model for curve in history.curves()} - _sizes(history).keys())
    return f"the history has no parameters of {len(absent)} models, among them {absent[0]}" if absent else None


def _lacks_proxies(history: Snapshot) -> str | None:
    recorded = set(history.proxies()["proxy"])
    return None if recorded & PROXIES.keys() else "the history has no proxy scores"


def _tpe(setting: Setting) -> Searcher:
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else a line a trial
    return UpTo(len(setting.task.runs), OptunaSearch(seed=setting.seed))


def _lacks_optuna(history: Snapshot) -> str | None:
    return None if find_spec("optuna") else "Optuna is not installed (it comes with raysel[benchmarks])"


def _halving(setting: Setting) -> TrialScheduler:
    return Halving(stages=equal_stages(setting.task.max_t)[:-1])


def _one_stage(setting: Setting) -> TrialScheduler:
    return Halving(stages=equal_stages(setting.task.max_t)[:1], reduction=math.inf)


def _asha(reduction: int) -> Callable[[Setting], TrialScheduler]:
    return lambda setting: AsyncHyperBandScheduler(time_attr="units", max_t=_units(setting), reduction_factor=reduction)


def _hyperband(setting: Setting) -> TrialScheduler:
    return HyperBandScheduler(time_attr="units", max_t=max(1, round(_units(setting))))


def _fifo(setting: Setting) -> TrialScheduler:
    return FIFOScheduler()


On = Literal["all", "k", "random"]
_SCOPES: tuple[On, ...] = ("all", "k")


def asha(reduction: int, *, on: On = "all") -> Method:
    """Ray's ASHA on all models, on the recalled ones, or on as many drawn at random.

    Args:
        reduction: Of the trials at a rung one in so many goes on, at least 2.
        on: `all`, `k` or `random`.
    """
    told = {"all": "all", "k": "the recalled", "random": "as many as are recalled, drawn at random"}
    searchers = {"all": _all, "k": _recalled, "random": _random}
    return Method(
        told=f"Ray's ASHA with reduction {reduction} on {told[on]}", searcher=searchers[on], scheduler=_asha(reduction)
    )


METHODS: Mapping[str, Method] = {
    "default": Method(
        told="raysel's default recall and fine selection",
        searcher=lambda setting: setting.recalling("default"),
        scheduler=trend("default"),
    ),
    "default-async": Method(
        told="the same, each trial judged when it arrives",
        searcher=lambda setting: setting.recalling("default"),
        scheduler=trend("default", "async"),
    ),
    "default-own": Method(
        told="default, each model scored by the proxy itself",
        searcher=lambda setting: setting.recalling("default", propagate="own"),
        scheduler=trend("default"),
        lacks=_lacks_proxies,
    ),
    "paper": Method(
        told="recall and fine selection of arXiv 2404.00069",
        searcher=lambda setting: setting.recalling("paper"),
        scheduler=trend("paper"),
    ),
    "fine-tune-all": Method(told="every model trained to its end", searcher=_all, scheduler=_fifo),
    "best-by-history": Method(
        told="the first of the recalled, trained to its end",
        searcher=_first_recalled,
        scheduler=_fifo,
    ),
    "halving-all": Method(told="successive halving at five equal stages, on all", searcher=_all, scheduler=_halving),
    "halving-k": Method(told="the same on the recalled", searcher=_recalled, scheduler=_halving),
    "random-k": Method(told="the same on as many drawn at random", searcher=_random, scheduler=_halving),
    "largest-k": Method(
        told="the same on as many with the most parameters", searcher=_largest, scheduler=_halving, lacks=_lacks_sizes
    ),
    "one-stage-k": Method(
        told="a fifth of the steps on the recalled, then the best", searcher=_recalled, scheduler=_one_stage
    ),
    **{f"asha-{reduction}-{on}": asha(reduction, on=on) for reduction in (2, 3, 4) for on in _SCOPES},
    "tpe-asha-3": Method(
        told="Optuna's TPE proposing as many trials as there are models, with ASHA, reduction 3",
        searcher=_tpe,
        scheduler=_asha(3),
        lacks=_lacks_optuna,
    ),
    "hyperband-all": Method(told="Ray's HyperBand on all", searcher=_all, scheduler=_hyperband, may_hang=True),
    "median-all": Method(
        told="Ray's median stopping rule on all",
        searcher=_all,
        scheduler=lambda setting: MedianStoppingRule(time_attr="units", grace_period=1, min_samples_required=3),
    ),
}


def lacking(history: Snapshot, methods: Mapping[str, Method] = METHODS) -> dict[str, str]:
    """What those methods need that cannot be replayed on a history, by name."""
    found = {name: method.lacks(history) for name, method in methods.items()}
    return {name: reason for name, reason in found.items() if reason is not None}
