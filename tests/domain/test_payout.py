"""The words of the domain: payees, orders, and what makes two orders the same."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flat_records import changed, new_record

from payments_core.domain.errors import InvalidAmount, InvalidPayee, InvalidPayout
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import ApplyTransition, CreatePayout
from payments_core.engine.flow import RunPreflight
from payments_core.http.messages import HttpRequest, slot
from payments_core.provider import Draft, ReportedDetails

NUMBER = "46733123450"  # a documented test number
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


EURO = Money("12.50", "EUR")
REFUND: dict[str, Any] = {
    "operation": Operation.REFUND,
    "payee": Payee.payer_of("c-1"),
    "original_amount": Money("20", "EUR"),
}


def make_order(**changed: Any) -> Order:
    given: dict[str, Any] = {"key": "salary-2026-11/0042", "payee": Payee.msisdn(NUMBER), "amount": EURO}
    return Order(**(given | changed))


def test_payee_is_shown_masked() -> None:
    payee = Payee.msisdn(NUMBER)

    assert repr(payee) == str(payee) == f"{payee}" == "Payee(msisdn:46*******50)"
    assert Payee("email", "someone@example.org", {"name": "Someone"}).masked == "som*************org"


def made_row(order: Order) -> PayoutRecord:
    request = HttpRequest("POST", f"https://example.org/{NUMBER}", "transfer", {"X-Payee": NUMBER}, f'"{NUMBER}"')
    return replace(new_record(request=request.to_json(), request_hash=request.hash), order=order)


def test_repr_of_internal_values_shows_no_number() -> None:
    """Whatever of ours stands in a traceback, a debugger or an assertion, the payee's number does not."""
    order = make_order(payee=Payee("msisdn", NUMBER, {"also": NUMBER}))
    row = made_row(replace(order, note=NUMBER, options={"o": NUMBER}))
    event = Event("payout.created", AT)
    shown = [
        order,
        row,
        row.view(),
        CreatePayout(row, event),
        ApplyTransition(row, row, event),
        RunPreflight(row),
        Draft({}, HttpRequest.from_json(row.attempt.request), order),
        ReportedDetails(payee=NUMBER),
    ]

    assert [type(value).__name__ for value in shown if NUMBER in repr(value)] == []


@pytest.mark.parametrize("key", ["", "k" * 201, "a\0b", "\ud800"], ids=ascii)
def test_order_with_a_key_that_no_journal_accepts_is_refused(key: str) -> None:
    with pytest.raises(InvalidPayout) as refused:
        make_order(key=key)

    assert "business key" in refused.value.hint


@pytest.mark.parametrize("key", ["k ", "cafe\u0301", "k\u3164", "po_" + "a" * 24], ids=ascii)
def test_order_with_a_formerly_allowed_key_makes_no_new_payout(key: str) -> None:
    """What a journal took before there was a rule can still be read and paid."""
    order = make_order(key=key)

    with pytest.raises(InvalidPayout, match="The key h") as refused:
        order.check_new()
    assert "business key" in refused.value.hint


@pytest.mark.parametrize("value", ["", "+46733123450", "46733123450.0", "0733123450", "4673312", "4673312345\u0660"])
def test_msisdn_payee_not_in_its_one_form_makes_no_new_payout(value: str) -> None:
    """The refusal names the function that reads numbers; what a provider would read in it is not tried out."""
    payee = Payee("msisdn", value)

    assert not payee.is_msisdn
    with pytest.raises(InvalidPayee, match="not in its one form") as refused:
        make_order(payee=payee).check_new()
    assert "Payee.msisdn" in refused.value.hint


def test_payee_of_another_kind_is_left_to_the_provider() -> None:
    payee = Payee("party_code", "+46733123450")

    assert not payee.is_msisdn
    make_order(payee=payee).check_new()


@pytest.mark.parametrize("reference", ["", "c" * 201, "c 1", " c1", "c1\n", "c\u00a01", "c\t1"], ids=ascii)
def test_collection_reference_with_blanks_or_of_wrong_length_is_refused(reference: str) -> None:
    with pytest.raises(InvalidPayee, match="collection's reference") as refused:
        Payee.payer_of(reference)

    assert "reference under which the money was collected" in refused.value.hint


def test_collection_reference_is_shown_unmasked() -> None:
    """Its reference identifies no person, and stays as given: a provider may distinguish capitals."""
    assert Payee.payer_of("AB-12").value == Payee.payer_of("AB-12").masked == "AB-12"


