"""Curves as one line of text."""

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], *, low: float, high: float) -> str:
    """A bar a value, as tall as the value lies between two bounds.

    Curves drawn between the same bounds can be compared by eye.

    Args:
        values: What to draw; those outside the bounds are drawn at the nearer one, NaN as a blank.
        low: What the shortest bar stands for.
        high: What the tallest bar stands for; where it is not above `low`, every bar is the middle one.

    >>> sparkline([0.0, 0.5, 1.0, float("nan")], low=0.0, high=1.0)
    '▁▅█ '
    """
    if not high > low:
        return "".join(" " if math.isnan(value) else _BARS[len(_BARS) // 2] for value in values)
    return "".join(_bar((value - low) / (high - low)) for value in values)


def _bar(height: float) -> str:
    if math.isnan(height):
        return " "
    return _BARS[round(min(max(height, 0.0), 1.0) * (len(_BARS) - 1))]
