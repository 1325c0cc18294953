"""Numbers as a table prints them: as many digits as the error allows."""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import Any

_minus, _times = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_rounding = 1e-12  # of a double, some thousand times over
_superscript = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any) -> str:
    """A number alone, to four significant digits; whole numbers in full; others as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value}".replace("-", _minus)
    if not isfinite(value):
        return "–" if value != value else ("∞" if value > 0 else f"{_minus}∞")
    if value and not 1e-3 <= abs(value) < 1e6:
        power = floor(log10(abs(value)))
        return _scaled(f"{value / 10.0**power:.3g}", power)
    text = f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return text.replace("-", _minus)


def with_error(value: Any, std: Any) -> str:
    """value ± std, the error to two significant digits and the value to the same place.

    Without a finite positive error, or one that is the rounding of a constant: the number alone.
    """
    known = isinstance(std, int | float) and not isinstance(std, bool)
    if not known or not isfinite(std) or std <= 0 or not isinstance(value, int | float):
        return number(value)
    if std < _rounding * abs(value) < float("inf"):
        return number(value)
    if not isfinite(value):
        return f"{number(value)} ± {number(float(std))}"
    largest = max(abs(value), std)
    power = floor(log10(largest)) if not 1e-3 <= largest < 1e6 else 0
    value, std = value / 10.0**power, std / 10.0**power
    places = max(0, 1 - floor(log10(std)))
    text = f"{value:.{places}f} ± {std:.{places}f}"
    if power:
        return _scaled(f"({text})", power)
    return text.replace("-", _minus)


def _scaled(mantissa: str, power: int) -> str:
    exponent = str(power).translate(_superscript)
    return f"{mantissa} {_times} 10{exponent}".replace("-", _minus)
