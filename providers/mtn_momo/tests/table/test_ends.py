"""What a status says in the end: reasons, undocumented words, and the sandbox's numbers and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from momo_ends import REASONS, SCENARIOS, STATUSES, Scenario, Status, Why

from payments_core import Payout
from payments_mtn_momo import new_reference

if TYPE_CHECKING:
    from providers.mtn_momo.tests.table.conftest import Face, Gate, Payer

OPERATIONS = ("transfer", "deposit", "refund")


def given_as(code: str, shape: str) -> Any:
    """Return a reason in one of its shapes: a bare word (COMM-186, the sandbox) or an object (SPEC)."""
    if shape == "absent":
        return ...
    return code if shape == "word" else {"code": code, "message": "in MoMo's words"}


@pytest.mark.parametrize("shape", ["word", "object"])
@pytest.mark.parametrize("row", REASONS, ids=str)
def test_failure_reason_is_final_in_neutral_words(native: Face, payer: Payer, gate: Gate, row: Why, shape: str) -> None:
    """FAILED is final whatever the reason, in the neutral words of its row; the payment is not sent again."""
    for operation in OPERATIONS if shape == "word" else OPERATIONS[:1]:
        gate.clear()
        payout = payer.pay(operation, payer.start())
        reference = payout.references["reference"]
        gate.change(status="FAILED", reason=given_as(row.code, shape))
        payout = payer.when_due(payout)
        read = getattr(native, f"get_{operation}_status")(reference)

        assert payout.status == "FAILED"
        assert payout.reason is not None
        assert (payout.reason.code, payout.reason.provider_code) == (row.neutral, row.code)
        assert (payout.reason.settling_h > 0) is (row.money == "perhaps")
        assert payout.history[-1].decided_by == "read"
        assert payer.blocked() == ""  # the payment failed, not the account
        assert read.failed
        assert gate.posts() == [reference]
        if row.code:
            assert (read.reason.code, read.reason.neutral) == (row.code, row.neutral)
            assert read.reason.meaning.what
            assert read.reason.meaning.do
            assert read.reason.meaning.money == row.money


@pytest.mark.parametrize(
    "reason", [..., None, 17, ["NOT_ALLOWED"], {}, {"message": "no code"}, {"code": None}], ids=repr
)
def test_absent_failure_reason_raises_nothing(native: Face, payer: Payer, gate: Gate, reason: Any) -> None:
    payout = payer.pay("transfer", payer.start())
    gate.change(status="FAILED", reason=reason)
    payout = payer.when_due(payout)

    assert payout.status == "FAILED"
    assert payout.reason is not None
    assert payout.reason.code == "unrecognised"
    assert native.get_transfer_status(payout.references["reference"]).failed


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", STATUSES, ids=str)
def test_status_is_final_only_when_successful_or_failed(
    native: Face, payer: Payer, gate: Gate, row: Status, operation: str
) -> None:
    """Only SUCCESSFUL and FAILED are ends: every other word keeps the payout open, and nothing is sent again."""
    payout = payer.pay(operation, payer.start())
    reference = payout.references["reference"]
    gate.change(status=row.word)
    for _ in range(3):
        payout = payer.when_due(payout) if payout.next_at else payout
    assert payout.status == row.stands
    if row.stands == "PENDING":
        assert payout.next_at is not None  # asked again, not forgotten
    if isinstance(row.word, str) and row.word:
        read = getattr(native, f"get_{operation}_status")(reference)
        assert read.status == row.word
        assert (read.succeeded, read.failed) == (row.stands == "SUCCEEDED", row.stands == "FAILED")
        assert read.is_pending is (row.word in {"PENDING", "CREATED"})
    gate.truth()
    if row.stands == "PENDING":
        payout = payer.when_due(payout)
        assert payout.status == "SUCCEEDED"

    assert gate.posts() == [reference]


def test_unknown_status_goes_to_review_in_the_end(payer: Payer, gate: Gate) -> None:
    """Three days of it lead to REVIEW, never to FAILED and never to a second payment."""
    payout = payer.pay("transfer", payer.start())
    gate.change(status="REJECTED")
    for _ in range(100):
        if payout.next_at is None:
            break
        payout = payer.when_due(payout)

    assert (payout.status, payout.reason.code if payout.reason else "") == ("REVIEW", "no_final_answer")
    assert payout.may_have_been_sent
    assert gate.posts() == [payout.references["reference"]]


# --- the sandbox ------------------------------------------------------------------------------------------------------


def settled(payer: Payer, gate: Gate, row: Scenario, payout: Payout) -> Payout:
    """Read a payout until its scenario has come to its end, as far as it has one."""
    payout = payer.when_due(payout)
    if row.end in {"ongoing", "delayed"}:
        assert payout.status == "PENDING"
        gate.emulator.advance(30)
        payout = payer.when_due(payout)
    return payout


def end_of(row: Scenario) -> Mapping[str, Any]:
    """Return how the payout and the native status end."""
    if row.end == "ongoing":
        return {"status": "PENDING", "native": "PENDING", "reason": None}
    if row.end in {"", "delayed"}:
        return {"status": "SUCCEEDED", "native": "SUCCESSFUL", "reason": None}
    return {"status": "FAILED", "native": "FAILED", "reason": row.end}


@pytest.mark.parametrize("row", [row for row in SCENARIOS if row.operation != "refund"], ids=str)
def test_test_payee_has_its_end_in_both_clients(native: Face, payer: Payer, gate: Gate, row: Scenario) -> None:
    """The POST is taken whatever becomes of it; the status tells, in the same words to both clients."""
    reference, pay = new_reference(), getattr(native, row.operation)
    pay(reference=reference, payee=row.value, amount="5")
    payout = settled(payer, gate, row, payer.pay(row.operation, payer.start(), row.value))
    read, expected = getattr(native, f"get_{row.operation}_status")(reference), end_of(row)

    assert (payout.status, read.status) == (expected["status"], expected["native"])
    assert (payout.reason.provider_code if payout.reason else None) == expected["reason"]
    assert (read.reason.code if read.reason else None) == expected["reason"]
    assert gate.posts() == [reference, payout.references["reference"]]
    succeeded = row.end in {"", "delayed"}
    assert [gate.credits(one) for one in gate.posts()] == [int(succeeded), int(succeeded)]


@pytest.mark.parametrize("row", [row for row in SCENARIOS if row.operation == "refund"], ids=str)
def test_refund_value_has_its_end(native: Face, payer: Payer, gate: Gate, row: Scenario) -> None:
    """No source says which field carries the value: the emulator reads externalId, which the neutral client writes."""
    reference = new_reference()
    native.refund(reference=reference, reference_id_to_refund=new_reference(), amount="5", external_id=row.value)
    payout = payer.pay("refund", payer.start())
    expected = end_of(row)
    if row.end in {"ongoing", "delayed"}:
        assert native.get_refund_status(reference).is_pending
        gate.emulator.advance(30)
    read = native.get_refund_status(reference)
    gate.change(status=expected["native"], reason=expected["reason"] or ...)
    payout = payer.when_due(payout)

    assert (payout.status, read.status) == (expected["status"], expected["native"])
    assert (payout.reason.provider_code if payout.reason else None) == expected["reason"]
    assert (read.reason.code if read.reason else None) == expected["reason"]
    assert gate.posts() == [reference, payout.references["reference"]]


def test_status_of_another_amount_goes_to_review(payer: Payer, gate: Gate) -> None:
    """Another amount under our reference is not our payment: a person looks, and nothing is concluded."""
    payout = payer.pay("transfer", payer.start())
    gate.change(amount="6")
    payout = payer.when_due(payout)

    assert (payout.status, payout.reason.code if payout.reason else "") == ("REVIEW", "mismatch")
    assert payout.may_have_been_sent
    assert gate.posts() == [payout.references["reference"]]
