"""Deposits and refunds beside transfers: each with its own fields, its own test payees, its own refusals."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from payments_core.testing.emulator import Answer
from payments_mtn_momo.emulator.payees import DEPOSIT_PAYEES, REFUND_SCENARIOS, TRANSFER_PAYEES
from payments_mtn_momo.targets import TARGETS

PAYEE = {"partyIdType": "MSISDN", "partyId": "46733123499"}
ORDER: dict[str, Any] = {
    "amount": "12.50",
    "currency": "EUR",
    "externalId": "po_abc",
    "payee": PAYEE,
    "payerMessage": "for you",
    "payeeNote": "from us",
}
REFUND = {name: value for name, value in ORDER.items() if name != "payee"}
PATHS = {
    "transfer": ("/v1_0/transfer",),
    "deposit": ("/v1_0/deposit", "/v2_0/deposit"),
    "refund": ("/v1_0/refund", "/v2_0/refund"),
}
WAYS = [(operation, path) for operation, paths in PATHS.items() for path in paths]


def order(operation: str, **changed: Any) -> dict[str, Any]:
    if operation == "refund":
        return {**REFUND, "referenceIdToRefund": str(uuid.uuid4()), **changed}
    return {**ORDER, **changed}


def momo(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"]


def status(caller: Any, operation: str, reference: str) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(caller.get(f"/v1_0/{operation}/{reference}").body)
    return details


@pytest.mark.parametrize(("operation", "path"), WAYS)
def test_payment_of_each_operation_is_paid_once_and_read_back(
    caller: Any, reference: str, operation: str, path: str
) -> None:
    """An empty 202, a 409 after it, one credit, one row in the ledger under the operation's name."""
    taken = caller.post(path, order(operation), reference)

    assert (taken.status, taken.body, taken.headers["content-length"]) == (202, b"", "0")
    assert momo(caller.post(path, order(operation), reference)) == (409, "RESOURCE_ALREADY_EXIST")
    assert status(caller, operation, reference)["status"] == "SUCCESSFUL"
    row = caller.entry(reference)
    assert (row["operation"], row["state"], row["posts"], row["credits"]) == (operation, "SUCCESSFUL", 2, 1)
    assert list(row)[:10] == [
        "reference",
        "operation",
        "payee",
        "amount",
        "currency",
        "external_id",
        "state",
        "reason",
        "posts",
        "credits",
    ]


NOTES = ["payerMessage", "payeeNote", "status"]
FIELDS = {
    "transfer": ["amount", "currency", "financialTransactionId", "externalId", "payee", *NOTES],
    "deposit": ["externalId", "amount", "currency", "payee", *NOTES],
    "refund": ["financialTransactionId", "externalId", "amount", "currency", "payee", *NOTES],
}


@pytest.mark.parametrize("operation", FIELDS)
def test_status_of_each_operation_has_its_fields_in_order(caller: Any, reference: str, operation: str) -> None:
    """As recorded: no transaction id in a deposit, whatever becomes of it."""
    caller.post(PATHS[operation][0], order(operation), reference)
    result = status(caller, operation, reference)

    assert list(result) == FIELDS[operation]
    assert result["amount"] == "12.5"
    assert operation == "deposit" or len(result["financialTransactionId"]) == 10


@pytest.mark.parametrize("operation", FIELDS)
def test_failed_payment_has_a_reason_and_no_transaction_id(
    make_caller: Callable[..., Any], reference: str, operation: str
) -> None:
    caller = make_caller(refund_scenario="externalId")
    payee = {"partyIdType": "MSISDN", "partyId": "46733123451"}
    changed: Mapping[str, Any] = {"externalId": "3"} if operation == "refund" else {"payee": payee}
    caller.post(PATHS[operation][0], order(operation, **changed), reference)
    result = status(caller, operation, reference)

    fields = [name for name in FIELDS[operation] if name != "financialTransactionId"]
    assert list(result) == [*fields, "reason"]
    assert result["reason"] == "APPROVAL_REJECTED"
    assert caller.entry(reference)["credits"] == 0


