"""Concrete interleavings, each told step by step: owners that act at the worst moment, one journal, one gateway.

Every owner is a process life of its own: a connection to the journal, sockets to the gateway, a clock and a name in
leases. A test moves them command by command, so nothing here depends on luck or on sleeping.
"""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee
from payments_core.domain.errors import DecisionRefused, JournalClosed
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.engine import OperatorDecision
from payments_core.engine.commands import ApplyTransition
from payments_core.plugins.hookspecs import hookimpl
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.payees import AT_ONCE
from payments_mtn_momo.emulator.tokens import Credentials

S = PayoutStatus
Measured = Callable[..., None]
World = Any
HALF_WINDOW_S = 300.0
LOST = {"answer_lost_before_acceptance": {"next": 1}}  # read by the gateway and not carried out; nobody can know
LOST_TOO_LATE = {"answer_lost_after_acceptance": {"next": 1}}  # carried out, and nobody can know
KEY = "salary/1"
FAILS = "46733123457"  # the gateway's payee who is not found


def absent(owner: Any) -> None:
    """Send a payment that is lost on the way, and read twice that it is not shown: one more read proves absence."""
    assert owner.send().status is S.UNKNOWN
    assert owner.work(2).schedule.not_found_count == 2


def two_about_to_resend(world: World, stops: Any) -> tuple[Any, Any, Any, Any]:
    """Return two owners that have found a lost payment absent, and their steps, which are about to ask for leave."""
    world.gateway.set_faults(LOST)
    a, b = world.owners()
    absent(a)
    a.clock.move(6)
    first = a.begin().until(stops.is_preflight)
    a.clock.move(6)
    return a, b, first, b.begin().until(stops.is_preflight)


# --- two re-POSTs outside half the dedupe window -------------------------------------------------------------------


def test_resends_outside_half_the_window_are_both_stopped(
    world: World, store: str, measured: Measured, stops: Any
) -> None:
    """Both owners find the payment absent in time, and both would send it again too late: neither does.

    1. The first POST is lost. Two reads do not show it.
    2. A reads a third time: absence is established, A is about to ask for leave to send again. A sleeps.
    3. B looks at the payout, is told the same, and is about to ask for leave too. B sleeps.
    4. Half of the window in which the provider knows the reference passes.
    5. B wakes, then A: each is refused by what C2 looks at, the time since the first send. One puts it into REVIEW,
       the other finds it moved.
    """
    a, _, first, second = two_about_to_resend(world, stops)
    a.clock.move(HALF_WINDOW_S)
    assert second.finish().status is S.REVIEW
    assert first.finish().status is S.REVIEW
    assert a.row().reason.code is ReasonCode.NEVER_APPEARED
    assert a.events().count("review") == 1
    assert world.posts() == 1
    measured(13, "two re-POSTs outside half the dedupe window", 1, store=store)


def test_resends_inside_the_window_leave_one(world: World, store: str, measured: Measured, stops: Any) -> None:
    """The same two, in time: one C2 is written, and the other owner sends nothing.

    1. to 3. as before.
    4. B writes C2 and is about to send. A wakes and wants to write its own: the version refuses it.
    5. B sends: the payment is made once, under its first reference.
    """
    a, b, first, second = two_about_to_resend(world, stops)
    sent = {post.attempt.references["reference"] for post in (a.row(), b.row())}
    second.until(stops.is_post)
    assert first.finish().status is S.SENDING  # B's, as A sees it
    assert second.finish().status is S.PENDING
    assert b.work().status is S.SUCCEEDED
    assert (world.posts(), world.credits()) == (2, [1])
    assert {entry["reference"] for entry in world.gateway.ledger()} == sent
    measured(13, "two re-POSTs inside the window", 1, store=store)


