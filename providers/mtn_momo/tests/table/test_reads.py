"""What each documented answer to a status read, and to the call for a token, leads to: never to an end of a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from momo_rows import GETS, TOKENS, Get, Token

from payments_mtn_momo import new_reference
from payments_mtn_momo.native import ActionError, ReadError

if TYPE_CHECKING:
    from providers.mtn_momo.tests.table.conftest import Face, Gate, InvariantChecker, Payer

GOOD = "46733123499"
OPERATIONS = ("transfer", "deposit", "refund")
A_DAY_S = 86_400


def tell(gate: Gate, row: Get, times: int = 10_000) -> None:
    """Answer reads of a status as the row says."""
    if row.says is None:
        gate.emulator.set_faults({"answer_lost_before_acceptance": {"on": "get", "next": times}})
    else:
        gate.say("get", row.says, times)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", GETS, ids=str)
def test_native_status_read_has_its_documented_effect(native: Face, gate: Gate, row: Get, operation: str) -> None:
    """The class, and the reference it was asked by; nothing about it says that money moved or did not."""
    tell(gate, row)
    reference = new_reference()
    with pytest.raises(ReadError) as caught:
        getattr(native, f"get_{operation}_status")(reference)

    error = caught.value
    assert type(error) is row.native
    assert (error.reference, error.operation) == (reference, f"{operation}_status")
    assert not error.money_may_have_moved
    assert reference in str(error)
    assert error.hint
    assert gate.posts() == []
    assert {request.reference for request in gate.reads()} == {reference}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", GETS, ids=str)
def test_accepted_payout_is_never_sent_again_while_reads_fail(
    payer: Payer, gate: Gate, row: Get, operation: str
) -> None:
    """It stays what it is and is never sent again, however long its reads fail; the first true answer ends it."""
    payout = payer.pay(operation, payer.start())
    tell(gate, row)
    for _ in range(4):
        payout = payer.when_due(payout)
        assert payout.status == "PENDING"
        assert payout.next_at is not None
    assert payer.blocked() == ""
    gate.truth()
    gate.emulator.set_faults({})
    payout = payer.when_due(payout)

    assert payout.status == "SUCCEEDED"
    assert gate.posts() == [payout.references["reference"]]
    assert gate.credits(payout.references["reference"]) == 1


TOO_MANY = [row for row in GETS if row.says and row.says.status == 429]


@pytest.mark.parametrize("row", [row for row in GETS if row.kind == "R" and row not in TOO_MANY], ids=str)
def test_read_that_may_be_retried_is_retried_at_once(payer: Payer, gate: Gate, row: Get) -> None:
    """R: the second answer counts, and a refused token is a fresh one by then."""
    payout = payer.pay("transfer", payer.start())
    tell(gate, row, 1)
    payout = payer.when_due(payout)

    assert payout.status == "SUCCEEDED"
    first, second = gate.reads()
    assert first.reference == second.reference == payout.references["reference"]
    assert (first.token != second.token) is (row.name == "token refused")


@pytest.mark.parametrize("row", TOO_MANY, ids=str)
def test_read_refused_for_the_rate_waits_with_all_others(payer: Payer, gate: Gate, row: Get) -> None:
    """R: not repeated at once, which would be too soon again; the next one is let through after MTN's own wait."""
    payout = payer.pay("transfer", payer.start())
    tell(gate, row, 1)
    payout = payer.when_due(payout)
    assert (payout.status, len(gate.reads())) == ("PENDING", 1)
    payout = payer.when_due(payout)

    assert (payout.status, len(gate.reads())) == ("SUCCEEDED", 2)


# A 500 is repeated whatever its word: it says only that the read failed (SPEC), and the policy knows statuses only.
ASKED_ONCE = [row for row in GETS if row.kind != "R" and row.says and row.says.status != 500]


@pytest.mark.parametrize("row", ASKED_ONCE, ids=str)
def test_read_that_needs_a_person_or_time_is_sent_once(payer: Payer, gate: Gate, row: Get) -> None:
    payout = payer.pay("transfer", payer.start())
    tell(gate, row, 1)
    payout = payer.when_due(payout)

    assert (payout.status, len(gate.reads())) == ("PENDING", 1)


@pytest.mark.parametrize("row", TOKENS, ids=str)
def test_native_call_without_a_token_sends_nothing(
    native: Face, watch: InvariantChecker, gate: Gate, row: Token
) -> None:
    """Nothing is sent, so nothing can have moved; the payment's error still carries its reference."""
    watch.on(A_DAY_S)  # no token lives that long
    gate.say("token", row.says)
    reference = new_reference()
    with pytest.raises(ActionError) as paid:
        native.transfer(reference=reference, payee=GOOD, amount="5")
    with pytest.raises(ReadError) as read:
        native.get_transfer_status(reference)

    assert (type(paid.value), type(read.value)) == row.native
    assert paid.value.reference == read.value.reference == reference
    assert not paid.value.money_may_have_moved
    assert "No money moved." in paid.value.message
    assert paid.value.hint
    assert read.value.hint
    assert paid.value.reason == row.ours
    assert gate.posts() == []
    assert gate.reads() == []


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", TOKENS, ids=str)
def test_payout_without_a_token_waits_and_is_sent_once(payer: Payer, gate: Gate, row: Token, operation: str) -> None:
    """The account stops where something of ours is wrong, else it waits; then the payment leaves, once."""
    payer.watch.on(A_DAY_S)
    gate.say("token", row.says)
    payout = payer.pay(operation, payer.start())

    assert (payout.status, payout.submissions, payout.may_have_been_sent) == ("CREATED", 0, False)
    assert bool(payer.blocked()) is bool(row.ours)
    assert payout.reason is not None
    assert payout.reason.code == (row.ours or "provider_unavailable")
    assert gate.posts() == []
    gate.truth()
    payer.face.unpause(account=payout.account)
    payout = payer.when_due(payer.when_due(payout))

    assert payout.status == "SUCCEEDED"
    assert gate.posts() == [payout.references["reference"]]
    assert gate.credits(payout.references["reference"]) == 1