def test_test_payee_tables_are_the_documented_ones() -> None:
    """Fourteen numbers that lead to other ends for a deposit than for a transfer, thirteen scenarios of a refund."""
    numbers = [str(46733123450 + n) for n in range(14)]
    assert list(TRANSFER_PAYEES) == list(DEPOSIT_PAYEES) == numbers
    assert [DEPOSIT_PAYEES[number].reason for number in numbers] == [
        "INTERNAL_PROCESSING_ERROR",
        "APPROVAL_REJECTED",
        "EXPIRED",
        "",
        "",
        "PAYER_NOT_FOUND",
        "PAYEE_NOT_ALLOWED_TO_RECEIVE",
        "NOT_ALLOWED",
        "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "INVALID_CALLBACK_URL_HOST",
        "INVALID_CURRENCY",
        "INTERNAL_PROCESSING_ERROR",
        "SERVICE_UNAVAILABLE",
        "COULD_NOT_PERFORM_TRANSACTION",
    ]
    assert [REFUND_SCENARIOS[str(n)].reason for n in range(1, 14)] == [
        "TRANSACTION_NOT_FOUND",
        "INTERNAL_PROCESSING_ERROR",
        "APPROVAL_REJECTED",
        "EXPIRED",
        "",
        "",
        "NOT_ALLOWED",
        "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "INVALID_CALLBACK_URL_HOST",
        "INVALID_CURRENCY",
        "INTERNAL_PROCESSING_ERROR",
        "SERVICE_UNAVAILABLE",
        "COULD_NOT_PERFORM_TRANSACTION",
    ]


@pytest.mark.parametrize("path", PATHS["deposit"])
@pytest.mark.parametrize(("payee", "fate"), DEPOSIT_PAYEES.items())
def test_deposit_test_payee_has_its_end(caller: Any, reference: str, payee: str, fate: Any, path: str) -> None:
    caller.post(path, order("deposit", payee=PAYEE | {"partyId": payee}), reference)
    caller.at += timedelta(minutes=5)
    result = status(caller, "deposit", reference)

    assert (result["status"], result.get("reason", "")) == (fate.end or "PENDING", fate.reason)
    assert caller.entry(reference)["credits"] == (fate.end == "SUCCESSFUL")


@pytest.mark.parametrize("field", ["referenceIdToRefund", "externalId"])
@pytest.mark.parametrize(("scenario", "fate"), REFUND_SCENARIOS.items())
def test_refund_scenario_counts_in_the_switched_field(
    make_caller: Callable[..., Any], reference: str, field: str, scenario: str, fate: Any
) -> None:
    caller = make_caller(refund_scenario=field)
    assert caller.post("/v2_0/refund", order("refund", **{field: scenario}), reference).status == 202
    caller.at += timedelta(minutes=5)
    result = status(caller, "refund", reference)

    assert (result["status"], result.get("reason", "")) == (fate.end or "PENDING", fate.reason)


@pytest.mark.parametrize("field", ["referenceIdToRefund", "externalId"])
def test_refund_scenario_needs_its_switch(caller: Any, reference: str, field: str) -> None:
    """What is no UUID cannot be refunded (measured), and an external id is only that."""
    answer = caller.post("/v2_0/refund", order("refund", **{field: "3"}), reference)

    assert answer.status == (400 if field == "referenceIdToRefund" else 202)
    assert field == "referenceIdToRefund" or status(caller, "refund", reference)["status"] == "SUCCESSFUL"


@pytest.mark.parametrize("expected_text", ["", "x", None, 7, "0", "14"])
def test_refund_of_a_reference_that_is_no_uuid_is_refused(make_caller: Callable[..., Any], expected_text: Any) -> None:
    caller = make_caller(refund_scenario="referenceIdToRefund")

    assert caller.post("/v1_0/refund", order("refund", referenceIdToRefund=expected_text)).status == 400
    assert caller.gateway.ledger(caller.at) == []


