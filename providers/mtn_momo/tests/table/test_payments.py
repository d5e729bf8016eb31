"""What each documented answer to a payment leads to: the class of the dossier, in requests the gateway counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from momo_rows import POSTS, Post, Says

from payments_core import Payout, PayoutStatus
from payments_core.domain.payout import ReasonCode
from payments_core.http.messages import HttpResponse
from payments_mtn_momo import new_reference
from payments_mtn_momo.api.error_catalog import ANSWERS, Effect
from payments_mtn_momo.api.parsing import Shape, read_body
from payments_mtn_momo.native import ActionError, AlreadyUsedError, UnknownOutcomeError

if TYPE_CHECKING:
    from providers.mtn_momo.tests.table.conftest import Face, Gate, Payer, ReceivedRequest

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OPERATIONS = ("transfer", "deposit", "refund")
ROWS = pytest.mark.parametrize("row", POSTS, ids=str)


def tell(gate: Gate, row: Post, *, done: bool) -> None:
    """Make the gateway answer a payment as the row says, whether or not it carries it out."""
    gate.clear()
    if isinstance(row.how, Says):
        gate.say("post", row.how, row.sends, done=done)
        return
    can = {"accepted": done} if done and set(row.how) & {"status_500", "status_503"} else {}
    faults = {name: {"next": row.sends, **form, **can} for name, form in _forms(row.how)}
    gate.emulator.set_faults(faults)


def _forms(how: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, form if isinstance(form, dict) else {}) for name, form in how.items()]


@ROWS
def test_native_payment_answer_has_its_documented_effect(
    native: Face, gate: Gate, calls: Mapping[str, Callable[[Any, str], Any]], row: Post
) -> None:
    """The class, the reference and the three parts of the message; asked once, and paid at most once."""
    for operation, call in calls.items():
        for done in row.done:
            tell(gate, row, done=done)
            reference = new_reference()
            if row.native is AlreadyUsedError and not isinstance(row.how, Says):
                call(native, reference)
                gate.requests.clear()
            if row.native is None:
                assert call(native, reference).reference == reference
                continue
            with pytest.raises(ActionError) as caught:
                call(native, reference)

            error = caught.value
            assert type(error) is row.native
            assert (error.operation, error.reference) == (operation, reference)
            assert gate.posts() == [reference]
            assert gate.credits(reference) == done
            assert error.money_may_have_moved is isinstance(error, UnknownOutcomeError | AlreadyUsedError)
            assert reference in str(error)
            money = "may have" if error.money_may_have_moved else "No money moved."
            assert money in error.message
            assert len(error.message.replace(money, "")) > 60  # what happened
            assert error.hint


def decided_by(parsed: ReceivedRequest) -> tuple[int, str] | None:
    """Return the row of the codec's table that an answer is read by; None when none is."""
    if parsed.status is None:
        return None
    body = read_body(HttpResponse(parsed.status, {}, parsed.body, AT))
    code = body.code if body.shape is Shape.MOMO else ""
    keys = ((parsed.status, key) for key in (code, f"@{body.shape}", "*"))
    key = next((key for key in keys if key in ANSWERS), None)
    return None if key is None or ANSWERS[key].effect is Effect.UNKNOWN else key


@ROWS
@pytest.mark.parametrize("operation", OPERATIONS)
def test_payout_answer_has_its_documented_effect(
    payer: Payer, native: Face, gate: Gate, row: Post, operation: str
) -> None:
    """The state it comes to, the references that came in, and one payment in the end or none at all."""
    for done in row.done:
        tell(gate, row, done=done)
        key = payer.start()
        if row.kind == "D" and not isinstance(row.how, Says):
            _pay_before(payer, gate, operation, key)
        payout = payer.pay(operation, key)
        for _ in range(row.sends - 1):
            payout = payer.when_due(payout)
        reference = payout.references["reference"]

        assert gate.posts() == [reference] * payout.submissions
        assert payout.submissions == row.sends
        assert decided_by([request for request in gate.requests if request.kind == "post"][-1]) == row.key
        assert (payout.reason.code if payout.reason else None) == row.reason
        assert payout.status == ("CREATED" if row.ends == "blocked" else row.ends)
        assert bool(payer.blocked()) is (row.ends == "blocked")
        ENDS[row.kind if row.ends != "blocked" else "blocked"](payer, gate, row, payout, done)
        assert set(gate.posts()) == {reference}


def _pay_before(payer: Payer, gate: Gate, operation: str, key: str) -> None:
    """Make the same payment as an installation whose journal is lost: same key, same reference."""
    found = payer.elsewhere(operation, key)
    assert gate.posts() == [found.references["reference"]]
    gate.requests.clear()


