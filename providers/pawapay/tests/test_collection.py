"""Every example of a payout in pawaPay's own collection is read as it was meant.

The collection is not part of the project. ``PAWAPAY_COLLECTION`` names the file; without it, it is looked for beside
the checkout.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.http.messages import HttpResponse
from payments_core.provider import (
    AccountRefused,
    CancelAnswer,
    Duplicate,
    Final,
    LookupRefused,
    NotAccepted,
    NotFound,
    Operator,
    Pending,
    Unknown,
)
from payments_core.testing.conformance import reply
from payments_pawapay import codec, lookups
from payments_pawapay.limits import read_configuration
from payments_pawapay.requests import operator_of, payment

_BESIDE = "../shared/specs/pawapay/pawaPay-Merchant-API-V2.postman_collection.json"


def collection() -> Path | None:
    """Return where the collection is."""
    if named := os.environ.get("PAWAPAY_COLLECTION"):
        return Path(named)
    return next((found for up in Path(__file__).parents if (found := up / _BESIDE).is_file()), None)


FILE = collection()
pytestmark = pytest.mark.skipif(FILE is None, reason="pawaPay's collection is not here; PAWAPAY_COLLECTION can name it")

CODES: Mapping[str, type] = {
    "ACCEPTED": Pending,
    "DUPLICATE_IGNORED": Duplicate,
    "PROVIDER_TEMPORARILY_UNAVAILABLE": NotAccepted,
    "AUTHENTICATION_ERROR": AccountRefused,
    "AUTHORISATION_ERROR": AccountRefused,
    "UNKNOWN_ERROR": Unknown,
}
WORDS: Mapping[str, type] = {"COMPLETED": Final, "FAILED": Final, "NOT_FOUND": NotFound}


def calls(items: list[Any] | None = None) -> Iterator[Mapping[str, Any]]:
    if items is None:
        items = json.loads(FILE.read_text("utf-8"))["item"] if FILE else []
    for item in items:
        if "item" in item:
            yield from calls(item["item"])
        else:
            yield item


def examples(ending: str) -> Iterator[tuple[str, HttpResponse]]:
    """Yield the answers to one call, each with its name."""
    for call in calls():
        address = call["request"]["url"]["raw"].partition("?")[0]
        if address.endswith(ending):
            for example in call["response"]:
                yield example["name"], reply(example["code"], example["body"])


def code_of(response: HttpResponse) -> str:
    fields = json.loads(response.body)
    return str(fields.get("failureReason", {}).get("failureCode") or fields.get("status"))


def test_recorded_payment_answers_have_their_meaning() -> None:
    read = 0
    for name, response in examples("/v2/payouts"):
        reference = json.loads(response.body).get("payoutId") or "another"
        outcome = codec.read_submitted(response, reference)
        assert type(outcome) is CODES.get(code_of(response), Final), name
        read += 1
    assert read == 14


def test_recorded_bulk_answers_have_their_meaning() -> None:
    read = 0
    for name, response in examples("/v2/payouts/bulk"):
        fields = json.loads(response.body)
        if isinstance(fields, list):  # all three have one id, which no real answer has
            fields = [{**one, "payoutId": str(place)} for place, one in enumerate(fields)]
            outcomes = codec.read_many(reply(200, fields), ["0", "1", "2"])
            assert [type(one) for one in outcomes] == [Pending, Duplicate, Final], name
        else:
            outcomes = codec.read_many(response, [fields.get("payoutId", "another")])
            assert [type(one) for one in outcomes] == [CODES.get(code_of(response), Final)], name
        read += 1
    assert read == 8


def test_recorded_statuses_have_their_meaning() -> None:
    read = 0
    for name, response in examples("/v2/payouts/:payoutId"):
        data = json.loads(response.body).get("data") or {}
        outcome = codec.read_status(response, data.get("payoutId", ""))
        expected = WORDS.get(name, Pending) if response.status == 200 else Unknown
        assert type(outcome) is expected, name
        if isinstance(outcome, Final):
            assert outcome.succeeded == (name == "COMPLETED")
            assert outcome.seen is not None
            assert (str(outcome.seen.amount), outcome.seen.currency) == ("123.00", "ZMW")
            assert outcome.seen.payee == data["recipient"]["accountDetails"]["phoneNumber"]
        read += 1
    assert read == 9


@pytest.mark.parametrize("call", ["resend-callback", "fail-enqueued"])
def test_recorded_cancellation_and_resend_answers_have_their_meaning(call: str) -> None:
    known = {
        "ACCEPTED": CancelAnswer.TAKEN,
        "NOT_FOUND": CancelAnswer.NOT_FOUND,
        "INVALID_STATE": CancelAnswer.TOO_LATE,
    }
    read = 0
    for name, response in examples(f"/v2/payouts/{call}/:payoutId"):
        answer = lookups.read_cancel(response, json.loads(response.body).get("payoutId", ""))
        if response.status == 200:
            assert answer is known[name]
        else:
            assert isinstance(answer, LookupRefused)
        read += 1
    assert read == 6


def test_recorded_lookup_answers_have_their_meaning() -> None:
    [(_, conf), *refused] = examples("/v2/active-conf")
    known = read_configuration(json.loads(conf.body))
    assert known is not None
    assert known.signed_requests_only
    [(code, operator)] = known.operators.items()
    assert (code, operator.country, operator.prefix) == ("MTN_MOMO_BEN", "BEN", "229")
    limits = operator.limits["XOF"]
    assert (str(limits.quantum), str(limits.least), str(limits.most)) == ("1", "1", "1000")

    [(_, works), *_] = examples("/v2/availability")
    assert lookups.read_availability(works)["AIRTEL_OAPI_ZMB"] == "DELAYED"
    [(_, keys)] = examples("/v2/public-key/http")
    assert list(lookups.read_keys(keys) or ()) == ["HTTP_EC_P256_KEY:1"]
    [(_, wallets), *more] = examples("/v2/wallet-balances")
    held = lookups.read_balances(wallets, None)
    assert isinstance(held, tuple)
    assert [(str(one.amount), one.currency, one.label) for one in held] == [
        ("21798.03", "ZMW", "ZMB"),
        ("10798.03", "UGX", "UGA"),
    ]
    [(_, predicted), *others] = examples("/v2/predict-provider")
    assert lookups.read_operator(predicted) == Operator("MTN_MOMO_ZMB", "ZMB", "mtn")
    for _, response in (*refused, *more, *others):
        assert isinstance(lookups.read_operator(response), LookupRefused)
        assert isinstance(lookups.read_balances(response, None), LookupRefused)


def test_request_has_the_fields_of_the_recorded_example() -> None:
    """The same fields at the same places, and what both say is the same."""
    [call] = [one for one in calls() if one["request"]["url"]["raw"].endswith("/v2/payouts")]
    example = json.loads(call["request"]["body"]["raw"])
    order = Order(
        key="k",
        payee=Payee.msisdn("+260763456789"),
        amount=Money("15.00", "ZMW"),
        options={
            "provider": "MTN_MOMO_ZMB",
            "customer_message": example["customerMessage"],
            "metadata.orderId": "ORD-123456789",
            "pii.customerId": "customer@email.com",
        },
    )
    ours = payment(order, operator_of(order, ""), example["payoutId"], "po_x")
    assert ours.pop("clientReferenceId") == "po_x"
    assert ours["metadata"].pop(0) == {codec.OUR_ID: "po_x"}
    assert ours == example
