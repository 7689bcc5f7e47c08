"""Calibrated risk: the price at which past selections would seldom have dropped the model that won.

Every past dataset is replayed as a target, judged by what the others tell: its shortlist goes through the stages at
each price, and it is noted whether the model that would have won, had all been trained to their end, was dropped and
more than a tolerance was lost. A higher price drops more, so the largest price is taken at which the share of such
datasets, with one more counted as lost, is at most the risk asked for:

    (n R(price) + 1) / (n + 1) <= risk,   R made to rise with the price.

That is conformal risk control for a loss of 0 or 1 (Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal Risk
Control", ICLR 2024, theorem 1): the expected loss on the target is at most the risk, *provided that the target is
exchangeable with the past datasets*. With n datasets no less than 1 / (n + 1) can be certified; below that nobody is
stopped, and neither with so few datasets that no price is asked (`raysel.trends.default`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from raysel.arrays import FloatArray
from raysel.errors import OptionError
from raysel.trends.default import PRICE, behind, rates, readings
from raysel.trends.episodes import MIN_DATASETS, Episode, episodes
from raysel.trends.mining import Trends
from raysel.trends.stages import is_number

PRICES = (0.0, *np.round(np.geomspace(0.02, PRICE, 10), 3).tolist())
"""The prices tried; at 0 nobody is stopped, and the default's own is enough where the risk would allow a higher one."""

_LEAST = 3  # models of a shortlist that can be judged


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The price in force and what it rests on.

    Args:
        price: What training on must promise, see `raysel.trends.default`.
        achieved: The share of past datasets that lost at this price.
        floor: The smallest risk that so many datasets can certify.
        n_datasets: The past datasets replayed.
        certified: Whether they are enough for the risk; where not, nobody is stopped.
        told: The same in words.
    """

    price: float
    achieved: float
    floor: float
    n_datasets: int
    certified: bool
    told: str


def check_risk(risk: float | None, tolerance: float, *, method: str = "default") -> None:
    """Refuses what can be no risk or tolerance, and a risk for a method that knows none.

    Raises:
        OptionError: If the risk is not above 0 and below 1, or the tolerance is negative, or given without a risk.
    """
    if risk is not None and not (is_number(risk) and 0 < risk < 1 and method == "default"):
        raise OptionError("risk", risk, "above 0 and below 1 for the default method, or None")
    if not is_number(tolerance) or not 0 <= tolerance < np.inf or (tolerance and risk is None):
        raise OptionError("tolerance", tolerance, "a finite number of at least 0, and 0 unless a risk is given")


def calibrate(trends: Trends, *, stages: Sequence[float], size: int, risk: float, tolerance: float) -> Calibration:
    """The largest price that keeps the risk.

    Args:
        trends: What past runs did.
        stages: Fractions of the budget at which trials are judged, ascending, the last of them 1.
        size: How many models a shortlist has, at least 1.
        risk: The probability that the model that would have won is dropped and more than `tolerance` is lost, above 0
            and below 1.
        tolerance: In the unit of the metric, at least 0.

    Raises:
        OptionError: If the risk or the tolerance breaks its rule.
    """
    check_risk(risk, tolerance)
    losses = trends.cached(("losses", tuple(stages), size), lambda: _losses(trends, stages, size=size))
    n = len(losses)
    floor = 1 / (n + 1)
    known = f"{n} past dataset{'' if n == 1 else 's'}"
    if risk < floor:
        told = f"{known} can certify no less than {floor:.1%}"
    elif n < MIN_DATASETS:
        told = f"{known} are too few to learn from, which takes {MIN_DATASETS}"
    else:
        told = ""
    if told:
        told = f"nobody is stopped: a risk of {risk:.1%} was asked for, and {told}"
        return Calibration(price=0.0, achieved=0.0, floor=floor, n_datasets=n, certified=False, told=told)
    shares = np.maximum.accumulate(np.mean(losses > tolerance, axis=0))
    within = np.flatnonzero((n * shares + 1) / (n + 1) <= risk)
    chosen = within[-1]
    price, achieved = PRICES[chosen], float(shares[chosen])
    told = (
        f"a risk of {risk:.1%} is kept at a price of {price:g} a training: {achieved:.1%} of {n} past datasets would "
        f"have lost more than {tolerance:g} by dropping the model that won; the least they can certify is {floor:.1%}"
    )
    return Calibration(price=price, achieved=achieved, floor=floor, n_datasets=n, certified=True, told=told)


def _losses(trends: Trends, stages: Sequence[float], *, size: int) -> FloatArray:
    """(n, n_prices) what each past dataset whose shortlist can be judged at every stage loses at each price."""
    scores = np.array([trends.at(fraction) for fraction in stages])
    found = []
    for episode in episodes(trends, size=size):
        table = scores[:, episode.runs]
        if len(episode.runs) >= _LEAST and not np.isnan(table).any():
            found.append(_lost(trends, episode, table, stages, size=size))
    return np.array(found).reshape(-1, len(PRICES))


def _lost(trends: Trends, episode: Episode, table: FloatArray, stages: Sequence[float], *, size: int) -> list[float]:
    """What a past dataset loses at each price; 0 where the model that would have won was kept."""
    told = [
        readings(trends, fraction, ahead=stages[stage + 1 :], first=stages[0], size=size, without=episode.dataset)
        for stage, fraction in enumerate(stages[:-1])
    ]

    @cache  # most prices leave the same models
    def promised(stage: int, live: tuple[int, ...]) -> FloatArray:
        now, ahead = told[stage]
        gaps = behind(table[stage, [*live]], episode.prior[[*live]], now, opening=table[0])
        found = rates(gaps, now, ahead, fraction=stages[stage])
        found[np.argmax(gaps)] = np.inf
        return found

    winner, losses = int(np.argmax(table[-1])), []
    for price in PRICES:
        live = tuple(range(len(episode.runs)))
        for stage in range(len(told)):
            if len(live) > 1:
                live = tuple(np.array(live)[promised(stage, live) >= price].tolist())
        selected = max(live, key=lambda place: table[-1, place])
        lost = trends.finals[episode.runs[winner]] - trends.finals[episode.runs[selected]]
        losses.append(0.0 if winner in live else float(lost))
    return losses
