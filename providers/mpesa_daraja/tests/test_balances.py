"""What the short code's accounts hold: asked of an emulated Daraja, answered to a path of its own, counted once."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from payments_core.domain.errors import LookupFailed
from payments_core.domain.payout import ReasonCode
from payments_core.http.messages import slot
from payments_core.provider import Balance, Callback, Deferred, LookupRefused
from payments_core.testing.conformance import Harness, reply
from payments_mpesa_daraja import balances
from payments_mpesa_daraja.codes import RESULTS
from payments_mpesa_daraja.emulator import MpesaDarajaEmulator
from payments_mpesa_daraja.emulator.payments import result
from payments_mpesa_daraja.provider import MpesaDarajaProvider

Play = Callable[..., Harness]
UTILITY = "Utility Account|KES|49217.00|49117.50|99.50|0.00"


def asked(harness: Harness, *, wait_s: float = 10.0, **more: Any) -> tuple[Balance, ...]:
    found: tuple[Balance, ...] = harness.payer.ask("balances", harness.account, wait_s=wait_s, **more)
    return found


def refused(harness: Harness, *, wait_s: float = 10.0) -> LookupFailed:
    with pytest.raises(LookupFailed) as error:
        asked(harness, wait_s=wait_s)
    return error.value


def stored(harness: Harness) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(harness.folder / "payouts.db")) as database:
        return database.execute("SELECT account, answered_at IS NOT NULL, answer FROM account_queries").fetchall()


def outcomes(harness: Harness) -> dict[str, int]:
    return {count.outcome: count.count for count in harness.payer.client.inbox.counts()}


def post(url: str, payload: object) -> tuple[int, bytes]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="POST")  # noqa: S310 ours
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 ours
        return answer.status, answer.read()


def held(available: str) -> dict[str, Any]:
    return result(0, "Processed.", "Q-1", "AG_1", "", ("AccountBalance", f"Utility Account|KES|9|{available}|0|0"))


def test_balances_list_every_account_with_the_paying_one_first(play: Play) -> None:
    harness = play(funds=5000)

    assert asked(harness) == (
        Balance(Decimal("5000.00"), "KES", "Utility Account"),
        Balance(Decimal("900000.00"), "KES", "Working Account"),
        Balance(Decimal("-220.00"), "KES", "Charges Paid Account"),
    )
    assert asked(harness, currency="UGX") == ()
    assert [(account, answered) for account, answered, _ in stored(harness)] == [("mpesa", 1)] * 2


def test_balance_follows_payments_and_reserves_open_ones(play: Play) -> None:
    harness = play(funds=120, ends_after_s=30.0)
    harness.pay(harness.key("paid"))
    harness.settle(harness.key("paid"))
    harness.pay(harness.key("on its way"))
    left = asked(harness)[0]
    harness.pay(harness.key("too much"))
    short = harness.settle(harness.key("too much"))

    assert left.amount == Decimal(20)
    assert short.reason is not None
    assert short.reason.code is ReasonCode.INSUFFICIENT_FUNDS
    assert asked(harness)[0].amount == Decimal(20)


def test_balance_result_may_come_before_the_acknowledgement(play: Play) -> None:
    harness = play()
    with harness.faults(callback_early={"on": "balance"}):
        assert asked(harness)[0].label == "Utility Account"
    assert harness.emulator.callbacks()[-1]["faults"] == ["callback_early"]


def test_balance_result_repeated_changes_nothing(play: Play) -> None:
    """The same acknowledgement, and the first one stands."""
    harness = play()
    with harness.faults(callback_repeated={"on": "balance", "value": 2}):
        asked(harness)
    harness.handle_callbacks()
    before, url = stored(harness), harness.emulator.callbacks()[-1]["url"]

    assert post(url, held("1")) == (200, b'{"ResultCode": 0, "ResultDesc": "Accepted"}')
    harness.handle_callbacks()
    assert stored(harness) == before
    assert "1.00" not in before[0][2].split('"')
    assert outcomes(harness) == {"answered": 1, "repeated": 2, "differs from the answer that counts": 1}


@pytest.mark.parametrize("answers", ["empty,true", "empty,true,other", "true,empty"])
def test_balance_query_stays_open_after_a_body_without_a_result(play: Play, answers: str) -> None:
    """Before the true one or after it."""
    harness = play(funds=5000, **MpesaDarajaEmulator.options({"answers": answers}))

    assert asked(harness)[0] == Balance(Decimal("5000.00"), "KES", "Utility Account")


def test_balance_query_stays_open_after_garbage_and_on_other_paths(play: Play) -> None:
    """And what comes to a path that was not minted, or to the account's own, is about no balance."""
    harness = play(answers_after_s=3600.0)
    refused(harness, wait_s=0.0)
    url = harness.emulator.callbacks()[-1]["url"]
    ours = f"{url.rpartition('/')[0]}/{harness.payer.client.inbox.tokens['mpesa']}"
    accepted = [post(url, entry) for entry in (b"<html>", {"Result": {}}, result(0, "", "Q", "C", ""), b"[" * 9999)]
    accepted.append(post(ours, held("1")))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        post(f"{url[:-1]}{'A' if url[-1] != 'A' else 'B'}", held("1"))
    harness.handle_callbacks()

    assert set(accepted) == {(200, b'{"ResultCode": 0, "ResultDesc": "Accepted"}')}
    assert stored(harness) == [("mpesa", 0, None)]
    post(url, held("7.50"))
    harness.handle_callbacks()
    [(_, _, answer)] = stored(harness)
    assert json.loads(answer) == {"balances": [{"amount": "7.50", "currency": "KES", "label": "Utility Account"}]}


