"""What the committed pages are made of: Markdown tables, means and paired differences with bootstrap intervals."""

from collections.abc import Iterable, Sequence

import numpy as np

from raysel.replay.metrics import interval


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def number(value: float | None, digits: int = 4) -> str:
    """A number as tables have it; `-` where there is none."""
    if value is None or np.isnan(value):
        return "-"
    return f"{value:.{digits}f}" if value == 0 or 10**-digits <= abs(value) < 100 else f"{value:.3g}"


def mean(values: Sequence[float], digits: int = 4) -> str:
    """A mean with its bootstrap 95 % interval."""
    if not len(values) or np.isnan(values).any():
        return "-"
    low, high = interval(values)
    return f"{number(float(np.mean(values)), digits)} [{number(low, digits)}, {number(high, digits)}]"


def difference(values: Sequence[float], digits: int = 4) -> str:
    """A mean of paired differences with its interval; bold where the interval has not 0 in it."""
    if not len(values) or np.isnan(values).any():
        return "-"
    low, high = interval(values)
    told = f"{np.mean(values):+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"**{told}**" if low > 0 or high < 0 else told
