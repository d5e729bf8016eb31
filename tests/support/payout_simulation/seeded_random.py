"""Where every decision of a simulation comes from: streams of random numbers that one seed determines."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import accumulate

__all__ = ["SeededRandom", "stream"]


def stream(seed: int, *names: object) -> random.Random:
    """Return the random numbers of a seed for one purpose; independent of the hash seed of the process.

    Args:
        seed: The simulation's.
        names: What they are for; other names give other numbers.

    """
    return random.Random("/".join(map(str, (seed, *names))))  # noqa: S311 - to be repeated, not to be unguessable


class SeededRandom:
    """Names with weights, to draw one from.

    Args:
        weights: By name; those without weight are never drawn.

    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        kept = {name: weight for name, weight in weights.items() if weight > 0}
        self._names = tuple(kept)
        self._sums = tuple(accumulate(kept.values()))

    def __bool__(self) -> bool:
        return bool(self._names)

    def draw(self, chance: random.Random) -> str:
        """Return one name."""
        return chance.choices(self._names, cum_weights=self._sums)[0]
