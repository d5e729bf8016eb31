"""Real clients at a gateway that counts: with the limiter there is never a 429."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutStatus
from payments_mtn_momo.emulator import MtnMomoEmulator

STAYS_PENDING = "+46733123453"
AT_MOST = 10  # MTN's own figure (developer community, article 93)
READS = 40
ACCOUNT = "counted"  # of no other test


def answers(caplog: pytest.LogCaptureFixture) -> Counter[int]:
    """Count the gateway's answers to status reads by their status, from the events of every client."""
    answered = [vars(record) for record in caplog.records if record.getMessage() == "http.answered"]
    # A client that an earlier test in this process left behind may still be reading.
    asked = [one for one in answered if (one["account"], one["operation"]) == (ACCOUNT, "transfer_status")]
    return Counter(one["http_status"] for one in asked)


@pytest.fixture
def limited() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(reads_per_s=AT_MOST) as emulator:
        yield emulator


def configured(emulator: MtnMomoEmulator, folder: Path, reads: str) -> Path:
    path = folder / "payouts.toml"
    emulator.write_config(path)
    lines = path.read_text("utf-8").replace("[accounts.mtn-sandbox]", f"[accounts.{ACCOUNT}]").splitlines()
    path.write_text("\n".join(reads if line.startswith("reads_per_s") else line for line in lines), "utf-8")
    return path


def sent(client: PayoutClient, count: int) -> list[str]:
    payouts = [
        client.send(key=f"k/{number}", payee=Payee.msisdn(STAYS_PENDING), amount=Money("5", "EUR"))
        for number in range(count)
    ]
    assert {payout.status for payout in payouts} == {PayoutStatus.PENDING}
    return [payout.id for payout in payouts]


def test_rate_limiter_keeps_the_gateway_from_any_429(
    limited: MtnMomoEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Threads and an event loop, two clients on one journal, MTN's figure as it comes: not one 429."""
    path = configured(limited, tmp_path, "")
    caplog.set_level(logging.DEBUG, "payments_core")

    async def by_loop(ids: list[str]) -> None:
        async with AsyncPayoutClient.from_config(path) as other:
            await asyncio.gather(*(other.refresh(payout) for payout in ids))

    with PayoutClient.from_config(path) as client, ThreadPoolExecutor(READS // 2 + 1) as pool:
        ids = sent(client, READS)
        loop = pool.submit(asyncio.run, by_loop(ids[READS // 2 :]))
        list(pool.map(client.refresh, ids[: READS // 2]))
        loop.result(60)
        reads = [entry.event for payout in ids for entry in client.get(payout).history].count("payout.read")
    assert reads == READS
    assert answers(caplog) == {200: READS}


def test_account_without_a_rate_limiter_waits_after_a_429(
    limited: MtnMomoEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same reads at once are refused; what was refused is still open, and the penalty is on record."""
    path = configured(limited, tmp_path, "reads_per_s = 0")
    caplog.set_level(logging.DEBUG, "payments_core")
    with PayoutClient.from_config(path) as client, ThreadPoolExecutor(READS) as pool:
        ids = sent(client, READS)
        payouts = list(pool.map(client.refresh, ids))
        holds = client._runtime.journal.holds()
    assert answers(caplog)[429] >= 5
    assert {payout.status for payout in payouts} == {PayoutStatus.PENDING}
    assert len(holds) <= 1


def test_rate_may_be_set_for_an_account(limited: MtnMomoEmulator, tmp_path: Path) -> None:
    """MTN's figure is the default; an account's own takes its place, and 0 takes it away."""
    for reads, expected in (("", 9.0), ("reads_per_s = 140", 140.0), ("reads_per_s = 0", None)):
        folder = tmp_path / str(expected)
        folder.mkdir()
        with PayoutClient.from_config(configured(limited, folder, reads)) as client:
            [name] = client.accounts()
            assert client._runtime.account(name).facts.reads_per_s == expected
            assert client._runtime.account(name).facts.posts_per_s is None


def test_penalty_and_its_end_are_logged(
    limited: MtnMomoEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture, at: datetime
) -> None:
    """The events say that the provider asked for less, and that it answers again."""
    caplog.set_level(logging.INFO, "payments_core")
    limited.set_faults({"status_429": {"value": 1, "on": "get", "next": 1}})
    with PayoutClient.from_config(configured(limited, tmp_path, "")) as client:
        [payout] = sent(client, 1)
        client.refresh(payout)
        client.refresh(payout)
    entries = [record.getMessage() for record in caplog.records]
    assert sum("rate.penalty" in line for line in entries) == 1
    assert sum("rate.cleared" in line for line in entries) == 1
