"""An account pays as somebody else after a crash: what was sent stays where it was sent, the rest is paid once anew."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from crash_points import CrashStore, End, Simulator
from identity_world import changed_identity
from promises import broken_promises
from worlds import VISIBLE_AFTER_S, PostEnd

from payments_core.domain.payout import PayoutStatus, ReasonCode

FULL = os.environ.get("PAYMENTS_CRASH_FULL") == "1"
STORES = ("sqlite", "postgres") if FULL or os.environ.get("PAYMENTS_CRASH_PROOF") == "1" else ("sqlite",)
S = PayoutStatus
POSTS = {
    "accepted": PostEnd(),
    "accepted, answers lost": PostEnd(("accept_lose", "accept_lose", "accept_lose")),
    "lost before acceptance": PostEnd(("lose", "lose", "lose")),
    "not sent": PostEnd(("not_sent", "not_sent", "not_sent")),
    "mixed": PostEnd(("accept_lose", "not_sent", "say_500")),
}
KINDS = {
    "made ready anew",
    "asked for only after the change",
    "waits for a person",
    "read as the retired identity",
}


def faults(end: End) -> list[str]:
    """Return what is wrong with an end in which the account pays as somebody else."""
    side: Any = end.world.gateway
    found = broken_promises(end, visible_after_s=VISIBLE_AFTER_S)
    for key, payout in end.payouts.items():
        there, here = side.old.sent(payout), side.new.sent(payout)
        events = {entry.event for entry in payout.history}
        if there and here:
            found.append(f"{key} was sent as both")
        if here and len(side.new.credited(payout)) != 1:
            found.append(f"{key} was sent by the new identity and not paid once")
        if "payout.rebound" in events and not here:
            found.append(f"{key} was made ready anew and never sent")
        if "payout.sending" not in events:
            found.append(f"{key} was never sent")
        wanted = S.SUCCEEDED if side.credited(payout) else S.REVIEW
        if payout.status is not wanted:
            found.append(f"{key} ends {payout.status}, wanted {wanted}")
        if payout.status is S.REVIEW and (payout.reason is None or payout.reason.code is not ReasonCode.BINDING_GONE):
            found.append(f"{key} is in review because of {payout.reason}")
    return found


def kinds(end: End) -> set[str]:
    """Say which of the things that may happen to a payout happened in an end."""
    side: Any = end.world.gateway
    found = set()
    for payout in end.payouts.values():
        if any(entry.event == "payout.rebound" for entry in payout.history):
            found.add("made ready anew")
        elif side.new.sent(payout):
            found.add("asked for only after the change")
        elif payout.status is S.REVIEW:
            found.add("waits for a person")
        elif [request for request in side.reads if payout.references["reference"] in request.url]:
            found.add("read as the retired identity")
    return found


@pytest.mark.parametrize(("store", "name"), [(store, name) for store in STORES for name in POSTS])
def test_identity_change_at_any_crash_point_pays_once(
    store: str, name: str, open_store: Callable[[str], CrashStore], counts: Counter[str]
) -> None:
    """Wherever the change falls, nothing is sent as both, and nothing is sent by who is retired.

    What was sent before is read there, or waits for a person where the provider does not show it; what was not is
    paid once by the new identity.
    """
    simulator = Simulator(changed_identity(POSTS[name]), open_store(store))
    happened: set[str] = set()
    for point in simulator.trace().points:
        if point.name.startswith("before") and not FULL:  # the same is left behind by the point before it
            continue
        crashed = simulator.crash_at(point.number)
        assert faults(crashed) == [], (name, point)
        happened |= kinds(crashed)
        counts[f"single crashes, changed identity, {store}"] += 1
        if point.number % 5 == 2:
            again = 1 + point.number % max(len(crashed.lives[1]), 1)
            assert faults(simulator.crash_at(point.number, again)) == [], (name, point, again)
            counts[f"double crashes, changed identity, {store}"] += 1
    assert happened == KINDS