@pytest.mark.parametrize(
    "changed",
    [
        {"operation": Operation.REFUND},
        {"operation": Operation.REFUND, "payee": Payee.payer_of("c-1")},
        {"operation": Operation.REFUND, "original_amount": EURO},
        {"payee": Payee.payer_of("c-1")},
        {"original_amount": EURO},
        {"operation": Operation.DEPOSIT, "payee": Payee.payer_of("c-1"), "original_amount": EURO},
    ],
    ids=["a number", "no original amount", "a number of it", "a transfer", "of a transfer", "a deposit"],
)
def test_refund_without_collection_and_original_amount_is_refused(changed: dict[str, Any]) -> None:
    """And nothing else does: an order is a refund in everything or in nothing."""
    with pytest.raises(InvalidPayout, match="A refund, and nothing else") as refused:
        make_order(**changed)

    assert "refund(" in refused.value.hint


@pytest.mark.parametrize("original", [Money("12.49", "EUR"), Money("12.499999999", "EUR"), Money("20", "UGX")], ids=str)
def test_refund_over_collected_amount_is_refused(original: Money) -> None:
    with pytest.raises(InvalidAmount, match="cannot be refunded of") as refused:
        make_order(**REFUND | {"original_amount": original})

    assert "currency of what was collected" in refused.value.hint


def test_refund_of_the_whole_collection_is_accepted() -> None:
    assert make_order(**REFUND | {"original_amount": EURO}).amount == EURO


@pytest.mark.parametrize("name", ["not_before", "expires_at"])
def test_order_time_without_a_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidPayout, match="time zone") as refused:
        make_order(**{name: datetime(2026, 11, 24)})  # noqa: DTZ001  # that is the point

    assert "UTC" in refused.value.hint
    assert getattr(make_order(**{name: AT}), name) == AT


MARK = f"pay {slot('pin')} now"


@pytest.mark.parametrize(
    "changed",
    [
        {"key": MARK},
        {"note": MARK},
        {"note": "{{slot:"},
        {"options": {"remark": MARK}},
        {"options": {MARK: "x"}},
        {"payee": Payee("msisdn", MARK)},
        {"payee": Payee("msisdn", NUMBER, {"operator": MARK})},
        {"payee": Payee("msisdn", NUMBER, {MARK: "x"})},
    ],
    ids=["key", "note", "open mark", "option", "option's name", "payee", "detail", "detail's name"],
)
def test_order_text_with_a_slot_mark_is_refused(changed: dict[str, Any]) -> None:
    """Otherwise a note could have the provider's PIN written into it."""
    with pytest.raises(InvalidPayout, match="slot"):
        make_order(**changed)


@pytest.mark.parametrize(
    "changed",
    [{"note": "half \ud83d"}, {"options": {"o": "\udc00"}}, {"payee": Payee("party_code", "\ud800")}],
    ids=ascii,
)
def test_order_text_with_half_a_character_is_refused(changed: dict[str, Any]) -> None:
    """It would break the journal later."""
    with pytest.raises(InvalidPayout, match="half of a character"):
        make_order(**changed)


def test_fingerprint_never_changes() -> None:
    """It stands in journals: with another value every recorded key would be refused as another intent."""
    order = make_order(
        payee=Payee("msisdn", NUMBER, {"operator": "mtn", "branch": "1"}),
        note="L\u00f6hne",
        options={"b": "2", "a": "1"},
        operation=Operation.DEPOSIT,
    )

    assert make_order().fingerprint == "864677ce6f5d88e20f6b3fe9d4fc19f0716fc85a241b89da91bedae552aa175d"
    assert order.fingerprint == "be853254c6cf52419b2b411ff534f9860f5e273f87066fd45bd261d640bc2727"
    assert make_order(**REFUND).fingerprint == "8ed05e5512bac76a8dae68faffd3aed7a021f3b1cb4082b63bed81bf2379c096"


def test_fingerprint_is_equal_for_the_same_payment() -> None:
    """How it is written, under which key, with which note and when it may leave make no other payment."""
    given: dict[str, Any] = {"options": {"a": "1", "b": "2"}}
    same: list[dict[str, Any]] = [
        {"options": {"b": "2", "a": "1"}},
        {"key": "another"},
        {"amount": Money("12.5", "EUR")},
        {"payee": Payee.msisdn("+46 733 123 450")},
        {"not_before": AT},
        {"expires_at": AT},
        {"note": "another"},
        {"metadata": {"employee": "a-17"}},
    ]

    assert {make_order(**(given | changed)).fingerprint for changed in same} == {make_order(**given).fingerprint}


