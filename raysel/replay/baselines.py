"""What the plain alternatives to a selection spend and find, replayed from recorded curves of one target.

Every curve is one trial. Nothing is trained: scores, finals and seconds are those on record.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raysel.errors import OptionError
from raysel.history.curves import Curve, timed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a way of choosing found and spent.

    Args:
        selected: The model that it selects.
        score: That model's final, in the user's own direction.
        steps: Steps spent on all trials together.
        seconds: Seconds of training spent on all trials together, one after the other; `None` unless all recorded them,
            on the same hardware.
    """

    selected: str
    score: float
    steps: float
    seconds: float | None


def fine_tune_all(curves: Sequence[Curve]) -> Outcome:
    """Every model is trained to the end; the best last validation score is selected.

    Args:
        curves: Completed runs of one target, one a model, of equal planned steps.

    Returns:
        What that found and spent; of equal scores the first by name.

    Raises:
        OptionError: If the curves are none, or not what is asked for.

    >>> def run(model, *values):
    ...     return Curve(run_id=model, model=model, dataset="d", status="completed", planned_steps=2, final=values[-1],
    ...                  steps=np.array([1.0, 2.0]), values=np.array(values), seconds=np.array([10.0, 20.0]))
    >>> fine_tune_all([run("a", 0.6, 0.7), run("b", 0.5, 0.9)])
    Outcome(selected='b', score=0.9, steps=4.0, seconds=40.0)
    >>> successive_halving([run("a", 0.6, 0.7), run("b", 0.5, 0.9)])
    Outcome(selected='a', score=0.7, steps=3.0, seconds=30.0)
    """
    return _replay(curves, (_planned_steps(curves),))


def successive_halving(curves: Sequence[Curve]) -> Outcome:
    """At each of five equal stages the better half goes on, max(1, n // 2) of n; the best at the end is selected.

    Jamieson, Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016, with
    equal stages in place of geometric ones.

    Args:
        curves: Completed runs of one target, one a model, of equal planned steps, measured from the first stage on.

    Returns:
        What that found and spent; of equal scores the first by name.

    Raises:
        OptionError: If the curves are none, or not what is asked for.
    """
    return _replay(curves, equal_stages(_planned_steps(curves)))


def equal_stages(max_t: float) -> tuple[float, ...]:
    """The ends of five equal parts of a run, in steps: whole ones where the run is, and those that coincide are one.

    >>> equal_stages(12), equal_stages(3), equal_stages(2.5)
    ((3.0, 5.0, 8.0, 10.0, 12.0), (1.0, 2.0, 3.0), (0.5, 1.0, 1.5, 2.0, 2.5))
    """
    parts = [part * float(max_t) / 5 for part in range(1, 6)]
    return tuple(sorted({float(math.ceil(part)) for part in parts} if float(max_t).is_integer() else parts))


def _replay(curves: Sequence[Curve], marks: Sequence[float]) -> Outcome:
    """Trains all live curves from mark to mark, halving them at each, and selects the best of those left at the end."""
    live = sorted(curves, key=lambda curve: curve.model)
    planned, steps, seconds, before = marks[-1], 0.0, 0.0, 0.0
    for mark in marks:
        scores = {curve.model: curve.at(mark / planned) for curve in live}
        for model, score in scores.items():
            if math.isnan(score):
                raise OptionError("curves", model, f"measured at step {mark:g} or before it")
        steps += len(live) * (mark - before)
        seconds += sum(_seconds(curve, mark) - _seconds(curve, before) for curve in live)
        ranked = sorted(live, key=lambda curve: -scores[curve.model])
        live, before = ranked[: max(1, len(ranked) // 2)], mark
    final = _finals(curves)[live[0].model]
    return Outcome(
        selected=live[0].model,
        score=0.0 - final if live[0].lower_is_better else final,
        steps=steps,
        seconds=seconds if timed(curves) else None,
    )


def _seconds(curve: Curve, step: float) -> float:
    """Seconds of training up to a step, from 0 at step 0; NaN where none were recorded."""
    if curve.seconds is None:
        return float("nan")
    return float(np.interp(step, [0.0, *curve.steps], [0.0, *curve.seconds]))


def _planned_steps(curves: Sequence[Curve]) -> float:
    """The planned steps that the curves share, having checked that they can be compared."""
    if not curves:
        raise OptionError("curves", [], "at least one run of the target")
    repeated = sorted(model for model, count in Counter(curve.model for curve in curves).items() if count > 1)
    if repeated:
        raise OptionError("curves", repeated, "one a model")
    for name in ("dataset", "lower_is_better", "planned_steps"):
        found = sorted({getattr(curve, name) for curve in curves})
        if len(found) > 1:
            raise OptionError("curves", found, f"of one {name}")
    unfinished = sorted({curve.model for curve in curves} - _finals(curves).keys())
    if unfinished:
        raise OptionError("curves", unfinished, "completed, with a final")
    return curves[0].planned_steps


def _finals(curves: Sequence[Curve]) -> dict[str, float]:
    """Finals by model, of the runs that have one."""
    return {curve.model: curve.final for curve in curves if curve.final is not None}