def test_resend_whose_owner_slept_before_the_commit_is_not_sent(
    world: World, store: str, measured: Measured, stops: Any
) -> None:
    """C2 was decided inside the window, its owner sleeps until that is over: the last moment for sending has passed.

    1. A is about to write C2 and has looked at its clock. The window passes. A writes C2, and goes on to the POST.
    2. The POST carries a last moment, counted from that look: the transport writes no byte.
    """
    world.gateway.set_faults(LOST)
    a, _ = world.owners()
    absent(a)
    a.clock.move(6)
    step = a.begin().until(stops.is_c2)
    a.clock.move(HALF_WINDOW_S)
    after = step.finish()
    assert (after.status, after.attempt.ambiguous) == (S.UNKNOWN, True)
    assert a.work().status is S.UNKNOWN
    assert a.work(4).status is S.REVIEW
    assert world.posts() == 1
    measured(13, "a re-POST decided inside half the window and written outside", 1, store=store)


# --- a payout is cancelled while it is to be sent ------------------------------------------------------------------

CANCEL: dict[str, str] = {"actor": "Ann", "reason": "the wrong month"}


def cancelling(owner: Any) -> Any:
    """Begin to cancel the payout as it stands."""
    row = owner.row()
    line = owner.client._session(owner.client._runtime.serving(row))
    return owner.step(line, owner.client._cancelling(row, OperatorDecision(*CANCEL.values()))[1])


def test_cancellation_before_the_commit_stops_the_send(
    world: World, store: str, measured: Measured, stops: Any
) -> None:
    """1. A has leave to send, and is about to write C2. 2. B cancels. 3. A's C2 is refused by the version: no POST."""
    a, b = world.owners()
    a.accept()
    step = a.begin().until(stops.is_c2)
    b.client.cancel(KEY, **CANCEL)
    assert step.finish().status is S.CANCELLED
    assert a.work().status is S.CANCELLED
    assert world.posts() == 0
    measured(13, "cancelled before C2", 1, store=store)


def test_cancellation_after_the_commit_is_refused(world: World, store: str, measured: Measured, stops: Any) -> None:
    """1. B is about to cancel. 2. A writes C2, and goes on to the POST. 3. B is refused by the version, and A sends."""
    a, b = world.owners()
    a.accept()
    cancels = cancelling(b).until(lambda command: isinstance(command, ApplyTransition))
    step = a.begin().until(stops.is_post)
    with pytest.raises(DecisionRefused, match="moved by a worker or another person meanwhile"):
        cancels.finish()
    with pytest.raises(DecisionRefused, match="It is being sent"):
        b.client.cancel(KEY, **CANCEL)
    assert step.finish().status is S.PENDING
    assert world.posts() == 1
    measured(13, "sent before it is cancelled", 1, store=store)


def test_cancellation_and_send_at_once_leave_one(world: World) -> None:
    """Two processes' lives at the same instant, many times: cancelled and never sent, or sent and not cancelled."""
    a, b = world.owners()
    keys = [f"race/{number}" for number in range(24)]
    for key in keys:
        a.accept(key)
    together = threading.Barrier(2)

    def cancel(key: str) -> bool:
        together.wait(30)
        try:
            return bool(b.client.cancel(key, **CANCEL))
        except DecisionRefused:
            return False

    def send(key: str) -> S:
        together.wait(30)
        return a.send(key).status

    with ThreadPoolExecutor(1) as other:
        for key in keys:
            cancelled = other.submit(cancel, key)
            status = send(key)
            row = a.row(key)
            assert cancelled.result(30) is (row.status is S.CANCELLED) is (status is S.CANCELLED)
            assert a.events(key)[1:] in (["cancelled"], ["sending", "pending"])
    sent = sum(a.row(key).status is not S.CANCELLED for key in keys)
    assert world.posts() == sent


# --- what an account pays as, changed with open rows ---------------------------------------------------------------


