"""Checks of numbers that users give: the error names the field, its range and the value."""

from __future__ import annotations

from math import inf

DAY = 86_400.0
"""Seconds; no recovery timeout or deadline is longer (a longer one is an operator's business)."""

LONGEST_TEXT = 200
"""Characters of what people write to explain themselves."""

_MOST_CALLS = 1_000_000


def check_count(field: str, value: object, most: int = _MOST_CALLS) -> None:
    """Raise unless ``value`` is a whole number from 1 to ``most`` (a bool is none)."""
    wanted = f"{field} must be a whole number from 1 to {most}, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(wanted)
    if not 1 <= value <= most:
        raise ValueError(wanted)


def check_seconds(field: str, value: object, most: float = DAY) -> None:
    """Raise unless ``value`` is a number of seconds above 0 and at most ``most``."""
    wanted = f"{field} must be a number of seconds above 0 and at most {most:.0f}, not {value!r}"
    check_between(value, wanted, above=0.0, most=most)


def check_text(field: str, value: object, *, least: int = 1, most: int = LONGEST_TEXT) -> str:
    """Return ``value`` unless it is no string of ``least`` to ``most`` printable characters."""
    wanted = f"{field} must be text of {least} to {most} printable characters, not {value!r:.300}"
    if not isinstance(value, str):
        raise TypeError(wanted)
    if not least <= len(value) <= most or not value.isprintable():
        raise ValueError(wanted)
    return value


def check_share(field: str, value: object) -> None:
    """Raise unless ``value`` is a number above 0 and at most 1."""
    wanted = f"{field} must be a number above 0 and at most 1, not {value!r}"
    check_between(value, wanted, above=0.0, most=1.0)


def check_between(
    value: object,
    wanted: str,
    *,
    above: float = -inf,
    least: float = -inf,
    below: float = inf,
    most: float = inf,
) -> None:
    """Raise with the text ``wanted`` unless ``value`` is a number in the range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(wanted)
    # Nor is NaN in any range: it compares with nothing.
    if not (above < value < below and least <= value <= most):
        raise ValueError(wanted)
