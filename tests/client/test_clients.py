"""Both clients against a real gateway over real sockets: many at once, cancelled, forked, interrupted."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, Payout, PayoutClient, PayoutStatus
from payments_core.client.asynchronous import flow_runner as async_runner
from payments_core.client.synchronous import flow_runner as sync_runner
from payments_core.domain.errors import InvalidPayout, JournalClosed, PayoutInterrupted
from payments_core.runtime import AccountSession
from payments_mtn_momo.emulator import MtnMomoEmulator

MANY = 300
Run = Callable[[Callable[[Any], Any]], Any]
pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgres"])


def order(number: int) -> dict[str, Any]:
    return {"key": f"many/{number}", "payee": Payee.msisdn(f"46733{number:06}"), "amount": Money(1 + number, "EUR")}


def credited(gateway: MtnMomoEmulator) -> Counter[int]:
    return Counter(entry["credits"] for entry in gateway.ledger())


def test_token_is_fetched_once_for_hundreds_of_payouts(gateway: MtnMomoEmulator) -> None:
    """However many start at once, one token call serves them all, and each is paid once."""

    async def pay() -> list[PayoutStatus]:
        async with AsyncPayoutClient.from_config() as client:
            sent = await asyncio.gather(*(client.send(**order(number)) for number in range(MANY)))
            await client.resume(timeout_s=60)
            return [(await client.get(payout.id)).status for payout in sent]

    assert Counter(asyncio.run(pay())) == {PayoutStatus.SUCCEEDED: MANY}
    assert gateway.tokens_issued == 1
    assert credited(gateway) == {1: MANY}


def test_cancelled_caller_harms_no_other(gateway: MtnMomoEmulator) -> None:
    """Callers cancelled at any moment leave their payouts to `resume`; the others never notice."""
    gateway.set_faults({"token_slow_s": 0.3, "slow_s": 0.02})

    async def pay() -> list[object]:
        async with AsyncPayoutClient.from_config() as client:
            tasks = [asyncio.create_task(client.send(**order(number))) for number in range(100)]
            for number in range(0, 100, 4):
                asyncio.get_running_loop().call_later(0.02 * number, tasks[number].cancel)
            return await asyncio.gather(*tasks, return_exceptions=True)

    ended = asyncio.run(pay())
    assert any(isinstance(one, asyncio.CancelledError) for one in ended)
    assert not any(isinstance(one, Exception) for one in ended)
    gateway.set_faults({})
    with PayoutClient.from_config() as client:
        client.resume(timeout_s=60)
        assert {payout.status for payout in client.payouts()} == {PayoutStatus.SUCCEEDED}
        paid = sum(1 for _ in client.payouts())
    assert credited(gateway) == {1: paid}
    assert paid >= 75
    assert gateway.tokens_issued == 2  # one for each client


def test_forked_process_needs_a_client_of_its_own(
    gateway: MtnMomoEmulator, store: str, measured: Callable[..., None]
) -> None:
    """Two owners of a connection would corrupt what they share: the child is refused, and pays by a client of its own.

    Both pay the same keys at once, and each is paid once.
    """
    with PayoutClient.from_config() as client:
        client.send(**order(1))
        if (child := os.fork()) == 0:
            os._exit(_pay_after_fork(client))
        for number in (1, 2, 3):
            client.send(**order(number))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.resume(timeout_s=30)
        assert {payout.key: payout.status for payout in client.payouts()} == {
            f"many/{number}": PayoutStatus.SUCCEEDED for number in (1, 2, 3)
        }
    assert credited(gateway) == {1: 3}
    measured(13, "two owners after fork", 1, store=store)


def _pay_after_fork(of_parent: PayoutClient) -> int:
    """Return 0 when the parent's client refuses and one of our own pays."""
    try:
        try:
            of_parent.send(**order(2))
        except JournalClosed as error:
            refused = "after the fork" in str(error)
        with PayoutClient.from_config() as own:
            for number in (3, 2, 1):
                own.send(**order(number))
        return 0 if refused else 2
    except BaseException:  # noqa: BLE001 - nothing may go on to run the rest of the tests
        return 1