def changes_hands(world: World, credentials: Credentials, **settings: object) -> None:
    """Change what the account pays as with open rows.

    1. As the first identity: one payment is taken and its answer lost; one is not tried, as payments are paused.
    2. The account is given another identity, and the first one is not kept.
    3. The open payment goes to REVIEW unread and unsent; the untried one leaves as the new identity, once.
    4. The first one is put back among the retired: a look finds the payment where it was made.
    """
    world.gateway.set_faults(LOST_TOO_LATE)
    old = world.owner()
    assert old.send("taken/1").status is S.UNKNOWN
    old.client.pause(reason="the night of the change")
    assert old.send("untried/1").status is S.CREATED
    before = world.settings()
    secrets = {"api_key": credentials.api_key, "subscription_key": credentials.subscription_key}
    for name, secret in secrets.items():
        (world.config.parent / f"other-{name}").write_text(secret, "utf-8")
    world.set(api_user=credentials.api_user, **{name: f"file:other-{name}" for name in secrets}, **settings)

    new = world.owner()
    new.client.unpause()
    for _ in range(2):
        new.clock.move(6)
        new.client.resume(timeout_s=0)
    assert new.row("taken/1").status is S.REVIEW
    assert new.row("taken/1").reason.code is ReasonCode.BINDING_GONE
    assert new.row("untried/1").status is S.SUCCEEDED

    own = ("target_environment", "platform", "base_url", "api_user", "api_key", "subscription_key")
    kept = "\n".join(line for line in before.splitlines() if line.startswith(own))
    world.append(f"[[accounts.{new.row('taken/1').attempt.account}.retired]]\n{kept}")
    back = world.owner()
    assert back.client.refresh("taken/1").status is S.SUCCEEDED
    assert back.events("taken/1").count("sending") == 1


def test_api_user_change_with_open_payouts_pays_once(world: World, store: str, measured: Measured) -> None:
    """What one API user has sent another cannot see: its 404 would mean nothing, and a re-POST would pay twice.

    The steps are those of ``changes_hands``; the gateway is the same, and knows both users.
    """
    other = replace(world.gateway.credentials, api_user=str(uuid.uuid4()), api_key="k" * 32)
    world.gateway._gateway.gateway.door.admit(other)
    changes_hands(world, other)
    assert (world.posts(), world.credits()) == (2, [1, 1])
    measured(13, "API user changed with open rows", 1, store=store)


@pytest.mark.parametrize("world", ["legacy"], indirect=True)
def test_platform_change_with_open_payouts_pays_once(world: World, store: str, measured: Measured) -> None:
    """What one platform has taken the other does not know: asked there, it would be absent, and be sent again.

    The steps are those of ``changes_hands``, between two gateways that share nothing. Fifty at once, and back again:
    the provider's own ``test_switch_platform.py``.
    """
    with MtnMomoEmulator(target="mtnuganda", platform="momo_africa") as newer:
        changes_hands(world, newer.credentials, platform="momo_africa", base_url=newer.url)
        assert (world.posts(), world.credits()) == (1, [1])
        assert [(entry["posts"], entry["credits"]) for entry in newer.ledger()] == [(1, 1)]
    measured(13, "platform changed with open rows", 1, store=store)


@pytest.mark.parametrize(("before", "now"), [("transfer", "deposit"), ("deposit", "transfer")])
def test_default_operation_change_with_open_payouts_pays_once(
    world: World, store: str, measured: Measured, before: str, now: str
) -> None:
    """The operation belongs to the payout, not to the account: an open one is read, and asked for again, as what it is.

    1. One payment is taken and its answer lost; another is lost before it was taken.
    2. The account's default becomes the other operation.
    3. The same keys, asked for without an operation, are the same payouts; the second is sent again as what it was.
    4. A new key is the other operation.
    """
    world.set(default_operation=before)
    world.gateway.set_faults(LOST_TOO_LATE)
    old = world.owner()
    assert old.send("taken/1").status is S.UNKNOWN
    world.gateway.set_faults(LOST)
    assert old.send("lost/1").status is S.UNKNOWN
    world.set(default_operation=now)
    new = world.owner()
    for key in ("taken/1", "lost/1"):
        assert new.send(key).id == old.row(key).id
        for _ in range(4):
            new.clock.move(6)
            new.client.work_on(new.row(key))
    assert new.send("new/1").status is S.PENDING
    new.clock.move(6)
    keys = ("taken/1", "lost/1", "new/1")
    assert {new.client.refresh(key).status for key in keys} == {S.SUCCEEDED}
    assert [new.row(key).order.operation for key in keys] == [before, before, now]
    made = {entry["reference"]: entry["operation"] for entry in world.gateway.ledger()}
    assert [made[new.row(key).attempt.references["reference"]] for key in keys] == [before, before, now]
    assert (world.posts(), world.credits()) == (4, [1, 1, 1])
    measured(13, "default operation changed with open rows", 1, store=store, now=now)


