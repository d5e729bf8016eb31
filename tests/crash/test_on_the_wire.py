"""What arrives over real sockets: only what stands in the journal already, and the same bytes at every try."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import broken_rules
import pytest
from crash_points import CrashDatabase
from wire_gateway import FakeProvider

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutStatus
from payments_core.domain.payout import Operation, Payout

PAYOUTS = 120 if os.environ.get("PAYMENTS_CRASH_PROOF") == "1" else 30
AT_ONCE = 6


def orders(count: int) -> list[dict[str, Any]]:
    return [
        {
            "key": f"wage/{number:03}",
            "payee": Payee.msisdn(f"46733{number:06}"),
            "amount": Money("12.50", "EUR"),
            "operation": Operation.DEPOSIT if number % 3 == 0 else Operation.TRANSFER,
        }
        for number in range(count)
    ]


def pay(config: Path, count: int) -> list[Payout]:
    """Send from several threads, and go on until everything has ended."""
    with PayoutClient.from_config(config) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda order: client.send(**order), orders(count)))
        client.resume(timeout_s=120)
        return list(client.payouts())


def pay_async(config: Path, count: int) -> list[Payout]:
    """Do the same from several tasks."""

    async def run() -> list[Payout]:
        async with AsyncPayoutClient.from_config(config) as client:
            at_once = asyncio.Semaphore(AT_ONCE)

            async def send(order: dict[str, Any]) -> None:
                async with at_once:
                    await client.send(**order)

            await asyncio.gather(*map(send, orders(count)))
            await client.resume(timeout_s=120)
            return [payout async for payout in client.payouts()]

    return asyncio.run(run())


CLIENTS = {"sync": pay, "async": pay_async}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_payment_arrives_after_its_row_and_submissions_are_the_same(
    store: str, client: str, fake_provider: FakeProvider, request: pytest.FixtureRequest, measured: Callable[..., None]
) -> None:
    """Each payment finds its try as SENDING, over another connection; every try of it has the bytes of the first."""
    with fake_provider.side.served() as url:
        fake_provider.write(url)
        if store == "postgres":
            fake_provider.store = CrashDatabase(request.getfixturevalue("share_journal")(fake_provider.config))
        payouts = CLIENTS[client](fake_provider.config, PAYOUTS)
    arrived = fake_provider.side.arrived
    again = [bodies for bodies in arrived.values() if len(bodies) > 1]
    differ = sum(one != bodies[0] for bodies in again for one in bodies)
    stored = {request_of(request) for (request,) in fake_provider.store.ask("SELECT request FROM payouts")}
    if isinstance(fake_provider.store, CrashDatabase):
        fake_provider.store.close()
    measured(7, "POSTs seen", sum(map(len, arrived.values())), store=store, client=client, payouts=PAYOUTS)
    measured(7, "POSTs before their row", len(fake_provider.side.unwritten), store=store, client=client)
    measured(8, "submissions compared", sum(map(len, again)), store=store, client=client, by="sockets")
    measured(8, "submissions that differ", differ, store=store, client=client, by="sockets")

    assert fake_provider.side.unwritten == []
    assert len(again) >= PAYOUTS / 10
    assert differ == 0
    assert {(reference, body.decode()) for reference, bodies in arrived.items() for _, body in bodies} == stored
    assert {payout.status for payout in payouts} == {PayoutStatus.SUCCEEDED}
    assert len(fake_provider.side.gateway.books.credits) == len(arrived) == len(payouts) == PAYOUTS


def request_of(stored: str) -> tuple[str, str]:
    fields = json.loads(stored)
    return fields["headers"]["X-Reference-Id"], fields["body"]


@pytest.mark.parametrize("client", CLIENTS)
def test_payment_sent_before_its_row_is_found(
    client: str, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the commit before the first byte taken out, the gateway finds no try in the journal."""
    broken_rules.without_commit("payout.sending")(monkeypatch)
    with fake_provider.side.served() as url:
        fake_provider.write(url)
        CLIENTS[client](fake_provider.config, 1)
    assert fake_provider.side.unwritten
