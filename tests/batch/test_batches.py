"""A batch: frozen, approved by another person, run once however often it is interrupted."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from payments_core import AsyncPayoutClient, Money, PayoutClient, PayoutStatus, settings
from payments_core.batch import (
    AsyncBatches,
    Batch,
    Batches,
    BatchOrder,
    BatchRefused,
    BatchRun,
    BatchState,
    StopRules,
)
from payments_core.domain.batches import BeginBatch, FreezeBatch, WriteRows
from payments_core.domain.errors import DecisionRefused, JournalError, UnknownBatch
from payments_core.engine.commands import CreateResult
from payments_core.journal import open_audit
from payments_core.journal.maintenance.verify import Audit
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
People = Callable[..., list[BatchOrder]]


def audit(folder: Path) -> Audit:
    read = settings.load(folder / "payouts.toml")
    return open_audit(read.journal, namespace=read.namespace, root=folder)


def credits_of(gateway: MtnMomoEmulator) -> dict[str, int]:
    return {entry["payee"]: entry["credits"] for entry in gateway.ledger()}


def test_batch_pays_every_row_once_also_when_it_is_run_again(
    batches: Run, approved: Callable[..., Batch], gateway: MtnMomoEmulator
) -> None:
    batch = approved(20)
    seen: list[Any] = []

    ran = batches(lambda one: one.run(batch.id, timeout_s=20, on_progress=seen.append))
    again = batches(lambda one: one.run("salary", timeout_s=20))

    assert ran.progress.is_done
    assert (ran.progress.succeeded, ran.stopped, ran.refused) == (20, "", {})
    assert again.progress.by_status == {PayoutStatus.SUCCEEDED: 20}
    assert Counter(credits_of(gateway).values()) == {1: 20}
    assert (seen[-1].unsent, seen[-1].left) == (0, ())


def test_batch_keeps_note_and_metadata_of_each_row(people: People, batches: Run, gateway: MtnMomoEmulator) -> None:
    """They are frozen with the row: the payout has them, and rows with others are another batch."""
    assert gateway.ledger() == []
    rows = [replace(one, order=replace(one.order, note="March", metadata={"staff": one.line})) for one in people(2)]
    created, _ = batches(lambda one: one.create(rows, name="salary", actor="ann"))
    bare, is_new = batches(lambda one: one.create(people(2), name="salary", actor="ann"))
    assert (is_new, bare.content_hash == created.content_hash) == (True, False)

    batches(lambda one: one.approve(created.id, actor="bob", totals=created.totals))
    batches(lambda one: one.run(created.id, timeout_s=20))
    with PayoutClient.from_config() as client:
        paid = [client.get(one.order.key) for one in rows]
    assert [(one.note, one.metadata) for one in paid] == [("March", {"staff": one.line}) for one in rows]


def test_batch_is_paid_by_a_synchronous_client_too(
    people: People, batches_in_threads: Run, gateway: MtnMomoEmulator
) -> None:
    created, _ = batches_in_threads(lambda one: one.create(people(3), name="salary", actor="ann"))
    batches_in_threads(lambda one: one.approve(created.id, actor="bob", totals=created.totals))

    ran = batches_in_threads(lambda one: one.run(created.id, timeout_s=20))

    assert ran.progress.succeeded == 3
    assert [row.status for row in batches_in_threads(lambda one: one.rows(created.id))] == [PayoutStatus.SUCCEEDED] * 3


def test_create_finds_the_batch_of_the_same_rows(people: People, batches: Run) -> None:
    """The same rows under one name are one batch; a corrected row makes another one."""
    first, is_new = batches(lambda one: one.create(people(3), name="salary", actor="ann"))
    second, is_new_again = batches(lambda one: one.create(people(3), name="salary", actor="bob"))
    other, _ = batches(lambda one: one.create(people(3, amount="6"), name="salary", actor="ann"))

    assert (is_new, is_new_again) == (True, False)
    assert second == first
    assert other.id != first.id
    assert [one.id for one in batches(lambda one: one.all())] == [other.id, first.id]
    with pytest.raises(UnknownBatch, match="2 batches"):
        batches(lambda one: one.get("salary"))
    batches(lambda one: one.cancel(first.id, actor="bob", reason="not owed"))
    assert batches(lambda one: one.get("salary")).id == other.id
    last, _ = batches(lambda one: one.create(people(3, amount="7"), name="salary", actor="ann"))
    with pytest.raises(UnknownBatch, match="2 batches") as refused:
        batches(lambda one: one.get("salary"))
    assert [one.id in refused.value.hint for one in (first, other, last)] == [False, True, True]


def test_create_refuses_what_send_would_refuse_and_records_nothing(people: People, batches: Run) -> None:
    """Every wrong row is named, and a key that stands twice, on one page or on two."""
    rows = people(600)
    rows[3] = replace(rows[3], order=replace(rows[3].order, amount="-1"))
    rows[4] = replace(rows[4], order=replace(rows[4].order, key="salary/1"))
    with pytest.raises(BatchRefused, match="2 of 600 rows") as caught:
        batches(lambda one: one.create(rows, name="salary", actor="ann"))
    assert [(row.number, row.findings[0].field) for row in caught.value.rows] == [(5, "amount"), (6, "key")]
    far = people(600)
    far[599] = replace(far[599], order=replace(far[599].order, key="salary/1"))
    with pytest.raises(BatchRefused, match="1 of 600 rows"):
        batches(lambda one: one.create(far, name="salary", actor="ann"))
    with pytest.raises(BatchRefused, match="no row"):
        batches(lambda one: one.create([], name="salary", actor="ann"))

    assert batches(lambda one: one.all()) == ()


def test_approve_takes_another_person_and_the_exact_total(
    people: People, batches: Run, gateway: MtnMomoEmulator
) -> None:
    created, _ = batches(lambda one: one.create(people(3), name="salary", actor="Ann"))

    def approve(actor: str, *totals: Money, **more: Any) -> Batch:
        batch: Batch = batches(lambda one: one.approve(created.id, actor=actor, totals=totals, **more))
        return batch

    with pytest.raises(DecisionRefused, match="created batch"):
        approve("ann ", Money("15", "EUR"))
    with pytest.raises(DecisionRefused, match=r"15\.00 EUR, not to 16\.00 EUR"):
        approve("bob", Money("16", "EUR"))
    with pytest.raises(DecisionRefused, match=r"not to 15\.00 EUR and 1 UGX"):
        approve("bob", Money("15", "EUR"), Money("1", "UGX"))
    with pytest.raises(DecisionRefused, match="content hash that was given"):
        approve("bob", Money("15", "EUR"), content_hash="0" * 64)
    with pytest.raises(DecisionRefused, match="nothing of it is sent"):
        batches(lambda one: one.run(created.id))
    assert gateway.ledger() == []

    batch = approve("bob", Money("15.0", "EUR"), content_hash=created.content_hash)

    assert (batch.state, batch.created_by, batch.approved_by) == (BatchState.APPROVED, "Ann", "bob")
    with pytest.raises(DecisionRefused, match="cannot be approved"):
        approve("carol", Money("15", "EUR"))


def test_paused_batch_sends_nothing_until_it_is_unpaused(
    batches: Run, approved: Callable[..., Batch], gateway: MtnMomoEmulator
) -> None:
    batch = approved(3)
    batches(lambda one: one.pause(batch.id, actor="carol", reason="wrong month"))
    with pytest.raises(DecisionRefused, match="PAUSED"):
        batches(lambda one: one.run(batch.id))
    assert gateway.ledger() == []

    batches(lambda one: one.unpause(batch.id, actor="carol", reason="right after all"))

    assert batches(lambda one: one.run(batch.id, timeout_s=20)).progress.succeeded == 3


def test_cancelled_batch_is_never_sent(batches: Run, approved: Callable[..., Batch], gateway: MtnMomoEmulator) -> None:
    batch = approved(3)

    progress = batches(lambda one: one.cancel(batch.id, actor="carol", reason="wrong month"))

    assert (progress.batch.state, progress.unsent) == (BatchState.CANCELLED, 3)
    with pytest.raises(DecisionRefused, match="CANCELLED"):
        batches(lambda one: one.unpause(batch.id, actor="carol", reason="again"))
    with pytest.raises(DecisionRefused, match="CANCELLED"):
        batches(lambda one: one.run(batch.id))
    assert gateway.ledger() == []


@pytest.mark.parametrize(
    ("payee", "stop", "why"),
    [
        (
            "+46733123455",
            StopRules(),
            "The account has not enough money: top it up, and `payouts batch reissue` pays what failed for that.",
        ),
        ("+46733123457", StopRules(failed=1), "1 payouts of this run have failed."),
    ],
    ids=["no money", "failures"],
)
def test_run_stops_at_a_rule_and_goes_on_when_it_is_run_again(
    payee: str, stop: StopRules, why: str, people: People, batches: Run, gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """The rows that were sent are followed; run again, the others are sent, and what is worth it is reissued."""
    with (tmp_path / "payouts.toml").open("a") as config:
        config.write("max_in_flight = 4\n")
    gateway.set_faults({"slow_s": {"value": 0.1}})
    rows = people(120)
    rows[0] = replace(rows[0], order=replace(rows[0].order, payee=payee))
    created, _ = batches(lambda one: one.create(rows, name="salary", actor="ann"))
    batches(lambda one: one.approve(created.id, actor="bob", totals=created.totals))

    ran = batches(lambda one: one.run(created.id, timeout_s=30, stop=stop))

    assert ran.stopped == why
    assert (ran.progress.failed, ran.progress.open) == (1, 0)
    assert 0 < ran.progress.unsent < 119

    gateway.set_faults({})
    again = batches(lambda one: one.run(created.id, timeout_s=30, stop=stop))
    reissued = batches(lambda one: one.reissue(created.id, actor="ann", reason="topped up"))

    assert (again.stopped, again.progress.succeeded) == ("", 119)
    assert list(reissued) == ([2] if stop.failed is None else [])
    assert Counter(credits_of(gateway).values()) == {1: 119, 0: 1}


def test_rows_are_sent_in_the_commit_that_records_them(
    people: People, approved: Callable[..., Batch], gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """No more of them are on their way than find a connection, or a row would cost a commit more."""
    with (tmp_path / "payouts.toml").open("a") as config:
        config.write("max_in_flight = 4\n")
    batch, statuses = approved(30), list[PayoutStatus]()

    async def run() -> BatchRun:
        async with AsyncPayoutClient.from_config() as client:
            await client.send(**people(31)[30].order.arguments())  # it fetches the token
            execute = client.runtime.journal.execute_async

            async def watched(command: Any) -> Any:
                reply = await execute(command)
                if isinstance(reply, CreateResult):
                    statuses.append(reply.row.status)
                return reply

            with mock.patch.object(client.runtime.journal, "execute_async", watched):
                return await AsyncBatches(client).run(batch.id, timeout_s=20)

    assert asyncio.run(run()).progress.succeeded == 30
    assert statuses == [PayoutStatus.SENDING] * 30


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_synchronous_run_sends_rows_side_by_side(
    approved: Callable[..., Batch], gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """As many as the account has connections; what they come to is counted exactly."""
    with (tmp_path / "payouts.toml").open("a") as config:
        config.write("max_in_flight = 4\n")
    batch, together, left = approved(8), threading.Barrier(4, timeout=20), list[Any]()

    with PayoutClient.from_config() as client:
        real = client.send_order

        def send_order(*arguments: Any) -> Any:
            together.wait()
            return real(*arguments)

        with mock.patch.object(client, "send_order", send_order):
            ran = Batches(client).run(batch.id, timeout_s=20, on_progress=lambda seen: left.append(seen.left))

    assert (ran.progress.succeeded, left[-1]) == (8, ())


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_run_that_fails_begins_no_further_row(
    approved: Callable[..., Batch], gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """Whatever one thread meets, the others end the rows that they are at."""
    with (tmp_path / "payouts.toml").open("a") as config:
        config.write("max_in_flight = 4\n")
    gateway.set_faults({"slow_s": {"value": 0.1}})
    batch, begun = approved(40), list[str]()

    with PayoutClient.from_config() as client:
        real = client.send_order

        def send_order(order: Any, account: str) -> Any:
            begun.append(order.key)
            if order.key == "salary/3":
                raise RuntimeError("of this test")
            return real(order, account)

        with mock.patch.object(client, "send_order", send_order), pytest.raises(RuntimeError, match="of this test"):
            Batches(client).run(batch.id, timeout_s=20)

    assert 4 <= len(begun) < 12
    assert sorted(credits_of(gateway).values()) == [1] * (len(begun) - 1)


def test_corrected_batch_pays_only_who_was_not_paid(
    batches: Run, approved: Callable[..., Batch], gateway: MtnMomoEmulator
) -> None:
    """A row that another batch has paid already counts as paid, and is not paid again."""
    batch = approved(3)
    batches(lambda one: one.run(batch.id, timeout_s=20))

    corrected = approved(5)
    ran = batches(lambda one: one.run(corrected.id, timeout_s=20))

    assert ran.progress.succeeded == 5
    assert Counter(credits_of(gateway).values()) == {1: 5}


def test_erased_payee_is_gone_from_the_rows_of_a_batch(
    batches: Run, approved: Callable[..., Batch], gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """The digest stays: the batch is still the one that was approved, and can be looked at and run."""
    batch = approved(2)
    batches(lambda one: one.run(batch.id, timeout_s=20))
    with PayoutClient.from_config() as client:
        assert client.erase("salary/0", actor="Ann", reason="asked to").erased

    rows = batches(lambda one: one.rows(batch.id))

    assert [(row.row is None, row.key) for row in rows] == [(True, "salary/0"), (False, "salary/1")]
    assert "salary" not in repr(rows)
    assert batches(lambda one: one.run(batch.id)).progress.succeeded == 2
    with closing(audit(tmp_path)) as found:
        assert list(found.flaws()) == []


def test_rows_that_are_never_paid_are_erased_with_what_has_ended(
    batches: Run, approved: Callable[..., Batch], people: People, gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """Those of a cancelled batch, and what a crash has left of a creation; nobody finishes that any more."""
    waiting, cancelled = approved(2), batches(lambda one: one.create(people(3), name="not owed", actor="ann"))[0]
    batches(lambda one: one.cancel(cancelled.id, actor="bob", reason="not owed"))
    with PayoutClient.from_config() as client:
        journal, later = client.runtime.journal, client.runtime.clock() + timedelta(seconds=1)
        rows = [result.row for result in journal.batch_rows(waiting.id, limit=2)]
        journal.write_batch(BeginBatch("b_draft", "draft", client.runtime.clock()))
        journal.write_batch(WriteRows("b_draft", rows))
        asked = {"actor": "Ann", "reason": "a year is over"}

        assert client.erase(before=waiting.history[0].at, **asked).rows == 0
        assert client.erase(before=later, dry_run=True, **asked).rows == 5
        assert client.erase(before=later, **asked).rows == 5
        assert client.erase(before=later, **asked).rows == 0
        with pytest.raises(JournalError, match="not being written any more"):
            journal.write_batch(WriteRows("b_draft", rows))
        draft = Batch("b_draft", "draft", BatchState.WRITING, "hash", 2, waiting.totals)
        with pytest.raises(JournalError, match="not being written any more"):
            journal.write_batch(FreezeBatch(draft, later, "ann"))

    assert [row.row for row in batches(lambda one: one.rows(cancelled.id))] == [None] * 3
    assert all(row.row for row in batches(lambda one: one.rows(waiting.id)))
    assert batches(lambda one: one.run(waiting.id, timeout_s=20)).progress.succeeded == 2
    with closing(audit(tmp_path)) as found:
        assert list(found.flaws()) == []


def test_draft_that_lost_a_row_is_not_frozen(people: People, gateway: MtnMomoEmulator) -> None:
    """What is approved later is what was counted."""
    with PayoutClient.from_config() as client:
        journal = client.runtime.journal
        journal.write_batch(BeginBatch("b_draft", "draft", client.runtime.clock()))
        draft = Batch("b_draft", "draft", BatchState.WRITING, "hash", 1, (Money("5", "EUR"),))
        with pytest.raises(JournalError, match="not being written any more"):
            journal.write_batch(FreezeBatch(draft, client.runtime.clock(), "ann"))


def test_cancelled_batch_can_be_created_again(
    batches: Run, approved: Callable[..., Batch], gateway: MtnMomoEmulator
) -> None:
    """Its rows have the same keys: who was paid meanwhile is not paid again."""
    first = approved(2)
    batches(lambda one: one.cancel(first.id, actor="bob", reason="by mistake"))

    again = approved(2)
    ran = batches(lambda one: one.run(again.id, timeout_s=20))

    assert (again.id != first.id, again.content_hash) == (True, first.content_hash)
    assert ran.progress.succeeded == 2
    assert Counter(credits_of(gateway).values()) == {1: 2}


def test_row_of_an_erased_payout_is_erased_from_a_later_batch_that_was_cancelled(
    batches: Run, approved: Callable[..., Batch], people: People, gateway: MtnMomoEmulator
) -> None:
    """Its key is known, so nothing is paid; the payee came back with the file."""
    first = approved(1)
    batches(lambda one: one.run(first.id, timeout_s=20))
    with PayoutClient.from_config() as client:
        client.erase("salary/0", actor="Ann", reason="asked to")
        again = batches(lambda one: one.create(people(2), name="again", actor="ann"))[0]
        batches(lambda one: one.cancel(again.id, actor="bob", reason="not owed"))
        assert client.erase(before=client.runtime.clock() + timedelta(seconds=1), actor="Ann", reason="over").rows == 2
    assert [row.row for row in batches(lambda one: one.rows(again.id))] == [None, None]
