"""What the default tells of a trial's final, and the scale on which scores are compared.

The final of a trial whose score is s is s plus the median gain that past runs made from this fraction to their final.
Where lower is better the gain is a ratio, since errors come in the unit of their dataset. Leaving out one dataset of
olml_nlp, lcdb11 and taskset_text in turn, no closer neighbourhood of past runs (the same model, the nearest scores) had
a clearly smaller error, and 0.78 to 0.80 of the finals fell within the interval. It is told, not used.
"""

from dataclasses import dataclass

import numpy as np

from raysel.arrays import FloatArray
from raysel.trends.decision import Progress
from raysel.trends.mining import Trends
from raysel.trends.stages import Stage

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


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is told of a trial's final.

    Args:
        final: The predicted final, higher is better.
        interval: Its bounds, or `None`.
        told: Both in words, in the user's own direction.
    """

    final: float
    interval: tuple[float, float] | None
    told: str


def outlook(stage: Stage, progress: Progress) -> Outlook:
    """The predicted final of a live trial, in numbers and in words."""
    gain = stage.trends.cached(("past gain", stage.fraction), lambda: past_gain(stage.trends, stage.fraction))
    final, interval = predict(gain, progress.score)
    told = f"predicted final {stage.shown(final)}"
    if interval is not None:
        low, high = interval[::-1] if stage.trends.lower_is_better else interval
        told += f" ({stage.shown(low)} to {stage.shown(high)})"
    elif gain is None:
        told += " for want of past runs"
    return Outlook(final=final, interval=interval, told=told)


def clipped(scores: FloatArray) -> FloatArray:
    """Scores no lower than three times the spread of the upper half below the median.

    Trials that failed outright would squeeze the differences among the others, otherwise.

    >>> clipped(np.array([1.0, 7.0, 8.0, 9.0, -100.0]))
    array([1., 7., 8., 9., 1.])
    """
    ranked = np.sort(scores)  # numpy's median takes ten times as long on a few numbers
    median, best = float(ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2, float(ranked[-1])
    return np.maximum(scores, median - _CLIP * (best - median))


def standardised(scores: FloatArray) -> FloatArray:
    """Scores clipped from below, then brought to mean 0 and deviation 1; all 0 where they are equal.

    >>> standardised(np.array([1.0, 2.0, 6.0])).round(2).tolist()
    [-0.93, -0.46, 1.39]
    """
    values = clipped(scores)
    # A power of two changes no digit, and the squares of huge scores stay finite.
    values = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    spread = values.std()
    return (values - values.mean()) / spread if spread > 1e-12 else np.zeros_like(scores)
