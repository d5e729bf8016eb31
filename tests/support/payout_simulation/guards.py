"""Guards of the simulation: they let most pass, refuse some, and sometimes break."""

from __future__ import annotations

from payments_core.domain.payout import Payout
from payments_core.plugins.hookspecs import hookimpl
from payments_core.plugins.manager import Plugins
from payout_simulation.seeded_random import stream

__all__ = ["plugins_of"]


class _Guard:
    def __init__(self, seed: int) -> None:
        self._chance = stream(seed, "guard")

    @hookimpl
    def payments_before_submit(self, payout: Payout) -> str | None:
        if payout.submissions:
            return "asked again, after a try"  # never to be seen: guards are asked before the first try only
        share = self._chance.random()
        if share < 0.05:
            raise ConnectionError("the guard cannot be reached")
        return "not this one" if share < 0.08 else None


def plugins_of(seed: int, *, guarded: bool) -> Plugins:
    """Return the plugins of a simulation, with a guard or without."""
    plugins = Plugins(())
    if guarded:
        plugins.register(_Guard(seed), "guard")
    return plugins
