"""A gateway calls back for real: twice, early, wrongly, about somebody else. Only reads change anything."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutStatus
from payments_core.client import resuming
from payments_core.client.inbox import PAGE, Inbox
from payments_core.domain.payout import PayoutStatus as S
from payments_core.worker import work

GOOD, STUCK, FAILING = "+46733123499", "+46733123453", "+46733123457"
Harness = Any


def call(harness: Harness, payout: Any, status: str = "SUCCESSFUL", *, method: str = "PUT", **changes: Any) -> int:
    body = json.dumps({**harness.callback_of(payout), "status": status, **changes}).encode()
    code: int = harness.server.ask(method, harness.path, body)[0]
    return code


def test_callback_makes_a_check_due_and_the_check_decides(harness: Harness) -> None:
    """The schedule would have asked in ten minutes."""
    payout = harness.pay("one")
    harness.until_handled(1)
    assert harness.status(payout) in {S.PENDING, S.SUCCEEDED}  # a callback that was quicker is read by `send` itself
    harness.go_on()
    assert harness.status(payout) is S.SUCCEEDED
    assert harness.client.get(payout.id).history[-1].decided_by == "read"
    assert "callback.matched" in harness.events(payout)
    assert harness.reads(payout) == 1
    assert [row["state"] for row in harness.gateway.callbacks()][-1] == "received"


def test_callback_alone_changes_no_status(harness: Harness) -> None:
    """Nobody works: whatever was called back, nothing is known but that somebody should look."""
    payout = harness.pay("one", STUCK)
    row = harness.row(payout)
    assert [call(harness, payout, entry) for entry in ("SUCCESSFUL", "FAILED", "PENDING", "nonsense")] == [200] * 4
    harness.until_handled(4)
    assert harness.row(payout).schedule.next_at < row.schedule.next_at
    assert (harness.row(payout).status, harness.row(payout).version) == (S.PENDING, row.version)
    assert harness.reads(payout) == 0


def test_callback_that_is_lost_is_replaced_by_the_schedule(harness: Harness) -> None:
    """The schedule reads in any case."""
    harness.gateway.set_faults({"callback_lost": True})
    payout = harness.pay("one")
    harness.go_on()
    assert (harness.status(payout), harness.reads(payout)) == (S.PENDING, 0)
    harness.ahead = timedelta(seconds=601)
    harness.go_on()
    assert (harness.status(payout), harness.reads(payout), harness.outcomes()) == (S.SUCCEEDED, 1, {})


def test_callback_that_is_late_still_makes_a_check_due(harness: Harness) -> None:
    """It comes after ten minutes of the gateway's clock; ours has asked nobody meanwhile."""
    harness.gateway.set_faults({"callback_late_s": {"value": 600}})
    payout = harness.pay("one")
    harness.go_on()
    assert (harness.status(payout), harness.outcomes()) == (S.PENDING, {})
    harness.gateway.advance(601)
    harness.until_handled(1)
    harness.go_on()
    assert (harness.status(payout), harness.reads(payout)) == (S.SUCCEEDED, 1)


def test_callbacks_in_large_numbers_cause_one_check(harness: Harness) -> None:
    """Five from the gateway, a hundred from elsewhere: one read, and one more for all that come within five seconds."""
    harness.freeze()
    harness.gateway.set_faults({"callback_repeated": {"value": 4}})
    payout = harness.pay("one")
    harness.until_handled(5)
    harness.go_on()
    assert harness.reads(payout) == 1
    for _ in range(100):
        assert call(harness, payout) == 200
    harness.until_handled(105)
    for seconds in (0, 1, 2, 3, 4):
        harness.ahead = timedelta(seconds=seconds)
        harness.go_on()
    assert harness.reads(payout) == 1
    for seconds in (6, 7, 8):
        harness.ahead = timedelta(seconds=seconds)
        harness.go_on()
    assert (harness.status(payout), harness.reads(payout)) == (S.SUCCEEDED, 2)
    assert harness.events(payout).count("callback.matched") == 2


def test_callback_before_the_answer_is_not_lost(harness: Harness) -> None:
    """It comes before the payment's own answer: the read is due as soon as that is there."""
    harness.gateway.set_faults({"callback_early": True})
    payout = harness.pay("one")
    harness.until_handled(1)
    harness.go_on()
    assert harness.status(payout) is S.SUCCEEDED
    assert harness.reads(payout) == 1


def test_callback_that_is_forged_is_not_believed(harness: Harness) -> None:
    """Somebody says that it failed: the gateway says that it is pending, and so do we."""
    harness.gateway.set_faults({"callback_forged": True})
    payout = harness.pay("one", STUCK)
    harness.until_handled(1)
    harness.go_on()
    assert (harness.status(payout), harness.reads(payout)) == (S.PENDING, 1)


