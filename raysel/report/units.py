"""Amounts as people say them."""

from collections.abc import Mapping

_SIZES = {"GB": 1e9, "MB": 1e6, "kB": 1e3}
_TIMES = {"h": 3600.0, "min": 60.0, "s": 1.0}


def size(amount: float) -> str:
    """Bytes in a unit that fits.

    >>> size(1_234_567_890), size(56_000_000), size(7)
    ('1.2 GB', '56 MB', '0.007 kB')
    """
    return _in_units(amount, _SIZES)


def duration(seconds: float) -> str:
    """Seconds in a unit that fits.

    >>> duration(9000), duration(61), duration(3.14159)
    ('2.5 h', '1 min', '3.1 s')
    """
    return _in_units(seconds, _TIMES)


def other_metrics(reported: Mapping[str, float]) -> str:
    """Metrics by name, those on the test split in brackets after the others.

    >>> other_metrics({"mae": 0.5, "test_mae": 0.61234, "r2": 0.9})
    'mae 0.5000 (test 0.6123), r2 0.9000'
    """
    names = dict.fromkeys(name.removeprefix("test_") for name in reported)
    told = {name: [f"{reported[name]:.4f}"] if name in reported else [] for name in names}
    for name in names:
        if (tested := reported.get(f"test_{name}")) is not None:
            told[name].append(f"(test {tested:.4f})")
    return ", ".join(" ".join([name, *values]) for name, values in told.items())


def _in_units(amount: float, units: dict[str, float]) -> str:
    unit, one = next(((unit, one) for unit, one in units.items() if amount >= one), list(units.items())[-1])
    return f"{amount / one:.2g} {unit}" if amount < 100 * one else f"{amount / one:,.0f} {unit}"
