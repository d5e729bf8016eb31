"""Every transition that an application must know is an event, written with it, on both stores and by both clients."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient, PayoutStatus, ReasonCode
from payments_core.domain.errors import DecisionRefused
from payments_core.engine import transitions
from payments_core.engine.commands import ApplyTransition, TransitionApplied
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
WHO = {"actor": "Ann", "reason": "because"}
PAID, FAILS, PENDING = "46733123499", "46733123450", "46733123453"
pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgres"])


@pytest.fixture
def gateway(gateway: MtnMomoEmulator) -> MtnMomoEmulator:
    """Return a gateway, and let an attempt settle soon."""
    soon = {"lease_s": "1.1", "timeout_s": "0.5", "reads_per_s": "50"}
    path = Path("payouts.toml")
    lines = [line for line in path.read_text("utf-8").splitlines() if line.split(" ")[0] not in soon]
    path.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in soon.items())]) + "\n", "utf-8")
    return gateway


def pay(client: Any, key: str, payee: str, act: str = "send") -> Any:
    return getattr(client, act)(key=key, payee=Payee.msisdn(payee), amount=Money(5, "EUR"))


def stop(key: str) -> None:
    """Let the machine stop at a payout that is under way."""
    with PayoutClient.from_config() as client:
        journal = client.runtime.journal
        row = journal.by_key(key)
        assert row is not None
        stopped = transitions.review(row, ReasonCode.NO_FINAL_ANSWER, "The schedule is over.", datetime.now(UTC))
        reply = journal.execute(ApplyTransition(row, stopped.after, stopped.event, publish=stopped.publish))
        assert isinstance(reply, TransitionApplied)


def reissue(using: Run, key: str) -> Any:
    until = time.monotonic() + 30
    while True:
        try:
            return using(lambda client: client.reissue(key, **WHO))
        except DecisionRefused:
            assert time.monotonic() < until
            time.sleep(0.2)


def test_every_transition_that_an_application_must_know_is_an_event(gateway: MtnMomoEmulator, using: Run) -> None:
    """A final status, however it came about, REVIEW, and that a failed payout is paid again; in order, and once."""
    assert gateway.ledger() == []
    for key, payee in (("paid", PAID), ("failed", FAILS), ("pending", PENDING)):
        using(lambda client, key=key, payee=payee: pay(client, key, payee))
    for key in ("paid", "failed"):
        using(lambda client, key=key: client.wait(key, timeout_s=20))
    using(lambda client: pay(client, "cancelled", PAID, "accept"))
    using(lambda client: client.cancel("cancelled", **WHO))
    stop("pending")
    using(lambda client: client.resolve("pending", paid=True, **WHO, evidence="line 7"))
    assert reissue(using, "failed").attempt == 2
    using(lambda client: client.wait("failed", timeout_s=20))

    events = using(lambda client: client.events(consumer="books"))
    published: dict[str, list[tuple[str, int]]] = {}
    for event in events:
        published.setdefault(event.key, []).append((event.type, event.attempt))
    assert published == {
        "paid": [("payout.succeeded", 1)],
        "failed": [("payout.failed", 1), ("payout.reissued", 2), ("payout.failed", 2)],
        "pending": [("payout.review", 1), ("payout.succeeded", 1)],
        "cancelled": [("payout.cancelled", 1)],
    }
    (begun,) = [event for event in events if event.type == "payout.reissued"]
    assert (begun.status, begun.reason) == (PayoutStatus.CREATED, None)