def test_callback_that_contradicts_is_checked_and_not_believed(harness: Harness) -> None:
    """SUCCESSFUL and then FAILED: one of both causes reads, and the reads agree with each other."""
    harness.gateway.set_faults({"callback_contradicts": True})
    payout = harness.pay("one")
    harness.until_handled(2)
    for seconds in (0, 6):
        harness.ahead = timedelta(seconds=seconds)
        harness.go_on()
    assert harness.status(payout) is S.SUCCEEDED
    assert "payout.contradicted" not in harness.events(payout)


def test_callback_after_the_final_status_causes_one_check(harness: Harness) -> None:
    """A bank's mind may change after all; the end stands, and nothing stays due."""
    payout = harness.pay("one")
    harness.until_handled(1)
    harness.go_on()
    read, version = harness.reads(payout), harness.row(payout).version
    harness.ahead = timedelta(seconds=10)
    assert call(harness, payout, "FAILED") == 200
    harness.until_handled(2)
    assert harness.row(payout).schedule.next_at is not None
    entries: list[Any] = []
    harness.client.resume(timeout_s=0, on_change=entries.append)
    assert (harness.reads(payout), harness.row(payout).schedule.next_at, entries) == (read + 1, None, [])
    assert (harness.status(payout), harness.row(payout).version) == (S.SUCCEEDED, version + 1)
    harness.ahead = timedelta(seconds=1000)
    harness.go_on()
    assert harness.reads(payout) == read + 1


def test_callback_for_another_payment_makes_that_one_checked(harness: Harness) -> None:
    """Each is read, and each is what the gateway says of it."""
    other = harness.pay("other", STUCK)
    harness.gateway.set_faults({"callback_for_another": {"next": 1}})
    payout = harness.pay("one")
    harness.until_handled(2)
    harness.go_on()
    assert [harness.status(one) for one in (payout, other)] == [S.SUCCEEDED, S.PENDING]


@pytest.mark.parametrize(
    ("kind", "outcome"), [("cut", "makes no sense"), ("html", "makes no sense"), ("type", "read due"), ("huge", "")]
)
def test_callback_that_is_malformed_does_nothing(harness: Harness, kind: str, outcome: str) -> None:
    """One of a wrong content type is still a hint; one that is huge is not even kept."""
    harness.gateway.set_faults({"callback_malformed": {"kind": kind}})
    payout = harness.pay("one")
    if outcome:
        harness.until_handled(1)
    else:
        harness.until(lambda: harness.gateway.callbacks()[-1]["state"] in {"given up", "received"})
    assert harness.outcomes() == ({outcome: 1} if outcome else {})
    harness.go_on()
    assert harness.status(payout) is (S.SUCCEEDED if outcome == "read due" else S.PENDING)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"externalId": "po_" + "a" * 24}, "about no payout of ours"),
        ({"externalId": "invoice-17"}, "about no payout of ours"),
        ({"externalId": None}, "about no payout of ours"),
        ({"externalId": "\0"}, "about no payout of ours"),
        ({"externalId": "T-\ud800"}, "about no payout of ours"),
        ({"more": "-abcdefabcdef"}, "names a payout by another reference"),
    ],
)
def test_callback_that_names_no_payout_of_ours_is_ignored(
    harness: Harness, changes: dict[str, Any], outcome: str
) -> None:
    payout = harness.pay("one", STUCK)
    row = harness.row(payout)
    result = {"externalId": payout.id + changes["more"]} if "more" in changes else changes
    assert call(harness, payout, **result) == 200
    harness.until_handled(1)
    assert harness.outcomes() == {outcome: 1}
    assert harness.row(payout) == row


def test_callback_finds_a_refund_by_each_of_its_references(harness: Harness) -> None:
    """MTN knows it by our id and a hash of the collection."""
    collection = harness.gateway.add_collection(amount="10", currency="EUR", payer=GOOD[1:])
    money = {"amount": Money("5", "EUR"), "original_amount": Money("10", "EUR")}
    harness.gateway.set_faults({"callback_lost": True})
    payout = harness.client.refund(key=f"{harness.name}/back", collection=collection, **money)
    for external_id in (payout.id, payout.references["external_id"]):
        assert call(harness, payout, externalId=external_id) == 200
    harness.until_handled(2)
    assert harness.outcomes() == {"names a payout by another reference": 1, "read due": 1}
    harness.go_on()
    assert harness.status(payout) is S.SUCCEEDED


