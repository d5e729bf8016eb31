"""review, reissue and approve: what they print, what they refuse, and what they leave with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_mtn_momo.emulator import MtnMomoEmulator

Call = Callable[..., Any]
WHO = ("--actor", "Ann", "--reason", "the statement")
FAILING = "+46733123450"


@pytest.fixture
def stopped(pay: Call, config: Path) -> str:
    """A payout that stopped: under its reference stands another amount, from a journal that was lost."""
    assert pay("wages-1", "--wait", "10").code == 0
    for path in config.parent.glob("payouts.db*"):
        path.unlink()
    assert pay("wages-1", amount="26000").code == 4
    return "wages-1"


def test_review_list_shows_reason_time_and_amount(stopped: str, payouts: Call) -> None:
    listed, shown = payouts("review", "list"), payouts("review", "list", "--json").json

    assert listed.code == 0
    assert "the provider shows another amount, payee or reference than was sent" in listed.out
    assert "26000 UGX" in listed.out
    assert "256700199887" not in listed.out
    (one,) = shown
    assert (one["key"], one["reason"], one["amount"], one["status"]) == (stopped, "mismatch", "26000", "REVIEW")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", one["since"])
    assert one["acts"].keys() == {"paid", "not_paid"}
    assert one["acts"]["not_paid"] == ["later"]


def test_review_show_has_the_history_and_the_possible_decisions(stopped: str, payouts: Call) -> None:
    ran, result = payouts("review", "show", stopped), payouts("review", "show", stopped, "--json").json

    assert ran.code == 0
    assert "The provider already has our reference, and is checked now." in ran.out
    assert "The provider shows another amount under our reference." in ran.out
    assert f"payouts review resolve {stopped} --paid --actor NAME --reason TEXT" in ran.out
    assert "--not-paid" in ran.out.split("the possible decisions are")[1]
    assert ran.out.rstrip().endswith("when the provider answers only by callback")
    assert [entry["event"] for entry in result["history"]][-1] == "payout.review"
    assert f"payouts review show {stopped}" in payouts("show", stopped).out


def test_review_needs_only_the_journal(stopped: str, payouts: Call, change: Call) -> None:
    change(r"^api_key = .*$", 'api_key = "env:NO_SUCH_KEY"')

    assert payouts("review", "list").code == payouts("review", "show", stopped).code == 0


def test_decision_that_is_not_safe_is_refused_with_a_reason(stopped: str, payouts: Call) -> None:
    ran = payouts("review", "resolve", stopped, "--not-paid", *WHO, "--json")

    assert (ran.code, ran.error["code"]) == (1, "decision_refused")
    assert "The provider shows another payment under its reference." in ran.error["message"]
    assert payouts("review", "reopen", stopped, *WHO).code == 1
    assert payouts("show", stopped, "--json").json["status"] == "REVIEW"


def test_decision_is_recorded_with_actor_and_reason(stopped: str, payouts: Call) -> None:
    ran = payouts("review", "resolve", stopped, "--paid", *WHO, "--evidence", "line 7", "--json")

    assert (ran.code, ran.json["status"]) == (0, "SUCCEEDED")
    last = ran.json["history"][-1]
    assert (last["event"], last["decided_by"]) == ("payout.resolved", "person")
    assert (last["evidence"]["actor"], last["evidence"]["evidence"]) == ("Ann", "line 7")
    assert payouts("review", "list").err == "No payout waits for a decision.\n"
    again = payouts("review", "show", stopped)
    assert (again.code, "is SUCCEEDED and not in REVIEW" in again.err) == (1, True)


@pytest.mark.usefixtures("gateway")
def test_decision_needs_an_actor_a_reason_and_a_side(payouts: Call) -> None:
    assert payouts("review", "resolve", "k", *WHO).code == 2
    assert payouts("review", "resolve", "k", "--paid", "--actor", "Ann").code == 2
    assert payouts("reissue", "k", "--reason", "x").code == 2
    assert payouts("approve", "k").code == 2
    assert payouts("review").code == 2


def test_reissue_says_when_it_is_possible_and_then_pays(pay: Call, payouts: Call, change: Call) -> None:
    change("^lease_s = .*$", "lease_s = 1")
    change("^timeout_s = .*$", "timeout_s = 0.4")
    assert pay("wages-9", "--wait", "10", to=FAILING).code == 3
    assert (
        "payouts reissue wages-9 --actor NAME --reason TEXT pays it under the same key."
        in payouts("show", "wages-9").out
    )
    early = payouts("reissue", "wages-9", *WHO, "--json")
    assert (early.code, early.error["code"]) == (1, "decision_refused")
    assert re.search(r"Try again after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.", early.error["hint"])

    until = time.monotonic() + 30
    while (ran := payouts("reissue", "wages-9", *WHO, "--json")).code == 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert (ran.code, ran.json["attempt"], ran.json["submissions"]) == (4, 2, 1)
    assert "attempt     2" in payouts("show", "wages-9").out
    assert payouts("reissue", "wages-9", *WHO).code == 1


def test_reissue_from_another_account_names_both_accounts(pay: Call, payouts: Call, config: Path) -> None:
    """It says from where to where; the first account is needed as long as the payout is open, and doctor says so."""
    text = config.read_text("utf-8")
    table = text[text.index("[accounts.mtn-uganda]") :]
    config.write_text(f"{text}\n{table.replace('mtn-uganda]', 'spare]')}", "utf-8")
    assert pay("wages-9", "--account", "mtn-uganda", "--wait", "30", to=FAILING).code == 3
    missing = payouts("reissue", "wages-9", *WHO, "--account", "sparse", "--json")
    assert (missing.code, missing.error["code"]) == (1, "unknown_account")

    again, until = ("reissue", "wages-9", *WHO, "--account", "spare", "--json"), time.monotonic() + 30
    while (ran := payouts(*again)).code == 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert (ran.code, ran.json["attempt"], ran.json["account"]) == (4, 2, "spare")
    fields = next(entry["evidence"] for entry in ran.json["history"] if entry["event"] == "payout.reissued")
    assert (fields["account_before"], fields["account"]) == ("mtn-uganda", "spare")
    shown = payouts("show", "wages-9").out
    assert "account     spare" in shown
    assert "attempt     2, paid from mtn-uganda before" in shown

    begin, end = (text + "\n").index("[accounts.mtn-uganda]"), len(text) + 1
    both = config.read_text("utf-8")
    config.write_text(both[:begin] + both[end:], "utf-8")
    assert "open payouts belong to accounts that are not configured: mtn-uganda" in payouts("doctor").out


def test_approval_lets_a_payout_be_sent(pay: Call, payouts: Call, config: Path, gateway: MtnMomoEmulator) -> None:
    config.write_text(config.read_text("utf-8") + 'approve_above = { UGX = "20000" }\n', "utf-8")
    before = len(gateway.ledger())
    assert pay("big-1").code == 4
    assert "payouts approve big-1 --actor NAME lets it be sent." in payouts("show", "big-1").out
    assert payouts("list", "--status", "CREATED", "--json").json[0]["reason"] == "needs_approval"
    assert len(gateway.ledger()) == before
    assert payouts("approve", "big-1", "--actor", "Ben").code == 4
    assert payouts("resume", "--timeout", "20").code == 0
    assert payouts("show", "big-1").code == 0


def test_cancel_withdraws_a_payout_that_was_not_sent(
    pay: Call, payouts: Call, config: Path, gateway: MtnMomoEmulator
) -> None:
    """Cancelling leaves with 0, the key with 3 from then on; the application hears of it, and nothing was sent."""
    config.write_text(config.read_text("utf-8") + 'approve_above = { UGX = "0" }\n', "utf-8")
    before = len(gateway.ledger())
    assert pay("wrong-1").code == 4
    assert "payouts cancel wrong-1 --actor NAME --reason TEXT withdraws it." in payouts("show", "wrong-1").out
    assert payouts("cancel", "wrong-1", "--actor", "Ben").code == 2
    ran = payouts("cancel", "wrong-1", "--actor", "Ben", "--reason", "the wrong month", "--json")
    assert (ran.code, ran.json["status"], ran.json["history"][-1]["event"]) == (0, "CANCELLED", "payout.cancelled")
    assert payouts("cancel", "wrong-1", "--actor", "Cid", "--reason", "again").code == 0
    shown = payouts("show", "wrong-1")
    assert (shown.code, "cancelled   by Ben: the wrong month" in shown.out) == (3, True)
    assert pay("wrong-1").code == 3
    assert payouts("resume").code == 0
    assert [event["status"] for event in payouts("events", "list", "app", "--json").json] == ["CANCELLED"]
    assert len(gateway.ledger()) == before


@pytest.mark.usefixtures("gateway")
def test_cancel_of_what_may_have_arrived_is_refused(pay: Call, payouts: Call) -> None:
    """The refusal says what to do; asking the provider is another command, and MTN cannot be asked."""
    pay("wages-3", to="+46733123453")  # stays pending
    ran = payouts("cancel", "wages-3", "--actor", "Ben", "--reason", "x", "--json")
    assert (ran.code, ran.error["code"]) == (1, "decision_refused")
    assert "It is PENDING, and may have arrived. Nothing was changed." in ran.error["message"]
    assert "`payouts wait` asks what became of it" in ran.error["hint"]
    assert payouts("cancel-at-provider", "wages-3", "--json").error["code"] == "not_supported"


@pytest.mark.usefixtures("gateway")
def test_approve_above_without_a_currency_is_refused(pay: Call, config: Path) -> None:
    config.write_text(config.read_text("utf-8") + "approve_above = 20000\n", "utf-8")
    ran = pay("big-1", "--json")
    assert (ran.code, ran.error["code"]) == (1, "settings_invalid")
    assert 'approve_above = { UGX = "500000" }' in ran.error["message"]
