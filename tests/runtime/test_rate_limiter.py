"""Permits where they are used: before a read, before a payment is written down as sent, and nowhere else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from flat_records import changed

from payments_core.domain.payout import PayoutStatus
from payments_core.domain.rates import VOID_AFTER_S, AcquirePermit, Permit, Priority, ReadEnd
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import ApplyTransition
from payments_core.engine.journal_protocol import Journal
from payments_core.http.messages import NoAnswer, NoPermit
from payments_core.provider import RetryPolicy
from payments_core.runtime import permit_wait, priority_of

if TYPE_CHECKING:
    from tests.runtime.conftest import Desk

OpenDesk = Callable[..., "Desk"]


class Asked:
    """A journal that counts what it is asked for permits, and may be slow to answer."""

    def __init__(self, journal: Journal, slow_s: float = 0.0) -> None:
        self._journal, self._slow_s = journal, slow_s
        self.permits: list[Permit] = []
        self.priorities: list[Priority] = []

    def permit(self, asked: AcquirePermit) -> Future[Permit]:
        permit = self._journal.permit(asked).result(10)
        self.permits.append(permit)
        self.priorities.append(asked.priority)
        answer: Future[Permit] = Future()
        threading.Timer(self._slow_s, answer.set_result, (permit,)).start()
        return answer


def watch(desk: Desk, slow_s: float = 0.0) -> Asked:
    asked = Asked(desk.journal, slow_s)
    desk.line.limiter.journal = asked
    return asked


def create_payout(desk: Desk, key: str, status: PayoutStatus = PayoutStatus.PENDING) -> PayoutRecord:
    """Write down a payout that may have arrived and is due."""
    row = desk.row(key)
    desk.journal.execute(
        ApplyTransition(
            row, changed(row, status=status, submissions=1, sent_at=desk.clock()), Event("payout.x", desk.clock())
        )
    )
    return desk.row(key)


def stall_before_sending(desk: Desk, stall: Callable[[], object]) -> None:
    """Let the journal take its time whenever it writes down that a payment is being sent."""
    execute = desk.journal.execute

    def slow(entry: Any) -> Any:
        if isinstance(entry, ApplyTransition) and entry.after.status is PayoutStatus.SENDING:
            stall()
        return execute(entry)

    async def slow_async(entry: Any) -> Any:
        return await asyncio.to_thread(slow, entry)

    desk.journal.execute, desk.journal.execute_async = slow, slow_async  # type: ignore[method-assign]


def test_account_without_a_cap_takes_no_permit(open_desk: OpenDesk) -> None:
    """No cap, no cost: paying and reading take no permit."""
    desk = open_desk()
    asked = watch(desk)
    create_payout(desk, "open")
    assert [row.status for row in desk.pay("open", "new")] == [PayoutStatus.SUCCEEDED] * 2
    assert asked.permits == []


def test_read_takes_a_permit(open_desk: OpenDesk) -> None:
    """What is unknown and what is due are read under a permit; a payment's own way takes no read's permit."""
    desk = open_desk(reads_per_s=200)
    asked = watch(desk)
    create_payout(desk, "pending")
    create_payout(desk, "unknown", PayoutStatus.UNKNOWN)
    desk.pay("pending", "unknown", "new")
    assert sorted(asked.priorities) == [Priority.READ, Priority.READ]


@pytest.mark.parametrize("status", PayoutStatus)
def test_priority_follows_from_the_record(open_desk: OpenDesk, status: PayoutStatus) -> None:
    """A callback's read is one whatever the payout's state; nothing is read of what was never sent."""
    row = replace(open_desk().row(), status=status)
    unsent = status is PayoutStatus.CREATED
    called = changed(row, next_at=row.created_at, callback_read_at=row.created_at)
    assert priority_of(called) is (None if unsent else Priority.CALLBACK_READ)
    done = changed(called, next_at=row.created_at + timedelta(seconds=1))
    assert priority_of(done) is (None if unsent else Priority.READ)
    assert priority_of(changed(done, attempt=2)) is Priority.READ  # the first one is read


def test_payments_are_sent_in_order(open_desk: OpenDesk) -> None:
    """Permits are taken before the payout is written down as sent, and are as far apart as the cap says."""
    desk = open_desk(posts_per_s=20)
    asked = watch(desk)
    at_send: list[float] = []
    desk.server.at_send = lambda request: at_send.append(time.monotonic()) if request.moves_money else None
    rows = desk.pay(*"abcde")
    assert {row.status for row in rows} == {PayoutStatus.SUCCEEDED}
    given = sorted(permit.at for permit in asked.permits if permit.is_given)
    assert all(later - earlier >= 50_000 for earlier, later in pairwise(given))
    assert set(asked.priorities) == {Priority.POST}
    assert max(at_send) - min(at_send) >= 4 / 20 - VOID_AFTER_S  # a slow machine's first one leaves late, none early


def test_permit_that_came_too_late_is_void(open_desk: OpenDesk) -> None:
    """A slow journal's first answer is of no use; the next one is asked for as far ahead as that answer took."""
    desk = open_desk(reads_per_s=100)
    asked = watch(desk, slow_s=0.2)
    create_payout(desk, "k")
    assert [row.status for row in desk.pay("k")] == [PayoutStatus.SUCCEEDED]
    first, second = asked.permits
    assert first.is_given
    assert second.is_given
    assert second.at - first.at >= 300_000
    assert desk.server.count("read") == 1


