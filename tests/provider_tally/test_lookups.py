"""Questions beside payments over real sockets, asked with both clients, and repeated as an account wishes."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from tally_gateway import TallyGateway, served
from tally_runtime import runtime_of, till

from payments_core import AsyncPayoutClient, Payee
from payments_core.domain.errors import LookupFailed, SettingsError, UnknownAccount
from payments_core.provider import Balance, Finding, HolderStatus

GOOD, IDLE, UNKNOWN_NUMBER = (Payee.msisdn(f"2547000{number:05}") for number in (900, 17, 21))
HELD = (Balance(Decimal("1234.56"), "KES"), Balance(Decimal("-1.00"), "UGX"))
QUICK = "first_wait_s = 0.01\nlongest_wait_s = 0.02\njitter_s = 0"


def test_lookups_return_their_answers_and_record_nothing(tmp_path: Path) -> None:
    """Balances are exact and may be below zero; nothing of it is a payment, and the journal stays empty."""
    with till(tmp_path) as (client, gateway, _):
        assert client.balances("till") == HELD
        assert client.balances("till", currency="UGX") == HELD[1:]
        assert [client.account_holder("till", payee) for payee in (GOOD, IDLE, UNKNOWN_NUMBER)] == list(HolderStatus)
        assert client.name("till", GOOD).full_name == "Achieng' Grace Otieno"
        consent = client.ask_consent("till", GOOD, scopes=["profile"])
        assert (consent.poll_every_s, consent.expires_in_s) == (5, 60)
        assert client.user_info("till", consent).details == {"shoe_size": 43}
        assert client.diagnose("till") == (Finding("ok", "till", "7001 is open"),)
        assert gateway.ledger == []
        assert list(client.payouts()) == []


def test_lookup_result_repr_shows_no_name(tmp_path: Path) -> None:
    with till(tmp_path) as (client, _, _lost):
        consent = client.ask_consent("till", GOOD, scopes=["profile"])
        shown = repr([client.name("till", GOOD), client.user_info("till", consent), consent])
    assert [word for word in ("Achieng", "Otieno", "shoe", GOOD.value) if word in shown] == []


def test_refused_lookup_says_when_to_retry(tmp_path: Path) -> None:
    with till(tmp_path) as (client, gateway, _):
        gateway.refusals["/holder"] = [503] * 3
        with pytest.raises(LookupFailed) as refused:
            client.account_holder("till", GOOD)
        assert (refused.value.reason, refused.value.retry_after_s) == ("provider_unavailable", 5)


def test_lookup_with_a_lost_answer_fails(tmp_path: Path) -> None:
    with till(tmp_path) as (client, _, lost):
        lost += ["/name"] * 10
        with pytest.raises(LookupFailed, match="did not answer when asked the payee's name"):
            client.name("till", GOOD)


@pytest.mark.parametrize(
    ("attempts", "statuses", "asked"),
    [(None, "", 2), (1, "", 1), (4, "", 4), (4, "statuses = [502]", 1)],
    ids=["the provider's own", "once", "four times", "not for this answer"],
)
def test_lookup_is_repeated_as_the_account_settings_say(
    tmp_path: Path, attempts: int | None, statuses: str, asked: int
) -> None:
    """`attempts` counts every send, the first included, on the wire; both clients obey."""
    more = f"[accounts.till.retry.balance]\nattempts = {attempts}\n{statuses}\n{QUICK}" if attempts else ""
    with till(tmp_path, more=more) as (client, gateway, _):
        gateway.refusals["/balance"] = [503] * 10
        with pytest.raises(LookupFailed):
            client.balances("till")
        assert gateway.questions == ["/balance"] * asked

    async def ask(url: str) -> None:
        async with AsyncPayoutClient(runtime_of(tmp_path, url, more=more)) as client:
            await client.balances("till")

    gateway = TallyGateway(refusals={"/balance": [503] * 10})
    with served(gateway) as url, pytest.raises(LookupFailed):
        asyncio.run(ask(url))
    assert gateway.questions == ["/balance"] * asked


def test_lookup_whose_retry_succeeds_returns_the_answer(tmp_path: Path) -> None:
    more = f"[accounts.till.retry.balance]\nattempts = 3\n{QUICK}"
    with till(tmp_path, more=more) as (client, gateway, _):
        gateway.refusals["/balance"] = [503, 502]
        assert client.balances("till") == HELD
        assert len(gateway.questions) == 3


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("balance]\nattempts = 0", "balance: attempts must be"),
        ("balance]\nsends = 1", "balance has no sends"),
        ("pay]\nattempts = 2", "pay is no operation that is repeated; there are: query, balance"),
    ],
)
def test_client_with_a_senseless_retry_setting_is_refused(tmp_path: Path, table: str, problem: str) -> None:
    """Before the journal is there: a payment can never be among what is repeated."""
    with pytest.raises(SettingsError, match=rf"\[accounts\.till\.retry\] {problem}"):
        runtime_of(tmp_path, "http://127.0.0.1:1", more=f"[accounts.till.retry.{table}")
    assert not (tmp_path / "payouts.db").exists()


def test_lookup_of_an_unknown_account_names_it(tmp_path: Path) -> None:
    with till(tmp_path) as (client, _, _lost), pytest.raises(UnknownAccount, match="Configured: till"):
        client.balances("tills")
