"""Both clients against a real gateway over real sockets: many at once, cancelled, forked, interrupted."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutStatus
from payments_core.client import asynchronous, sync
from payments_core.errors import JournalClosed, PayoutInterrupted
from payments_core.performer import Line
from payments_mtn_momo.emulator import MtnMomoEmulator

MANY = 1000


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MtnMomoEmulator]:
    """Return a gateway, with a configuration for it in the folder one stands in."""
    monkeypatch.chdir(tmp_path)
    with MtnMomoEmulator() as started:
        started.write_config(tmp_path / "payouts.toml")
        yield started


def order(number: int) -> dict[str, Any]:
    return {"key": f"many/{number}", "payee": Payee.msisdn(f"46733{number:06}"), "amount": Money(1 + number, "EUR")}


def credited(gateway: MtnMomoEmulator) -> Counter[int]:
    return Counter(entry["credits"] for entry in gateway.ledger())


def test_a_thousand_at_once_fetch_one_token(gateway: MtnMomoEmulator) -> None:
    """However many start at once, one token call serves them all, and each is paid once."""

    async def pay() -> list[PayoutStatus]:
        async with AsyncPayoutClient.from_config() as client:
            sent = await asyncio.gather(*(client.send(**order(number)) for number in range(MANY)))
            await client.resume(timeout_s=60)
            return [(await client.get(payout.id)).status for payout in sent]

    assert Counter(asyncio.run(pay())) == {PayoutStatus.SUCCEEDED: MANY}
    assert gateway.tokens_issued == 1
    assert credited(gateway) == {1: MANY}


def test_a_cancelled_caller_harms_no_other(gateway: MtnMomoEmulator) -> None:
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


def test_a_forked_client_refuses(gateway: MtnMomoEmulator) -> None:
    """Two owners of one connection would corrupt what they share, so the child is told to make its own."""
    with PayoutClient.from_config() as client:
        client.send(**order(1))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                client.send(**order(2))
            except JournalClosed as error:
                os.write(writing, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        told = os.read(reading, 10_000).decode()
        os.close(reading)
        assert "after the fork" in told
        assert [payout.key for payout in client.payouts()] == ["many/1"]


def test_what_breaks_after_the_record_says_which_payout(
    gateway: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes up after a payout was recorded names it, and says whether it may have left."""
    with PayoutClient.from_config() as client:
        client.send(**order(2))  # the credential is there
        monkeypatch.setattr(Line, "exchange", lambda self, request: 1 / 0)
        with pytest.raises(PayoutInterrupted, match="The same key is safe") as caught:
            client.send(**order(3))
        assert caught.value.key == "many/3"
        assert caught.value.may_have_been_sent
        assert client.get(caught.value.payout_id).status is PayoutStatus.SENDING


@pytest.mark.parametrize("shell", [sync, asynchronous])
def test_one_payout_in_trouble_stops_no_other(
    gateway: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch, shell: Any
) -> None:
    """`resume` works on all the others first, and then says what it could not work on."""
    with PayoutClient.from_config() as client:
        payouts = [client.send(**order(number)) for number in range(4)]
    assert {payout.status for payout in payouts} == {PayoutStatus.PENDING}
    true_advance = shell.advance

    def advance(account: Any, row: Any, moment: Any, *, early: bool = False) -> Any:
        if row.id == payouts[0].id:
            raise ValueError("a defect")
        return true_advance(account, row, moment, early=early)

    monkeypatch.setattr(shell, "advance", advance)
    with pytest.raises(PayoutInterrupted, match="ValueError: a defect"):
        _resume_with(shell)
    monkeypatch.setattr(shell, "advance", true_advance)
    with PayoutClient.from_config() as client:
        statuses = [client.get(payout.id).status for payout in payouts]
    assert statuses == [PayoutStatus.PENDING, *[PayoutStatus.SUCCEEDED] * 3]


def _resume_with(shell: Any) -> None:
    if shell is asynchronous:
        asyncio.run(_resume())
        return
    with PayoutClient.from_config() as client:
        client.resume(timeout_s=10)


async def _resume() -> None:
    async with AsyncPayoutClient.from_config() as client:
        await client.resume(timeout_s=10)
