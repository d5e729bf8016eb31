"""The read budget under a flood of callbacks: who is asked about for their sake, by the schedule, or in doubt."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient
from payments_core.client.inbox import Place
from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.domain.records import Event
from payments_core.engine.commands import AppendHistory
from payments_core.provider import Callback

STUCK = "46733123453"
READS_PER_S = 20
MEASURED = 50  # reads; how much of the cap is used is measured where nothing else runs
SHARES = {"called": 0.5, "other": 0.5}


def pay(client: PayoutClient, prefix: str, count: int) -> list[Payout]:
    return [
        client.send(key=f"{prefix}/{number}", payee=Payee.msisdn(STUCK), amount=Money(5, "EUR"))
        for number in range(count)
    ]


@pytest.mark.parametrize("store", [pytest.param("sqlite", marks=pytest.mark.proof), "postgres"])
def test_callback_flood_leaves_each_priority_its_share_of_checks(
    make_place: Any, store: str, request: pytest.FixtureRequest
) -> None:
    """More reads are wanted of each priority than there is room for: each has its half."""
    place = make_place(reads_per_s=READS_PER_S, max_in_flight=16, poll_schedule_s=[600.0] * 9, visible_after_s=600.0)
    if store == "postgres":
        request.getfixturevalue("share_journal")(place.config)
    with PayoutClient.from_config(place.config) as client:
        payouts = {"called": pay(client, "called", 42), "due": pay(client, "due", 12)}
        place.gateway.set_faults({"answer_lost_before_acceptance": 1.0})
        payouts["doubt"] = pay(client, "doubt", 12)
        place.gateway.set_faults({})
        assert {payout.status for payout in payouts["doubt"]} == {PayoutStatus.UNKNOWN}
        [account] = client.inbox.tokens
        of = {
            payout.references["reference"]: "called" if kind == "called" else "other"
            for kind, all_of in payouts.items()
            for payout in all_of
        }
        reads = Counter[str]()
        count_reads(place.gateway, lambda reference: reads.update([of[reference]]))

        def want_reads() -> None:
            for payout in payouts["called"]:
                body = json.dumps({"externalId": payout.id, "status": "SUCCESSFUL"}).encode()
                client.inbox.receive(Place(account), Callback("PUT", {}, body, datetime.now(UTC)))
            now = datetime.now(UTC)
            for payout in (*payouts["due"], *payouts["doubt"]):
                place.journal.execute(AppendHistory(payout.id, Event("payout.late_result", now), due_at=now))

        want_reads()
        place.start()
        place.wait_for(lambda: reads.total() > READS_PER_S / 2)
        reads.clear()
        give_up_at = time.monotonic() + 60
        while reads.total() < MEASURED and time.monotonic() < give_up_at:
            want_reads()
            time.sleep(0.2)
        read = Counter(reads)
    assert read.total() >= MEASURED
    for priority, share in SHARES.items():
        assert read[priority] >= 0.7 * share * read.total(), read


def count_reads(gateway: Any, hear: Callable[[str], None]) -> None:
    exchange = gateway._gateway.exchange

    def received(method: str, path: str, *rest: Any) -> Any:
        if method == "GET" and "/transfer/" in path:
            hear(path.rpartition("/")[2])
        return exchange(method, path, *rest)

    gateway._gateway.exchange = received
