"""Events for the application: offered until they are acknowledged, and not acknowledged before they are heard."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from payments_core import AsyncPayoutClient, PayoutClient, PayoutEvent, PayoutStatus
from payments_core.client import event_stream
from payments_core.domain.errors import JournalClosed, SettingsError, UnknownEvent


@pytest.fixture
def client(installation: Any) -> Iterator[PayoutClient]:
    """A client of an installation in which two payouts have come to an end, by way of REVIEW."""
    for end in (PayoutStatus.REVIEW, PayoutStatus.SUCCEEDED):
        installation.publish(["one"], [end])
        installation.publish(["two"], [end])
    with PayoutClient.from_config(installation.config) as made:
        yield made


def received(client: PayoutClient, consumer: str = "books") -> list[str]:
    return [event.id for event in client.events(consumer=consumer)]


def test_loop_receives_every_event_once(client: PayoutClient) -> None:
    """Each payout's events in their order; a second loop under the same name has nothing left to hear."""
    events = list(client.events(consumer="books"))
    assert [event.id for event in events] == ["po_one.2", "po_two.2", "po_one.3", "po_two.3"]
    assert {type(event) for event in events} == {PayoutEvent}
    assert events[3].status is PayoutStatus.SUCCEEDED
    assert received(client) == []
    assert len(received(client, "mail")) == 4


@pytest.mark.parametrize("preflight", ["raise", "break"])
def test_loop_that_is_left_has_not_acknowledged_its_event(client: PayoutClient, preflight: str) -> None:
    """What the body was at when it broke off is offered again, also by the very same iterator."""

    def broken() -> None:
        for event in events:
            if event.id == "po_two.2":
                if preflight == "break":
                    break
                raise RuntimeError

    events = client.events(consumer="books")
    if preflight == "break":
        broken()
    else:
        with pytest.raises(RuntimeError):
            broken()
    assert [event.id for event in events] == ["po_two.2", "po_one.3", "po_two.3"]


def test_loops_of_one_consumer_lose_nothing(client: PayoutClient, installation: Any) -> None:
    """They may hear the same twice, and that is all."""
    installation.publish([f"p{number}" for number in range(20)])

    def hear(_: int) -> list[str]:
        with PayoutClient.from_config(installation.config) as other:
            return received(other)

    with ThreadPoolExecutor(2) as pool:
        assert len(set().union(*pool.map(hear, range(2)))) == 64
    assert received(client) == []


def test_event_can_be_acknowledged_before_the_loop_is_left(client: PayoutClient) -> None:
    """Who stops in the middle on purpose says so."""
    events = client.events(consumer="books")
    for event in events:
        assert event.id == "po_one.2"
        events.ack()
        events.ack()
        break
    assert received(client)[0] == "po_two.2"


def test_loop_that_follows_receives_new_events(client: PayoutClient, installation: Any) -> None:
    """It ends with its client."""
    seen, ended = list[str](), list[BaseException]()

    def follow() -> None:
        try:
            for event in client.events(consumer="books", follow=True, poll_s=0.02):
                seen.append(event.id)
        except JournalClosed as closed:
            ended.append(closed)

    thread = threading.Thread(target=follow)
    thread.start()
    for name in ("three", "four"):
        installation.publish([name], [PayoutStatus.FAILED])
        until = time.monotonic() + 10
        while f"po_{name}.2" not in seen:
            assert time.monotonic() < until
            time.sleep(0.01)
    client.close()
    thread.join(10)
    assert len(seen) == 6
    assert len(ended) == 1


def test_consumer_may_begin_at_a_time(client: PayoutClient) -> None:
    """Otherwise it hears all there ever was; a name and a moment are checked at once."""
    at = max(event.at for event in client.events(consumer="books") if event.status is PayoutStatus.REVIEW)
    late = client.events(consumer="late", since=at + timedelta(microseconds=1))
    assert [event.id for event in late] == ["po_one.3", "po_two.3"]
    for wrong in ("webhook/books", "", "Ä"):
        with pytest.raises(SettingsError, match="no name"):
            client.events(consumer=wrong)
    with pytest.raises(SettingsError, match="time zone"):
        client.events(consumer="late", since=datetime(2026, 11, 2))  # noqa: DTZ001 - that is the point


def test_event_that_cannot_be_handled_is_acknowledged_by_hand(client: PayoutClient) -> None:
    """The later ones of its payout come then."""
    assert [one.event.id for one in client.pending_events("books", limit=2)] == ["po_one.2", "po_two.2"]
    client.acknowledge_event("books", "po_one.2")
    assert [one.event.id for one in client.pending_events("books")] == ["po_two.2", "po_one.3", "po_two.3"]
    with pytest.raises(UnknownEvent):
        client.acknowledge_event("books", "po_one.77")
    with pytest.raises(SettingsError, match="no webhook"):
        client.acknowledge_event("webhook/books", "po_one.2")


def test_async_loop_acknowledges_like_the_other(client: PayoutClient, installation: Any) -> None:
    """It acknowledges by asking for the next, and neither when it is left nor when it is cancelled."""

    async def application() -> tuple[list[str], ...]:
        async with AsyncPayoutClient.from_config(installation.config) as payer:
            events = payer.events(consumer="books")
            first = list[str]()
            async for event in events:
                first.append(event.id)
                if event.id == "po_two.2":
                    break
            second, in_the_middle = list[str](), asyncio.Event()

            async def follow() -> None:
                async for event in payer.events(consumer="books", follow=True, poll_s=0.02):
                    second.append(event.id)
                    if len(second) == 2:
                        in_the_middle.set()
                        await asyncio.sleep(60)

            task = asyncio.create_task(follow())
            await in_the_middle.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await payer.acknowledge_event("books", "po_two.3")
            return first, second, [event.id async for event in payer.events(consumer="books")]

    first, second, third = asyncio.run(application())
    assert first == ["po_one.2", "po_two.2"]
    assert second == ["po_two.2", "po_one.3"]
    assert third == ["po_one.3"]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_event_committed_late_is_not_lost(
    client: PayoutClient, installation: Any, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shared journal one may be committed after others with higher numbers that were heard already."""
    monkeypatch.setattr(event_stream, "_AGAIN_S", 0.5)
    installation.publish(["slow"], [])
    with closing(psycopg.connect(postgres_url, autocommit=False)) as other:
        other.execute(
            "INSERT INTO payments_core.outbox (event_id, payout_id, key, account, status, attempt, seq, at)"
            " VALUES ('po_slow.2', 'po_slow', 'k', 'a', 'FAILED', 1, 2, 0)"
        )
        installation.publish(["quick"], [PayoutStatus.FAILED])
        seen, commit, until = list[str](), threading.Timer(0.3, other.commit), time.monotonic() + 20
        events = client.events(consumer="books")
        while "po_slow.2" not in seen and time.monotonic() < until:
            for event in events:
                seen.append(event.id)
                if event.id == "po_quick.2":
                    commit.start()
            time.sleep(0.05)
        commit.join()
    assert seen.index("po_quick.2") < seen.index("po_slow.2")
