"""Simulated time: what has really passed, and what the workers' clock shows, which people and daemons set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["HOUR", "MINUTE", "SECOND", "START", "Time", "described"]

SECOND = 1_000_000  # whole microseconds throughout: a moment that is reached is reached exactly
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Time:
    """The time of a simulation; called, it is the clock of every process of ours.

    The provider goes by what has really passed: a clock that is set makes no payment visible sooner.
    """

    def __init__(self) -> None:
        self.passed_us = 0
        self._offset_us = 0
        self._shows = START

    def __call__(self) -> datetime:
        """Return what the workers' clock shows."""
        return self._shows

    def reach(self, passed_us: int) -> None:
        """Let time pass up to a moment, in microseconds since the start."""
        self.passed_us = max(self.passed_us, passed_us)
        self._show()

    def set_clock(self, offset_us: int) -> None:
        """Set the workers' clock so far off the truth, in microseconds."""
        self._offset_us = offset_us
        self._show()

    def passed_at(self, moment: datetime) -> int:
        """Return when the clock will show a moment, in microseconds since the start, if nobody sets it."""
        return (moment - START) // _MICROSECOND - self._offset_us

    def _show(self) -> None:
        self._shows = START + timedelta(microseconds=self.passed_us + self._offset_us)


def described(passed_us: int) -> str:
    """Return a moment as hours, minutes and seconds since the start."""
    seconds, micro = divmod(passed_us, SECOND)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micro:06}"