def test_callback_does_not_hasten_a_payment(harness: Harness) -> None:
    """Whatever comes from outside, it makes no money leave."""
    harness.client.pause()
    payout = harness.pay("one")
    row = harness.row(payout)
    assert call(harness, payout) == 200
    harness.until_handled(1)
    assert harness.row(payout) == row
    assert harness.outcomes() == {"about a payout that waits to be sent": 1}
    harness.client.unpause()


@contextmanager
def unhandled() -> Iterator[None]:
    """Keep what arrives and handle nothing of it, as a process that dies at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inbox, "handle", lambda _: 0)
        yield


@pytest.mark.parametrize("by", ["resume", "worker", "server"])
def test_callback_kept_before_a_crash_is_handled_by_the_next_process(harness: Harness, by: str) -> None:
    """The gateway has its 200 and will not call again: `resume`, a worker and a server that starts handle it.

    The first two also make the check that it asks for.
    """
    payout = harness.pay("one", STUCK)
    with unhandled():
        assert call(harness, payout) == 200
    assert harness.outcomes() == {"": 1}
    if by == "resume":
        harness.go_on()
    elif by == "worker":
        assert work(harness.config, once=True).trouble == 0
    else:
        harness.restart()
        harness.until_handled(1)
    assert (harness.outcomes(), harness.reads(payout)) == ({"read due": 1}, 0 if by == "server" else 1)


def test_server_accepts_callbacks_before_it_has_handled_older_ones(
    make_scene: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog of hours keeps nobody out: what comes is kept, and its turn comes."""
    harness, goes_on = make_scene(), threading.Event()
    payout, handle = harness.pay("one", STUCK), Inbox.handle
    monkeypatch.setattr(Inbox, "handle", lambda inbox: goes_on.wait(60) and handle(inbox))
    try:
        harness.restart()
        assert call(harness, payout) == 200
        assert harness.outcomes() == {"": 1}
    finally:
        goes_on.set()
    harness.until_handled(1)


def test_inbox_handles_no_more_than_asked_for(harness: Harness) -> None:
    payout = harness.pay("one", STUCK)
    with unhandled():
        assert {call(harness, payout) for _ in range(5)} == {200}
    handle = harness.client.inbox.handle
    assert [handle(2), handle(2), handle(2), handle(2)] == [2, 2, 1, 0]
    assert harness.outcomes() == {"read due": 5}


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("pages", "seconds"), [([PAGE, PAGE, 3], 60.0), ([PAGE] * 10_000, 0.5), ([PAGE, 3], 0.0)])
def test_resume_goes_on_during_a_flood_of_callbacks(
    make_scene: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch, kind: str, pages: list[int], seconds: float
) -> None:
    """A page of it at a time, one after another without a rest; it pays meanwhile, and ends when its time is over."""
    harness = make_scene()
    harness.client.accept(key=f"{harness.name}/one", payee=Payee.msisdn(STUCK), amount=Money("5", "EUR"))
    left, paid_after = iter(pages), list[bool]()

    def handle(_: Inbox, limit: int | None = None) -> int:
        paid_after.append(bool(harness.client.get(f"{harness.name}/one").history[1:]))
        return next(left) if limit == PAGE else 0

    async def resume() -> None:
        async with AsyncPayoutClient.from_config(harness.config) as client:
            await client.resume(timeout_s=seconds)

    monkeypatch.setattr(resuming, "sleep_s", lambda *_: pytest.fail("it sleeps"))
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "handle", handle)
        asyncio.run(resume()) if kind == "async" else harness.client.resume(timeout_s=seconds)
    asked = {60.0: 3, 0.0: 1}.get(seconds, len(paid_after))
    assert paid_after == [False, *[True] * (asked - 1)]
    assert (len(paid_after) > 1) == bool(seconds)
    assert harness.client.get(f"{harness.name}/one").status is S.PENDING


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_wait_uses_what_another_process_has_checked(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its end came while one waited, to another process: one read is enough."""
    harness.gateway.set_faults({"callback_lost": True})
    payout, moment = harness.pay("one"), resuming.next_look

    def meanwhile(*payload: Any) -> Any:
        harness.client.refresh(payout.id)
        return moment(*payload)

    async def wait() -> PayoutStatus:
        async with AsyncPayoutClient.from_config(harness.config) as client:
            return (await client.wait(payout.id)).status

    monkeypatch.setattr(resuming, "next_look", meanwhile)
    with PayoutClient.from_config(harness.config) as client:
        end = asyncio.run(wait()) if kind == "async" else client.wait(payout.id).status
    assert (end, harness.reads(payout)) == (PayoutStatus.SUCCEEDED, 1)
