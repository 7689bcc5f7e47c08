"""The default fine selection: at each of five equal stages keep the better half, a little in favour of the prior.

Nothing is fitted. A score is one noisy reading of a trial, so it is pulled towards what recall expected of the model;
trials that failed outright are clipped first, so that they do not squeeze the differences among the others.

Notation
    s (n_live,)  validation scores at the stage, higher is better
    p (n_live,)  recall scores, standardised over the shortlist
    z            (s' - mean(s')) / deviation(s'), s' = max(s, median(s) - 3 * (max(s) - median(s)))
    z + p / 2    what the live trials are ranked by

What it predicts is told, not used: the final of a trial whose score is s is s plus the median gain that past runs made
from this fraction to their final. Where lower is better the gain is a ratio, since errors come in the unit of their
dataset. Leaving out one dataset of olml_nlp, lcdb11 and taskset_text in turn, no closer neighbourhood of past runs (the
same model, the nearest scores) had a clearly smaller error, and 0.78 to 0.80 of the finals fell within the interval.
"""

from dataclasses import dataclass

import numpy as np

from raysel.arrays import FloatArray
from raysel.trends.decision import Decision
from raysel.trends.mining import Trends
from raysel.trends.stages import Stage, going_on

_PRIOR_WEIGHT = 0.5
_CLIP = 3.0
_TAIL = 10  # one in so many past gains lies below the interval, and one above


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What past runs still gained from a fraction of their planned steps to their final.

    Args:
        middle: The median gain.
        bounds: The low and the high gain between which 0.8 of them lie, or `None` of fewer than nine.
        ceiling: 1 where nothing on record is above it, so that the metric is taken for a rate or a correlation; else
            infinite, as it is where lower is better.
        ratio: Whether a gain is final / score rather than final - score.
    """

    middle: float
    bounds: tuple[float, float] | None
    ceiling: float
    ratio: bool

    def applied(self, score: float, gain: float) -> float:
        """The final of a trial that gains so much; no higher than the ceiling, unless it is already."""
        return score * gain if self.ratio else min(score + gain, max(score, self.ceiling))


def past_gain(trends: Trends, fraction: float) -> Gain | None:
    """The gain of the completed runs that measured a score at this fraction; `None` where there is none."""
    scores, finals = trends.at(fraction), trends.finals
    known = ~np.isnan(scores) & ~np.isnan(finals)
    scores, finals = scores[known], finals[known]
    ratio = trends.lower_is_better and bool(np.all(scores < 0) and np.all(finals < 0))
    with np.errstate(over="ignore"):
        gains = finals / scores if ratio else finals - scores
    gains = np.sort(gains[np.isfinite(gains)])
    if not len(gains):
        return None
    beyond = (len(gains) + 1) // _TAIL
    bounds = (float(gains[beyond - 1]), float(gains[-beyond])) if beyond else None
    rate = not trends.lower_is_better and scores.max() <= 1 and finals.max() <= 1
    ceiling = 1.0 if rate else float("inf")
    return Gain(middle=float(np.median(gains)), bounds=bounds, ceiling=ceiling, ratio=ratio)


def predict(gain: Gain | None, score: float) -> tuple[float, tuple[float, float] | None]:
    """The predicted final of a trial and its interval, which is `None` where the past does not tell.

    Without a past gain the last score is the prediction.

    >>> predict(Gain(middle=0.02, bounds=(-0.01, 0.05), ceiling=1.0, ratio=False), 0.97)
    (0.99, (0.96, 1.0))
    >>> predict(None, 0.9)
    (0.9, None)
    """
    if gain is None or (gain.ratio and score >= 0):  # an error below zero cannot be scaled
        return score, None
    final = gain.applied(score, gain.middle)
    if not np.isfinite(final):
        return score, None
    if gain.bounds is None:
        return final, None
    low, high = sorted(gain.applied(score, bound) for bound in gain.bounds)
    return final, (low, high)


def standardised(scores: FloatArray) -> FloatArray:
    """Scores clipped from below, then brought to mean 0 and deviation 1; all 0 where they are equal.

    >>> standardised(np.array([1.0, 2.0, 6.0])).round(2).tolist()
    [-0.93, -0.46, 1.39]
    """
    median, best = float(np.median(scores)), float(scores.max())
    clipped = np.maximum(scores, median - _CLIP * (best - median))
    # A power of two changes no digit, and the squares of huge scores stay finite.
    clipped = np.ldexp(clipped, -int(np.frexp(np.abs(clipped).max())[1]))
    spread = clipped.std()
    return (clipped - clipped.mean()) / spread if spread > 1e-12 else np.zeros_like(scores)


def judge(stage: Stage) -> dict[str, Decision]:
    """Decides on the trials of a stage: the max(1, n // 2) best by z + p / 2 go on, of equal ones the better recalled.

    Args:
        stage: The live trials.

    Returns:
        One decision a trial.
    """
    worth = standardised(np.array([p.score for p in stage.live])) + _PRIOR_WEIGHT * np.array(
        [p.prior for p in stage.live]
    )
    ranked = [stage.live[index] for index in np.argsort(-worth, kind="stable")]
    gain = stage.trends.cached(("past gain", stage.fraction), lambda: past_gain(stage.trends, stage.fraction))
    kept = min(stage.keep, len(ranked))
    going = going_on(kept, stage.size)

    decisions = {}
    for place, p in enumerate(ranked, start=1):
        final, interval = predict(gain, p.score)
        outlook = f"predicted final {stage.shown(final)}"
        if interval is not None:
            low, high = interval[::-1] if stage.trends.lower_is_better else interval
            outlook += f" ({stage.shown(low)} to {stage.shown(high)})"
        elif gain is None:
            outlook += " for want of past runs"
        decisions[p.trial] = Decision(
            action="continue" if place <= kept else "stop",
            reason=f"{'goes on' if place <= kept else 'stopped'}: {stage.standing(p, outlook)}; number {place} of "
            f"{stage.size} by score and recall prior ({p.prior:+.2f}); {going}",
            predicted_final=final,
            interval=interval,
        )
    return decisions
