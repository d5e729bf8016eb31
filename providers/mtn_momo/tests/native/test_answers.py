"""Every documented answer gives the documented class of error, for payments, reads and the calls beside them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from payments_core.domain.errors import PaymentsError
from payments_core.domain.payout import ReasonCode
from payments_mtn_momo import new_reference
from payments_mtn_momo.api import error_catalog
from payments_mtn_momo.native import (
    ActionError,
    AlreadyUsedError,
    MomoError,
    NotSentError,
    ReadError,
    ReadNotFound,
    ReadRefused,
    ReadUnanswered,
    RefusedError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from providers.mtn_momo.tests.native.conftest import ExpectedOutcome, Face, Script

KEY_INVALID = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)
WAF = "<html><head><title>403 Forbidden</title></head><body>Microsoft-Azure-Application-Gateway/v2</body></html>"
TIMED_OUT = "<html><head><title>504 Gateway Time-out</title></head></html>"

# (HTTP status, body, class for a payment, class for a read, neutral reason): the portal's Common Error Codes, row by
# row, and what other clients measured.
ANSWERS = [
    (400, "", RefusedError, ReadRefused, ReasonCode.INVALID_REQUEST),
    (400, {"code": "VALIDATION_ERROR", "message": "wrong"}, RefusedError, ReadRefused, ReasonCode.INVALID_REQUEST),
    (401, {"statusCode": 401, "message": KEY_INVALID}, RefusedError, ReadRefused, ReasonCode.CREDENTIALS),
    (401, {"statusCode": "401", "message": KEY_INVALID}, RefusedError, ReadRefused, ReasonCode.CREDENTIALS),
    (401, "", RefusedError, ReadRefused, ReasonCode.CREDENTIALS),
    (401, {"error": "invalid_token"}, RefusedError, ReadRefused, ReasonCode.CREDENTIALS),
    (401, {"statusCode": 401, "message": "Unauthorized."}, RefusedError, ReadRefused, ReasonCode.CREDENTIALS),
    (403, {"statusCode": 403, "message": "Forbidden"}, RefusedError, ReadRefused, ReasonCode.NOT_PERMITTED),
    (403, WAF, RefusedError, ReadRefused, ReasonCode.NOT_PERMITTED),
    (404, {"code": "RESOURCE_NOT_FOUND", "message": "x"}, UnknownOutcomeError, ReadNotFound, None),
    (404, {"statusCode": 404, "message": "Resource not found"}, RefusedError, ReadRefused, ReasonCode.MISCONFIGURED),
    (404, "", UnknownOutcomeError, ReadUnanswered, None),
    (409, {"code": "RESOURCE_ALREADY_EXIST", "message": "Duplicated"}, AlreadyUsedError, ReadUnanswered, None),
    (409, {"message": "Duplicated", "code": "RESOURCE_ALREADY_EXIST"}, AlreadyUsedError, ReadUnanswered, None),
    (
        429,
        {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 7 seconds."},
        RefusedError,
        ReadUnanswered,
        None,
    ),
    (500, {"code": "NOT_ALLOWED", "message": "x"}, RefusedError, ReadRefused, ReasonCode.NOT_PERMITTED),
    (500, {"code": "NOT_ALLOWED_TARGET_ENVIRONMENT"}, RefusedError, ReadRefused, ReasonCode.MISCONFIGURED),
    (500, {"code": "INVALID_CALLBACK_URL_HOST"}, RefusedError, ReadRefused, ReasonCode.MISCONFIGURED),
    (500, {"code": "INVALID_CURRENCY"}, RefusedError, ReadRefused, ReasonCode.MISCONFIGURED),
    (500, {"code": "INTERNAL_PROCESSING_ERROR", "message": "x"}, UnknownOutcomeError, ReadUnanswered, None),
    (500, {"code": "SOMETHING_NEW", "message": "x"}, UnknownOutcomeError, ReadUnanswered, None),
    (500, {"statusCode": 500, "message": "Internal server error"}, UnknownOutcomeError, ReadUnanswered, None),
    (500, "", UnknownOutcomeError, ReadUnanswered, None),
    (503, {"code": "SERVICE_UNAVAILABLE", "message": "x"}, UnknownOutcomeError, ReadUnanswered, None),
    (502, "<html>", UnknownOutcomeError, ReadUnanswered, None),
    (504, TIMED_OUT, UnknownOutcomeError, ReadUnanswered, None),
    (201, "", UnknownOutcomeError, ReadUnanswered, None),
    (302, "", UnknownOutcomeError, ReadUnanswered, None),
    (418, "", UnknownOutcomeError, ReadUnanswered, None),
]


def numbered(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """Return an id for each row: its place, its status and who answered."""
    return [f"{place}-{next(part for part in row if isinstance(part, int))}" for place, row in enumerate(rows)]


PAYMENTS: dict[str, Callable[[Any, str], Any]] = {
    "transfer": lambda client, reference: client.transfer(reference=reference, payee="+46733123499", amount="5"),
    "deposit_v1": lambda client, reference: client.deposit(
        reference=reference, payee="+46733123499", amount="5", version=1
    ),
    "deposit_v2": lambda client, reference: client.deposit(reference=reference, payee="+46733123499", amount="5"),
    "refund_v1": lambda client, reference: client.refund(
        reference=reference, reference_id_to_refund=new_reference(), amount="5", version=1
    ),
    "refund_v2": lambda client, reference: client.refund(
        reference=reference, reference_id_to_refund=new_reference(), amount="5"
    ),
}
READS: dict[str, Callable[[Any, str], Any]] = {
    "transfer_status": lambda client, reference: client.get_transfer_status(reference),
    "deposit_status": lambda client, reference: client.get_deposit_status(reference),
    "refund_status": lambda client, reference: client.get_refund_status(reference),
    "balance": lambda client, _: client.get_account_balance(),
    "balance_in": lambda client, _: client.get_account_balance_in("EUR"),
    "account_active": lambda client, _: client.is_active("46733123499"),
    "basic_user_info": lambda client, _: client.get_basic_user_info("46733123499"),
    "user_info": lambda client, _: client.ask_user_info("a-consent's-token"),
}


@pytest.mark.parametrize("operation", PAYMENTS)
@pytest.mark.parametrize(("status", "body", "kind", "_read", "reason"), ANSWERS, ids=numbered(ANSWERS))
def test_payment_error_has_the_documented_class(
    client: Face,
    script: Script,
    make_outcome: Callable[[int, Any], ExpectedOutcome],
    operation: str,
    status: int,
    body: Any,
    kind: type[ActionError],
    _read: type[ReadError],
    reason: ReasonCode | None,
) -> None:
    """Refused only where nothing can have moved; asked once, whatever it was; always with the reference."""
    script.say(make_outcome(status, body))
    reference = new_reference()

    with pytest.raises(ActionError) as caught:
        PAYMENTS[operation](client, reference)

    error = caught.value
    assert type(error) is kind
    assert (error.reference, error.operation, error.http_status) == (reference, operation, status)
    assert error.reason is reason
    assert reference in str(error)
    assert error.hint
    assert error.money_may_have_moved is (kind in {UnknownOutcomeError, AlreadyUsedError})
    assert ("No money moved." in str(error)) is (kind is RefusedError)
    assert len(script.calls()) == 1
    assert error.__context__ is None


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(("status", "body", "_paid", "kind", "reason"), ANSWERS, ids=numbered(ANSWERS))
def test_status_read_error_has_the_documented_class(
    client: Face,
    script: Script,
    make_outcome: Callable[[int, Any], ExpectedOutcome],
    operation: str,
    status: int,
    body: Any,
    _paid: type[ActionError],
    kind: type[ReadError],
    reason: ReasonCode | None,
) -> None:
    """No answer to a read is ever a failure of a payment, and only a proven fault of ours is refused."""
    script.say(make_outcome(status, body))
    reference = new_reference()

    with pytest.raises(ReadError) as caught:
        READS[operation](client, reference)

    assert type(caught.value) is kind
    assert caught.value.operation == operation
    assert caught.value.reference == (reference if operation.endswith("_status") else "")
    assert caught.value.hint
    assert not caught.value.money_may_have_moved
    if kind is ReadRefused:
        assert caught.value.reason is reason


OTHERS: list[tuple[str, Callable[[Any], Any], int, Any, type[MomoError]]] = [
    ("bc_authorize", lambda c: c.authorize_consent("46733123450"), 404, {"code": "RESOURCE_NOT_FOUND"}, RefusedError),
    ("bc_authorize", lambda c: c.authorize_consent("46733123499", scope="x"), 500, "", RefusedError),
    ("bc_authorize", lambda c: c.authorize_consent("46733123499"), 500, {"code": "NOT_ALLOWED"}, RefusedError),
    *(
        ("bc_authorize", lambda c: c.authorize_consent("46733123499"), *rest)
        for rest in (
            (400, "", RefusedError),
            (401, {"statusCode": 401, "message": KEY_INVALID}, RefusedError),
            (401, "", RefusedError),
            (403, WAF, RefusedError),
        )
    ),
    ("bc_authorize", lambda c: c.authorize_consent("46733123499"), 503, "", UnknownOutcomeError),
    ("bc_authorize", lambda c: c.authorize_consent("46733123499"), 200, "{}", UnknownOutcomeError),
    ("oauth2_token", lambda c: c.create_oauth2_token("an-id"), 400, {"error": "authorization_pending"}, RefusedError),
    ("oauth2_token", lambda c: c.create_oauth2_token("an-id"), 401, {"error": "invalid_client"}, RefusedError),
    ("oauth2_token", lambda c: c.create_oauth2_token("an-id"), 500, {"error": "login_failed"}, RefusedError),
    ("oauth2_token", lambda c: c.create_oauth2_token("an-id"), 400, "", RefusedError),
    (
        "oauth2_token",
        lambda c: c.create_oauth2_token("an-id"),
        401,
        {"statusCode": 401, "message": KEY_INVALID},
        RefusedError,
    ),
    (
        "oauth2_token",
        lambda c: c.refresh_oauth2_token("a-refresh-token"),
        400,
        {"error": "invalid_grant"},
        RefusedError,
    ),
    ("oauth2_token", lambda c: c.refresh_oauth2_token("a-refresh-token"), 500, "", UnknownOutcomeError),
    ("oauth2_token", lambda c: c.refresh_oauth2_token("a-refresh-token"), 200, "<html>", UnknownOutcomeError),
    *(
        ("delivery_notification", lambda c: c.send_delivery_notification(new_reference(), "Thank you"), *rest)
        for rest in (
            (400, "", RefusedError),
            (401, {"statusCode": 401, "message": KEY_INVALID}, RefusedError),
            (404, {"code": "RESOURCE_NOT_FOUND"}, RefusedError),
            (409, {"code": "NOT_SUCCESSFULLY_COMPLETED"}, RefusedError),
            (410, "", RefusedError),
            (429, "", RefusedError),
            (500, {"code": "INTERNAL_PROCESSING_ERROR"}, UnknownOutcomeError),
        )
    ),
    ("account_active", lambda c: c.is_active("46733123450"), 404, {"code": "RESOURCE_NOT_FOUND"}, ReadNotFound),
    ("account_active", lambda c: c.is_active("46733123499"), 200, "{}", ReadUnanswered),
    ("balance", lambda c: c.get_account_balance(), 200, "<html>", ReadUnanswered),
    ("balance", lambda c: c.get_account_balance(), 200, {"availableBalance": "none"}, ReadUnanswered),
    ("transfer_status", lambda c: c.get_transfer_status(new_reference()), 200, "{}", ReadUnanswered),
]


READ = [
    lambda c: c.get_account_balance(),
    lambda c: c.get_account_balance_in("EUR"),
    lambda c: c.is_active("46733123499"),
    lambda c: c.get_basic_user_info("46733123499"),
    lambda c: c.ask_user_info("token"),
]


@pytest.mark.parametrize("call", READ, ids=("balance", "balance_in", "active", "name", "user_info"))
@pytest.mark.parametrize("answer", sorted(error_catalog.ANSWERS), ids=str)
def test_lookup_error_gives_no_advice_about_a_payment(
    client: Face,
    script: Script,
    make_outcome: Callable[[int, Any], ExpectedOutcome],
    call: Callable[[Any], Any],
    answer: tuple[int, str],
) -> None:
    """What to do about a balance or a name that cannot be read is never what to do about a lost payment."""
    status, code = answer
    script.say(make_outcome(status, {"code": code} if code.isupper() else {"error": "invalid_client"}))

    with pytest.raises(ReadError) as caught:
        call(client)

    assert not re.search(r"same (request|reference)|pay again|read its status", str(caught.value))


@pytest.mark.parametrize(("operation", "call", "status", "body", "kind"), OTHERS, ids=numbered(OTHERS))
def test_other_call_errors_have_their_class(
    client: Face,
    script: Script,
    make_outcome: Callable[[int, Any], ExpectedOutcome],
    operation: str,
    call: Callable[[Any], Any],
    status: int,
    body: Any,
    kind: type[MomoError],
) -> None:
    script.say(make_outcome(status, body))

    with pytest.raises(MomoError) as caught:
        call(client)

    assert type(caught.value) is kind
    assert (caught.value.operation, caught.value.http_status) == (operation, status)
    assert not caught.value.money_may_have_moved
    assert "money may" not in str(caught.value).lower()
    assert len(script.calls()) == 1


PROVISIONING: list[tuple[Callable[[Any], Any], int, Any, type[MomoError]]] = [
    (lambda p: p.create_api_user("pay.example.org"), 400, "", RefusedError),
    (lambda p: p.create_api_user("pay.example.org"), 401, {"statusCode": 401, "message": KEY_INVALID}, RefusedError),
    (lambda p: p.create_api_user("pay.example.org"), 409, {"code": "RESOURCE_ALREADY_EXIST"}, AlreadyUsedError),
    (lambda p: p.create_api_user("pay.example.org"), 500, "", UnknownOutcomeError),
    (lambda p: p.create_api_key(new_reference()), 404, {"code": "RESOURCE_NOT_FOUND"}, RefusedError),
    (lambda p: p.create_api_key(new_reference()), 400, "", RefusedError),
    (lambda p: p.create_api_key(new_reference()), 401, {"statusCode": 401, "message": KEY_INVALID}, RefusedError),
    (lambda p: p.create_api_key(new_reference()), 500, "", UnknownOutcomeError),
    (lambda p: p.create_api_key(new_reference()), 201, "{}", UnknownOutcomeError),
    (lambda p: p.get_api_user(new_reference()), 404, {"code": "RESOURCE_NOT_FOUND"}, ReadNotFound),
    (lambda p: p.get_api_user(new_reference()), 400, "", ReadRefused),
    (lambda p: p.get_api_user(new_reference()), 401, {"statusCode": 401, "message": KEY_INVALID}, ReadRefused),
    (lambda p: p.get_api_user(new_reference()), 500, "", ReadUnanswered),
    (lambda p: p.get_api_user("no-uuid"), 200, "{}", ReadRefused),
    (lambda p: p.create_api_user("https://pay.example.org/momo"), 201, "", NotSentError),
    (lambda p: p.create_api_user("192.0.2.7"), 201, "", NotSentError),
]


@pytest.mark.parametrize(("call", "status", "body", "kind"), PROVISIONING, ids=numbered(PROVISIONING))
def test_provisioning_error_has_its_class(
    provisioning: Face,
    script: Script,
    make_outcome: Callable[[int, Any], ExpectedOutcome],
    call: Callable[[Any], Any],
    status: int,
    body: Any,
    kind: type[MomoError],
) -> None:
    script.say(make_outcome(status, body))

    with pytest.raises(MomoError) as caught:
        call(provisioning)

    assert type(caught.value) is kind
    assert not caught.value.money_may_have_moved


TOKENS = [
    (500, {"error": "login_failed"}, RefusedError, ReadRefused),
    (401, {"error": "login failed"}, RefusedError, ReadRefused),
    (401, {"error": "invalid_client"}, RefusedError, ReadRefused),
    (404, {"statusCode": 404, "message": "Resource not found"}, RefusedError, ReadRefused),
    (401, {"statusCode": 401, "message": KEY_INVALID}, RefusedError, ReadRefused),
    (400, {"error": "Invalid or missing X-Target-Environment header"}, RefusedError, ReadRefused),
    (403, WAF, RefusedError, ReadRefused),
    (500, {"statusCode": 500, "message": "Internal server error"}, NotSentError, ReadUnanswered),
    (504, TIMED_OUT, NotSentError, ReadUnanswered),
    (429, "", NotSentError, ReadUnanswered),
    (400, "", NotSentError, ReadUnanswered),
    (200, "<html>", NotSentError, ReadUnanswered),
]


@pytest.mark.parametrize(("status", "body", "paid", "read"), TOKENS, ids=numbered(TOKENS))
def test_call_without_a_token_sends_nothing(
    client: Face,
    script: Script,
    make_outcome: Callable[[int, Any], ExpectedOutcome],
    status: int,
    body: Any,
    paid: type[ActionError],
    read: type[ReadError],
) -> None:
    """A payment that could not get a token is refused or not sent, never unknown; a read says the same of itself."""
    script.token = [make_outcome(status, body)]
    reference = new_reference()

    with pytest.raises(ActionError) as caught:
        PAYMENTS["transfer"](client, reference)
    with pytest.raises(ReadError) as missed:
        client.get_transfer_status(reference)
    with pytest.raises(ReadError) as direct:
        client.create_access_token()

    assert (type(caught.value), type(missed.value), type(direct.value)) == (paid, read, read)
    assert caught.value.reference == reference
    assert "No money moved." in str(caught.value)
    assert not caught.value.money_may_have_moved
    assert script.calls() == []


def test_refused_payment_reports_how_long_to_wait(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    script.say(make_outcome(429, {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 7 seconds."}))

    with pytest.raises(RefusedError) as caught:
        PAYMENTS["transfer"](client, new_reference())

    assert caught.value.retry_after_s == 7


def test_errors_can_be_pickled(client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome]) -> None:
    script.say(make_outcome(500, ""))
    with pytest.raises(UnknownOutcomeError) as caught:
        PAYMENTS["transfer"](client, new_reference())

    there = pickle.loads(pickle.dumps(caught.value))  # noqa: S301

    assert (type(there), str(there), there.reference) == (
        UnknownOutcomeError,
        str(caught.value),
        caught.value.reference,
    )


def test_errors_have_unique_codes_and_one_parent() -> None:
    kinds = [*_below(MomoError)]

    assert all(issubclass(kind, PaymentsError) for kind in kinds)
    assert len({kind.code for kind in kinds}) == len(kinds) == 10


def _below(kind: type[MomoError]) -> list[type[MomoError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _below(child))]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"statusCode": 401, "message": KEY_INVALID}, "subscription key"),
        ({"error": "invalid_token"}, "consent has ended"),
        ("", "consent has ended"),
    ],
    ids=["key", "token", "empty"],
)
def test_refused_consent_token_is_distinguished_from_a_refused_key(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome], body: Any, words: str
) -> None:
    script.say(make_outcome(401, body))

    with pytest.raises(ReadRefused, match=words):
        client.ask_user_info("a-consent's-token")
