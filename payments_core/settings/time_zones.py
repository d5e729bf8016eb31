"""The time zone in which an account's days begin."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

__all__ = ["check_time_zone", "day_of", "next_day_at"]


def check_time_zone(name: str) -> str:
    """Return the name of a time zone that this machine knows.

    Raises:
        ValueError: It knows none of this name, or none at all.

    """
    try:
        _zone(name)
    except (OSError, ValueError, LookupError):
        if available_timezones():
            msg = 'is no time zone: write a name of the IANA database, such as "Africa/Kampala", or "UTC"'
        else:
            msg = "cannot be read, as this machine has no time zone database: install tzdata (pip install tzdata)"
        raise ValueError(msg) from None
    return name


def day_of(at: datetime, zone: str) -> date:
    """Return the day of a moment in a time zone."""
    return at.astimezone(_zone(zone)).date()


def next_day_at(at: datetime, zone: str) -> datetime:
    """Return the moment at which the next day begins in a time zone, in UTC."""
    tomorrow = day_of(at, zone) + timedelta(days=1)
    return datetime.combine(tomorrow, time(), _zone(zone)).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)  # needs no database
