"""Every documented answer of the gateway means what the tables say, and no other answer is taken for an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments_core.domain.payout import Order, Reason, ReasonCode
from payments_core.http.messages import HttpResponse
from payments_core.provider import (
    AccountRefused,
    CheckOutcome,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    ReportedDetails,
    SubmitOutcome,
    Unknown,
)
from payments_mtn_momo.api.codec import STATUSES, read_status, read_submit
from payments_mtn_momo.api.error_catalog import REASONS
from payments_mtn_momo.api.payments import encode_payment, recipient, reduce_note

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PAGE = "<html><head><title>403 Forbidden</title></head><body>Microsoft-Azure-Application-Gateway/v2</body></html>"


def answer(status: int, body: object = b"", **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, AT)


def momo(code: str, message: str = "") -> dict[str, Any]:
    return {"code": code, "message": message}


def gateway(status: object, message: str) -> dict[str, Any]:
    return {"statusCode": status, "message": message}


KEY = "Access denied due to {} subscription key. Make sure to …"

POSTS: list[tuple[str, HttpResponse, type, ReasonCode | None]] = [
    ("taken", answer(202), Pending, None),
    ("taken, in words", answer(202, b"Accepted"), Pending, None),
    ("an error of MoMo's inside a 202", answer(202, momo("NOT_ALLOWED")), Unknown, None),
    ("an error of the gateway's inside a 202", answer(202, gateway(401, "Unauthorized.")), Unknown, None),
    ("a page of HTML as a 202", answer(202, PAGE), Unknown, None),
    ("bad request without a body", answer(400), Final, ReasonCode.INVALID_REQUEST),
    ("bad request of a newer kind", answer(400, momo("VALIDATION_ERROR")), Final, ReasonCode.INVALID_REQUEST),
    (
        "wrong subscription key",
        answer(401, gateway(401, KEY.format("invalid"))),
        AccountRefused,
        ReasonCode.CREDENTIALS,
    ),
    ("no subscription key", answer(401, gateway("401", KEY.format("missing"))), AccountRefused, ReasonCode.CREDENTIALS),
    ("token refused by the gateway", answer(401, gateway(401, "Unauthorized.")), NotAccepted, ReasonCode.CREDENTIALS),
    ("token refused in silence", answer(401), NotAccepted, ReasonCode.CREDENTIALS),
    ("writes forbidden", answer(403, gateway(403, "Forbidden")), AccountRefused, ReasonCode.NOT_PERMITTED),
    ("the firewall", answer(403, PAGE), AccountRefused, ReasonCode.NOT_PERMITTED),
    ("wrong address", answer(404, gateway(404, "Resource not found")), AccountRefused, ReasonCode.MISCONFIGURED),
    ("a key's words under 404", answer(404, gateway(404, KEY.format("no"))), AccountRefused, ReasonCode.MISCONFIGURED),
    ("404 of MoMo's", answer(404, momo("RESOURCE_NOT_FOUND")), Unknown, None),
    ("404 without a body", answer(404), Unknown, None),
    ("duplicate", answer(409, momo("RESOURCE_ALREADY_EXIST")), Duplicate, None),
    ("409 of another kind", answer(409, PAGE), Duplicate, None),
    ("rate limit", answer(429, gateway(429, "Rate limit is exceeded.")), NotAccepted, None),
    ("no permission", answer(500, momo("NOT_ALLOWED")), AccountRefused, ReasonCode.NOT_PERMITTED),
    ("wrong target", answer(500, momo("NOT_ALLOWED_TARGET_ENVIRONMENT")), AccountRefused, ReasonCode.MISCONFIGURED),
    ("wrong callback host", answer(500, momo("INVALID_CALLBACK_URL_HOST")), AccountRefused, ReasonCode.MISCONFIGURED),
    ("wrong currency", answer(500, momo("INVALID_CURRENCY")), AccountRefused, ReasonCode.MISCONFIGURED),
    ("internal error", answer(500, momo("INTERNAL_PROCESSING_ERROR")), Unknown, None),
    ("500 of an unlisted code", answer(500, momo("SOMETHING_NEW")), Unknown, None),
    ("500 in the gateway's shape", answer(500, gateway(500, "NOT_ALLOWED")), Unknown, None),
    ("500 in the token endpoint's shape", answer(500, {"error": "NOT_ALLOWED"}), Unknown, None),
    ("500 without a body", answer(500), Unknown, None),
    ("a reference in use, told with 400", answer(400, momo("RESOURCE_ALREADY_EXIST")), Duplicate, None),
    ("unavailable", answer(503, momo("SERVICE_UNAVAILABLE")), Unknown, None),
    ("503 in HTML", answer(503, PAGE), Unknown, None),
    ("a blocking code under another status", answer(503, momo("NOT_ALLOWED")), Unknown, None),
    ("502", answer(502, PAGE), Unknown, None),
    ("504", answer(504, PAGE), Unknown, None),
    ("200", answer(200, {"status": "SUCCESSFUL"}), Unknown, None),
    ("201", answer(201), Unknown, None),
    ("a redirect", answer(302), Unknown, None),
    ("418", answer(418), Unknown, None),
]


@pytest.mark.parametrize(("given_answer", "means", "code"), [row[1:] for row in POSTS], ids=[row[0] for row in POSTS])
def test_submit_answer_has_its_meaning(given_answer: HttpResponse, means: type, code: ReasonCode | None) -> None:
    outcome = read_submit(given_answer)

    assert type(outcome) is means
    assert outcome.http_status == given_answer.status
    reason = getattr(outcome, "reason", None) or getattr(outcome, "blocks_if_repeated", None)
    assert (reason.code if reason else None) == code


@pytest.mark.parametrize(
    ("given_answer", "wait_s"),
    [
        (answer(429, b"", retry_after="7"), 7.0),
        (answer(429, b"", retry_after="Mon, 02 Nov 2026 09:01:00 GMT"), 60.0),
        (answer(429, b"", retry_after="Mon, 02 Nov 2026 08:00:00 GMT"), 0.0),
        (answer(429, gateway(429, "Rate limit is exceeded. Try again in 3 seconds.")), 3.0),
        (answer(429, b"", retry_after="soon"), None),
        (answer(429, b"", retry_after="9" * 400), None),
        (answer(429), None),
    ],
)
def test_rate_limit_answer_says_how_long_to_wait(given_answer: HttpResponse, wait_s: float | None) -> None:
    outcome = read_submit(given_answer)

    assert isinstance(outcome, NotAccepted)
    assert outcome.retry_after_s == wait_s


def test_html_page_is_named_by_its_title() -> None:
    outcome = read_submit(answer(503, PAGE))

    assert isinstance(outcome, Unknown)
    assert outcome.text == "403 Forbidden"
    untitled = read_submit(answer(503, "<html><body><h1>Gateway&nbsp;Time-out</h1><p>nginx</p></body></html>"))
    assert isinstance(untitled, Unknown)
    assert untitled.text == "Gateway Time-out nginx"


STATUS: dict[str, Any] = {
    "amount": "12.5",
    "currency": "EUR",
    "financialTransactionId": "1234567890",
    "externalId": "po_abc",
    "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"},
    "payerMessage": "a",
    "payeeNote": "b",
    "status": "SUCCESSFUL",
}
SEEN = ReportedDetails(amount=Decimal("12.5"), currency="EUR", payee="46733123499", external_id="po_abc")

GETS: list[tuple[str, HttpResponse, type]] = [
    ("successful", answer(200, STATUS), Final),
    ("failed", answer(200, STATUS | {"status": "FAILED"}), Final),
    ("pending", answer(200, STATUS | {"status": "PENDING"}), Pending),
    ("created", answer(200, STATUS | {"status": "CREATED"}), Pending),
    ("rejected", answer(200, STATUS | {"status": "REJECTED"}), Unknown),
    ("timeout", answer(200, STATUS | {"status": "TIMEOUT"}), Unknown),
    ("unlisted", answer(200, STATUS | {"status": "REVERSED"}), Unknown),
    ("another case", answer(200, STATUS | {"status": "Successful"}), Unknown),
    ("no word", answer(200, STATUS | {"status": 1}), Unknown),
    ("a list", answer(200, STATUS | {"status": ["FAILED"]}), Unknown),
    ("missing", answer(200, {}), Unknown),
    ("200 in HTML", answer(200, PAGE), Unknown),
    ("200 without a body", answer(200), Unknown),
    ("a success under another status", answer(202, STATUS), Unknown),
    ("not found", answer(404, momo("RESOURCE_NOT_FOUND", "Requested resource was not found.")), NotFound),
    ("404 of the gateway's", answer(404, gateway(404, "Resource not found")), Unknown),
    ("404 without a body", answer(404), Unknown),
    ("not found under another status", answer(400, momo("RESOURCE_NOT_FOUND")), Unknown),
    ("bad request", answer(400), Unknown),
    ("token refused", answer(401), Unknown),
    ("forbidden", answer(403, PAGE), Unknown),
    ("rate limit", answer(429), Unknown),
    ("internal error", answer(500, momo("INTERNAL_PROCESSING_ERROR")), Unknown),
    ("unavailable", answer(503, momo("SERVICE_UNAVAILABLE")), Unknown),
]


@pytest.mark.parametrize(("given_answer", "means"), [row[1:] for row in GETS], ids=[row[0] for row in GETS])
def test_check_answer_has_its_meaning(given_answer: HttpResponse, means: type) -> None:
    outcome = read_status(given_answer)

    assert type(outcome) is means
    assert outcome.http_status == given_answer.status


def test_success_reports_what_was_paid() -> None:
    outcome = read_status(answer(200, STATUS))

    assert outcome == Final(
        code="SUCCESSFUL",
        http_status=200,
        references={"provider_reference": "1234567890"},
        seen=SEEN,
    )
    assert outcome.succeeded


def test_numbers_are_read_like_text() -> None:
    """The OpenAPI export shows numbers where the real gateway sends strings: both must compare equal."""
    raw = (
        b'{"amount":12.50,"currency":"EUR","financialTransactionId":1234567890,"externalId":"po_abc",'
        b'"payee":{"partyId":46733123499},"status":"SUCCESSFUL","later":{"field":[null]}}'
    )

    outcome = read_status(answer(200, raw))

    assert isinstance(outcome, Final)
    assert outcome.seen == SEEN
    assert outcome.references == {"provider_reference": "1234567890"}


@pytest.mark.parametrize("amount", ["", "a lot", "500,00", "NaN", "Infinity", "1e999999999", True, [], {}])
def test_unreadable_amount_agrees_with_none(amount: object) -> None:
    outcome = read_status(answer(200, STATUS | {"amount": amount}))

    assert isinstance(outcome, Final)
    assert outcome.seen is not None
    assert outcome.seen.amount is not None
    assert outcome.seen.amount.is_nan()


def test_absent_field_is_unreported_and_unreadable_one_agrees_with_none() -> None:
    silent = read_status(answer(200, STATUS | dict.fromkeys(("amount", "payee", "currency", "externalId"))))
    odd = {"payee": "46733999999", "currency": ["UGX"], "externalId": ["x"]}
    shown = read_status(answer(200, STATUS | odd))

    assert silent.seen == ReportedDetails()
    assert shown.seen is not None
    assert (shown.seen.payee, shown.seen.currency, shown.seen.external_id) == ("46733999999", "?", "?")


def test_impossible_amount_is_reported_and_differs_from_ours() -> None:
    outcome = read_status(answer(200, STATUS | {"amount": "-12.50"}))

    assert isinstance(outcome, Final)
    assert outcome.seen is not None
    assert outcome.seen.amount == Decimal("-12.50")


SPEC_REASONS = [
    "PAYEE_NOT_FOUND",
    "PAYER_NOT_FOUND",
    "NOT_ALLOWED",
    "NOT_ALLOWED_TARGET_ENVIRONMENT",
    "INVALID_CALLBACK_URL_HOST",
    "INVALID_CURRENCY",
    "SERVICE_UNAVAILABLE",
    "INTERNAL_PROCESSING_ERROR",
    "NOT_ENOUGH_FUNDS",
    "PAYER_LIMIT_REACHED",
    "PAYEE_NOT_ALLOWED_TO_RECEIVE",
    "PAYMENT_NOT_APPROVED",
    "RESOURCE_NOT_FOUND",
    "APPROVAL_REJECTED",
    "EXPIRED",
    "TRANSACTION_CANCELED",
    "RESOURCE_ALREADY_EXIST",
]
OTHER_REASONS = [
    "COULD_NOT_PERFORM_TRANSACTION",
    "SENDER_ACCOUNT_NOT_ACTIVE",
    "PAYEE_LIMIT_REACHED",
    "TRANSACTION_NOT_FOUND",
    "VALIDATION_ERROR",
    "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED",
    "ONGOING",
    "PAYER_DELAYED",
    "PAYEE_DELAYED",
    "TRANSFER_TYPE_UNKNOWN",
]


def test_documented_reasons_have_a_row() -> None:
    assert set(REASONS) == {*SPEC_REASONS, *OTHER_REASONS}
    assert len(SPEC_REASONS) == 17
    assert not [word for word, row in REASONS.items() if row.reason in {None, ReasonCode.UNRECOGNISED}]


@pytest.mark.parametrize("word", sorted(REASONS))
def test_reason_is_read_as_text_and_as_an_object(word: str) -> None:
    bare = read_status(answer(200, STATUS | {"status": "FAILED", "reason": word}))
    result = read_status(answer(200, STATUS | {"status": "FAILED", "reason": momo(word, "Told.")}))

    row = REASONS[word]
    assert row.reason is not None
    code, settling_h = row.reason, row.settling_h
    assert isinstance(bare, Final)
    assert isinstance(result, Final)
    assert bare.reason == Reason(code, word, "", settling_h)
    assert result.reason == Reason(code, word, "Told.", settling_h)
    assert not bare.succeeded
    assert (bare.code, result.text) == (word, "Told.")


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("SOMETHING_NEW", "SOMETHING_NEW"), (None, ""), ({}, ""), ([], ""), ({"code": {"a": 1}}, ""), (17, "17")],
)
def test_unlisted_reason_is_kept_and_the_failure_stands(reason: object, kept: str) -> None:
    outcome = read_status(answer(200, STATUS | {"status": "FAILED", "reason": reason}))

    assert isinstance(outcome, Final)
    assert outcome.reason == Reason(ReasonCode.UNRECOGNISED, kept)


def test_reason_beside_a_success_does_not_make_it_a_failure() -> None:
    outcome = read_status(answer(200, STATUS | {"reason": "NOT_ENOUGH_FUNDS"}))

    assert isinstance(outcome, Final)
    assert outcome.succeeded


def test_status_table_has_two_final_words() -> None:
    assert {word for word, means in STATUSES.items() if means is Final} == {"SUCCESSFUL", "FAILED"}


WORDS = st.sampled_from([*STATUSES, *REASONS, "login_failed", "subscription key", "po_abc", "12.50", "\ud800", ""])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=8))
KEYS = st.sampled_from(
    [
        "status",
        "reason",
        "code",
        "message",
        "statusCode",
        "error",
        "payee",
        "partyId",
        "amount",
        "currency",
        "externalId",
    ]
)
JSON = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), part, max_size=6)
)
BODIES = st.one_of(
    JSON.map(lambda expected: json.dumps(expected).encode()),
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: f"<{text}>".encode("utf-8", "replace")),
    st.sampled_from([b"", b"[" * 100_000, b"9" * 5000, b"1e99999", b'"\xff"', b"\xef\xbb\xbf{}", b"<title>"]),
)
ANSWERS = st.builds(
    lambda status, body, headers: HttpResponse(status, headers, body, AT),
    st.one_of(st.integers(0, 999), st.sampled_from([200, 202, 400, 401, 404, 429, 500])),
    BODIES,
    st.dictionaries(st.sampled_from(["retry-after", "content-type"]), st.text(max_size=40), max_size=2),
)


def texts(outcome: SubmitOutcome | CheckOutcome) -> list[str]:
    reason = getattr(outcome, "reason", None) or getattr(outcome, "blocks_if_repeated", None)
    seen = getattr(outcome, "seen", None)
    found = [getattr(outcome, "code", ""), getattr(outcome, "text", ""), *getattr(outcome, "references", {}).values()]
    found += [reason.provider_code, reason.text] if reason else []
    return found + [text for text in (seen.currency, seen.payee, seen.external_id) if text] if seen else found


@given(ANSWERS)
@example(answer(400, b"[" * 100_000))
@example(answer(429, b"", retry_after="Mon, 99 Nov 99999 09:00:00 +9999"))
def test_submit_answer_is_final_only_as_a_listed_400(given_answer: HttpResponse) -> None:
    """Whatever a gateway, a proxy or a firewall sends: it is read, can be stored, and ends only by the table."""
    outcome = read_submit(given_answer)

    assert isinstance(outcome, Final) == (given_answer.status == 400)
    assert not (isinstance(outcome, Final) and outcome.succeeded)
    assert all(len(text.encode()) <= 1200 for text in texts(outcome))


@given(ANSWERS)
@example(answer(200, b'{"status":"FAILED","reason":"\\ud800","amount":1e400}'))
def test_check_answer_is_final_only_as_successful_or_failed(given_answer: HttpResponse) -> None:
    """Whatever comes back from a read, only a 200 whose status is SUCCESSFUL or FAILED is an end."""
    outcome = read_status(given_answer)

    fields = given_answer.json()
    word = fields.get("status") if given_answer.status == 200 and isinstance(fields, dict) else None
    assert isinstance(outcome, Final) == (word in ("SUCCESSFUL", "FAILED"))
    assert not isinstance(outcome, Final) or outcome.succeeded == (word == "SUCCESSFUL")
    assert all(len(text.encode()) <= 1200 for text in texts(outcome))


@pytest.mark.parametrize(
    ("note", "sent"),
    [
        ("November salary", "November salary"),
        ("Prime d'été", "Prime dete"),
        ("Salaire — équipe n° 7 (Août)", "Salaire equipe n 7 Aout"),
        ("O\u2019Brien & Söhne", "OBrien Sohne"),
        ("a\n\tb   c", "a b c"),
        ("x" * 200, "x" * 60),
        (f"{'x' * 59} y", "x" * 59),
        ("", "Payout"),
        ("謝謝 🙏", "Payout"),
        ("it_is-v1.0", "it_is-v1.0"),
    ],
)
def test_note_is_reduced_to_what_the_gateway_accepts(note: str, sent: str) -> None:
    assert reduce_note(note) == sent


@given(st.text(max_size=2000))
def test_note_never_makes_the_gateway_refuse_a_payment(note: str) -> None:
    reduced = reduce_note(note)

    assert 1 <= len(reduced) <= 60
    assert reduced == " ".join(reduced.split())
    assert not set(reduced) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-")


def test_transfer_body_is_the_documented_one(make_order: Callable[..., Order]) -> None:
    order = make_order(amount="12.50", note="d'été")
    body = encode_payment(
        order.amount, external_id="po_abc", to=recipient(order.payee), payer_message=order.note, payee_note=order.note
    )

    assert body == (
        '{"amount":"12.5","currency":"EUR","externalId":"po_abc","payee":{"partyIdType":"MSISDN",'
        '"partyId":"46733123499"},"payerMessage":"dete","payeeNote":"dete"}'
    )
