"""The one decision function: what to do with every live trial when a stage is judged.

Ray's scheduler and the replay both call it. It is a function of its arguments and nothing else.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from raysel.errors import OptionError
from raysel.trends import default, paper
from raysel.trends.decision import Decision, Progress
from raysel.trends.mining import Trends
from raysel.trends.stages import Stage, best_recalled_first, going_on, is_number, known_method, spent


def decide(
    live: Sequence[Progress],
    *,
    method: str = "default",
    fraction: float,
    trends: Trends,
    ahead: Sequence[float] = (1.0,),
    opening: Sequence[float] = (),
    first: float | None = None,
    about: Collection[str] | None = None,
    held: Collection[str] = (),
    price: float = default.PRICE,
    margin: float = 0.0,
    seed: int = 0,
) -> dict[str, Decision]:
    """Decides which of the live trials go on after a stage, each with its reason and its predicted final.

    At least one of the live trials goes on; with `paper` at most max(1, n // 2) of n. A trial whose score is not finite
    has diverged and is stopped before any other; if all have, the best recalled goes on. How the rest are judged is the
    method's: see `raysel.trends.default` and `raysel.trends.paper`. The order of `live` decides nothing.

    Scores, predicted finals and intervals are higher-is-better; the sentences in the reasons show them in the user's
    own direction, which `trends` knows.

    Args:
        live: The trials that are compared at the stage, at least one.
        method: `default` or `paper`.
        fraction: The part of `max_t` spent at the stage, in (0, 1].
        trends: What past runs did; may be empty.
        ahead: For the default: the fractions of the later stages, ascending, each in (fraction, 1]; none at the last.
        opening: For the default: what all trials scored at the first stage, the stopped ones too, from which it knows
            how many there were and how far apart; by default the scores of `live`.
        first: The fraction of that first stage; by default `fraction`.
        about: Names of the trials whose decisions are wanted; all of `live` by default.
        held: Those of them that are not to be stopped yet: they have a decision only if they go on.
        price: For the default: how many deviations of the shortlist's finals training a trial on must promise for a
            whole training; at least 0. At 0 it stops only what diverged.
        margin: For the paper's method: by how much a better trial's predicted final must exceed a trial's own to drop
            it; at least 0 (released: 0).
        seed: For the paper's method: seeds k-means; from 0 to 2^32 - 1.

    Returns:
        One decision for every trial in `about`, but those that are `held`, by its name and in the order of `live`.

    Raises:
        UnknownNameError: If the method is unknown.
        OptionError: If `live` is empty or names a trial twice, a prior is not finite, or another option is outside its
            range.

    >>> from raysel.trends import mine
    >>> live = [Progress(trial="t1", model="a", score=0.8), Progress(trial="t2", model="b", score=0.7, rank=1)]
    >>> decisions = decide(live, fraction=0.4, trends=mine([], lower_is_better=False))
    >>> print(decisions["t2"].reason)  # without past runs the better half goes on
    stopped: 0.700 at 40 % of the budget, predicted final 0.700 for want of past runs, leader 0.800; number 2 of 2 by
    score and recall prior (+0.00); 1 of 2 goes on
    """
    _check(live, method=method, fraction=fraction, price=price, margin=margin, seed=seed)
    if any(not fraction < later <= 1 for later in ahead) and fraction < 1:
        raise OptionError("ahead", list(ahead), f"fractions above {fraction:g} and at most 1")
    ordered = best_recalled_first(live)
    wanted = frozenset(progress.trial for progress in live) if about is None else frozenset(about)
    healthy = tuple(progress for progress in ordered if math.isfinite(progress.score))
    if not healthy:
        going = going_on(1, len(live))
        found = {p.trial: _diverged(p, survives=p is ordered[0], fraction=fraction, going=going) for p in ordered}
        told = wanted.difference(held) | {ordered[0].trial} & wanted
        return {p.trial: found[p.trial] for p in live if p.trial in told}
    stage = Stage(
        live=healthy,
        size=len(live),
        fraction=fraction,
        trends=trends,
        ahead=tuple(ahead) if fraction < 1 else (),
        began=len(opening) or len(live),
        opening=tuple(score for score in opening if math.isfinite(score)) or tuple(p.score for p in healthy),
        first=fraction if first is None else first,
        about=wanted,
        held=frozenset(held),
    )
    if method == "paper":
        decisions, number = paper.judge(stage, margin=margin, seed=seed)
    else:
        decisions, number = default.judge(stage, price=price)
    going = going_on(number, len(live))
    for p in ordered:
        if not math.isfinite(p.score) and p.trial in wanted.difference(held):
            decisions[p.trial] = _diverged(p, survives=False, fraction=fraction, going=going)
    return {p.trial: decisions[p.trial] for p in live if p.trial in decisions}


def winner(live: Sequence[Progress]) -> str:
    """The trial to select at the end: the best last validation score, of equal ones the better recalled.

    A trial whose score is not finite loses to any other; if all are so, the best recalled is selected.

    Args:
        live: The trials that ran to the end, at least one.

    Raises:
        OptionError: If `live` is empty or names a trial twice.

    >>> winner([Progress(trial="t1", model="a", score=0.7), Progress(trial="t2", model="b", score=0.8, rank=1)])
    't2'
    """
    _check_live(live)
    last = {p.trial: p.score if math.isfinite(p.score) else -math.inf for p in best_recalled_first(live)}
    return max(last, key=lambda trial: last[trial])


def _diverged(progress: Progress, *, survives: bool, fraction: float, going: str) -> Decision:
    """The decision on a trial whose score is not finite."""
    told = f"its score is {progress.score} at {spent(fraction)}, so it diverged"
    if survives:
        return Decision(action="continue", reason=f"goes on: {told}, as did all, but it is the best recalled; {going}")
    return Decision(action="stop", reason=f"stopped: {told}; {going}")


def _check(live: Sequence[Progress], *, method: str, fraction: float, price: float, margin: float, seed: int) -> None:
    known_method(method)
    _check_live(live)
    if not is_number(fraction) or not 0 < fraction <= 1:
        raise OptionError("fraction", fraction, "above 0 and at most 1")
    if not is_number(price) or not 0 <= price < math.inf:
        raise OptionError("price", price, "a finite number of at least 0")
    if not is_number(margin) or not margin >= 0:
        raise OptionError("margin", margin, "at least 0")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise OptionError("seed", seed, "an integer from 0 to 2^32 - 1")


def _check_live(live: Sequence[Progress]) -> None:
    if not live:
        raise OptionError("live", [], "at least one trial")
    repeated = sorted(trial for trial, count in Counter(p.trial for p in live).items() if count > 1)
    if repeated:
        raise OptionError("live", repeated, "free of repeated trials")
    for progress in live:
        if not math.isfinite(progress.prior):
            raise OptionError("prior", progress.prior, f"finite, as that of trial {progress.trial} is not")