def _taken(payer: Payer, gate: Gate, row: Post, payout: Payout, done: bool) -> None:
    _comes_to_its_end(payer, gate, payout, posts=1)


def _fixed(payer: Payer, gate: Gate, row: Post, payout: Payout, done: bool) -> None:
    """F, the request: failed for good. The same key brings back the same failure, and sends nothing."""
    before = gate.posts()
    payer.watch.on(86_400)
    again = payer.pay(str(payout.operation), payout.key)

    assert (again.status, again.reason, again.submissions) == ("FAILED", payout.reason, 1)
    assert again.history[-1].decided_by == "submit"
    assert not again.may_have_been_sent
    assert gate.posts() == before
    assert gate.credits(payout.references["reference"]) == 0


def _stopped(payer: Payer, gate: Gate, row: Post, payout: Payout, done: bool) -> None:
    """F, something about us: the account stops for everybody; once it is mended the same request leaves, once."""
    before = gate.posts()
    other = payer.pay("transfer", payer.key())
    payer.watch.on(200)  # less than until the probe
    still = payer.face.refresh(payout.id)

    assert row.reason is not None
    assert str(row.reason) in payer.blocked()
    assert (other.status, other.submissions, still.status) == ("CREATED", 0, "CREATED")
    assert not still.may_have_been_sent
    assert gate.posts() == before
    gate.truth()
    gate.emulator.set_faults({})
    payer.face.unpause(account=payout.account)
    _comes_to_its_end(payer, gate, payer.when_due(still), posts=row.sends + 1)


def _repeated(payer: Payer, gate: Gate, row: Post, payout: Payout, done: bool) -> None:
    """R: the same reference leaves again after the wait, with a fresh token where the token was the trouble."""
    assert payout.next_at is not None
    assert (payout.next_at - payout.updated_at).total_seconds() >= row.wait_s
    assert not payout.may_have_been_sent
    early = payer.face.refresh(payout.id)
    assert (early.status, gate.posts()) == ("CREATED", [payout.references["reference"]])
    taken = payer.when_due(payout)

    first, second = (request.token for request in gate.requests if request.kind == "post")
    assert (first != second) is (row.reason is ReasonCode.CREDENTIALS)
    _comes_to_its_end(payer, gate, taken, posts=2)


def _ambiguous(payer: Payer, gate: Gate, row: Post, payout: Payout, done: bool) -> None:
    """A: nothing is concluded and nothing is sent again before it was read for; then the same reference, if any."""
    assert payout.may_have_been_sent
    gate.truth()
    gate.emulator.set_faults({})
    same = payer.pay(str(payout.operation), payout.key)
    assert (same.status, gate.order()) == ("UNKNOWN", "P")
    for _ in range(8):
        payout = payer.when_due(payout)
        if payout.status != "UNKNOWN":
            break
        assert gate.order().strip("G") == "P"

    if done:
        assert (payout.status, gate.order()) == ("SUCCEEDED", "PG")
    else:
        assert gate.order().startswith("PGGG")
        assert (payout.status, payout.submissions, gate.order().strip("P").strip("G")) == ("PENDING", 2, "")
    _comes_to_its_end(payer, gate, payout, posts=1 if done else 2)


def _duplicate(payer: Payer, gate: Gate, row: Post, payout: Payout, done: bool) -> None:
    """D: it is read at once; adopted when the read shows our payment, and never sent again when it shows none."""
    assert gate.order() == "PG"
    assert "payout.duplicate" in {entry.event for entry in payout.history}
    for _ in range(8):
        if payout.status in {"SUCCEEDED", "REVIEW"}:
            break
        payout = payer.when_due(payout)

    assert payout.status == ("SUCCEEDED" if done else "REVIEW")
    assert (payout.reason.code if payout.reason else None) == (None if done else ReasonCode.DUPLICATE_OF_ANOTHER)
    assert len(gate.posts()) == 1
    assert gate.credits(payout.references["reference"]) == done


def _comes_to_its_end(payer: Payer, gate: Gate, payout: Payout, *, posts: int) -> None:
    if payout.status is not PayoutStatus.SUCCEEDED:
        assert payout.status == "PENDING"
        payout = payer.when_due(payout)
    assert payout.status == "SUCCEEDED"
    assert gate.posts() == [payout.references["reference"]] * posts
    assert gate.credits(payout.references["reference"]) == 1


ENDS: Mapping[str, Callable[[Payer, Gate, Post, Payout, bool], None]] = {
    "T": _taken, "F": _fixed, "blocked": _stopped, "R": _repeated, "A": _ambiguous, "D": _duplicate,
}  # fmt: skip