def test_refund_goes_to_the_payer(caller: Any, reference: str) -> None:
    collected = caller.collect(payer="+46733123498")
    caller.post("/v2_0/refund", order("refund", referenceIdToRefund=collected.upper()), reference)

    assert status(caller, "refund", reference)["payee"] == {"partyIdType": "MSISDN", "partyId": "46733123498"}
    assert caller.entry(reference)["payee"] == "46733123498"


def test_refund_of_an_unknown_collection_follows_its_switch(make_caller: Callable[..., Any], reference: str) -> None:
    """Which of the two is in no source: a switch."""
    for switch, end in (("succeeds", "SUCCESSFUL"), ("fails", "FAILED")):
        caller = make_caller(unknown_refund=switch)
        caller.post("/v2_0/refund", order("refund"), reference)
        result = status(caller, "refund", reference)
        assert (result["status"], result["payee"]["partyIdType"]) == (end, "PARTY_CODE")
        assert result.get("reason") == (None if end == "SUCCESSFUL" else "TRANSACTION_NOT_FOUND")


def test_refunds_together_do_not_exceed_their_collection(make_caller: Callable[..., Any]) -> None:
    for switch, ends in (("fails", ["SUCCESSFUL", "SUCCESSFUL", "FAILED"]), ("succeeds", ["SUCCESSFUL"] * 3)):
        caller = make_caller(over_refund=switch)
        collected = caller.collect(amount="100.00")
        references = [str(uuid.uuid4()) for _ in range(3)]
        for reference, amount in zip(references, ("60", "40", "0.01"), strict=True):
            caller.post("/v2_0/refund", order("refund", referenceIdToRefund=collected, amount=amount), reference)
        assert [status(caller, "refund", reference)["status"] for reference in references] == ends


def test_refund_that_failed_leaves_the_rest_refundable(caller: Any, reference: str) -> None:
    collected, other = caller.collect(amount="100"), caller.collect(amount="100")
    for paid_back, amount in ((collected, "101"), (other, "100")):
        caller.post("/v2_0/refund", order("refund", referenceIdToRefund=paid_back, amount=amount))
    caller.post("/v2_0/refund", order("refund", referenceIdToRefund=collected, amount="100"), reference)

    assert status(caller, "refund", reference)["status"] == "SUCCESSFUL"


def test_refund_of_a_failed_collection_is_refused(caller: Any, reference: str) -> None:
    collected = caller.collect(state="FAILED")
    caller.post("/v2_0/refund", order("refund", referenceIdToRefund=collected), reference)

    assert caller.entry(reference)["reason"] == "COULD_NOT_PERFORM_TRANSACTION"


BAD: list[tuple[str, Any]] = [
    ("deposit", {name: value for name, value in ORDER.items() if name != "payee"} | {"payer": PAYEE}),
    ("deposit", ORDER | {"amount": "1.001"}),
    ("deposit", b"{"),
    ("refund", ORDER),
    ("refund", order("refund", amount="0")),
    ("refund", order("refund", payeeNote="it's")),
    ("transfer", ORDER | {"payee": {"partyIdType": "EMAIL", "partyId": "nobody"}}),
    ("transfer", ORDER | {"payee": {"partyIdType": "PARTY_CODE", "partyId": "46733123499"}}),
    ("transfer", ORDER | {"payee": {"partyIdType": "MSISDN", "partyId": "+46733123499"}}),
]


@pytest.mark.parametrize(("operation", "body"), BAD, ids=range(len(BAD)))
def test_invalid_body_is_a_400_for_every_operation(caller: Any, operation: str, body: Any) -> None:
    for path in PATHS[operation]:
        assert caller.post(path, body).status == 400
    assert caller.gateway.ledger(caller.at) == []


