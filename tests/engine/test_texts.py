"""What a person reads when something is refused: each sentence, and what to do next, word for word.

Nobody sees a refusal on a good day. These are the only lines that stand between a person and paying again by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from kit import OURS, T0, Fake, account_of, after, lost, order_of, reading, row_of

from payments_core import engine
from payments_core.domain.errors import DecisionRefused, KeyReused, LookupFailed, NotSupported, PaymentsError
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.engine import OperatorDecision
from payments_core.engine.flow import EngineFlow
from payments_core.engine.review import _Asked, _refused
from payments_core.http.flow import exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import Consent, Deferred, Final, Finding, LookupRefused, NotFound, Pending, Unknown

S = PayoutStatus
MakeStage = Callable[..., Any]
NO = Reason(ReasonCode.REJECTED, "NO")
LOOK_AGAIN = "Look at it again before you decide."
COMPARE = "Compare with the provider's own records; ask again later."
SHOW_ADVICE = "`payouts show` tells what it said; compare with the provider's own records."
READ = HttpRequest("GET", "http://fake.invalid/x", "balance", repeatable=True)


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


def test_decision_outside_review_says_its_status(stage: MakeStage) -> None:
    one = stage()
    row = one.put(S.PENDING)
    assert reply_of(lambda: one.resolve(row, paid=True)) == (
        "Payout … (po_x) is PENDING and not in REVIEW: there is nothing to decide.",
        "`payouts review list` shows what waits for a decision.",
    )


def test_unsafe_decision_says_what_the_provider_says(stage: MakeStage) -> None:
    """It says which decision, what the provider says now, and why the payout stopped."""
    one, row = in_review(stage, ReasonCode.NEVER_APPEARED, Unknown())
    assert reply_of(lambda: one.resolve(row, paid=False)) == (
        "Payout … (po_x) cannot be settled as not paid now. The provider's answer says nothing clear. "
        "It is in review because of never_appeared.",
        "`payouts review show` tells what is safe.",
    )


def test_unsafe_decision_without_an_answer_says_so(stage: MakeStage) -> None:
    one, row = in_review(stage, ReasonCode.MISMATCH, Unknown())
    one.answers.append(lost())
    assert reply_of(lambda: one.resolve(row, paid=True)) == (
        "Payout … (po_x) cannot be settled as paid now. The provider did not answer. "
        "It is in review because of mismatch.",
        "Ask again when it answers.",
    )


def test_unsafe_reopening_says_so(stage: MakeStage) -> None:
    one, row = in_review(stage, ReasonCode.BINDING_GONE, binding={"host": "old.invalid"})
    assert reply_of(lambda: one.reopen(row)) == (
        "Payout … (po_x) cannot be reopened now. No configured account can ask the provider about it. "
        "It is in review because of binding_gone.",
        "Put what sent it into the account's retired identities first.",
    )


def test_decision_without_evidence_asks_for_it(stage: MakeStage) -> None:
    one, row = in_review(stage, ReasonCode.BINDING_GONE, binding={"host": "old.invalid"})
    _, hint = reply_of(lambda: one.resolve(row, paid=False, evidence=""))
    assert hint == "Name the evidence: which line of which statement says so, or that none does."


def test_decision_that_is_too_early_says_when(stage: MakeStage) -> None:
    one, row = in_review(stage, ReasonCode.NEVER_APPEARED, NotFound())
    one.at = after(200)
    _, hint = reply_of(lambda: one.resolve(row, paid=False))
    assert hint == "Wait until 2026-03-02 09:06:30 UTC."


def test_unsafe_decision_without_a_review_reason_says_so() -> None:
    """A row that says nothing of why it stopped is refused like any other."""
    row = replace(row_of(S.REVIEW), reason=None)
    refused = _refused(_Asked(row, row, engine.ProviderSays.NOT_FOUND, {}, T0), engine.ReviewAction.PAID, "")
    assert refused.message == (
        "Payout … (po_x) cannot be settled as paid now. The provider does not show it. "
        "It is in review because of an unknown reason."
    )


def test_decision_overtaken_by_another_process_says_so(stage: MakeStage) -> None:
    one, row = in_review(stage, ReasonCode.NEVER_APPEARED, NotFound())
    one.resolve(row, paid=False)
    overtaken = ("Payout … (po_x) was moved by somebody else meanwhile; nothing was changed.", LOOK_AGAIN)
    assert reply_of(lambda: one.resolve(row, paid=True)) == overtaken


def test_decision_without_a_name_says_so() -> None:
    assert reply_of(lambda: OperatorDecision("", "x")) == (
        "A decision needs a name and a reason.",
        "Say who decides and why.",
    )


def test_actor_name_with_an_invisible_character_says_where() -> None:
    assert reply_of(lambda: OperatorDecision("Ann\u200b", "x")) == (
        "The name of the one who decides holds U+200B (ZERO WIDTH SPACE) at position 4, which cannot be seen.",
        "Write it so that no other name looks like it.",
    )


def test_approval_of_what_does_not_wait_says_its_status(stage: MakeStage) -> None:
    one = stage()
    row = one.put(S.FAILED, reason=NO, decided_by="read", next_at=None)
    assert reply_of(lambda: one.approve(row)) == (
        "Payout … (po_x) is FAILED: only what waits to be sent can be approved.",
        "`payouts show` tells what became of it.",
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
        (S.PENDING, "It is still open: `payouts wait` asks what became of it."),
        (S.UNKNOWN, "It is still open: `payouts wait` asks what became of it."),
        (S.REVIEW, "Decide first what became of it: `payouts review show` tells how."),
        (S.SUCCEEDED, "It has been paid. Another payment takes a key of its own."),
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


def test_reissue_of_an_erased_payee_says_so(stage: MakeStage) -> None:
    """Nobody knows any more who it was."""
    one, row = failed(stage, Final(reason=NO))
    assert reply_of(lambda: one.reissue(replace(row, erased_at=T0))) == (
        "Payout … (po_x) cannot be paid again: its payee was forgotten.",
        "If the debt still stands, pay it under another key, to the payee as you know him.",
    )
    assert one.reads() == []


def test_reissue_where_answers_come_later_says_so(stage: MakeStage) -> None:
    one, row = failed(stage, Final(reason=NO), status_by="result_callback")
    assert reply_of(lambda: one.reissue(row), NotSupported) == (
        "Fake tells only later what became of a payment: it cannot be paid again under its key.",
        "Compare with the provider's own records before you pay it under another key.",
    )


def test_reissue_that_is_too_early_says_when(stage: MakeStage) -> None:
    one, row = failed(stage, Final(reason=NO), at=10, dedupe_settle_s=60.0)
    assert reply_of(lambda: one.reissue(row)) == (
        "It is too early to pay … (po_x) again: the provider may still say otherwise.",
        "Try again after 2026-03-02 09:02:30 UTC.",
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
    """Each answer that proves nothing is told as what it is."""
    one, row = failed(stage, parsed)
    if isinstance(parsed, Exception):
        one.answers.append(parsed)
    assert reply_of(lambda: one.reissue(row)) == (f"Payout … (po_x) is not proven to have failed. {why}", COMPARE)


def test_reissue_of_an_absent_attempt_asks_for_evidence(stage: MakeStage) -> None:
    one, row = failed(stage, NotFound())
    why = "The provider does not show attempt 1, which is no proof that it failed."
    assert reply_of(lambda: one.reissue(row)) == (
        f"Payout … (po_x) is not proven to have failed. {why}",
        "Compare with the provider's own records. Where they show no such payment, name that: --evidence TEXT.",
    )


def test_reissue_of_a_paid_attempt_says_so(stage: MakeStage) -> None:
    """Now, and for ever after; what the provider said stands in the history."""
    one, row = failed(stage, Final(code="DONE", http_status=200, seen=OURS))
    paid = "Payout … (po_x) cannot be paid again: the provider says that an attempt of it was paid after all."
    assert reply_of(lambda: one.reissue(row)) == (paid, SHOW_ADVICE)
    last = one.journal.history(row.id)[-1]
    assert (last.event, last.evidence) == (
        "payout.contradicted",
        {"attempt": 1, "code": "DONE", "http_status": 200},
    )
    assert reply_of(lambda: one.reissue(row)) == (paid, SHOW_ADVICE)


def test_reissue_overtaken_by_another_process_says_so(stage: MakeStage) -> None:
    one, row = failed(stage, Final(reason=NO))
    one.reissue(row)
    assert reply_of(lambda: one.reissue(row)) == (
        "Payout … (po_x) was moved by somebody else meanwhile; it is CREATED now.",
        LOOK_AGAIN,
    )


# --- another intent under the same key -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({"payee": Payee("msisdn", "46733123498")}, "payee (recorded 46*******99, now 46*******98)"),
        ({"amount": Money("26", "EUR")}, "amount (recorded 25 EUR, now 26 EUR)"),
        ({"operation": Operation.DEPOSIT}, "operation (recorded transfer, now deposit)"),
        ({"note": "rent"}, "note"),
        ({"options": {"a": "b"}}, "set of options"),
        (
            {"note": "rent", "amount": Money("26", "EUR")},
            "amount (recorded 25 EUR, now 26 EUR) and another note",
        ),
    ],
    ids=lambda given: "" if isinstance(given, str) else "+".join(given),
)
def test_reused_key_says_what_differs(changed: dict[str, Any], differs: str) -> None:
    """It says what is different: of a payee only what is masked, of a note and of options no word."""
    order = order_of(**changed)
    assert reply_of(lambda: engine.same_order(row_of(S.PENDING), order), KeyReused) == (
        f"The key '…' already stands for another payout (po_x, PENDING): another {differs}. "
        "This time nothing was sent, and nothing was changed.",
        "Payee, amount, operation, note and options belong to a key. Use the recorded ones. Another key makes another "
        "payment: right if both are owed, or if the recorded one FAILED because of what was wrong in it.",
    )


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
    message, _ = reply_of(lambda: engine.same_order(row, order_of(note="rent")), KeyReused)
    assert ": another intent. This time" in message


# --- questions -----------------------------------------------------------------------------------------------------

PAYEE = Payee.msisdn("46733123450")
CONSENT = Consent(request_id="c-1", poll_every_s=5)
QUESTIONS: dict[str, tuple[str, str, Callable[[Any], EngineFlow[Any]]]] = {
    "balances": ("its balance", "balances", lambda account: engine.balances(account, "EUR", T0)),
    "account_holder": (
        "whether the payee is active",
        "account_holders",
        lambda account: engine.account_holder(account, PAYEE, T0),
    ),
    "name": ("the payee's name", "name_lookup", lambda account: engine.name(account, PAYEE, T0)),
    "ask_consent": ("for a consent", "user_info", lambda account: engine.ask_consent(account, PAYEE, ["x"], T0)),
    "user_info": ("what was consented to", "user_info", lambda account: engine.user_info(account, CONSENT, T0)),
}


class Telling(Fake):
    """A provider that says one thing to every question."""

    def __init__(self, payload: object) -> None:
        super().__init__()
        self._described = payload

    def _answer(self, *_: Any) -> EngineFlow[Any]:
        yield from exchange(READ)
        return self._described

    balances = account_holder = name = ask_consent = user_info = diagnose = _answer


def execute(_: object) -> HttpResponse:
    return HttpResponse(200, {}, b"", T0)


@pytest.mark.parametrize("name", QUESTIONS)
def test_lookup_errors_are_three_sentences(name: str) -> None:
    """What cannot be asked, what was not answered and what was not told are three sentences."""
    what, capability, ask = QUESTIONS[name]
    assert reply_of(lambda: run_flow(ask(account_of()), execute), NotSupported) == (
        f"Account till cannot be asked for this: Fake has no {capability}.",
        "`payouts providers --load` shows what each provider can do.",
    )
    assert reply_of(lambda: run_flow(ask(account_of(Telling(None))), execute), LookupFailed) == (
        f"The provider of account till did not answer when asked {what}: provider bug: NoneType is no answer.",
        "No money was asked to move; asking again is safe. `payouts doctor` looks at the account.",
    )
    result = LookupRefused(reason=Reason(ReasonCode.PAYEE_NOT_FOUND, text="Not in row X..."))
    assert reply_of(lambda: run_flow(ask(account_of(Telling(result))), execute), LookupFailed) == (
        f"The provider of account till did not tell {what}: payee_not_found: Not in row X.",
        "No money was asked to move.",
    )


def test_lookup_refusal_code_is_cut() -> None:
    result = LookupRefused(reason=Reason(ReasonCode.PAYEE_NOT_FOUND, "X" * 100))
    message, _ = reply_of(lambda: run_flow(QUESTIONS["name"][2](account_of(Telling(result))), execute), LookupFailed)
    assert message == f"The provider of account till did not tell the payee's name: {'X' * 79}…."


def test_diagnosis_that_breaks_says_so() -> None:
    assert run_flow(engine.diagnose(account_of(Telling("fine")), T0), execute) == (
        Finding(
            "wrong",
            "diagnosis",
            "provider bug: str is no answer",
            "Try again; tell the provider plugin's authors if it stays.",
        ),
    )
