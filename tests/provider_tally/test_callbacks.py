"""Answers that come later, through the inbox: kept first, taken in once, and acknowledged however often they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tally
from flat_records import changed
from tally_runtime import GOOD, POOR, arrive, asked, till

from payments_core import Money, Payee, PayoutClient, PayoutStatus
from payments_core.client.inbox import Place
from payments_core.domain.errors import NotSupported
from payments_core.domain.payout import Payout
from payments_core.domain.records import Event
from payments_core.engine.commands import ApplyTransition, TransitionApplied
from payments_core.provider import Acknowledgement, Callback, Capability, ParsedCallback
from payments_core.runtime import utc_now


def stored(client: PayoutClient, payout: Payout) -> Any:
    """Return the record of a payout as the journal has it now."""
    return client._runtime.journal.get(payout.id)


@pytest.mark.parametrize(("number", "status"), [(GOOD, PayoutStatus.SUCCEEDED), (POOR, PayoutStatus.FAILED)])
def test_result_callback_is_stored_first_and_then_counts_as_the_check(
    tmp_path: Path, number: str, status: PayoutStatus
) -> None:
    with till(tmp_path) as (client, gateway, lost):
        payout, token, answer = asked(client, gateway, lost, number)
        place = client.inbox.place(token)
        assert place is not None
        assert place.account == "till"
        assert arrive(client, token, answer)
        assert client.get(payout.id).status is PayoutStatus.UNKNOWN
        assert client.inbox.handle() == 1
        payout = client.get(payout.id)
        assert (payout.status, payout.history[-1].decided_by) == (status, "result_callback")
        assert [count.outcome for count in client.inbox.counts()] == ["answered"]


def test_stored_result_callback_is_handled_by_resume(tmp_path: Path) -> None:
    """The process that kept it has died: `resume` takes it in."""
    with till(tmp_path) as (client, gateway, lost):
        payout, token, answer = asked(client, gateway, lost)
        arrive(client, token, answer)
        client.resume(timeout_s=0)
        assert client.get(payout.id).status is PayoutStatus.SUCCEEDED


def test_result_callback_that_always_finds_the_payout_changed_makes_a_check_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process is always quicker: nothing is overwritten, and nothing is lost."""
    with till(tmp_path) as (client, gateway, lost):
        payout, token, answer = asked(client, gateway, lost)
        arrive(client, token, answer)
        row = stored(client, payout)
        monkeypatch.setattr(client._runtime.journal, "by_query", lambda _: (replace(row, version=row.version - 1), 1))
        client.inbox.handle()
        assert client.get(payout.id).status is PayoutStatus.UNKNOWN
        assert [count.outcome for count in client.inbox.counts()] == ["read due"]


def moved(client: PayoutClient, payout: Payout, **changes: Any) -> None:
    """Move a payout as another process would."""
    row = stored(client, payout)
    entry = ApplyTransition(row, changed(row, **changes), Event("payout.moved", utc_now()))
    assert isinstance(client._runtime.journal.execute(entry), TransitionApplied)


def sending(seconds: float) -> dict[str, Any]:
    until = utc_now() + timedelta(seconds=seconds)
    return {"status": PayoutStatus.SENDING, "lease_owner": "another", "lease_until": until, "next_at": until}


def test_result_callback_during_a_submission_waits_for_its_end(tmp_path: Path) -> None:
    """Only the sender may move the payout; what was proven meanwhile counts afterwards, and holds up no other."""
    with till(tmp_path) as (client, gateway, lost):
        payout, token, answer = asked(client, gateway, lost)
        moved(client, payout, **sending(60))
        arrive(client, token, answer)
        client.inbox.receive(Place("till"), Callback("POST", {}, b"{}", utc_now())).result()
        assert [client.inbox.handle(1), client.inbox.handle(1), client.inbox.handle()] == [1, 0, 0]
        assert client.get(payout.id).status is PayoutStatus.SENDING
        assert "" in {count.outcome for count in client.inbox.counts()}
        moved(client, payout, status=PayoutStatus.PENDING, lease_owner="", lease_until=None, next_at=utc_now())
        assert client.inbox.handle() == 1
        payout = client.get(payout.id)
        assert (payout.status, payout.history[-1].decided_by) == (PayoutStatus.SUCCEEDED, "result_callback")