def test_token_fetch_survives_a_cancelled_leader(
    gateway: MtnMomoEmulator, store: str, measured: Callable[..., None]
) -> None:
    """Who fetches the token, the first or a new one, gives up in the middle: all who wait for it are served by it."""
    gateway.set_faults({"token_slow_s": 0.3})

    async def cancelled(client: AsyncPayoutClient, calls: Sequence[Coroutine[Any, Any, Payout]]) -> list[Payout]:
        leader, *others = [asyncio.create_task(call) for call in calls]
        while not any(session._credential.is_fetching for session in client._sessions.values()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        leader.cancel()
        found = await asyncio.gather(*others)
        assert leader.cancelled()
        return found

    async def pay() -> None:
        async with AsyncPayoutClient.from_config() as client:
            sent = await cancelled(client, [client.send(**order(number)) for number in range(20)])
            assert len(sent) == 19
            assert gateway.tokens_issued == 1
            gateway.set_faults({"token_slow_s": 0.3, "token_refused": {"on": "get", "next": 1}})
            await cancelled(client, [client.refresh(payout.id) for payout in sent])
            assert gateway.tokens_issued == 2
            await client.resume(timeout_s=30)

    asyncio.run(pay())
    assert credited(gateway) == {1: 20}
    measured(13, "token refresh leader cancelled", 1, store=store)


def test_error_after_the_record_names_the_payout(gateway: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes up after a payout was recorded names it, and says whether it may have left."""
    with PayoutClient.from_config() as client:
        client.send(**order(2))  # the credential is there
        monkeypatch.setattr(AccountSession, "exchange", lambda self, request: 1 / 0)
        with pytest.raises(PayoutInterrupted, match="The same key is safe") as caught:
            client.send(**order(3))
        assert caught.value.key == "many/3"
        assert caught.value.may_have_been_sent
        assert client.get(caught.value.payout_id).status is PayoutStatus.SENDING


def test_payout_in_trouble_stops_no_other(
    gateway: MtnMomoEmulator, using: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`resume` works on all the others first, and then says what it could not work on."""
    with PayoutClient.from_config() as client:
        payouts = [client.send(**order(number)) for number in range(4)]
    assert {payout.status for payout in payouts} == {PayoutStatus.PENDING}
    true_advance = sync_runner.advance

    def advance(account: Any, row: Any, moment: Any, *, early: bool = False) -> Any:
        if row.id == payouts[0].id:
            raise ValueError("a defect")
        return true_advance(account, row, moment, early=early)

    with monkeypatch.context() as patch:
        for runner in (sync_runner, async_runner):
            patch.setattr(runner, "advance", advance)
        with pytest.raises(PayoutInterrupted, match="ValueError: a defect"):
            using(lambda client: client.resume(timeout_s=10))
    statuses = [using(lambda client, payout=payout: client.get(payout.id)).status for payout in payouts]
    assert statuses == [PayoutStatus.PENDING, *[PayoutStatus.SUCCEEDED] * 3]


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("first", ["send", "accept"])
def test_payout_says_whether_the_call_recorded_it(using: Run, first: str) -> None:
    """The first call with a key records it; the same key again and a read do not."""
    calls: list[Callable[[Any], Any]] = [
        lambda client: getattr(client, first)(**order(1)),
        lambda client: client.send(**order(1)),
        lambda client: client.accept(**order(1)),
        lambda client: client.get("many/1"),
    ]
    assert [using(call).is_new for call in calls] == [True, False, False, False]


def test_lists_are_read_without_blocking_the_loop(gateway: MtnMomoEmulator) -> None:
    """`async for` over payouts, and `pauses`, read the journal in a thread: the loop's own thread reads nothing."""

    async def listed() -> tuple[list[str], str, bool]:
        async with AsyncPayoutClient.from_config() as client:
            journal = client._runtime.journal
            threads: list[int] = []
            with pytest.MonkeyPatch.context() as patch:
                for name in ("page", "pauses"):
                    patch.setattr(journal, name, partial(noted, getattr(journal, name), threads))
                keys = [payout.key async for payout in client.payouts(status=PayoutStatus.SUCCEEDED)]
                [pause] = await client.pauses()
            return keys, pause.why, threading.get_ident() in threads

    def noted(read: Callable[..., Any], threads: list[int], *given: Any, **named: Any) -> Any:
        threads.append(threading.get_ident())
        return read(*given, **named)

    with PayoutClient.from_config() as client:
        for number in (1, 2, 3):
            client.send(**order(number))
        client.resume(timeout_s=20)
        client.pause(reason="for a while")
    assert asyncio.run(listed()) == (["many/1", "many/2", "many/3"], "for a while", False)


def test_requests_are_logged_with_the_payout_they_serve(
    gateway: MtnMomoEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """`http.answered` carries the payout's id, however many are under way at once."""

    async def pay() -> list[Payout]:
        async with AsyncPayoutClient.from_config() as client:
            sent = await asyncio.gather(*(client.send(**order(number)) for number in range(10)))
            await client.resume(timeout_s=20)
            return sent

    caplog.set_level(logging.DEBUG, "payments_core")
    sent = asyncio.run(pay())
    with PayoutClient.from_config() as client:
        sent.append(client.send(**order(10)))
    posts = [
        line for line in caplog.records if line.msg == "http.answered" and line.__dict__["operation"] == "transfer"
    ]
    assert sorted(line.__dict__["payout"] for line in posts) == sorted(payout.id for payout in sent)
    asked = [line for line in caplog.records if line.msg == "http.answered"]
    assert all(line.__dict__["payout"].startswith("po_") for line in asked)


def test_operation_that_is_unknown_is_an_invalid_payout(gateway: MtnMomoEmulator, using: Run) -> None:
    """It names the ones there are; nothing is recorded and nothing sent."""
    with pytest.raises(InvalidPayout, match="no operation 'gift'; there are transfer, deposit, refund"):
        using(lambda client: client.send(**order(1), operation="gift"))
    assert using(lambda client: client.payouts()) == []
    assert gateway.ledger() == []


@pytest.mark.parametrize("library", ["h11", "httpx"])
def test_account_chooses_its_http_library(gateway: MtnMomoEmulator, library: str) -> None:
    """One setting selects httpx; what is paid is the same."""
    config = Path("payouts.toml")
    config.write_text(config.read_text("utf-8") + f'\nsync_transport = "{library}"\n', "utf-8")
    with PayoutClient.from_config() as client:
        client.send(**order(1))
        client.resume(timeout_s=30)
        assert {payout.status for payout in client.payouts()} == {PayoutStatus.SUCCEEDED}
        sent_by = [session._transport for session in client._sessions.values()]
    assert [type(one).__module__.rpartition(".")[2] for one in sent_by] == [f"{library}_sync"]
    assert credited(gateway) == {1: 1}


@pytest.mark.parametrize("library", ["h11", "aiohttp"])
def test_account_chooses_its_asynchronous_http_library(gateway: MtnMomoEmulator, library: str) -> None:
    """One setting selects aiohttp; what is paid is the same."""
    config = Path("payouts.toml")
    config.write_text(config.read_text("utf-8") + f'\nasync_transport = "{library}"\n', "utf-8")

    async def pay() -> list[object]:
        async with AsyncPayoutClient.from_config() as client:
            await client.send(**order(1))
            await client.resume(timeout_s=30)
            assert {payout.status async for payout in client.payouts()} == {PayoutStatus.SUCCEEDED}
            return [session._transport for session in client._sessions.values()]

    assert [type(one).__module__.rpartition(".")[2] for one in asyncio.run(pay())] == [f"{library}_async"]
    assert credited(gateway) == {1: 1}


@pytest.mark.usefixtures("gateway")
def test_threads_that_come_first_at_once_share_one_session() -> None:
    """An account has one session, with one token and one set of connections, whoever is first to need it."""
    usual, threads = sys.getswitchinterval(), 4
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(15):
                with PayoutClient.from_config() as client:
                    (account,) = client._runtime.accounts.values()
                    start = threading.Barrier(threads)

                    def first(client: PayoutClient = client, start: threading.Barrier = start) -> int:
                        start.wait(10)
                        return id(client._session(account))  # noqa: B023

                    assert len(set(pool.map(lambda _: first(), range(threads)))) == 1
    finally:
        sys.setswitchinterval(usual)
