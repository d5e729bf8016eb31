"""A line that breaks in every way: real workers and both clients pay through it, and the promises hold."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from proxy import SPOILS, dice

from payments_core import AsyncPayoutClient, Money, Payee, Payout, PayoutClient, PayoutStatus
from payments_core.domain.records import PayoutRecord

if TYPE_CHECKING:
    from proxy import Proxy

SHARES = dict.fromkeys(SPOILS, 0.06)


def order(key: str, number: int) -> dict[str, Any]:
    return {"key": key, "payee": Payee.msisdn(f"46733{number:06}"), "amount": Money(5 + number % 7, "EUR")}


def pay(place: Any, prefix: str, count: int) -> None:
    with PayoutClient.from_config(place.config) as client:
        for number in range(count):
            client.send(**order(f"{prefix}/{number}", number))


async def pay_at_once(place: Any, prefix: str, count: int) -> None:
    async with AsyncPayoutClient.from_config(place.config) as client:
        await asyncio.gather(*(client.send(**order(f"{prefix}/{number}", number)) for number in range(count)))


# What a payment is right after its send was spoilt: nothing is guessed of what may have arrived.
AFTER = dict.fromkeys(SPOILS, PayoutStatus.UNKNOWN) | {"twice": PayoutStatus.PENDING}


def status_of_the_send(place: Any, payout: Payout) -> PayoutStatus:
    """Return what the send made of a payout: where the machine is slow, a read has come since."""
    history = place.journal.history(payout.id)
    events = [entry.event for entry in history]
    return history[events.index("payout.sending") + 1].status


def test_payment_after_each_network_fault_has_the_right_status(place: Any, through: Callable[..., Proxy]) -> None:
    """By both clients: not sent only where no connection was had, unknown wherever a byte may have arrived."""
    proxy, how_of = through(), dict[str, str]()
    proxy.choose = lambda request: how_of.get(request.rpartition(" ")[2]) if request.startswith("POST") else None
    orders = {f"{client}/{how}": order(f"{client}/{how}", 1) for client in ("sync", "async") for how in AFTER}

    async def send_at_once() -> list[Payout]:
        async with AsyncPayoutClient.from_config(place.config) as other:
            return await asyncio.gather(*(other.send(**orders[f"async/{how}"]) for how in AFTER))

    with PayoutClient.from_config(place.config) as client, ThreadPoolExecutor(len(AFTER)) as pool:
        for key, wanted in orders.items():
            how_of[client.accept(**wanted).references["reference"]] = key.rpartition("/")[2]
        sending = [pool.submit(client.send, **orders[f"sync/{how}"]) for how in AFTER]
        for found in [asyncio.run(send_at_once()), [one.result() for one in sending]]:
            assert {payout.key.rpartition("/")[2]: status_of_the_send(place, payout) for payout in found} == AFTER
        proxy.refuse()
        proxy.hang_up()
        assert client.send(**order("refused", 2)).status is PayoutStatus.CREATED
        proxy.listen()
        how_of.clear()
        client.resume(timeout_s=30)
    assert faults_of(place, proxy) == []
    place.check(len(orders) + 1)


def not_sent(place: Any, row: PayoutRecord) -> int:
    """Count the tries that were proven not sent."""
    return sum(
        (before.event, after.event) == ("payout.sending", "payout.waiting")
        for before, after in pairwise(place.journal.history(row.id))
    )


def faults_of(place: Any, proxy: Proxy) -> list[str]:
    """Return what does not hold, each in words."""
    paid = {entry["reference"]: entry for entry in place.gateway.ledger()}
    found = [f"{name} was credited {one['credits']} times" for name, one in paid.items() if one["credits"] > 1]
    rows = place.rows()
    references = {row.attempt.references["reference"] for row in rows}
    found += [f"{name} belongs to nobody" for name in paid if name not in references]
    for row in rows:
        reference = row.attempt.references["reference"]
        credited = paid[reference]["credits"] if reference in paid else 0
        if row.status is PayoutStatus.SUCCEEDED and not credited:
            found.append(f"{row.order.key} is told as paid, and is not")
        if row.status is PayoutStatus.FAILED and credited:
            found.append(f"{row.order.key} is told as failed, and was paid")
        if proxy.reached[reference] > row.attempt.submissions - not_sent(place, row):
            found.append(f"{row.order.key}: a try that was told as not sent has reached the gateway")
    return found


@pytest.mark.proof
def test_promises_hold_through_random_network_faults(
    place: Any, through: Callable[..., Proxy], rounds: int, seed: int, measured: Callable[..., None]
) -> None:
    """Nobody is paid twice or forgotten, and what the gateway has seen a byte of is never told as not sent."""
    proxy = through()
    workers = place.start_all(2)
    proxy.choose = dice(seed, SHARES)
    count, begun = 6 if rounds == 1 else 12, time.monotonic()
    for number in range(rounds):
        place.accept(count, f"worker/{number}")
        paying = threading.Thread(target=pay, args=(place, f"sync/{number}", count))
        paying.start()
        asyncio.run(pay_at_once(place, f"async/{number}", count))
        proxy.refuse()
        time.sleep(0.2)
        proxy.listen()
        paying.join()
    accepted = 3 * count * rounds
    place.wait_for(lambda: place.statuses()[PayoutStatus.SUCCEEDED] >= accepted * 2 / 3, 120)
    proxy.choose = lambda _request: None
    proxy.let_go()
    place.wait_for(lambda: all(row.status.is_final or row.status is PayoutStatus.REVIEW for row in place.rows()), 120)
    for worker in workers:
        worker.stop()

    rows = place.rows()
    submissions = Counter(row.attempt.submissions for row in rows)
    print(
        f"\nseed {seed}: {dict(proxy.spoilt)}; submissions {dict(submissions)}; "
        f"{sum(not_sent(place, row) for row in rows)} proven not sent; {time.monotonic() - begun:.0f} s"
    )
    assert faults_of(place, proxy) == [], f"PAYMENTS_SEED={seed}"
    assert Counter(row.status for row in rows) == {PayoutStatus.SUCCEEDED: accepted}, f"PAYMENTS_SEED={seed}"
    assert rounds < 3 or set(proxy.spoilt) == set(SPOILS)
