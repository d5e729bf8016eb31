"""Permits of the simulation: now and then it is not our turn. The real ones wait on the real clock."""

from __future__ import annotations

import random

from payments_core.domain.rates import Priority

__all__ = ["AsyncRateLimiter", "RateLimiter"]

_LONGEST_S = 600


class RateLimiter:
    """An account's permits as a line asks for them.

    Args:
        chance: Decides.
        share: How often it is not our turn, 0 to 1.

    """

    def __init__(self, chance: random.Random, share: float) -> None:
        self.is_penalised = False
        self.caps_posts = share > 0
        self._chance = chance
        self._share = share

    def applies(self, priority: Priority) -> bool:
        """Say whether somebody has to be asked."""
        return self._share > 0

    def take(self, priority: Priority) -> float | None:
        """Return None when it is our turn, else how long asking again is not worth it, in seconds."""
        share = self._chance.random()
        if share >= self._share:
            return None
        # A third has waited for its turn in vain, and may have the next one.
        return 0.0 if share < self._share / 3 else float(self._chance.randrange(1, _LONGEST_S))

    def is_over(self, turn_at: float) -> bool:
        """Say whether a payment's turn is over when it is written down."""
        return self._chance.random() < self._share


class AsyncRateLimiter:
    """The same for a line on an event loop.

    Args:
        turns: Whose decisions.

    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self.is_penalised = False
        self.caps_posts = limiter.caps_posts
        self.applies = limiter.applies
        self.is_over = limiter.is_over

    async def take(self, priority: Priority) -> float | None:
        """Return what the others return."""
        return self._limiter.take(priority)