def test_balance_without_a_result_says_what_has_to_run(play: Play) -> None:
    harness, before = play(), time.monotonic()
    with harness.faults(callback_lost={"on": "balance"}):
        error = refused(harness, wait_s=0.3)

    assert 0.3 <= time.monotonic() - before < 5
    assert "in 0.3 s no answer came" in error.message
    assert "payouts serve" in error.hint


def test_balance_result_that_comes_late_is_waited_for(play: Play) -> None:
    harness = play(answers_after_s=0.7)

    assert asked(harness)[0].label == "Utility Account"


def test_balance_caller_handles_stored_results_while_waiting(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that took the callback may have ended before it was handled."""
    monkeypatch.setattr("payments_core.callbacks.application.CallbackApp._begin_handling", lambda _: None)

    assert asked(play())[0].label == "Utility Account"


def test_balance_queue_timeout_is_no_result(play: Play) -> None:
    harness = play(balances="queued")
    refused(harness, wait_s=0.0)
    harness.emulator.advance(61)
    harness.handle_callbacks()

    assert stored(harness) == [("mpesa", 0, None)]
    assert outcomes(harness) == {"makes no sense": 1}


def test_balance_result_survives_a_restart(play: Play) -> None:
    """No caller waits any more; what comes is stored, and the next question has an answer of its own."""
    harness = play(answers_after_s=60.0)
    refused(harness, wait_s=0.0)
    harness.reopen(harness._kind)
    harness.emulator.advance(61)
    harness.handle_callbacks()

    [(_, answered, answer)] = stored(harness)
    assert (answered, json.loads(answer)["balances"][0]["label"]) == (1, "Utility Account")


@pytest.mark.parametrize(
    "wrong", [{"initiator": "somebody"}, {"initiator_password": "env:PAYMENTS_CONFORMANCE_WRONG_SECRET"}]
)
def test_balance_with_a_wrong_initiator_reports_the_reason(
    play: Play, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    monkeypatch.setenv("PAYMENTS_CONFORMANCE_WRONG_SECRET", "another-password")
    harness = play()
    harness.payer = harness.open(journal="payouts.db", **wrong)
    error = refused(harness)

    assert error.reason == "credentials"
    assert "did not tell its balance: 2001: The initiator information is invalid." in error.message


def test_balance_query_that_is_refused_is_not_waited_for(play: Play) -> None:
    harness, before = play(), time.monotonic()
    with harness.faults(status_429={"on": "balance", "next": 9}):
        error = refused(harness, wait_s=60.0)

    assert error.reason == "provider_unavailable"
    assert "Spike Arrest" in error.message
    assert time.monotonic() - before < 30


def test_balance_without_a_callback_address_sends_nothing(play: Play) -> None:
    harness = play()
    harness.payer = harness.open(callback_url="")

    assert "callback_url is not set" in refused(harness).message


def test_balance_query_replaces_an_older_one(play: Play) -> None:
    harness = play()
    asked(harness)
    harness.emulator.advance(86_400 - 60)
    asked(harness)
    assert len(stored(harness)) == 2
    harness.emulator.advance(120)
    asked(harness)
    assert len(stored(harness)) == 2


def test_balance_query_stores_neither_path_nor_credential(play: Play) -> None:
    harness = play()
    asked(harness)
    token = harness.emulator.callbacks()[-1]["url"].rpartition("/")[2]
    kept = b"".join(path.read_bytes() for path in harness.folder.glob("payouts.db*"))

    assert len(token) == 32
    assert token.encode() not in kept
    assert b"SecurityCredential" not in kept


# --- the words ---


def read(called: Callable[..., Callback], *rows: tuple[str, Any], code: object = 0) -> object:
    return balances.read_balances(called(result(code, "so it is", "Q-1", "AG_1", "", *rows)))  # type: ignore[arg-type]


def test_balance_amounts_are_reported_exactly(called: Callable[..., Callback]) -> None:
    outcome = f"Working Account|KES|1|-2.10|0|0&{UTILITY}"

    assert read(called, ("BOCompletedTime", 20261125), ("AccountBalance", outcome)) == (
        Balance(Decimal("49117.50"), "KES", "Utility Account"),
        Balance(Decimal("-2.10"), "KES", "Working Account"),
    )


@pytest.mark.parametrize(
    "expected",
    [
        *["", "&", "Utility Account", "Utility Account|KES|1", UTILITY + "|0", f"{UTILITY}&half", 7, None, ["x"]],
        *(UTILITY.replace("49117.50", wrong) for wrong in ("", "NaN", "1e999999", "12,5", "none")),
        UTILITY.replace("KES", "USD"),
    ],
)
def test_balance_that_is_partly_unreadable_is_refused_whole(called: Callable[..., Callback], expected: object) -> None:
    """Not even the part that can be read: which account is missing could be the one that pays."""
    assert read(called, ("AccountBalance", expected)) is None


@pytest.mark.parametrize("code", RESULTS)
def test_balance_error_code_is_a_reason_or_no_answer(called: Callable[..., Callback], code: str) -> None:
    """Never a balance, and never a reason that is about a payee."""
    answer = read(called, code=code)

    if code in {"0", "100000000"}:
        assert answer is None
        return
    assert isinstance(answer, LookupRefused)
    ours = {"11", "2006", "21", "2028"}, {"2001", "8006"}
    wanted = "not_permitted" if code in ours[0] else "credentials" if code in ours[1] else "provider_error"
    assert (answer.reason.code, answer.reason.provider_code, answer.reason.text) == (wanted, code, "so it is")


def test_balance_query_acknowledgement_meanings() -> None:
    refusals = {
        "500.003.02": ReasonCode.PROVIDER_UNAVAILABLE,
        "404.001.03": ReasonCode.CREDENTIALS,
        "400.002.02": ReasonCode.INVALID_REQUEST,
        "500.001.1001": ReasonCode.PROVIDER_ERROR,
    }
    for code, reason in refusals.items():
        outcome = balances.read_acceptance(reply(500, {"errorCode": code, "errorMessage": "no"}, retry_after="3"))
        assert outcome == LookupRefused(reason=outcome.reason, http_status=500, retry_after_s=3.0)  # type: ignore[union-attr]
        assert (outcome.reason.code, outcome.reason.provider_code) == (reason, code)  # type: ignore[union-attr]
    unclear = balances.read_acceptance(reply(200, {"ResponseCode": "1"}))
    assert isinstance(unclear, LookupRefused)
    assert unclear.reason.code is ReasonCode.UNRECOGNISED
    assert isinstance(balances.read_acceptance(reply(200, {"ResponseCode": "0"})), Deferred)


def test_balance_request_has_a_slot_for_the_path_and_moves_no_money(provider: MpesaDarajaProvider) -> None:
    request: Any = next(provider.query_balances())

    assert not request.moves_money
    assert json.loads(request.body) == {
        "Initiator": "payer",
        "SecurityCredential": slot("security_credential"),
        "CommandID": "AccountBalance",
        "PartyA": "600997",
        "IdentifierType": "4",
        "Remarks": "Balance",
        "ResultURL": f"https://pay.example.org/callbacks/{slot('answer_token')}",
        "QueueTimeOutURL": f"https://pay.example.org/callbacks/{'t' * 32}",
    }