def test_result_callback_of_a_submission_whose_process_died_is_not_lost(tmp_path: Path) -> None:
    """It came before the lease was over; the process that finds the lease expired makes it count."""
    with till(tmp_path) as (client, gateway, lost):
        payout, token, answer = asked(client, gateway, lost)
        arrive(client, token, answer)
        moved(client, payout, **sending(-1))
        assert client.inbox.handle() == 0
        client.resume(timeout_s=0)
        client.resume(timeout_s=0)
        payout = client.get(payout.id)
        assert (payout.status, payout.history[-1].decided_by) == (PayoutStatus.SUCCEEDED, "result_callback")


@pytest.mark.parametrize("token", ["never-minted", "A" * 32, "", "../" * 8])
def test_callback_to_a_path_never_minted_is_refused(tmp_path: Path, token: str) -> None:
    with till(tmp_path) as (client, _, _lost):
        assert client.inbox.place(token) is None
        assert client.deliver(token, Callback("POST", {}, b'{"result": 0}', utc_now())) is None


def test_account_without_callbacks_has_no_callback_path(tmp_path: Path) -> None:
    with till(tmp_path) as (client, _, _lost):
        assert client.inbox.tokens == {}


class CallsBack(tally.Tally):
    """It tells in a callback what it calls a payment, and nothing of ours."""

    def parse(self, callback: Callback) -> ParsedCallback | None:
        return ParsedCallback(references={"txn": json.loads(callback.body)["txn"]})

    def verify(self, callback: Callback) -> bool | None:
        return None

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        return Acknowledgement()


class Sandbox(tally.TallySettings):
    """The settings of an environment that neither calls back nor tells a balance."""

    @property
    def unsupported_capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.CALLBACKS, Capability.BALANCES})


def test_account_with_removed_capabilities_has_no_path_and_no_balance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its provider's class has both; the client goes by the account."""
    monkeypatch.setattr(tally, "SPEC", replace(tally.SPEC, build=CallsBack, settings=Sandbox))
    with till(tmp_path) as (client, _, _lost):
        assert client.inbox.tokens == {}
        with pytest.raises(NotSupported, match="no balances for this account"):
            client.balances("till")


@contextmanager
def called_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PayoutClient, Payout]]:
    """Yield a client and a payout whose answer was lost."""
    spec = replace(tally.SPEC, build=CallsBack)
    monkeypatch.setattr(tally, "SPEC", spec)
    other = '[accounts.other]\nprovider = "tally"\nbase_url = "URL"'
    with till(folder, more=other) as (client, _, lost):
        lost.append("/pay")
        amount = Money("25.50", "KES")
        yield client, client.send(key="grant/1", account="till", payee=Payee.msisdn(GOOD), amount=amount)


def call(client: PayoutClient, account: str, txn: str) -> list[str]:
    """Let a callback about a payment come to an account's path; return what was made of all of them."""
    arrive(client, client.inbox.tokens[account], {"txn": txn})
    client.inbox.handle()
    return [count.outcome for count in client.inbox.counts()]


def test_callback_finds_a_payout_by_the_provider_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with called_back(tmp_path, monkeypatch) as (client, payout):
        before = stored(client, payout)
        assert call(client, "till", payout.references["txn"]) == ["read due"]
        after = stored(client, payout)
        assert (after.status, after.version) == (before.status, before.version)
        assert after.schedule.next_at <= before.schedule.next_at


@pytest.mark.parametrize(("account", "txn"), [("other", ""), ("till", "T-NOBODY")])
def test_callback_about_an_unknown_reference_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: str, txn: str
) -> None:
    with called_back(tmp_path, monkeypatch) as (client, payout):
        assert "read due" not in call(client, account, txn or payout.references["txn"])
