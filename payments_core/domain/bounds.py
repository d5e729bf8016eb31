"""Bounds of numbers that people and programs give: whatever is within them, clock, network and journal can work with.

A number outside of them is refused where it is given, with the range; it would fail in the middle of a payment.
"""

from __future__ import annotations

from payments_core.domain.errors import InvalidArgument

__all__ = ["DAY_S", "HOUR_S", "LONGEST_S", "MOST_ROWS", "check_number", "describe_range"]

HOUR_S = 3_600.0
DAY_S = 86_400.0
LONGEST_S = 31_536_000.0  # a year
MOST_ROWS = 100_000  # of a list that is held in memory


def check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    """Refuse an argument that is no number within its bounds.

    Args:
        name: The argument, for the message.
        value: What was given.
        low: The least.
        high: The largest.
        whole: Whether it has to be an ``int``.

    Raises:
        InvalidArgument: It is none.

    """
    is_number = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not is_number or not low <= value <= high:  # type: ignore[operator]  # a number
        raise InvalidArgument(f"{name} must be {describe_range(low, high, whole=whole)}.")


def describe_range(low: float, high: float, *, whole: bool = False) -> str:
    """Return a range in words: ``a number from 0 to 31536000``."""
    return f"a {'whole ' if whole else ''}number from {low:.12g} to {high:.12g}"