@pytest.mark.parametrize(
    ("kind", "party"), [("EMAIL", "someone@example.org"), ("PARTY_CODE", "5cecb5a7-8bd0-4f49-87b1-8eb9ecc7b7bc")]
)
def test_payee_may_be_an_address_or_a_code(caller: Any, reference: str, kind: str, party: str) -> None:
    caller.post("/v1_0/transfer", order("transfer", payee={"partyIdType": kind, "partyId": party}), reference)

    assert status(caller, "transfer", reference)["payee"] == {"partyIdType": kind, "partyId": party}


def test_payment_is_not_found_at_the_address_of_another_operation(caller: Any, reference: str) -> None:
    caller.post("/v2_0/deposit", ORDER, reference)

    assert caller.get(f"/v1_0/transfer/{reference}").status == 404
    assert caller.get(f"/v1_0/deposit/{reference}").status == 200


# --- callbacks ---------------------------------------------------------------------------------------------------

HOSTS = [
    ("payouts.example.org", "http://payouts.example.org/cb", True),
    ("payouts.example.org", "https://PAYOUTS.example.org:8443/cb", True),
    ("payouts.example.org:8443", "https://payouts.example.org:8443/cb", True),
    ("payouts.example.org", "http://other.example.org/cb", False),
    ("payouts.example.org", "http://payouts.example.org.evil.example/cb", False),
    ("payouts.example.org", "payouts.example.org", False),
    ("payouts.example.org", "http://[", False),
    ("https://payouts.example.org", "https://payouts.example.org/cb", False),  # stored as given, so it never matches
    ("", "http://anywhere.example.org/cb", True),
]


@pytest.mark.parametrize(("operation", "path"), WAYS)
@pytest.mark.parametrize(("registered", "url", "fits"), HOSTS)
def test_payment_with_a_callback_to_another_host_is_refused(
    make_caller: Callable[..., Any], reference: str, operation: str, path: str, registered: str, url: str, fits: bool
) -> None:
    caller = make_caller(callback_host=registered)
    answer = caller.post(path, order(operation), reference, x_callback_url=url)

    assert (answer.status == 202) is fits
    assert fits or momo(answer) == (500, "INVALID_CALLBACK_URL_HOST")
    kept = [(one["reference"], one["callback_url"]) for one in caller.gateway.ledger(caller.at)]
    assert kept == ([(reference, url)] if fits else [])


@pytest.mark.parametrize("url", ["", " ", "null"])
def test_empty_callback_header_is_refused(caller: Any, url: str) -> None:
    assert caller.post("/v1_0/transfer", ORDER, x_callback_url=url).status == 400
    assert caller.gateway.ledger(caller.at) == []


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1_0/transfer", "PUT"),
        ("/v1_0/deposit", "POST"),
        ("/v2_0/deposit", "PUT"),
        ("/v1_0/refund", "POST"),
        ("/v2_0/refund", "PUT"),
    ],
)
def test_callback_method_follows_the_version(caller: Any, path: str, method: str) -> None:
    caller.post(path, order(path.rpartition("/")[2]), x_callback_url="http://anywhere.example.org/cb")
    [kept] = caller.gateway.ledger(caller.at)

    assert (kept["callback_method"], kept["version"]) == (method, path.split("/")[1])


# --- what is switched -------------------------------------------------------------------------------------------


def paid(caller: Any, reference: str, after_s: float = 0, **changed: Any) -> dict[str, Any]:
    caller.post("/v1_0/transfer", order("transfer", **changed), reference)
    caller.at += timedelta(seconds=after_s)
    return status(caller, "transfer", reference)


def payee(number: str) -> dict[str, str]:
    return PAYEE | {"partyId": number}


