"""The approved total of a batch is a budget that no process passes, and a stopped batch pays nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from raw_access import connect

from payments_core import AsyncPayoutClient, PayoutClient, PayoutStatus, ReasonCode, settings
from payments_core.batch import AsyncBatches, Batch, BatchOrder
from payments_core.domain.errors import BatchBudgetReached
from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.journal import open_audit
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
People = Callable[..., list[BatchOrder]]


def paid(gateway: MtnMomoEmulator) -> Decimal:
    return sum((Decimal(entry["amount"]) * entry["credits"] for entry in gateway.ledger()), Decimal(0))


def flaws(folder: Path) -> list[str]:
    read = settings.load(folder / "payouts.toml")
    with closing(open_audit(read.journal, namespace=read.namespace, root=folder)) as audit:
        return [str(flaw) for flaw in audit.flaws()]


def test_two_runs_at_once_never_pass_the_approved_total(
    store: str, approved: Callable[[int], Batch], batches: Run, gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """The total of the journal counts, whatever the rows come to: with too little of it, the rest is not sent."""
    batch = approved(40)
    change = f"UPDATE budgets SET most = '75' WHERE name = 'batch/{batch.id}/EUR'"  # noqa: S608 - of this test
    if store == "sqlite":
        with closing(sqlite3.connect(tmp_path / "payouts.db", isolation_level=None)) as file:
            file.execute(change)
    else:
        with connect(settings.load(tmp_path / "payouts.toml").journal) as server:
            server.execute(change)

    def run(_: int) -> Any:
        return batches(lambda one: one.run(batch.id, timeout_s=20))

    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(run, range(2)))

    assert paid(gateway) == 75
    assert all("approved total" in one.stopped for one in ran)
    assert ran[0].progress.succeeded == 15
    assert flaws(tmp_path) == [f"journal: batch: the budget of batch {batch.id} is not its approved total"]


def test_payout_of_an_unapproved_batch_is_refused(people: People, batches: Run) -> None:
    """Whoever sends it: what the batch may pay is decided in the commit before the first byte."""
    created, _ = batches(lambda one: one.create(people(1), name="salary", actor="ann"))
    order = Order("salary/0", Payee.msisdn("+46733000000"), Money(5, "EUR"), batch=created.id)

    with PayoutClient.from_config() as client, pytest.raises(BatchBudgetReached, match="not approved"):
        client.send_order(order)

    assert batches(lambda one: one.progress(created.id)).unsent == 1


def test_batch_that_is_paused_while_it_runs_sends_nothing_more_until_it_is_unpaused(
    approved: Callable[[int], Batch], batches: Run, gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """A payout that was recorded and not sent waits, with the reason; unpaused, it is due at once."""
    with (tmp_path / "payouts.toml").open("a") as config:
        config.write("max_in_flight = 2\n")
    gateway.set_faults({"slow_s": {"value": 0.1}, "status_503": {"next": 1}})
    batch = approved(60)

    async def pause_while_it_runs() -> Any:
        async with AsyncPayoutClient.from_config() as client, AsyncPayoutClient.from_config() as other:
            running = asyncio.create_task(AsyncBatches(client).run(batch.id, timeout_s=2))
            while not gateway.ledger():  # noqa: ASYNC110 - the gateway has no event
                await asyncio.sleep(0.05)
            await AsyncBatches(other).pause(batch.id, actor="carol", reason="wrong month")
            at_pause = len(gateway.ledger())
            return await running, at_pause

    ran, at_pause = asyncio.run(pause_while_it_runs())

    assert "paused" in ran.stopped
    assert ran.progress.unsent
    assert len(gateway.ledger()) <= at_pause + 2, "what was in flight may still arrive"
    gateway.set_faults({})
    with PayoutClient.from_config() as client:
        client.resume(timeout_s=5)
        waiting = {one.reason and one.reason.code for one in client.payouts(status=PayoutStatus.CREATED)}
    assert waiting <= {ReasonCode.BATCH_STOPPED}
    sent = len(gateway.ledger())

    batches(lambda one: one.unpause(batch.id, actor="carol", reason="right after all"))
    again = batches(lambda one: one.run(batch.id, timeout_s=20))

    assert again.progress.succeeded == 60
    assert (sent < 60, paid(gateway)) == (True, 300)
    assert flaws(tmp_path) == []


def test_failed_row_returns_its_amount_to_the_approved_total(
    people: People, batches: Run, gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """So it can be reissued, and the total is not passed."""
    rows = people(3)
    rows[0] = BatchOrder(rows[0].order.__class__(key="salary/0", payee="+46733123455", amount="5", currency="EUR"))
    created, _ = batches(lambda one: one.create(rows, name="salary", actor="ann"))
    batches(lambda one: one.approve(created.id, actor="bob", totals=created.totals))
    batches(lambda one: one.run(created.id, timeout_s=20))

    def reserved() -> Decimal:
        with PayoutClient.from_config() as client:
            return client.runtime.journal.budgets([f"batch/{created.id}/EUR"]).popitem()[1].reserved

    assert reserved() == 10
    batches(lambda one: one.reissue(created.id, actor="ann", reason="topped up"))
    assert reserved() <= 15
    assert flaws(tmp_path) == []