def test_fingerprint_differs_for_another_payment() -> None:
    """Every part that changes what is paid changes the fingerprint, and no two changes look alike."""
    changes: list[dict[str, Any]] = [
        {},
        {"payee": Payee.msisdn("46733123451")},
        {"payee": Payee("party_code", NUMBER)},
        {"payee": Payee("msisdn", NUMBER, {"operator": "mtn"})},
        {"payee": Payee("msisdn", NUMBER, {"operator": "airtel"})},
        {"payee": Payee("msisdn", NUMBER, {"mtn": "operator"})},
        {"amount": Money("12.51", "EUR")},
        {"amount": Money("125", "EUR")},
        {"amount": Money("12.50", "UGX")},
        {"operation": Operation.DEPOSIT},
        REFUND,
        REFUND | {"original_amount": Money("12.51", "EUR")},
        REFUND | {"payee": Payee.payer_of("c-2")},
        {"options": {"a": ""}},
        {"options": {"": "a"}},
        {"options": {"a": "b"}},
        {"options": {"a": "b", "c": "d"}},
        {"options": {"a": 'b"],["c","d'}},
    ]

    assert len({make_order(**changed).fingerprint for changed in changes}) == len(changes)


def test_fingerprint_covers_every_field_of_an_order_or_excludes_it() -> None:
    """A new field is either part of the fingerprint or of this list: decide when you add one."""
    apart = {"key", "not_before", "expires_at", "note", "metadata", "batch"}
    part = {"payee", "amount", "operation", "options", "original_amount"}

    assert {field.name for field in fields(Order)} - apart == part


def test_payout_statuses_that_are_final() -> None:
    assert {status for status in PayoutStatus if status.is_final} == {
        PayoutStatus.SUCCEEDED,
        PayoutStatus.FAILED,
        PayoutStatus.CANCELLED,
        PayoutStatus.REVERSED,
    }


@pytest.mark.parametrize(
    ("status", "ambiguous", "sent"),
    [(status, False, False) for status in (PayoutStatus.CREATED, PayoutStatus.FAILED, PayoutStatus.CANCELLED)]
    + [(status, True, True) for status in PayoutStatus]
    + [
        (status, False, True)
        for status in (PayoutStatus.SENDING, PayoutStatus.PENDING, PayoutStatus.SUCCEEDED, PayoutStatus.REVERSED)
    ],
)
def test_may_have_been_sent_follows_from_status_and_ambiguity(
    status: PayoutStatus, ambiguous: bool, sent: bool
) -> None:
    row = changed(made_row(make_order()), status=status, ambiguous=ambiguous)

    assert row.view().may_have_been_sent is sent
    assert row.view().is_final is status.is_final


def test_reason_is_written_in_one_line() -> None:
    assert str(Reason(ReasonCode.PAYEE_NOT_FOUND, "PAYEE_NOT_FOUND")) == "payee_not_found (PAYEE_NOT_FOUND)"
    assert str(Reason(ReasonCode.EXPIRED)) == "expired"


def test_order_with_text_for_payee_or_amount_is_refused() -> None:
    """The refusal says what to pass instead, before anything is recorded."""
    with pytest.raises(InvalidPayee, match=r"Payee\.msisdn"):
        Order("k/1", "+256700199887", Money("5", "EUR"))  # type: ignore[arg-type]
    with pytest.raises(InvalidAmount, match="Money"):
        Order("k/1", Payee.msisdn("+256700199887"), "5")  # type: ignore[arg-type]
    with pytest.raises(InvalidAmount, match="original amount cannot be of type str"):
        Order("k/1", Payee.payer_of("c-1"), EURO, Operation.REFUND, original_amount="5")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("payee", "shown"),
    [
        (Payee(NUMBER, "msisdn"), "Payee(?:m****n)"),
        (Payee("email", "aaa@x\x9b2J"), "Payee(email:aa****2J)"),
        (Payee("email", "a\x9b@x.example\u202e\x1b"), "Payee(email:a\ufffd@********e\ufffd\ufffd)"),
    ],
)
def test_payee_repr_shows_no_number_as_its_kind_and_no_control_characters(payee: Payee, shown: str) -> None:
    """Arguments may be swapped, and an address may hold anything: a repr stands in logs and tracebacks."""
    assert repr(payee) == str(payee) == shown
