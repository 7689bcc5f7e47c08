"""The default fine selection: a trial is trained on for as long as that promises to pay.

At a stage the scores (with the prior) say how far each trial is behind the best. The history says how much of the final
can be told at this fraction of the budget, and how much more could be told at a later one (`raysel.trends.episodes`).
Where a score settles early, trials that are behind end at once; where curves cross late or scores are noisy, close ones
go on, and where nothing more would be learned, none do.

Notation, at fraction f, with r(f) the residual variance of past shortlists, a and c their weights of score and prior
    s, p      scores and priors of the live trials; s' = s clipped from below
    D         deviation of the clipped scores at the first stage, over all trials that began, times spread(f)
    d <= 0    a s' / D + c p, less the same of the best
    g > f     a later stage; q = sqrt(2 (r(f) - r(g))): how far the difference of two trials may still move until then
    gain      q phi(d / q) + d Phi(d / q): how much better the trial is expected to prove than the best is now
    rate      the largest gain / (g - f) over the later stages: deviations of the final that a whole training promises

A trial goes on if its rate is at least `PRICE`; the best always does. The rule is the knowledge gradient, looking as
far ahead as pays best (Frazier, Powell, "Paradoxes in Learning and the Marginal Value of Information", Decision
Analysis 7, 2010, section 5: KG(*)). With fewer than `MIN_DATASETS` past datasets too little can be learned, and the
better half goes on, as in `raysel.trends.halving`.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from raysel.arrays import FloatArray
from raysel.trends import halving
from raysel.trends.decision import Decision
from raysel.trends.episodes import MIN_DATASETS, Reading, reading
from raysel.trends.mining import Trends
from raysel.trends.outlook import clipped, outlook
from raysel.trends.stages import Stage, going_on

PRICE = 0.4
"""Deviations of the shortlist's finals that a whole training of a model must promise."""

_FAR = 1e9  # deviations, where none were seen at the first stage
_ROOT = np.sqrt(2 * np.pi)  # scipy.stats.norm gives the same in ten times the time, which calibration feels


def judge(stage: Stage, *, price: float = PRICE) -> tuple[dict[str, Decision], int]:
    """Decides on the trials of a stage: who promises at least `price` goes on, and the best.

    Args:
        stage: The live trials.
        price: Deviations a training, at least 0; at 0 nobody is stopped.

    Returns:
        One decision a trial that is asked about, and how many trials go on.
    """
    now, ahead = readings(
        stage.trends, stage.fraction, ahead=stage.ahead, first=stage.first, size=stage.began, without=None
    )
    if price > 0 and now.n_datasets < MIN_DATASETS:
        return halving.judge(stage)
    scores, priors = np.array([p.score for p in stage.live]), np.array([p.prior for p in stage.live])
    gaps = behind(scores, priors, now, opening=np.array(stage.opening))
    promised = rates(gaps, now, ahead, fraction=stage.fraction)
    best = int(np.argmax(gaps))
    goes = promised >= price
    goes[best] = True
    number = int(goes.sum())
    going = going_on(number, stage.size)
    decisions = {}
    for place in stage.asked(goes.tolist()):
        p, goes_on = stage.live[place], goes[place]
        seen = outlook(stage, p)
        if place == best:
            why = f"the best by score and recall prior ({p.prior:+.2f})"
        else:
            why = (
                f"{-gaps[place]:.2f} deviations behind by score and recall prior ({p.prior:+.2f}), training it on "
                f"promises {promised[place]:.2f} a training where {price:g} is asked, as learned on "
                f"{now.n_datasets} datasets"
            )
        decisions[p.trial] = Decision(
            action="continue" if goes_on else "stop",
            reason=f"{'goes on' if goes_on else 'stopped'}: {stage.standing(p, seen.told)}; {why}; {going}",
            predicted_final=seen.final,
            interval=seen.interval,
        )
    return decisions, number


def readings(
    trends: Trends, fraction: float, *, ahead: Sequence[float], first: float, size: int, without: int | None
) -> tuple[Reading, tuple[tuple[float, Reading], ...]]:
    """What a score tells at a fraction of the budget, and at each of the later ones; see `raysel.trends.episodes`."""

    def told(at: float) -> Reading:
        return reading(trends, at, first=first, size=size, without=without)

    return told(fraction), tuple((later, told(later)) for later in ahead)


def behind(scores: FloatArray, priors: FloatArray, now: Reading, *, opening: FloatArray) -> FloatArray:
    """(n_live,) d: how far each is behind the best, in deviations of the final; 0 for the best."""
    values = clipped(scores)
    deviation = float(clipped(opening).std()) * now.spread
    difference = values - values.max()
    apart = np.divide(difference, deviation, out=np.where(difference < 0, -_FAR, 0.0), where=deviation > 0)
    worth = now.score * apart + now.prior * priors
    gaps: FloatArray = worth - worth.max()
    return gaps


def rates(gaps: FloatArray, now: Reading, ahead: Sequence[tuple[float, Reading]], *, fraction: float) -> FloatArray:
    """(n_live,) the rate of each; 0 where no later stage would tell more."""
    found, residual = np.zeros_like(gaps), now.residual
    for later, then in ahead:
        residual = min(residual, then.residual)
        unknown = float(np.sqrt(2 * (now.residual - residual)))
        if unknown > 0:
            u = gaps / unknown
            # Far out the two terms cancel to less than nothing.
            gain = np.maximum(unknown * np.exp(-(u**2) / 2) / _ROOT + gaps * ndtr(u), 0.0)
            found = np.maximum(found, gain / (later - fraction))
    return found
