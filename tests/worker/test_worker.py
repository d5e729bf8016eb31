"""A worker inside a program: what it survives, and how an application keeps one beside its own work."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutStatus
from payments_core.client import assemble
from payments_core.client.inbox import PAGE, Inbox
from payments_core.domain.errors import JournalClosed, SettingsError
from payments_core.domain.records import Event
from payments_core.engine.commands import AppendHistory
from payments_core.runtime import utc_now
from payments_core.worker import Worked, WorkerSettings, run_worker

QUICK = WorkerSettings(poll_s=0.2, claim_s=2, grace_s=10)


def worker_events(caplog: pytest.LogCaptureFixture, name: str = "worker.trouble") -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.message == name]


async def until(is_so: Callable[[], Any], worker: asyncio.Task[Worked]) -> None:
    """Wait until something is so, as long as the worker lives."""
    for _ in range(1500):
        if worker.done() or is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError


async def until_paid(place: Any, worker: asyncio.Task[Worked], stop: asyncio.Event) -> Worked:
    """Wait until all is paid, then stop the worker."""
    await until(place.all_paid, worker)
    stop.set()
    return await worker


def test_worker_runs_beside_an_application_on_one_event_loop(place: Any) -> None:
    """One event loop, one client: the application accepts, the worker pays, and stops when it is told."""

    async def application() -> Worked:
        stop, seen = asyncio.Event(), list[str]()
        async with AsyncPayoutClient.from_config(place.config) as client:
            worker = asyncio.create_task(
                run_worker(client, settings=QUICK, stop=stop, on_change=lambda payout: seen.append(payout.key))
            )
            for number in range(20):
                payee, amount = Payee.msisdn(f"46733{number:06}"), Money(5, "EUR")
                await client.accept(key=f"app/{number}", payee=payee, amount=amount)
            worked = await until_paid(place, worker, stop)
            assert len(seen) == worked.steps == 40
            assert len([payout async for payout in client.payouts()]) == 20, "the client stays open"
        return worked

    assert asyncio.run(application()).ended == {PayoutStatus.SUCCEEDED: 20}
    place.check(20)


def test_cancelled_worker_leaves_what_a_crash_would(make_place: Any) -> None:
    """Nothing is guessed about what was in flight; another reads it when its lease is over."""
    place = make_place()
    place.gateway.set_faults({"slow_s": {"value": 0.6, "on": "post"}})
    place.accept(3)

    async def cancel() -> None:
        worker = asyncio.create_task(run_worker(place.config))
        await until(lambda: len(place.gateway.ledger()) == 3, worker)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker

    asyncio.run(cancel())
    assert place.statuses() == {PayoutStatus.SENDING: 3}
    place.gateway.set_faults({})
    stop = asyncio.Event()

    async def again() -> None:
        await until_paid(place, asyncio.create_task(run_worker(place.config, stop=stop)), stop)

    asyncio.run(again())
    place.check(3)


def test_worker_once_without_an_account_ends_at_once(place: Any) -> None:
    """A worker without an account has nothing to wait for."""
    place.accept(1)

    async def once() -> None:
        async with asyncio.timeout(10):
            worked = await run_worker(place.config, accounts=(), settings=QUICK, once=True)
        assert worked.steps == 0

    asyncio.run(once())
    assert place.statuses() == {PayoutStatus.CREATED: 1}


@pytest.mark.parametrize("jumps", [(7200, -7200), (-7200, 7200), (90_000, 0)])
def test_clock_jumps_pay_no_payee_twice(make_place: Any, jumps: tuple[int, int]) -> None:
    """Leases and claims end too soon or too late; who is paid, and how often, does not change."""
    place = make_place(max_in_flight=8)
    place.gateway.set_faults({"slow_s": {"value": 0.1}})
    place.accept(40)
    offset = timedelta()

    def clock() -> datetime:
        return utc_now() + offset

    async def jump() -> None:
        nonlocal offset
        stop = asyncio.Event()
        async with (
            AsyncPayoutClient(assemble(place.config, clock=clock)) as jumping,
            AsyncPayoutClient.from_config(place.config) as steady,
        ):
            workers = [asyncio.create_task(run_worker(one, settings=QUICK, stop=stop)) for one in (jumping, steady)]
            for seconds in jumps:
                await asyncio.sleep(0.15)
                offset += timedelta(seconds=seconds)
            await asyncio.sleep(1)
            offset = timedelta()
            await asyncio.sleep(1)
            stop.set()
            await asyncio.gather(*workers)

    asyncio.run(jump())
    # What the wrong clock has put off, or given up waiting for: a read ends it, as it does after a real jump.
    with PayoutClient.from_config(place.config) as client:
        for payout in [one for one in client.payouts() if not one.is_final]:
            assert payout.status is not PayoutStatus.FAILED
            row = client._runtime.journal.get(payout.id)
            assert row is not None
            # One that was proven not sent waits for a moment of the wrong clock.
            waits = row.status is PayoutStatus.CREATED and row.schedule.next_at is not None
            ahead = max(row.schedule.next_at - utc_now(), timedelta()) if waits else timedelta()
            with PayoutClient(assemble(place.config, clock=lambda ahead=ahead: utc_now() + ahead)) as later:
                later.wait(later.refresh(payout.id).id, timeout_s=30)
    place.check(40)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_cannot_use_its_parents_client(place: Any) -> None:
    """The child is refused and ends; the parent's worker never notices."""
    place.accept(5)

    async def fork() -> Worked:
        stop = asyncio.Event()
        async with AsyncPayoutClient.from_config(place.config) as client:
            worker = asyncio.create_task(run_worker(client, settings=QUICK, stop=stop))
            await asyncio.sleep(0.1)
            pid = os.fork()
            if pid == 0:
                try:
                    client.runtime.journal.claim(utc_now(), owner="x", until=utc_now(), accounts=["a"], limit=1)
                except JournalClosed:
                    os._exit(7)
                os._exit(1)
            _, ended = await asyncio.to_thread(os.waitpid, pid, 0)
            assert os.waitstatus_to_exitcode(ended) == 7
            return await until_paid(place, worker, stop)

    assert asyncio.run(fork()).trouble == 0
    place.check(5)


