"""The tables are total: every word the sources name is in one of them, and what is in none is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from payments_core.domain.payout import ReasonCode
from payments_core.provider import AccountRefused, Duplicate, Final, NotAccepted, NotFound, Pending, Unknown
from payments_core.testing.conformance import reply
from payments_pawapay import codec, codes

OURS = "f0000000-0000-4000-8000-000000000001"
ANOTHER = "f0000000-0000-4000-8000-000000000002"

# pawaPay's API reference v2 and its collection, by where the code stands.
REFUSED = [
    "INVALID_INPUT",
    "MISSING_PARAMETER",
    "UNSUPPORTED_PARAMETER",
    "INVALID_PARAMETER",
    "DUPLICATE_METADATA_FIELD",
    "INVALID_PHONE_NUMBER",
    "INVALID_AMOUNT",
    "AMOUNT_OUT_OF_BOUNDS",
    "INVALID_CURRENCY",
    "INVALID_PROVIDER",
    "PROVIDER_TEMPORARILY_UNAVAILABLE",
    "PAWAPAY_WALLET_OUT_OF_FUNDS",
]
FAILED = [
    "PAWAPAY_WALLET_OUT_OF_FUNDS",
    "RECIPIENT_NOT_FOUND",
    "WALLET_LIMIT_REACHED",
    "RECIPIENT_LIMIT_REACHED",
    "MANUALLY_CANCELLED",
    "UNSPECIFIED_FAILURE",
]
ABOUT_US = [
    "NO_AUTHENTICATION",
    "AUTHENTICATION_ERROR",
    "AUTHORISATION_ERROR",
    "PAYOUTS_NOT_ALLOWED",
    "HTTP_SIGNATURE_ERROR",
]
STATUSES = ["ACCEPTED", "ENQUEUED", "PROCESSING", "IN_RECONCILIATION", "COMPLETED", "FAILED"]


def rejected(code: str, **more: Any) -> Mapping[str, Any]:
    return {"payoutId": OURS, "status": "REJECTED", "failureReason": {"failureCode": code}, **more}


def found(word: str, code: str = "") -> Mapping[str, Any]:
    reason = {"failureReason": {"failureCode": code, "failureMessage": "so"}} if code else {}
    return {"status": "FOUND", "data": {"payoutId": OURS, "status": word, **reason}}


def test_codes_of_the_sources_are_all_in_a_table() -> None:
    assert set(STATUSES) == set(codes.STATUSES)
    assert set(REFUSED) <= set(codes.REFUSALS) | codes.BUSY
    assert set(FAILED) <= set(codes.FAILURES)
    assert set(ABOUT_US) == set(codes.BLOCKS)


def test_refusal_codes_are_in_one_table_each() -> None:
    tables = [set(codes.REFUSALS), set(codes.BUSY), set(codes.BLOCKS), set(codes.AMBIGUOUS)]
    assert sum(map(len, tables)) == len(set().union(*tables))


@pytest.mark.parametrize("code", codes.REFUSALS)
def test_refusal_has_its_reason(code: str) -> None:
    for status in (200, 400):
        outcome = codec.read_submitted(reply(status, rejected(code)), OURS)
        assert isinstance(outcome, Final)
        assert outcome.reason is not None
        assert (outcome.reason.code, outcome.reason.provider_code) == (codes.REFUSALS[code], code)


@pytest.mark.parametrize("code", codes.BLOCKS)
def test_refusal_of_our_account_fails_no_payout(code: str) -> None:
    for status in (200, 401, 403):  # the sources differ about the status
        assert isinstance(codec.read_submitted(reply(status, rejected(code)), OURS), AccountRefused)


def test_refusal_may_name_no_payment_and_never_another() -> None:
    result = rejected("AMOUNT_OUT_OF_BOUNDS", payoutId=None)
    assert isinstance(codec.read_submitted(reply(200, result), OURS), Final)
    for word in ("ACCEPTED", "DUPLICATE_IGNORED", "REJECTED"):
        result = rejected("INVALID_AMOUNT", payoutId=ANOTHER, status=word)
        assert isinstance(codec.read_submitted(reply(200, result), OURS), Unknown)


def test_refusal_for_an_operator_that_is_down_is_waited_for() -> None:
    """By its payouts alone: a wait asked for by pawaPay would slow down the whole account."""
    outcome = codec.read_submitted(reply(200, rejected("PROVIDER_TEMPORARILY_UNAVAILABLE")), OURS)
    assert isinstance(outcome, NotAccepted)
    assert outcome.retry_after_s is None


@pytest.mark.parametrize("code", ["UNKNOWN_ERROR", "A_NEW_WORD", ""])
@pytest.mark.parametrize("status", [200, 400, 500, 503])
def test_refusal_with_an_unlisted_code_is_unknown(code: str, status: int) -> None:
    assert isinstance(codec.read_submitted(reply(status, rejected(code)), OURS), Unknown)


@pytest.mark.parametrize("code", codes.REFUSALS)
def test_refusal_with_http_500_is_unknown(code: str) -> None:
    assert isinstance(codec.read_submitted(reply(500, rejected(code)), OURS), Unknown)


def test_payment_answer_says_accepted_or_duplicate() -> None:
    for word, kind in {"ACCEPTED": Pending, "DUPLICATE_IGNORED": Duplicate, "ENQUEUED": Unknown}.items():
        outcome = codec.read_submitted(reply(200, {"payoutId": OURS, "status": word, "created": "…"}), OURS)
        assert type(outcome) is kind


@pytest.mark.parametrize("code", [*codes.FAILURES, "A_NEW_WORD", ""])
def test_failure_has_its_reason(code: str) -> None:
    outcome = codec.read_status(reply(200, found("FAILED", code)), OURS)
    assert isinstance(outcome, Final)
    assert outcome.reason is not None
    assert outcome.reason.code is codes.FAILURES.get(code, ReasonCode.UNRECOGNISED)


def test_failure_of_unknown_cause_is_checked_again() -> None:
    assert isinstance(codec.read_status(reply(200, found("FAILED", "UNKNOWN_ERROR")), OURS), Unknown)


def test_not_found_counts_inside_http_200_only() -> None:
    assert isinstance(codec.read_status(reply(200, {"status": "NOT_FOUND"}), OURS), NotFound)
    assert isinstance(codec.read_status(reply(404, {"status": "NOT_FOUND"}), OURS), Unknown)


def test_status_of_another_payment_is_ignored() -> None:
    assert isinstance(codec.read_status(reply(200, found("COMPLETED")), ANOTHER), Unknown)


def test_bulk_is_answered_payment_by_payment() -> None:
    """By the id; a refusal that names none by its place; one that is not answered is not known."""
    third = "f0000000-0000-4000-8000-000000000003"
    entries = [
        {"payoutId": ANOTHER, "status": "DUPLICATE_IGNORED"},
        {"payoutId": OURS, "status": "ACCEPTED"},
        rejected("AMOUNT_TOO_LARGE", payoutId=None),
    ]
    kinds = [type(one) for one in codec.read_many(reply(200, entries), [OURS, ANOTHER, third])]
    assert kinds == [Pending, Duplicate, Final]
    kinds = [type(one) for one in codec.read_many(reply(200, entries[:2]), [OURS, ANOTHER, third])]
    assert kinds == [Pending, Duplicate, Unknown]
    refused = reply(400, rejected("INVALID_INPUT", payoutId=None))
    assert [type(one) for one in codec.read_many(refused, [OURS, ANOTHER])] == [Final, Final]
    blocked = reply(401, rejected("AUTHENTICATION_ERROR"))
    assert [type(one) for one in codec.read_many(blocked, [OURS, ANOTHER])] == [AccountRefused, AccountRefused]
    for nonsense in (reply(200, []), reply(200, {}), reply(200, [7, None, "x"]), reply(500)):
        assert [type(one) for one in codec.read_many(nonsense, [OURS, ANOTHER, third])] == [Unknown] * 3