# --- a guard that fails on a re-POST -------------------------------------------------------------------------------


class Guard:
    """Says yes once, and breaks ever after."""

    def __init__(self) -> None:
        self.asked = 0

    @hookimpl
    def payments_before_submit(self, payout: object) -> None:
        """Count; break the second time."""
        self.asked += 1
        if self.asked > 1:
            raise RuntimeError("the guard is down")


def test_guard_that_fails_does_not_hold_back_a_resend(world: World, store: str, measured: Measured) -> None:
    """What may have arrived is never held back, nor failed, by a guard: it was asked once, before the first byte.

    1. The guard says yes, the POST is lost on the way. The guard's service goes down.
    2. Three reads show nothing; the same request is sent again by another owner, whose guard would refuse too.
    3. No guard was asked, and the payment is made once.
    """
    world.gateway.set_faults(LOST)
    guard = Guard()
    a = world.owner(guard)
    absent(a)
    down = Guard()
    down.asked = 1
    b = world.owner(down, clock=a.clock)
    assert b.work(2).status is S.SUCCEEDED
    assert (guard.asked, down.asked) == (1, 1)
    assert (world.posts(), world.credits()) == (2, [1])
    measured(13, "guard failing on a re-POST", 1, store=store)


def test_guard_that_fails_holds_back_the_first_send(world: World, store: str) -> None:
    """The other half of the rule, and what makes the test above one that can fail: a first send waits for its guard."""
    down = Guard()
    down.asked = 1
    a = world.owner(down)
    assert a.send().status is S.CREATED
    assert (down.asked, world.posts()) == (2, 0)


# --- FAILED, and then a late success -------------------------------------------------------------------------------


def test_late_success_after_a_failure_is_recorded_and_not_obeyed(world: World, store: str, measured: Measured) -> None:
    """A provider that changes its mind is written down, not obeyed, and nothing is paid again.

    1. The provider says FAILED: the payout is FAILED and the application may be told so.
    2. The provider makes the payment after all.
    3. A second owner wants to pay the key again, long after everything has settled: the earlier attempt is read
       first, is found paid, and this is written down. Nothing leaves; also not the next time, when nobody is asked.
    """
    a = world.owner()
    a.send(payee=Payee.msisdn(FAILS))
    failed = a.work(2)
    assert failed.status is S.FAILED
    books = world.gateway._gateway.gateway.books
    payment = books.find(failed.attempt.references["reference"])
    changed = replace(payment, fate=AT_ONCE)
    books._by_reference[payment.reference] = changed
    books.accepted.append(changed)
    a.clock.move(7 * 24 * 3600.0)
    for _ in range(2):
        with pytest.raises(DecisionRefused, match="was paid after all"):
            a.client.reissue("salary/1", actor="Ann", reason="it failed")
    assert (a.row().status, a.row().attempt.number) == (S.FAILED, 1)
    assert a.events()[-1] == "contradicted"
    assert (world.posts(), world.credits()) == (1, [1])
    measured(13, "FAILED then a late success", 1, store=store)


# --- two owners after a fork ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_in_the_middle_of_a_step_leaves_one_owner(
    world: World, store: str, measured: Measured, stops: Any
) -> None:
    """A child has its parent's connections, and its place in the middle of a step: it may use neither.

    1. The parent is in the middle of a step, about to ask for leave to send. It forks.
    2. The child goes on with the same step, with the same client, and with another key: it is refused each time.
    3. The parent goes on: the payment is made once.
    """
    a = world.owner()
    a.client.pause(reason="so that it is recorded only")
    a.send()
    a.client.unpause()
    a.clock.move(6)
    step = a.begin().until(stops.is_preflight)
    child = os.fork()
    if child == 0:
        refused = 0
        for act in (step.finish, a.send, lambda: a.send("salary/2"), lambda: a.client.work_on(a.row())):
            try:
                act()
            except JournalClosed:
                refused += 1
            except BaseException:  # noqa: BLE001 any other end is told to the parent
                os._exit(1)
        os._exit(40 + refused)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 44
    assert world.posts() == 0
    assert step.finish().status is S.PENDING
    assert a.work().status is S.SUCCEEDED
    assert (world.posts(), world.credits()) == (1, [1])
    measured(13, "two owners after fork", 1, store=store)