def test_closed_journal_ends_the_worker(make_place: Any) -> None:
    """It does not wait for what will never come back."""

    async def close() -> None:
        client = AsyncPayoutClient.from_config(make_place().config)
        worker = asyncio.create_task(run_worker(client, settings=QUICK))
        await asyncio.sleep(0.1)
        await client.close()
        with pytest.raises(JournalClosed):
            await asyncio.wait_for(worker, 30)

    asyncio.run(close())


def test_callback_flood_delays_no_payment_and_no_stop(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come, a turn handles a page of them, and what is due has its turn."""
    calm = threading.Event()

    def flood(_: Inbox, limit: int | None = None) -> int:
        return limit or int(calm.wait(20))  # all of them are never handled: there is always one more

    async def work() -> Worked:
        stop = asyncio.Event()
        worker = asyncio.create_task(run_worker(place.config, settings=QUICK, stop=stop))
        return await until_paid(place, worker, stop)

    place.accept(5)
    monkeypatch.setattr(Inbox, "handle", flood)
    try:
        asyncio.run(asyncio.wait_for(work(), 15))
    finally:
        calm.set()
    place.check(5)


def test_worker_once_handles_all_callbacks(make_place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is due, and there is more than one page: it comes again at once, and ends when there is none."""
    left = [3, PAGE, PAGE]
    monkeypatch.setattr(Inbox, "handle", lambda _, limit: left.pop())
    asyncio.run(run_worker(make_place().config, settings=QUICK.model_copy(update={"poll_s": 600}), once=True))
    assert left == []


def test_worker_once_does_the_checks_that_callbacks_ask_for(make_place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are handled after it began, and are as old as the others."""
    place = make_place(poll_schedule_s=[60.0, 60.0])
    place.accept(3)
    asyncio.run(run_worker(place.config, once=True))
    left = [3, PAGE, PAGE]

    def handle(inbox: Inbox, limit: int) -> int:
        count = left.pop() if left else 0
        if 0 < count < limit:
            for row in place.rows():
                place.journal.execute(AppendHistory(row.id, Event("payout.called", inbox.now), due_at=inbox.now))
        return count

    monkeypatch.setattr(Inbox, "handle", handle)
    worked = asyncio.run(run_worker(place.config, settings=QUICK, once=True))
    assert worked.steps == 3
    place.check(3)


def test_payout_in_trouble_stops_no_other(make_place: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be worked on is told with its id, is left alone for a while, and then tried again."""
    caplog.set_level("INFO", "payments_core")
    place = make_place()
    place.accept(6)
    asyncio.run(run_worker(place.config, once=True))  # all are with the provider, and will be read
    broken = place.rows()[2]

    def write(request: str) -> None:
        with closing(sqlite3.connect(place.folder / "payouts.db")) as other:
            other.execute("UPDATE payouts SET request = ? WHERE id = ?", (request, broken.id))
            other.commit()

    write("{}")

    async def work() -> Worked:
        stop = asyncio.Event()
        settings = QUICK.model_copy(update={"claim_s": 0.5})
        worker = asyncio.create_task(run_worker(place.config, settings=settings, stop=stop))
        await until(lambda: len(worker_events(caplog)) >= 2 and len(place.statuses()) == 2, worker)
        assert place.statuses() == {PayoutStatus.SUCCEEDED: 5, PayoutStatus.PENDING: 1}
        write(broken.attempt.request)
        return await until_paid(place, worker, stop)

    worked = asyncio.run(work())
    result = worker_events(caplog)
    assert {one["payout"] for one in result} == {broken.id}
    assert worked.trouble == len(result) < 10, "it is not tried without a pause"
    place.check(6)


def test_account_in_trouble_delays_no_other(make_place: Any) -> None:
    """Each account has its own room: a gateway that hangs keeps its own payouts waiting and nobody else's."""
    slow, place = make_place(), make_place()
    slow.gateway.set_faults({"slow_s": 30})
    table = slow.config.read_text("utf-8").split("[accounts.mtn-sandbox]")[1].split("[worker]")[0]
    table = table.replace("file:secrets", f"file:{slow.folder}/secrets")
    place.config.write_text(f"{place.config.read_text('utf-8')}\n[accounts.slow]\n{table}", "utf-8")
    for account in ("slow", "mtn-sandbox"):
        place.accept(20, account, account=account)

    def statuses(account: str) -> set[PayoutStatus]:
        return {row.status for row in place.journal.rows(account=account)}

    async def work() -> None:
        worker = asyncio.create_task(run_worker(place.config, settings=QUICK))
        await until(lambda: statuses("mtn-sandbox") == {PayoutStatus.SUCCEEDED}, worker)
        assert PayoutStatus.SUCCEEDED not in statuses("slow")
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    asyncio.run(asyncio.wait_for(work(), 60))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("worker.poll_s = 0\n", "poll_s"),
        ("worker.claim_s = inf\n", "claim_s"),
        ("worker.grace_s = -1\n", "grace_s"),
        ("worker.pol_s = 1\n", "did you mean poll_s"),
        ('worker.poll_s = "often"\n', "poll_s"),
        ("worker = 1\n", "must be a table"),
    ],
)
def test_worker_settings_are_validated_at_the_start(tmp_path: Path, written: str, expected: str) -> None:
    """A typing error is found at the start, with its table and its name."""
    config = tmp_path / "payouts.toml"
    config.write_text(
        f'{written}[accounts]\n[installation]\nnamespace = "12345678"\n[journal]\nurl = "sqlite:///p.db"\n'
    )
    with pytest.raises(SettingsError, match=rf"\[worker\].*{expected}"):
        asyncio.run(run_worker(config))
