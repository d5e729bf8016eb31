"""An end that its provider contradicts: nothing advises to pay again, and nothing is silent until a person knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Payout, PayoutClient
from payments_core.domain.contradictions import ProviderStatus
from payments_core.domain.errors import DecisionRefused
from payments_mtn_momo.emulator import MtnMomoEmulator

Call = Callable[..., Any]
WHO = ("--actor", "Ann", "--reason", "the statement")
ACTOR = ("--actor", "Ann", "--reason", "the statement shows it")
FAILING = "+46733123450"


@pytest.fixture
def contradicted(liar: Any, pay: Call, payouts: Call) -> str:
    """A payout that failed, and that the provider calls paid since."""
    assert pay("wages-1", "--wait", "30").code == 3
    liar.lies = False
    assert payouts("check", "wages-1").code == 4
    return "wages-1"


def test_contradicted_failure_is_reported_by_every_command(contradicted: str, payouts: Call, pay: Call) -> None:
    """Until a person has acknowledged it nobody reads that no money moved, or how to pay it again."""
    for ran in (payouts("show", contradicted), payouts("wait", contradicted), pay(contradicted)):
        assert ran.code == 4
        assert "FAILED: it is final, and its provider contradicts it" in ran.out
        assert "the provider reports that attempt 1 was paid" in ran.out
        assert "payouts review acknowledge wages-1 --actor NAME --reason TEXT" in ran.out
        assert "o money moved" not in ran.out.split("NO  AT (UTC)")[0]
        assert "reissue" not in ran.out
    fields = payouts("show", contradicted, "--json").json["contradictions"]
    assert [(one["attempt"], one["provider_status"], one["acknowledged_at"]) for one in fields] == [(1, "paid", None)]
    assert payouts("list", "--json").json[0]["contradictions"] == fields
    assert "contradicted: the provider reports that attempt 1 was paid" in payouts("list").out
    assert "contradicted: the provider reports that attempt 1 was paid" in payouts("review", "list").out
    waiting = payouts("review", "list", "--json").json[0]
    assert (waiting["acts"], waiting["since"], waiting["contradictions"]) == ({}, fields[0]["at"], fields)
    assert "payouts review acknowledge wages-1" in payouts("review", "show", contradicted).out
    assert "the provider contradicts the result of 1 payout" in payouts("doctor").out
    assert "The provider contradicts the result of 1 payout" in payouts("journal", "verify").err
    assert payouts("journal", "verify", "--json").json["contradicted"] == 1
    events = payouts("events", "list", "books", "--json").json
    assert [(one["status"], (one["contradiction"] or {}).get("provider_status")) for one in events] == [
        ("FAILED", None),
        ("FAILED", "paid"),
    ]
    left = payouts("resume", "--json")
    assert (left.code, left.json["contradicted"]) == (4, 1)


def test_failed_row_that_its_provider_contradicts_is_not_written_to_be_paid_again(
    liar: Any, payouts: Call, folder: Path
) -> None:
    (folder / "people.csv").write_text("key,to,amount\nwages-1,+256772123456,100\n")
    batch = payouts("batch", "create", "people.csv", "--round", "june", "--actor", "ann", "--json").json["id"]
    payouts("batch", "approve", batch, "--actor", "bob", "--total", "100 UGX")
    assert payouts("batch", "run", batch, "--wait", "30").code == 3
    liar.lies = False
    payouts("check", "wages-1")

    ran = payouts("batch", "rows", batch, "--failed", "wrong.csv")

    assert ran.out.startswith(
        "0 rows to correct, and no file.\nLeft out: 1 failed row that may still turn out to be paid."
    )
    assert not (folder / "wrong.csv").exists()


def test_reissue_checks_first_and_finds_the_payment(
    liar: Any, pay: Call, payouts: Call, gateway: MtnMomoEmulator
) -> None:
    """Nobody has checked: the read before another attempt finds the payment, and nothing is sent."""
    assert pay("wages-1", "--wait", "30").code == 3
    liar.lies = False
    again, until = ("reissue", "wages-1", *WHO, "--json"), time.monotonic() + 30
    while "too early" in (refused := payouts(*again).error)["message"] and time.monotonic() < until:
        time.sleep(0.1)

    assert (refused["code"], "an attempt of it was paid after all" in refused["message"]) == ("decision_refused", True)
    shown = payouts("show", "wages-1")
    assert (shown.code, "the provider reports that attempt 1 was paid" in shown.out) == (4, True)
    assert "o money moved" not in shown.out.split("NO  AT (UTC)")[0]
    paid = payouts("show", "wages-1", "--json").json["id"]
    assert [entry["credits"] for entry in gateway.ledger() if entry["external_id"] == paid] == [1]


def test_contradiction_checked_again_is_no_news(contradicted: str, payouts: Call) -> None:
    """Each check is in the history; the contradiction is there once, and so is its event."""
    before = payouts("show", contradicted, "--json").json
    after = payouts("check", contradicted, "--json").json

    assert after["contradictions"] == before["contradictions"]
    assert [entry["event"] for entry in after["history"]][-3:] == [
        "payout.contradicted",
        "payout.checked",
        "payout.checked",
    ]
    assert after["history"][-1]["evidence"]["provider"] == "paid"
    assert len(payouts("events", "list", "books", "--json").json) == 2


def test_contradiction_acknowledged_by_a_person_is_never_reissued(
    contradicted: str, payouts: Call, pay: Call, liar: Any
) -> None:
    """With name and reason; the status stays, the queue is empty, and paying again stays forbidden."""
    ran = payouts("review", "acknowledge", contradicted, *ACTOR, "--json")

    assert (ran.code, ran.json["status"]) == (3, "FAILED")
    (one,) = ran.json["contradictions"]
    assert (one["actor"], one["reason"]) == ("Ann", "the statement shows it")
    assert one["acknowledged_at"] == ran.json["history"][-1]["at"]
    assert payouts("review", "list").err == "No payout waits for a decision.\n"
    assert "contradicts" not in payouts("doctor").out
    shown = payouts("show", contradicted)
    assert (shown.code, pay(contradicted).code) == (3, 3)
    assert "acknowledged by Ann: the statement shows it" in shown.out
    assert "It is never paid again under this key." in shown.out
    assert "reissue" not in shown.out
    assert "contradicted, acknowledged" in payouts("list").out
    liar.lies = True
    refused = payouts("reissue", contradicted, *WHO, "--json")
    assert (refused.code, "was paid after all" in refused.error["message"]) == (1, True)
    assert payouts("review", "acknowledge", contradicted, *ACTOR).code == 3, "twice is once"


def test_contradicted_success_is_reported(liar: Any, pay: Call, payouts: Call) -> None:
    liar.lies = False
    assert pay("wages-2", "--wait", "30").code == 0
    assert payouts("review", "acknowledge", "wages-2", *ACTOR).code == 1, "nothing contradicts it"
    liar.lies = True
    ran = payouts("check", "wages-2")

    assert ran.code == 4
    assert ran.out.startswith("The provider reports that it failed.\n")
    assert "The money may not be there." in ran.out
    assert "the provider reports that attempt 1 failed" in ran.out
    assert payouts("review", "acknowledge", "wages-2", *ACTOR).code == 0


def test_reissue_of_a_payment_the_provider_lost_needs_evidence(liar: Any, pay: Call, payouts: Call) -> None:
    """One payout at a time, and never without it; actor, reason and evidence are in the history."""
    liar.lies = False
    assert pay("wages-6", "--wait", "30", to=FAILING).code == 3
    liar.absent = True
    again, until = ("reissue", "wages-6", *WHO, "--json"), time.monotonic() + 30
    while (ran := payouts(*again)).error["hint"].startswith("Try again after") and time.monotonic() < until:
        time.sleep(0.1)
    assert (ran.code, ran.error["code"]) == (1, "decision_refused")
    assert "does not show attempt 1" in ran.error["message"]
    assert "--evidence TEXT" in ran.error["hint"]
    ran = payouts(*again, "--evidence", "no such line in March")
    assert (ran.code, ran.json["attempt"]) == (4, 2)
    fields = next(entry["evidence"] for entry in ran.json["history"] if entry["event"] == "payout.reissued")
    assert (fields["actor"], fields["reason"], fields["evidence"]) == ("Ann", "the statement", "no such line in March")


def test_check_of_an_open_payout_is_refused(pay: Call, payouts: Call, liar: Any) -> None:
    assert pay("wages-3").code == 4
    refused = payouts("check", "wages-3", "--json")
    assert (refused.code, refused.error["code"]) == (1, "decision_refused")
    assert "payouts wait" in refused.error["hint"]


def test_check_and_acknowledge_work_in_both_clients(liar: Any, pay: Call, config: Path) -> None:
    """And show what was said in the payout itself."""
    for key in ("wages-4", "wages-5"):
        assert pay(key, "--wait", "30").code == 3
    liar.lies = False
    with PayoutClient.from_config(config) as client:
        found = client.check("wages-4")
        assert [one.payout.key for one in client.review()] == ["wages-4"]
        with pytest.raises(DecisionRefused, match="needs a name and a reason"):
            client.acknowledge("wages-4", actor="", reason="")
        known = client.acknowledge("wages-4", actor="Ann", reason="seen")

    async def on_a_loop() -> tuple[Payout, Payout]:
        async with AsyncPayoutClient.from_config(config) as client:
            there = await client.check("wages-5")
            assert [one.payout.key async for one in client.review()] == ["wages-5"]
            return there, await client.acknowledge("wages-5", actor="Ann", reason="seen")

    there, noted = asyncio.run(on_a_loop())
    for payout in (found, there):
        assert [one.provider_status for one in payout.contradictions] == [ProviderStatus.PAID]
        assert (payout.has_open_contradiction, payout.may_have_been_sent, payout.history[-1].event) == (
            True,
            True,
            "payout.checked",
        )
    assert [payout.has_open_contradiction for payout in (known, noted)] == [False, False]
