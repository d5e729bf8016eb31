"""Wallets and names are asked about over the wire, each once, and no money moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payments_core import AsyncPayoutClient, PayoutClient
from payments_core.batch import AsyncWalletChecks, CheckedWallet, NameMatch, WalletChecks, WalletReport, WalletResults
from payments_core.batch.checks import check_repeats
from payments_core.batch.reading import FindingCode, PayeeFile
from payments_core.batch.reading.findings import Level
from payments_core.domain.errors import InvalidArgument
from payments_core.provider import HolderStatus
from payments_mtn_momo.emulator import MtnMomoEmulator

Open = Callable[..., PayeeFile]
Asked = Callable[..., tuple[list[CheckedWallet], str]]
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
HEAD = "key,to,amount,name,currency\n"
# What the numbers mean is a sandbox's; any other number is active, and everybody is called Sand Box.
PEOPLE = HEAD + (
    "k-1,+46733123498,5,Sand Box,EUR\n"
    "k-2,+46733123450,5,Sand Box,EUR\n"  # not found
    "k-3,+46733123451,5,Box,EUR\n"  # not active
    "k-4,+46733123499,5,Achieng Okello,EUR\n"
    "k-5,+46733123497,5,,EUR\n"
    "k-6,+46733123496,-5,Sand Box,EUR\n"  # refused: nobody is asked
)


@pytest.fixture
def store() -> str:
    return "sqlite"


@pytest.fixture(params=["tasks", "threads"])
def asked(request: pytest.FixtureRequest, gateway: MtnMomoEmulator, opened: Open, tmp_path: Path) -> Asked:
    """Check the wallets of a file with the results in another one; return the rows and why it stopped."""

    def in_threads(content: str, now: datetime) -> tuple[list[CheckedWallet], str]:
        with PayoutClient.from_config() as client, WalletResults(tmp_path / "results", lambda: now) as results:
            checks = WalletChecks(client, results)
            with opened(content) as rows:
                return list(checks.check(check_repeats(rows))), checks.stopped

    async def in_tasks(content: str, now: datetime) -> tuple[list[CheckedWallet], str]:
        async with AsyncPayoutClient.from_config() as client:
            with WalletResults(tmp_path / "results", lambda: now) as results:
                checks = AsyncWalletChecks(client, results)
                with opened(content) as rows:
                    return [one async for one in checks.check(check_repeats(rows))], checks.stopped

    def ask(content: str, now: datetime = NOW) -> tuple[list[CheckedWallet], str]:
        return asyncio.run(in_tasks(content, now)) if request.param == "tasks" else in_threads(content, now)

    return ask


def many(count: int) -> str:
    return HEAD + "".join(f"k-{n},+46733{n:06d},5,Sand Box,EUR\n" for n in range(count))


def test_wallets_and_names_are_found_out(asked: Asked, gateway: MtnMomoEmulator) -> None:
    """Each row that would be paid has an answer; what a person should look at is a warning with its row."""
    wallets, stopped = asked(PEOPLE)
    report = WalletReport()
    for one in wallets:
        report.add(one)
    assert stopped == ""
    assert {one.row.line: one.result for one in wallets} == {
        2: (HolderStatus.ACTIVE, NameMatch.MATCHED),
        3: (HolderStatus.NOT_FOUND, NameMatch.UNSUPPORTED),
        4: (HolderStatus.NOT_ACTIVE, NameMatch.PARTIAL),
        5: (HolderStatus.ACTIVE, NameMatch.NO_MATCH),
        6: (HolderStatus.ACTIVE, NameMatch.UNSUPPORTED),
    }
    assert report.counts == {
        (Level.WARNING, FindingCode.WALLET_NOT_FOUND): 1,
        (Level.WARNING, FindingCode.WALLET_NOT_ACTIVE): 1,
        (Level.NOTE, FindingCode.NAME_PARTIAL): 1,
        (Level.WARNING, FindingCode.NAME_NO_MATCH): 1,
    }
    assert report.has_warnings
    assert gateway.ledger() == []


def test_answers_are_kept_and_not_asked_for_again(asked: Asked, gateway: MtnMomoEmulator, tmp_path: Path) -> None:
    """Not after a crash either, which may have cut the last line; after seven days they are out of date."""
    before, _ = asked(PEOPLE)
    results = tmp_path / "results"
    assert results.stat().st_mode & 0o777 == 0o600
    assert not any(text in results.read_text() for text in ("46733", "Sand", "Achieng"))
    with results.open("a") as file:
        file.write('{"wallet": "00')
    gateway.set_faults({"status_500": {"on": "any"}})

    later = NOW + timedelta(days=6)
    again, _ = asked(PEOPLE, later)
    assert [one.result for one in again] == [one.result for one in before]
    gateway.set_faults({})
    asked(PEOPLE + "k-7,+46733123495,5,Sand Box,EUR\n", later)
    assert len(asked(PEOPLE, later)[0]) == 5  # the cut line has not taken the next one with it
    assert len(results.read_text().splitlines()) == 1 + 5 + 1 + 1

    gateway.set_faults({"status_500": {"on": "any"}})
    assert {one.result for one in asked(PEOPLE, NOW + timedelta(days=8))[0]} == {None}


def test_changed_number_or_name_is_asked_about_again(asked: Asked) -> None:
    asked(PEOPLE)
    wallets, _ = asked(PEOPLE.replace("Achieng Okello", "Box Sand"))
    assert [one.result.name for one in wallets if one.result and one.row.line == 5] == [NameMatch.MATCHED]


def test_row_without_an_answer_is_asked_about_the_next_time(asked: Asked) -> None:
    """A fault of one wallet stops nobody else's check."""
    content = many(20) + "k-500,+46733123454,5,Sand Box,EUR\n"  # the sandbox answers with an internal error
    for _ in range(2):
        wallets, stopped = asked(content)
        assert stopped == ""
        (failed,) = [one for one in wallets if one.result is None]
        assert (failed.row.key, failed.findings) == ("k-500", ())
        assert "did not tell whether the payee is active" in failed.problem


def test_outage_is_not_asked_again_for_every_row(asked: Asked, gateway: MtnMomoEmulator) -> None:
    gateway.set_faults({"status_503": {"on": "account_active"}})
    wallets, stopped = asked(many(60))
    assert 16 <= len(wallets) <= 32
    assert stopped == wallets[-1].problem
    gateway.set_faults({})
    assert len(asked(many(60))[0]) == 60


def test_questions_are_within_the_rate_limit_of_reads(asked: Asked, tmp_path: Path) -> None:
    """Twenty of them, a twentieth of a second apart; a busy machine only makes it slower."""
    config = tmp_path / "payouts.toml"
    config.write_text(config.read_text().replace("reads_per_s = 0", "reads_per_s = 20"))
    began = time.monotonic()
    wallets, stopped = asked(many(10))
    assert time.monotonic() - began >= 19 / 20
    assert (stopped, {one.result for one in wallets}) == ("", {(HolderStatus.ACTIVE, NameMatch.MATCHED)})


@pytest.mark.parametrize("content", [b"key,to,amount\n", b'{"version": 1}\n', b"\n", b"PK\x03\x04\xff\xfe\n"])
def test_other_file_is_not_written_over(content: bytes, tmp_path: Path) -> None:
    """Such as the file of payees itself, also where it is a workbook."""
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match="is no file of wallet checks"):
        WalletResults(path, lambda: NOW)
    assert path.read_bytes() == content
    with pytest.raises(InvalidArgument, match="cannot be written"):
        WalletResults(tmp_path, lambda: NOW)
