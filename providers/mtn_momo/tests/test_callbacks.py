"""A callback is a hint: whatever arrives is answered 200, and at most says which payment to ask about."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments_core.domain.payout import Operation
from payments_core.provider import Acknowledgement, Callback, Callbacks, ParsedCallback
from payments_mtn_momo import MtnMomoProvider, MtnMomoSettings, callbacks
from payments_mtn_momo.emulator.ledger import Payment
from payments_mtn_momo.emulator.payees import AT_ONCE, DEPOSIT_PAYEES, TRANSFER_PAYEES
from payments_mtn_momo.emulator.switches import Switches

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
# As recorded by a client of the sandbox.
SUCCESSFUL = {
    "financialTransactionId": "1234567890",
    "externalId": "po_dvdtynnhgitzk6di2ynv6jio",
    "amount": "12.5",
    "currency": "EUR",
    "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"},
    "payerMessage": "November salary",
    "payeeNote": "November salary",
    "status": "SUCCESSFUL",
}
EXTERNAL = {"external_id": "po_dvdtynnhgitzk6di2ynv6jio"}
BOTH = EXTERNAL | {"provider_reference": "1234567890"}
ONE = {"provider_reference": "1"}


def came(body: object, method: str = "PUT") -> Callback:
    return Callback(method, {"content-type": "application/json"}, json.dumps(body).encode(), AT)


def named(**changed: object) -> dict[str, object]:
    """A callback without MTN's number, so that ours alone names the payment."""
    return SUCCESSFUL | {"financialTransactionId": None} | changed


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_callback_names_the_payment_by_our_and_mtn_s_reference(method: str) -> None:
    assert callbacks.parse(came(SUCCESSFUL, method)) == ParsedCallback(references=BOTH, status="SUCCESSFUL")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # a failed payment has no transaction id; its reason is a word, or an object in the export
        (named(status="FAILED", reason="PAYEE_NOT_FOUND"), ParsedCallback(references=EXTERNAL, status="FAILED")),
        (
            named(status="FAILED", reason={"code": "X", "message": "y"}),
            ParsedCallback(references=EXTERNAL, status="FAILED"),
        ),
        (named(financialTransactionId=1234567890), ParsedCallback(references=BOTH, status="SUCCESSFUL")),
        (named(status=None), ParsedCallback(references=EXTERNAL)),
        (named(status="HALF_DONE"), ParsedCallback(references=EXTERNAL, status="HALF_DONE")),
        (named(status=7), ParsedCallback(references=EXTERNAL, status="7")),
        (named(status=["SUCCESSFUL"]), ParsedCallback(references=EXTERNAL)),
        (named(externalId=None, financialTransactionId="1"), ParsedCallback(references=ONE, status="SUCCESSFUL")),
        ({"externalId": 42}, ParsedCallback(references={"external_id": "42"})),
        # no reference: nothing to ask about
        (named(externalId=None), None),
        ({"externalId": "", "financialTransactionId": None, "status": "SUCCESSFUL"}, None),
        ({"externalId": True, "status": "SUCCESSFUL"}, None),
        ({"externalId": {"a": "b"}, "status": "SUCCESSFUL"}, None),
        ({}, None),
        ([SUCCESSFUL], None),
        ("SUCCESSFUL", None),
        (None, None),
        (math.nan, None),
        (named(payerMessage="x" * 65_536), None),
    ],
)
def test_callback_fields_are_read_as_far_as_understood(body: object, expected: ParsedCallback | None) -> None:
    """An unknown status survives, a missing one too; a reason never stands in the way."""
    assert callbacks.parse(came(body)) == expected


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"<html>", b"\xff\xfe", b"[" * 60_000, b'{"externalId":' + b"9" * 5_000 + b"}", b"status=FAILED"]
)
def test_callback_without_sense_is_not_received(raw: bytes) -> None:
    assert callbacks.parse(Callback("POST", {}, raw, AT)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.sampled_from([*SUCCESSFUL, "reason", "extra"]), JSON).map(
    lambda body: json.dumps(body).encode()
)


@given(raw=st.binary(max_size=200) | BODIES, method=st.sampled_from(["PUT", "POST", "GET", ""]))
def test_callback_of_any_content_raises_nothing(raw: bytes, method: str) -> None:
    """Whatever is received is text that can be stored, and only texts and numbers become references."""
    callback = Callback(method, {}, raw, AT)

    parsed = callbacks.parse(callback)

    if parsed is not None:
        assert parsed.references
        assert set(parsed.references) <= {"external_id", "provider_reference"}
        for text in (parsed.status, *parsed.references.values()):
            assert len(text.encode()) <= 4 * 300


@pytest.mark.parametrize("operation", [Operation.TRANSFER, Operation.DEPOSIT])
@pytest.mark.parametrize(("number", "status"), [("46733123499", "SUCCESSFUL"), ("46733123450", "FAILED")])
def test_callback_with_the_body_of_a_status_is_received(operation: Operation, number: str, status: str) -> None:
    """A callback has the body of the status read; a deposit's, and a failed payment's, holds no number of MTN's."""
    fate = (TRANSFER_PAYEES if operation is Operation.TRANSFER else DEPOSIT_PAYEES).get(number, AT_ONCE)
    party = {"partyIdType": "MSISDN", "partyId": number}
    payment = Payment(
        reference="d4ffabe0-d0b3-46e2-88bb-a634733813d3",
        operation=operation.value,
        user="anybody",
        order={"amount": "12.50", "currency": "EUR", "externalId": EXTERNAL["external_id"], "payee": party},
        party=party,
        fate=fate,
        accepted_at=AT,
        ends_at=AT,
        visible_at=AT,
    )

    for shape in ("string", "object"):
        parsed = callbacks.parse(came(payment.status(AT, Switches(reason_shape=shape))))

        assert parsed is not None
        assert (parsed.references["external_id"], parsed.status) == (EXTERNAL["external_id"], status)
        numbered = operation is Operation.TRANSFER and status == "SUCCESSFUL"
        assert ("provider_reference" in parsed.references) is numbered


def test_provider_has_the_callbacks_capability(make_settings: Callable[..., MtnMomoSettings]) -> None:
    provider = MtnMomoProvider(make_settings())
    callback = came(SUCCESSFUL)

    assert isinstance(provider, Callbacks)
    assert provider.parse(callback) == ParsedCallback(references=BOTH, status="SUCCESSFUL")
    assert provider.acknowledge(callback) == Acknowledgement(status=200, headers={}, body=b"")
    assert provider.verify(callback) is None