def test_payment_that_would_wait_too_long_is_postponed(open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No caller sleeps for ever: it stays unsent, is due when its turn may come, and loses no step of its schedule."""
    monkeypatch.setattr(permit_wait, "VOID_AFTER_S", 5)  # a busy machine may take a tenth of a second by itself
    desk = open_desk(posts_per_s=0.05)
    assert [row.status for row in desk.pay("first")] == [PayoutStatus.SUCCEEDED]
    [row] = desk.pay("second")
    assert (row.status, row.attempt.submissions, row.attempt.refusals, row.reason) == (PayoutStatus.CREATED, 0, 0, None)
    assert row.schedule.next_at is not None
    assert 10 < (row.schedule.next_at - desk.clock()).total_seconds() <= 20
    assert [entry.event for entry in desk.journal.history(row.id)] == ["payout.created", "payout.waiting"]
    assert (desk.server.count("pay"), desk.permits()) == (1, desk.account.settings.max_in_flight)


def test_payment_recorded_too_slowly_waits_for_another_permit(open_desk: OpenDesk) -> None:
    """A journal that stalls does not make all that waited for it leave in one burst."""
    desk = open_desk(posts_per_s=20)
    asked = watch(desk)
    at_send: list[float] = []
    desk.server.at_send = lambda request: at_send.append(time.monotonic()) if request.moves_money else None
    stalled = threading.Barrier(5)
    stall_before_sending(desk, lambda: stalled.wait(10))
    assert {row.status for row in desk.pay(*"abcde")} == {PayoutStatus.SUCCEEDED}
    assert len(asked.permits) > 5
    assert max(at_send) - min(at_send) >= 0.09  # of five turns, at most two were not over


def test_payment_with_a_void_permit_and_no_near_one_is_not_sent(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has left: it is as unsent as before, and is sent later."""
    monkeypatch.setattr(permit_wait, "VOID_AFTER_S", 0.5)  # a busy machine may take a tenth of a second by itself
    desk = open_desk(posts_per_s=0.05)
    stall_before_sending(desk, lambda: time.sleep(0.7))
    [row] = desk.pay("k")
    assert (row.status, row.attempt.ambiguous, row.attempt.submissions) == (PayoutStatus.CREATED, False, 1)
    assert [entry.event for entry in desk.journal.history(row.id)][1:] == ["payout.sending", "payout.waiting"]
    assert desk.server.count("pay") == 0


def hold(desk: Desk, after_s: float) -> None:
    row = create_payout(desk, "refused")
    end = ReadEnd(is_refused=True, after_s=after_s)
    desk.journal.execute(ApplyTransition(row, row, Event("payout.read", desk.clock()), read_end=end))


def test_read_that_would_wait_too_long_is_postponed(open_desk: OpenDesk) -> None:
    """During a long penalty what is due becomes due at its end, and nothing is asked meanwhile."""
    desk = open_desk(reads_per_s=100)
    hold(desk, 60)
    create_payout(desk, "k", PayoutStatus.UNKNOWN)
    [row] = desk.pay("k")
    assert row.status is PayoutStatus.UNKNOWN
    assert row.schedule.next_at is not None
    assert 50 < (row.schedule.next_at - desk.clock()).total_seconds() <= 60
    assert (row.schedule.not_found_count, desk.server.count("read")) == (0, 0)
    [again] = desk.pay("k")  # before it is due: asked for by a caller that waits
    assert again == row


def test_postponed_callback_read_keeps_its_priority(open_desk: OpenDesk) -> None:
    """A penalty must not move a flood of callbacks into the places of everybody else."""
    desk = open_desk(reads_per_s=100)
    hold(desk, 60)
    row = create_payout(desk, "k")
    desk.journal.execute(
        ApplyTransition(row, changed(row, callback_read_at=row.schedule.next_at), Event("payout.read", desk.clock()))
    )
    [later] = desk.pay("k")
    assert later.schedule.next_at != row.schedule.next_at
    assert later.schedule.is_callback_read


def test_read_without_a_permit_is_not_retried_at_once(open_desk: OpenDesk, asks: dict[str, Callable[[], Any]]) -> None:
    """A read that may be repeated is not: its turn has not come, however often it is asked."""
    desk = open_desk(reads_per_s=100, retry={"read": RetryPolicy(attempts=5)})
    hold(desk, 60)
    asked = watch(desk)
    with pytest.raises(NoPermit) as ended:
        desk.one(lambda line: line.exchange(asks["read"](), Priority.READ))
    assert 50 < ended.value.after_s <= 60
    assert len(asked.permits) == 1


def test_repeated_read_takes_a_permit_each_time(open_desk: OpenDesk, asks: dict[str, Callable[[], Any]]) -> None:
    """The cap holds on the wire, not for each question."""
    policy = RetryPolicy(attempts=3, first_wait_s=0.001, longest_wait_s=0.01, jitter_s=0)
    desk = open_desk(reads_per_s=200, retry={"read": policy})
    asked = watch(desk)
    broken = iter([True, True, False])

    def at_send(request: Any) -> None:
        if request.operation == "read" and next(broken):
            raise NoAnswer("reset", at=desk.clock())

    desk.server.at_send = at_send
    assert desk.one(lambda line: line.exchange(asks["read"](), Priority.READ)).status == 200
    given = Counter(permit.is_given for permit in asked.permits)[True]
    assert given >= 3, "one that a busy machine leaves unused for 100 ms is void, and another is taken"


@pytest.mark.parametrize("cap", [{"reads_per_s": 100}, {}], ids=["capped", "not capped"])
def test_read_refused_with_429_holds_all_reads_of_the_account(open_desk: OpenDesk, cap: dict[str, Any]) -> None:
    """One 429 is not repeated at once and holds every read of the account, in this process even where it has no cap."""
    policy = RetryPolicy(attempts=5, statuses=frozenset({429}))
    desk = open_desk(retry={"read": policy}, **cap)
    create_payout(desk, "a", PayoutStatus.UNKNOWN), create_payout(desk, "b")
    desk.server.read_status, desk.server.retry_after = 429, "40"
    [row] = desk.pay("a")
    assert (row.status, desk.server.count("read")) == (PayoutStatus.UNKNOWN, 1)
    desk.server.read_status = 200
    [row] = desk.pay("b")
    assert (row.status, desk.server.count("read")) == (PayoutStatus.PENDING, 1)
    assert len(desk.journal.holds()) == 1


def test_account_without_a_cap_takes_no_permit_after_its_penalty(open_desk: OpenDesk) -> None:
    """A penalty costs a permit for each read until an answer comes; then nothing again."""
    desk = open_desk()
    desk.line.limiter.is_penalised = True
    asked = watch(desk)
    create_payout(desk, "a"), create_payout(desk, "b")
    assert [row.status for row in desk.pay("a")] == [PayoutStatus.SUCCEEDED]
    assert len(asked.permits) == 1
    assert [row.status for row in desk.pay("b")] == [PayoutStatus.SUCCEEDED]
    assert len(asked.permits) == 1


def test_payment_refused_with_429_holds_the_next(open_desk: OpenDesk) -> None:
    """The account waits as long as the provider says, with and without a cap."""
    desk = open_desk()
    desk.server.pay_status, desk.server.retry_after = 429, "40"
    until = desk.clock() + timedelta(seconds=40)
    desk.pay("a")
    desk.server.pay_status = 200
    [row] = desk.pay("b")
    assert (row.status, desk.server.count("pay")) == (PayoutStatus.CREATED, 1)
    assert [(pause.by, pause.probe_at) for pause in desk.journal.pauses()] == [("rate", until)]
    desk.clock.advance(40)
    assert [row.status for row in desk.pay("b")] == [PayoutStatus.SUCCEEDED]
    assert desk.journal.pauses() == ()


def test_open_circuit_stops_payments_and_not_reads(open_desk: OpenDesk) -> None:
    """Payments without an answer stop the account; what may have arrived is read all the same, and one probe goes."""
    desk = open_desk(circuit_after=3, poll_schedule_s=[600.0])

    def at_send(request: Any) -> None:
        if request.moves_money:
            raise NoAnswer("timed out", at=desk.clock())

    desk.server.at_send = at_send
    desk.pay("a"), desk.pay("b"), desk.pay("c")
    [row] = desk.pay("d")
    assert (row.status, desk.server.count("pay")) == (PayoutStatus.CREATED, 3)
    assert [pause.by for pause in desk.journal.pauses()] == ["circuit"]
    assert [row.status for row in desk.pay("a")] == [PayoutStatus.SUCCEEDED]
    desk.server.at_send = lambda _: None
    desk.clock.advance(30)
    assert [row.status for row in desk.pay("d")] == [PayoutStatus.SUCCEEDED]
    assert desk.journal.pauses() == ()
