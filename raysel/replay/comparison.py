"""Every method on every target: what would selection have cost and lost on a history's own past?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from raysel.errors import OptionError, UnknownNameError
from raysel.replay.engine import replay
from raysel.replay.methods import METHODS, Method, Setting, lacking
from raysel.replay.metrics import Row, row
from raysel.replay.outcome import Costs, Replay
from raysel.replay.snapshot import Snapshot
from raysel.replay.tasks import targets, task

Told = Callable[[Row], None]


def compare(
    history: Snapshot,
    *,
    methods: Iterable[str] | Mapping[str, Method] | None = None,
    leave_out: Sequence[str] = (),
    gpus: Sequence[int] = (1,),
    seeds: int = 1,
    top_k: int = 10,
    costs: Costs | None = None,
    told: Told | None = None,
) -> tuple[Row, ...]:
    """Replay methods on the datasets of a history, each left out in turn.

    Args:
        history: The recorded runs.
        methods: Names from `METHODS`, or methods of your own by name; by default all of `METHODS` that the history has
            what it takes for.
        leave_out: The datasets to be the target in turn; by default all with more than `top_k` models to choose from
            (with no more, recall has nothing to leave out), and if there are none, all with two models or more.
        gpus: How many trials can run at a time, each number in turn; regret and steps are those of the first.
        seeds: How many seeds, counted from 0; at least 1.
        top_k: How many models are recalled, at least 1.
        costs: What a trial's worker is busy with besides training.
        told: Called with each row when it is made.

    Returns:
        One row a method, target and seed, targets outermost.

    Raises:
        UnknownNameError: If a method or a dataset is not known.
        OptionError: If an option breaks its rule, no dataset has two models to choose from, or a method that was asked
            for cannot be replayed.
    """
    chosen = _chosen(history, methods)
    for option, number in (("seeds", seeds), ("top_k", top_k), *(("gpus", number) for number in gpus)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise OptionError(option, number, "an integer of at least 1")
    if not chosen or not gpus:
        raise OptionError("methods" if not chosen else "gpus", [], "at least one")
    names = tuple(dict.fromkeys(leave_out)) or targets(history, more_than=top_k) or targets(history, more_than=1)
    if not names:
        rule = "one in which at least two models have a completed run on some dataset"
        raise OptionError("history", history.uri, rule)
    rows = []
    for target in names:
        for seed in range(seeds):
            setting = Setting(task=task(history, target, seed=seed), top_k=top_k, seed=seed)
            for name, method in chosen.items():
                replays = {number: _replayed(method, setting, number, costs or Costs()) for number in gpus}
                rows.append(row(setting.task, replays, method=name, seed=seed))
                if told is not None:
                    told(rows[-1])
    return tuple(rows)


def _chosen(history: Snapshot, methods: Iterable[str] | Mapping[str, Method] | None) -> Mapping[str, Method]:
    if methods is None:
        lack = lacking(history)
        return {name: method for name, method in METHODS.items() if name not in lack}
    known = methods if isinstance(methods, Mapping) else METHODS
    for name in methods:
        if name not in known:
            raise UnknownNameError("method", name, known)
    chosen = {name: known[name] for name in methods}
    for name, reason in lacking(history, chosen).items():
        raise OptionError("methods", name, f"one that can be replayed here: {reason}")
    return chosen


def _replayed(method: Method, setting: Setting, gpus: int, costs: Costs) -> Replay:
    searcher = method.searcher(setting)
    found = replay(
        setting.task.runs,
        searcher=searcher,
        scheduler=method.scheduler(setting),
        workers=gpus,
        costs=costs,
        # Else fast trials leave GPUs idle; users set `max_concurrent_trials`.
        max_pending=gpus,
        time_budget=_serial(setting, costs) if method.may_hang else None,
        seed=setting.seed,
    )
    return replace(found, proxy_seconds=getattr(searcher, "spent", 0.0))


def _serial(setting: Setting, costs: Costs) -> float:
    """How long training every model would take one after the other: more than any method needs."""
    runs, timed = setting.task.runs.values(), setting.task.timed
    trained = sum(float(run.seconds[-1] if timed and run.seconds is not None else run.steps[-1]) for run in runs)
    return trained + len(runs) * (costs.start + 10 * (costs.pause + costs.resume))