def test_pending_test_payees_follow_their_switch(make_caller: Callable[..., Any], reference: str) -> None:
    """...453 succeeds after a while and ...454 never, as the documents of 2018 have it."""
    caller = make_caller(ongoing_s=30, delayed_s=None)
    assert paid(caller, reference, 29.9, payee=payee("46733123453"))["status"] == "PENDING"
    caller.at += timedelta(seconds=0.1)
    assert status(caller, "transfer", reference)["status"] == "SUCCESSFUL"
    assert caller.entry(reference)["credits"] == 1
    assert paid(caller, str(uuid.uuid4()), 3000, payee=payee("46733123454"))["status"] == "PENDING"


def test_status_may_hold_numbers(make_caller: Callable[..., Any], reference: str) -> None:
    caller = make_caller(status_values="number")
    result = paid(caller, reference, externalId="42", payerMessage="7")

    assert (result["amount"], result["externalId"], result["payee"]["partyId"]) == (12.5, 42, 46733123499)
    assert isinstance(result["financialTransactionId"], int)
    assert paid(caller, str(uuid.uuid4()), amount="3", externalId="po_1")["amount"] == 3


def test_pending_transfer_may_show_its_transaction_id(make_caller: Callable[..., Any], reference: str) -> None:
    for switch in (False, True):
        result = paid(make_caller(pending_transaction_id=switch), reference, payee=payee("46733123453"))
        assert ("financialTransactionId" in result) is switch


@pytest.mark.parametrize(
    ("switches", "changed", "expected"),
    [
        ({}, {"payeeNote": "x" * 160}, 202),
        ({}, {"payeeNote": "x" * 161}, 400),
        ({}, {"externalId": "a b"}, 202),
        ({"aggregator": True}, {}, 400),
        ({"aggregator": True}, {"transferType": "CUSTOM_PAYMENT"}, 202),
        ({}, {"transferType": "WHATEVER"}, 202),
    ],
)
def test_body_checks_follow_their_switches(
    make_caller: Callable[..., Any], switches: Mapping[str, Any], changed: Mapping[str, Any], expected: int
) -> None:
    assert make_caller(**switches).post("/v1_0/transfer", order("transfer", **changed)).status == expected


def test_unknown_transfer_type_fails(make_caller: Callable[..., Any], reference: str) -> None:
    caller = make_caller(aggregator=True)

    assert paid(caller, reference, transferType="WHATEVER")["reason"] == "TRANSFER_TYPE_UNKNOWN"
    assert caller.post("/v2_0/deposit", ORDER).status == 202  # only a transfer is asked for it


def test_status_reads_may_be_limited(make_caller: Callable[..., Any], reference: str) -> None:
    caller = make_caller(reads_per_s=2)
    read = f"/v1_0/transfer/{reference}"

    assert [caller.get(read).status for _ in range(3)] == [404, 404, 429]
    assert caller.get(read).headers["retry-after"] == "1"
    caller.at += timedelta(seconds=1)
    assert caller.get(read).status == 404


@pytest.mark.parametrize("target", TARGETS)
def test_target_accepts_its_own_currency_and_decimals(make_caller: Callable[..., Any], target: str) -> None:
    row = TARGETS[target]
    for operation, path in WAYS:
        caller = make_caller(target)
        assert caller.post(path, order(operation, amount=str(row.quantum), currency=row.currency)).status == 202
        too_fine = str(row.quantum + row.quantum / 10)
        assert caller.post(path, order(operation, amount=too_fine, currency=row.currency)).status == 400
        assert momo(caller.post(path, order(operation, amount="1", currency="XTS"))) == (500, "INVALID_CURRENCY")


def test_number_with_a_plus_sign_is_accepted_in_production(make_caller: Callable[..., Any], reference: str) -> None:
    """Measured there: every form of a number is taken, and a wrong one fails later."""
    caller = make_caller("mtnsouthafrica")
    result = paid(caller, reference, currency="ZAR", payee=payee("+46733123457"))

    assert (result["status"], result["reason"]) == ("FAILED", "PAYEE_NOT_FOUND")
