"""What M-Pesa's answers are taken for: the portal's samples, the tables, and what no table lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from payments_core.domain.payout import ReasonCode
from payments_core.http.messages import NoAnswer
from payments_core.provider import (
    AccountRefused,
    Callback,
    Credential,
    Deferred,
    Draft,
    Duplicate,
    Final,
    NotAccepted,
    Pending,
    ReportedDetails,
    Unknown,
)
from payments_core.testing.conformance import reply
from payments_mpesa_daraja import codec
from payments_mpesa_daraja.codes import ERRORS, RESULTS, STATUSES, TOKEN_ERRORS
from payments_mpesa_daraja.emulator.payments import result

Make = Callable[[object], Callback]


@pytest.fixture
def taken(draft: Draft) -> Draft:
    """A payment whose acknowledgement was read."""
    return replace(draft, references={**draft.references, "conversation": "AG_1"})


def outcome_of(meaning: object) -> type:
    if meaning == "pending":
        return Pending
    return Final if meaning == "paid" or isinstance(meaning, ReasonCode) else Unknown


@pytest.mark.parametrize("code", RESULTS)
def test_result_of_a_payment_means_what_the_table_says(taken: Draft, called: Make, code: str) -> None:
    """Written as a number or as text."""
    for written in {code, int(code) if code.isdecimal() else code}:
        report = result(written, "In words.", taken.references["originator"], "AG_1", "SK1")
        outcome = codec.read_answer(taken, called(report))
        assert type(outcome) is outcome_of(RESULTS[code])
        if isinstance(outcome, Final) and outcome.reason:
            assert (outcome.reason.code, outcome.reason.provider_code) == (RESULTS[code], code)


@pytest.mark.parametrize("code", ["15", "17", "26", "9999", "", None, [], {"a": 1}, True, "0 "])
def test_result_with_a_duplicate_or_unlisted_code_is_no_failure(taken: Draft, called: Make, code: Any) -> None:
    report = result(code, "In words.", taken.references["originator"], "AG_1", "")

    assert isinstance(codec.read_answer(taken, called(report)), Unknown)


def test_result_reports_what_was_paid_to_whom(taken: Draft, called: Make) -> None:
    rows = [("TransactionAmount", 50), ("TransactionReceipt", "SK9"), ("ReceiverPartyPublicName", "254708374149 - J D")]
    outcome = codec.read_answer(taken, called(result(0, "Ok", taken.references["originator"], "AG_1", "SK9", *rows)))

    assert isinstance(outcome, Final)
    assert outcome.succeeded
    assert outcome.seen == ReportedDetails(Decimal(50), "KES", "254708374149")
    assert outcome.references == {"provider_reference": "SK9"}


def test_result_unknown_operator_counts_for_the_payment_only(draft: Draft, taken: Draft, called: Make) -> None:
    """Of a question it may mean that the reference is not known."""
    ours = draft.references["originator"]
    of_payment = called(result("SFC_IC0003", "No operator.", ours, "AG_1", ""))
    of_question = called(result("SFC_IC0003", "No operator.", ours, "AG_2", ""))  # should it repeat our id

    assert isinstance(codec.read_answer(taken, of_payment), Final)
    assert isinstance(codec.read_answer(taken, of_question), Unknown)
    assert isinstance(codec.read_answer(draft, of_payment), Unknown)


@pytest.mark.parametrize("code", [code for code in RESULTS if code != "0"])
def test_status_query_that_fails_fails_no_payment(taken: Draft, called: Make, code: str) -> None:
    outcome = codec.read_answer(taken, called(result(code, "In words.", "1236-7134259-1", "AG_7", "")))

    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("party", ["CreditPartyName", "DebitPartyName"])
@pytest.mark.parametrize("status", STATUSES)
def test_status_query_result_reports_the_payment(taken: Draft, called: Make, status: str, party: str) -> None:
    """The payee stands in either place, a name comes twice, one has no value, and one fee is reported."""
    rows = [
        ("DebitPartyName", "600997 - Us"),
        (party, "254708374149 - John Doe"),
        ("OriginatorConversationID", taken.references["originator"]),
        ("TransactionReason", None),
        ("DebitPartyCharges", "Fee For B2C Payment|KES|22.40"),
        ("TransactionStatus", status),
        ("Amount", "50.00"),
        ("ReceiptNo", "SK9"),
    ]
    outcome = codec.read_answer(taken, called(result(0, "Ok", "3213-416199-2", "AG_7", "SK9", *rows)))

    assert type(outcome) is outcome_of(STATUSES[status])
    if isinstance(outcome, Final) and outcome.succeeded:
        assert outcome.seen == ReportedDetails(Decimal("50.00"), "KES", "254708374149", None, Decimal("22.40"))


def test_status_query_result_of_another_payment_is_ignored(taken: Draft, called: Make) -> None:
    rows = [("OriginatorConversationID", "somebody-else"), ("TransactionStatus", "Completed"), ("Amount", "50")]

    assert isinstance(codec.read_answer(taken, called(result(0, "Ok", "Q", "AG_7", "SK9", *rows))), Unknown)
    assert isinstance(codec.read_answer(taken, called(result(0, "Ok", "Q", "AG_7", "SK9", *rows[1:]))), Unknown)


def test_masked_payee_is_not_reported(taken: Draft, called: Make) -> None:
    rows = [("TransactionAmount", 50), ("ReceiverPartyPublicName", "0708***149 - J D")]
    outcome = codec.read_answer(taken, called(result(0, "Ok", taken.references["originator"], "AG_1", "SK9", *rows)))

    assert outcome.seen is not None
    assert outcome.seen.payee is None


@pytest.mark.parametrize("code", [*ERRORS, "500.001.1001", "500.003.1001", "", "nonsense"])
@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_error_means_what_its_code_says_whatever_the_http_status(draft: Draft, code: str, status: int) -> None:
    means = {"busy": NotAccepted, "token": NotAccepted, None: Unknown}
    outcome = codec.read_submitted(reply(status, {"errorCode": code, "errorMessage": "words"}), draft)

    assert type(outcome) is means.get(ERRORS.get(code), Final)  # type: ignore[arg-type]
    assert codec.is_token_refused(reply(status, {"errorCode": code})) == (ERRORS.get(code) == "token")


def test_duplicate_is_recognised_by_code_and_text(draft: Draft) -> None:
    def reply_of(text: str) -> object:
        return codec.read_submitted(reply(500, {"errorCode": "500.002.1001", "errorMessage": text}), draft)

    assert isinstance(reply_of("Duplicate OriginatorConversationID."), Duplicate)
    assert isinstance(reply_of("Service is currently under maintenance. Please try again later"), Unknown)


def test_html_page_is_no_answer(draft: Draft) -> None:
    outcome = codec.read_submitted(reply(200, b"<html><title>Incapsula incident</title></html>"), draft)

    assert isinstance(outcome, Unknown)
    assert outcome.text == "Incapsula incident"


def test_accepted_status_query_is_answered_by_callback() -> None:
    assert isinstance(codec.read_asked(reply(200, {"ResponseCode": "0"})), Deferred)
    assert isinstance(codec.read_asked(reply(200, {"ResponseCode": "0", "errorCode": "500.003.02"})), Unknown)
    assert isinstance(codec.read_asked(reply(500, {"errorCode": "500.003.02"})), Unknown)


@pytest.mark.parametrize(
    ("payload", "life_s"), [("3600", 3540), (3599, 3539), ("60", 50), (None, 3539), ("soon", 3539)]
)
def test_token_lives_as_long_as_reported_less_a_margin(payload: object, life_s: int) -> None:
    """As text or as a number, and a little less."""
    answer = reply(200, {"access_token": "abc", "expires_in": payload})
    credential = codec.read_token(answer)

    assert isinstance(credential, Credential)
    assert credential.expires_at is not None
    assert (credential.expires_at - answer.at).total_seconds() == life_s


@pytest.mark.parametrize("code", TOKEN_ERRORS)
def test_refused_token_call_is_an_account_refusal(code: str) -> None:
    refused = codec.read_token(reply(400, {"errorCode": code, "errorMessage": "Invalid"}))

    assert isinstance(refused, AccountRefused)
    assert refused.reason.code is TOKEN_ERRORS[code]


def test_missing_token_is_no_account_refusal() -> None:
    for answer in (reply(500, b"<html>"), reply(200, {}), reply(200, {"access_token": 7}), reply(400)):
        with pytest.raises(NoAnswer):
            codec.read_token(answer)
