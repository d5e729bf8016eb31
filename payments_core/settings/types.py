"""Types of settings: numbers with bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo

from payments_core.domain.bounds import DAY_S, HOUR_S, LONGEST_S

__all__ = ["MOST_ENTRIES", "Interval", "Rate", "Seconds", "Timeout", "range_of"]

MOST_ENTRIES = 1000  # of a list, such as a schedule
_SHORTEST_S = 0.001

# One bound of a kind for each: of two pydantic would take the last, and drop the other without a word.
#: A time in seconds, at most a year.
Seconds = Annotated[float, Field(strict=True, ge=_SHORTEST_S, le=LONGEST_S, allow_inf_nan=False)]
#: A time in seconds, at most a day: a lease, or the time between two looks.
Interval = Annotated[float, Field(strict=True, ge=_SHORTEST_S, le=DAY_S, allow_inf_nan=False)]
#: A time in seconds, at most an hour: a wait for one answer.
Timeout = Annotated[float, Field(strict=True, ge=_SHORTEST_S, le=HOUR_S, allow_inf_nan=False)]

_KINDS = {"ge": True, "gt": True, "le": False, "lt": False}  # as pydantic calls bounds; True for a lower one
_SLOWEST, _FASTEST = 0.001, 10_000


def _is_rate(value: float) -> float:
    if 0 < value < _SLOWEST:
        msg = f"must be 0, or a number from {_SLOWEST:g} to {_FASTEST}"
        raise ValueError(msg)
    return value


#: Calls a second; 0 for no limit.
Rate = Annotated[float, Field(strict=True, ge=0, le=_FASTEST, allow_inf_nan=False), AfterValidator(_is_rate)]


def range_of(field: FieldInfo) -> tuple[float, float] | None:
    """Return the bounds of a setting's number, or of the numbers in its list; None where it has none."""
    found = list(_constraints(field))
    low = max((value for value, is_low in found if is_low), default=-math.inf)
    high = min((value for value, is_low in found if not is_low), default=math.inf)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _constraints(annotated: Any) -> Iterator[tuple[float, bool]]:
    """Yield every bound, with whether it is a lower one."""
    parts = [*annotated.metadata, annotated.annotation] if isinstance(annotated, FieldInfo) else get_args(annotated)
    for part in parts:
        for name, is_low in _KINDS.items():
            bound = getattr(part, name, None)
            if isinstance(bound, int | float):
                yield float(bound), is_low
        yield from _constraints(part)
