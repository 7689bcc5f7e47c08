"""Stages: when live trials are judged, and what is known of them then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Literal, TypeGuard, get_args

from raysel.errors import OptionError, UnknownNameError
from raysel.trends.decision import Progress
from raysel.trends.mining import Trends

Method = Literal["default", "paper"]
METHODS: tuple[Method, ...] = get_args(Method)

_EQUAL_STAGES = 10


def stages(*, method: str = "default", max_t: float, grace_period: float = 1) -> tuple[float, ...]:
    """The steps at which live trials are judged, ascending; the last is `max_t`.

    The paper judges at every whole step. The default judges at ten equal stages; they are rounded up to whole steps
    where `max_t` is whole, and those that then coincide are one. What would come before `grace_period` is left out.

    Args:
        method: `default` or `paper`.
        max_t: Where a trial's budget ends, in steps; positive.
        grace_period: The first step at which a trial may be stopped; from 0 to `max_t`.

    Raises:
        UnknownNameError: If the method is unknown.
        OptionError: If `max_t` or `grace_period` is outside its range or not finite.

    >>> stages(max_t=5)
    (1.0, 2.0, 3.0, 4.0, 5.0)
    >>> stages(method="paper", max_t=5, grace_period=2)
    (2.0, 3.0, 4.0, 5.0)
    """
    known_method(method)
    if not is_number(max_t) or not math.isfinite(max_t) or max_t <= 0:
        raise OptionError("max_t", max_t, "a positive finite number of steps")
    if not is_number(grace_period) or not 0 <= grace_period <= max_t:
        raise OptionError("grace_period", grace_period, f"a number of steps from 0 to max_t, {max_t:g}")
    if method == "paper":
        marks = [float(step) for step in range(1, math.ceil(max_t))]
    else:
        parts = [part * max_t / _EQUAL_STAGES for part in range(1, _EQUAL_STAGES)]
        marks = [float(math.ceil(part)) for part in parts] if float(max_t).is_integer() else parts
    return tuple(sorted({mark for mark in marks if grace_period <= mark < max_t} | {float(max_t)}))


def known_method(method: str) -> None:
    """Raises `UnknownNameError` unless fine selection has a method of that name."""
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a real number; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The live trials at one stage, and the words that reasons are made of.

    Sentences show scores as the user's metric has them: the sign is turned back where lower is better.

    Args:
        live: The trials whose score is finite, at least one, best recalled first.
        size: How many trials were live when the stage began, the diverged ones included.
        fraction: The part of the budget spent, in (0, 1].
        trends: What past runs did.
        ahead: The fractions of the later stages, ascending; the last is 1.
        began: How many trials reached the first stage, the stopped and the diverged ones included.
        opening: Their finite scores there; at least one.
        first: The fraction of that first stage, at most `fraction`.
        about: The trials whose decisions are asked for.
        held: Those of them that are asked about only in so far as they go on.
    """

    live: tuple[Progress, ...]
    size: int
    fraction: float
    trends: Trends
    ahead: tuple[float, ...]
    began: int
    opening: tuple[float, ...]
    first: float
    about: frozenset[str]
    held: frozenset[str]

    @property
    def keep(self) -> int:
        """How many trials may go on at most in the paper's method: half of those live when the stage began, or one."""
        return max(1, self.size // 2)

    @cached_property
    def leader(self) -> Progress:
        """The best validation score; among equals the best recalled."""
        return max(self.live, key=lambda progress: progress.score)

    def asked(self, goes: Sequence[bool]) -> list[int]:
        """The places in `live` of those whose decision is asked for: sentences for all would take most of the time.

        Args:
            goes: (n_live,) whether each goes on.
        """
        stops = self.about - self.held
        return [i for i, p in enumerate(self.live) if p.trial in (self.about if goes[i] else stops)]

    def shown(self, value: float) -> str:
        """A score in the user's own direction, to three digits."""
        value = 0.0 - value if self.trends.lower_is_better else value
        return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.3g}"

    def standing(self, progress: Progress, outlook: str) -> str:
        """Where a trial stands: its score, its outlook and the leader's score."""
        lead = "the leader" if progress is self.leader else f"leader {self.shown(self.leader.score)}"
        alone = "the only live trial" if self.size == 1 else lead
        return f"{self.shown(progress.score)} at {spent(self.fraction)}, {outlook}, {alone}"


def best_recalled_first(live: Sequence[Progress]) -> tuple[Progress, ...]:
    """The trials by place on the shortlist, then by name, so that their order on entry decides nothing."""
    return tuple(sorted(live, key=lambda progress: (progress.rank, progress.trial)))


def spent(fraction: float) -> str:
    """A fraction of the budget in words."""
    return f"{100 * fraction:.3g} % of the budget"


def going_on(count: int, size: int) -> str:
    """How many of the live trials go on, in words."""
    return f"{count} of {size} {'goes' if count == 1 else 'go'} on"
