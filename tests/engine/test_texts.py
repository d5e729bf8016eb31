"""What a person reads when something is refused: each sentence, and what to do next, word for word.

Nobody sees a refusal on a good day. These are the only lines that stand between a person and paying again by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from kit import T0, Fake, MakeStage, after, lost, order_of, reading, row_of

from payments_core import engine
from payments_core.domain.errors import DecisionRefused, KeyReused, NotSupported, PaymentsError
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.engine.review import _Asked, _refused
from payments_core.provider import Deferred, Final, NotFound, Pending, Unknown

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO")
COMPARE = "Compare with the provider's own records; ask again later."


def reply_of(ask: Callable[[], object], kind: type[PaymentsError] = DecisionRefused) -> tuple[str, str]:
    """Return the message and the hint of a refusal."""
    with pytest.raises(kind) as caught:
        ask()
    return caught.value.message, caught.value.hint


# --- decisions -----------------------------------------------------------------------------------------------------


def in_review(stage: MakeStage, code: ReasonCode, *parsed: Any, **changes: Any) -> tuple[Any, Any]:
    one = stage(Fake(checking=reading(*parsed)))
    fields = {"reason": Reason(code), "ambiguous": True, "first_sent_at": T0, "next_at": None}
    row = one.put(S.REVIEW, **(fields | changes))
    one.at = after(100_000)
    return one, row


def test_unsafe_decision_says_what_the_provider_says(stage: MakeStage) -> None:
    """It says which decision, what the provider says now, and why the payout stopped."""
    one, row = in_review(stage, ReasonCode.NEVER_APPEARED, Unknown())
    assert reply_of(lambda: one.resolve(row, paid=False)) == (
        "Payout … (po_x) cannot be settled as not paid now. The provider's answer says nothing clear. "
        "It is in review because of never_appeared.",
        "It can be settled as paid or reopened.",
    )


def test_unsafe_decision_without_an_answer_says_so(stage: MakeStage) -> None:
    one, row = in_review(stage, ReasonCode.MISMATCH, Unknown())
    one.answers.append(lost())
    assert reply_of(lambda: one.resolve(row, paid=True)) == (
        "Payout … (po_x) cannot be settled as paid now. The provider did not answer. "
        "It is in review because of mismatch.",
        "Ask again when it answers.",
    )


def test_unsafe_decision_without_a_review_reason_says_so() -> None:
    """A row that says nothing of why it stopped is refused like any other."""
    row = replace(row_of(S.REVIEW), reason=None)
    refused = _refused(_Asked(row, row, engine.ProviderSays.NOT_FOUND, {}, T0), engine.ReviewAction.PAID, "")
    assert refused.message == (
        "Payout … (po_x) cannot be settled as paid now. The provider does not show it. "
        "It is in review because of an unknown reason."
    )


# --- paying again --------------------------------------------------------------------------------------------------


def failed(stage: MakeStage, *parsed: Any, at: float = 100_000, **facts: Any) -> tuple[Any, Any]:
    one = stage(Fake(checking=reading(*parsed)), **{"dedupe_settle_s": 1000.0, **facts})
    row = one.put(S.FAILED, reason=NO, decided_by="read", first_sent_at=T0, next_at=None)
    one.at = after(at)
    return one, row


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (S.CREATED, "It is still open: `payouts wait` asks what became of it."),
        (S.PENDING, "It is still open: `payouts wait` asks what became of it."),
        (S.UNKNOWN, "It is still open: `payouts wait` asks what became of it."),
        (S.REVIEW, "Decide first what became of it: `payouts review show` tells how."),
        (S.SUCCEEDED, "It has been paid. Another payment takes a key of its own."),
        (S.REVERSED, "It is still open: `payouts wait` asks what became of it."),
        (S.CANCELLED, "No money moved. If it is still wanted, pay it under a new key."),
    ],
)
def test_reissue_of_what_has_not_failed_says_what_to_do_instead(
    stage: MakeStage, status: PayoutStatus, hint: str
) -> None:
    """And what can be done instead depends on where it stands: of what was paid nothing is said to be open."""
    one = stage()
    row = one.put(status, reason=NO if status is S.REVIEW else None)
    assert reply_of(lambda: one.reissue(row)) == (
        f"Payout … (po_x) is {status}: only what failed can be paid again.",
        hint,
    )
    assert one.reads() == []


def test_reissue_of_an_erased_payee_says_so(stage: MakeStage) -> None:
    """Nobody knows any more who it was."""
    one, row = failed(stage, Final(reason=NO))
    assert reply_of(lambda: one.reissue(replace(row, erased_at=T0))) == (
        "Payout … (po_x) cannot be paid again: its payee was erased.",
        "If the debt still stands, pay it under another key, with the number as you know it.",
    )
    assert one.reads() == []


def test_reissue_where_answers_come_later_says_so(stage: MakeStage) -> None:
    one, row = failed(stage, Final(reason=NO), status_by="result_callback")
    assert reply_of(lambda: one.reissue(row), NotSupported) == (
        "Fake tells only later what became of a payment: it cannot be paid again under its key.",
        "Compare with the provider's own records before you pay it under another key.",
    )


@pytest.mark.parametrize(
    ("parsed", "why"),
    [
        (Pending(), "The provider says that attempt 1 is still under way."),
        (Unknown(), "The provider's answer about attempt 1 says nothing clear."),
        (Final(reason=replace(NO, settling_h=48)), "The provider may still say otherwise of attempt 1."),
        (lost(), "The provider could not be asked about attempt 1: timed out."),
        (Deferred(), "The provider answers about attempt 1 only later."),
    ],
    ids=["pending", "unclear", "settling", "silent", "later"],
)
def test_reissue_without_proof_says_what_the_provider_says(stage: MakeStage, parsed: Any, why: str) -> None:
    """Each answer that proves nothing is told as what it is, and nothing begins."""
    one, row = failed(stage, parsed)
    if isinstance(parsed, Exception):
        one.answers.append(parsed)
    assert reply_of(lambda: one.reissue(row)) == (f"Payout … (po_x) is not proven to have failed. {why}", COMPARE)
    assert (one.journal.get(row.id), one.journal.attempts(row.id)) == (row, ())


def test_reissue_of_an_absent_attempt_asks_for_evidence(stage: MakeStage) -> None:
    one, row = failed(stage, NotFound())
    why = "The provider does not show attempt 1, which is no proof that it failed."
    assert reply_of(lambda: one.reissue(row)) == (
        f"Payout … (po_x) is not proven to have failed. {why}",
        "Compare with the provider's own records. Where they show no such payment, name that: --evidence TEXT.",
    )


# --- another intent under the same key -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({"payee": Payee("msisdn", "46733123498")}, "payee (recorded 46*******99, now 46*******98)"),
        ({"amount": Money("26", "EUR")}, "amount (recorded 25 EUR, now 26 EUR)"),
        ({"operation": Operation.DEPOSIT}, "operation (recorded transfer, now deposit)"),
        ({"options": {"a": "b"}}, "set of options"),
        (
            {"options": {"a": "b"}, "amount": Money("26", "EUR")},
            "amount (recorded 25 EUR, now 26 EUR) and another set of options",
        ),
    ],
    ids=lambda given: "" if isinstance(given, str) else "+".join(given),
)
def test_reused_key_says_what_differs(changed: dict[str, Any], differs: str) -> None:
    """It says what is different: of a payee only what is masked, of options no word."""
    order = order_of(**changed)
    assert reply_of(lambda: engine.same_order(row_of(S.PENDING), order), KeyReused) == (
        f"The key '…' already stands for another payout (po_x, PENDING): another {differs}. "
        "This time nothing was sent, and nothing was changed.",
        "Payee, amount, operation and options belong to a key. Use the recorded ones. Another key makes another "
        "payment: right if both are owed, or if the recorded one FAILED because of what was wrong in it.",
    )


def test_differences_name_note_and_metadata_of_a_repeated_key() -> None:
    """By their names, in whatever order their parts are written; true is not 1. Of an erased payout both are gone."""
    row = row_of(S.PENDING, note="rent", metadata={"a": 1, "b": None})
    assert engine.differences(row, order_of(note="rent", metadata={"b": None, "a": 1})) == ()
    assert engine.differences(row, order_of(note="rent", metadata={"a": True, "b": None})) == ("metadata",)
    assert engine.differences(row, order_of()) == ("note", "metadata")
    assert engine.differences(replace(row, erased_at=T0), order_of()) == ()


def test_reused_refund_key_says_which_original_amount_differs() -> None:
    """What was collected belongs to the key of a refund."""
    of = {"operation": Operation.REFUND, "payee": Payee.payer_of("r-1"), "original_amount": Money("30", "EUR")}
    first, second = order_of(**of), order_of(**{**of, "original_amount": Money("31", "EUR")})
    row = row_of(
        S.PENDING,
        payee_kind=first.payee.kind,
        payee_value="r-1",
        original_amount=Decimal(30),
        **{"operation": Operation.REFUND, "fingerprint": first.fingerprint},
    )
    message, _ = reply_of(lambda: engine.same_order(row, second), KeyReused)
    assert ": another original amount (recorded 30 EUR, now 31 EUR). This time" in message
    message, _ = reply_of(lambda: engine.same_order(row, order_of()), KeyReused)
    assert "original amount (recorded 30 EUR, now none)" in message
    message, _ = reply_of(lambda: engine.same_order(row_of(S.PENDING), first), KeyReused)
    assert "original amount (recorded none, now 30 EUR)" in message


def test_reused_key_with_another_fingerprint_alone_says_so() -> None:
    """An intent of an older kind differs in its fingerprint alone."""
    row = replace(row_of(S.PENDING), fingerprint="another")
    message, _ = reply_of(lambda: engine.same_order(row, order_of()), KeyReused)
    assert ": another intent. This time" in message


def test_reused_key_of_an_erased_payee_names_nothing() -> None:
    """Only the fingerprint still tells: nothing is named, not even as what it became."""
    row = replace(row_of(S.SUCCEEDED), erased_at=T0)
    engine.same_order(row, order_of())
    message, _ = reply_of(lambda: engine.same_order(row, order_of(options={"a": "b"})), KeyReused)
    assert ": another intent. This time" in message