# --- a clock that steps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [2, -2, 24 * 40])
def test_clock_step_during_a_send_pays_once(
    world: World, store: str, measured: Measured, hours: int, stops: Any
) -> None:
    """One owner's clock is wrong: it takes over what is not free, or waits for what is; nobody sends it a second time.

    1. A has written C2 and is about to send.
    2. The clock of B steps. By it, A's lease is long over (or will not be for hours). B looks at the payout; once
       more; and again.
    3. A, by the right clock, sends. Its answer is written, or refused by the version and noted.
    4. The clock of B is right again. Reads end it.
    """
    a, b = world.owner(), world.owner()
    a.client.pause(reason="so that it is recorded only")
    a.send()
    a.client.unpause()
    a.clock.move(6)
    b.clock.move(6)
    step = a.begin().until(stops.is_post)
    b.clock.move(hours * 3600.0)
    for _ in range(3):
        b.work(1, every_s=1)
    step.finish()
    b.clock.move(hours * -3600.0)
    for _ in range(8):
        a.clock.move(6)
        b.clock.move(6)
        a.client.refresh("salary/1")
    row = b.row()
    assert row.status is S.SUCCEEDED
    assert (world.posts(), world.credits()) == (1, [1])
    measured(13, "clock step", 1, store=store, hours=hours)


def test_clock_before_the_first_send_resends_nothing(world: World, store: str, measured: Measured) -> None:
    """By a clock that was set back, a payment was first sent in the future: how long ago is not known, so not again.

    1. A sends; the POST is lost. B's clock is an hour behind, and it looks until absence is established.
    2. B does not send again: the payout goes to REVIEW, and a person decides.
    """
    world.gateway.set_faults(LOST)
    a, b = world.owner(), world.owner()
    assert a.send().status is S.UNKNOWN
    b.clock.move(-3600)
    for _ in range(6):
        b.clock.move(6)
        b.client.refresh("salary/1")
    assert b.row().status is S.REVIEW
    assert world.posts() == 1
    measured(13, "clock set back before the first send", 1, store=store)


# --- the one who fetches the token is cancelled --------------------------------------------------------------------


def test_token_fetch_survives_the_cancellation_of_its_caller(world: World, store: str, measured: Measured) -> None:
    """Whoever began the fetch goes; those who wait with it are served, and its own payout is only late.

    1. Twenty callers start; the first begins to fetch the token, the others wait with it. The gateway is slow.
    2. The first is cancelled in the middle of it, and five others.
    3. The token comes, once; fourteen payments leave. The six are recorded, untried, and `resume` sends them.
    """
    world.gateway.set_faults({"token_slow_s": 0.5})

    async def pay() -> None:
        async with AsyncPayoutClient.from_config(world.config) as client:
            asking = [
                asyncio.create_task(
                    client.send(key=f"salary/{n}", payee=Payee.msisdn(f"4673300{n:04}"), amount=Money(500, "EUR"))
                )
                for n in range(20)
            ]
            session = None
            while session is None or not session._credential.is_fetching:
                await asyncio.sleep(0.005)
                session = next(iter(client._sessions.values()), None)
            await asyncio.sleep(0.1)
            for task in asking[:6]:
                task.cancel()
            ended = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended[:6])
            # A slow machine has asked about some of them by now.
            assert {one.status for one in ended[6:]} <= {S.PENDING, S.SUCCEEDED}
            assert world.posts() == 14
            await client.resume(timeout_s=30)
            assert {one.status async for one in client.payouts()} == {S.SUCCEEDED}

    world.set(poll_schedule_s=[0.2] * 100)
    asyncio.run(pay())
    assert world.gateway.tokens_issued == 1
    assert world.credits() == [1] * world.posts()
    measured(13, "token refresh leader cancelled", 1, store=store)
