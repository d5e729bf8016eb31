"""The lookups beside payments: the account's balance, whether a payee can be paid, who a payee is.

An unclear response is ``LookupRefused`` with the neutral reason, MTN's own code where it has one, and our sentence.
MTN's sentences are left out: they may repeat the request.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), DOC-TEST its page Sandbox Use Cases.
No source has the responses to a consent that is not given: the codes are those of OpenID's CIBA, or MoMo's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from payments_core.domain.errors import InvalidCurrency, InvalidPayout
from payments_core.domain.money import Currency
from payments_core.domain.payout import Payee, Reason, ReasonCode
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, fill
from payments_core.provider import Balance, Consent, HolderStatus, LookupRefused, Person
from payments_mtn_momo.api import models, results
from payments_mtn_momo.api.call_answers import meaning_for_call
from payments_mtn_momo.api.error_catalog import REASONS, meaning_of_response
from payments_mtn_momo.api.operations import OPERATIONS
from payments_mtn_momo.api.parsing import Body, Shape, read_body, retry_after_s
from payments_mtn_momo.api.payments import check_payee
from payments_mtn_momo.api.requests import CIBA, build, own_secrets
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["SCOPES", "LookupsMixin"]

T = TypeVar("T")

SCOPES = ("profile", "all_info")  # DOC-TEST and MTN's notebook; others are answered 500
_POLL_S = 5.0  # CIBA's own default; MTN's examples say 0
_CODE = re.compile(r"[A-Z_]{2,60}|[a-z_]{2,40}")  # no digit, so no key and no number
_WAITING = ReasonCode.NO_FINAL_ANSWER
_NO_HOLDER = (ReasonCode.PAYEE_NOT_FOUND, "MTN knows no such account holder.")
_OPEN = (_WAITING, "The account holder has not answered yet.")
_DECLINED = (ReasonCode.REJECTED, "The account holder, or MTN, declined.")
_LATE = (ReasonCode.EXPIRED, "The account holder did not answer in time.")
_OVER = (ReasonCode.INVALID_REQUEST, "The consent was used, has ended, or is not known.")

# Where a code about a consent means something else than a payment's.
_CONSENT: Mapping[tuple[str, str], tuple[ReasonCode, str]] = {
    ("bc_authorize", "RESOURCE_NOT_FOUND"): _NO_HOLDER,
    ("bc_authorize", "unknown_user_id"): _NO_HOLDER,
    ("oauth2_token", "authorization_pending"): _OPEN,
    ("oauth2_token", "slow_down"): _OPEN,
    ("oauth2_token", "ONGOING"): _OPEN,
    ("oauth2_token", "access_denied"): _DECLINED,
    ("oauth2_token", "APPROVAL_REJECTED"): _DECLINED,
    ("oauth2_token", "expired_token"): _LATE,
    ("oauth2_token", "EXPIRED"): _LATE,
    ("oauth2_token", "invalid_grant"): _OVER,
    ("oauth2_token", "RESOURCE_NOT_FOUND"): _OVER,
    ("oauth2_token", "RESOURCE_ALREADY_EXIST"): _OVER,
    ("oauth2_token", "login_failed"): (ReasonCode.CREDENTIALS, "The gateway could not log the API user in."),
    ("user_info", "invalid_token"): (ReasonCode.NOT_PERMITTED, "The consent has ended or was taken back."),
    ("user_info", "insufficient_scope"): (ReasonCode.NOT_PERMITTED, "The consent does not cover this."),
    ("user_info", "RESOURCE_NOT_FOUND"): _NO_HOLDER,
    ("basic_user_info", "RESOURCE_NOT_FOUND"): _NO_HOLDER,
}


class LookupsMixin:
    """The lookups of one account; none of them moves money.

    Args:
        settings: The account.

    """

    def __init__(self, settings: MtnMomoSettings) -> None:
        self._settings = settings

    def balances(self, currency: str | None = None) -> HttpFlow[tuple[Balance, ...] | LookupRefused]:
        """Read what the account holds, or what it holds in a currency."""

        def prepare() -> HttpRequest:
            if currency is None:
                return build(self._settings, "balance")
            return build(self._settings, "balance_in", path={"currency": str(Currency(currency))})

        return _query(prepare, lambda response: _balances(response, currency))

    def account_holder(self, payee: Payee) -> HttpFlow[HolderStatus | LookupRefused]:
        """Read whether the payee's wallet is active; a 404 that names the holder is the only "not found"."""
        return _query(lambda: self._about("account_active", payee), _holder_status)

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        """Read who holds the payee's wallet."""
        return _query(lambda: self._about("basic_user_info", payee), _person)

    def ask_consent(self, payee: Payee, scopes: Sequence[str]) -> HttpFlow[Consent | LookupRefused]:
        """Ask the holder of a telephone number to let us read more: ``profile`` or ``all_info``."""

        def prepare() -> HttpRequest:
            check_payee(payee)
            if payee.kind != "msisdn":
                raise InvalidPayout("MTN asks for consent by telephone number only.")
            if not scopes or isinstance(scopes, str):
                raise InvalidPayout(f"No scope is named; MTN knows {' and '.join(SCOPES)}.")
            form = {"login_hint": f"ID:{payee.value}/MSISDN", "scope": " ".join(scopes), "access_type": "online"}
            return build(self._settings, "bc_authorize", form=form)

        return _query(prepare, _consent)

    def _about(self, operation: str, payee: Payee) -> HttpRequest:
        """Return the request about a payee."""
        check_payee(payee)
        return build(self._settings, operation, path={"account_type": payee.kind, "account": payee.value})

    def user_info(self, consent: Consent) -> HttpFlow[Person | LookupRefused]:
        """Read what was consented to: the consent's token first, which it may use up, then the person."""

        def token_request() -> HttpRequest:
            form = {"grant_type": CIBA, "auth_req_id": consent.request_id}
            return fill(build(self._settings, "oauth2_token", form=form), own_secrets(self._settings))

        token = yield from _query(token_request, partial(results.read, models.Oauth2Token))
        if isinstance(token, LookupRefused):
            return _again(token, consent)
        access_token = token.access_token

        def person_request() -> HttpRequest:
            secrets = own_secrets(self._settings) | {"oauth2_token": access_token.get_secret_value()}
            return fill(build(self._settings, "user_info"), secrets)

        return (yield from _query(person_request, _person))


# --- what a response holds -----------------------------------------------------------------------------------------


def _query(prepare: Callable[[], HttpRequest], read: Callable[[HttpResponse], T | None]) -> HttpFlow[T | LookupRefused]:
    """Send one request, and return what its response holds.

    Args:
        prepare: Makes the request, in a frame that ends: of one that waits, an error tracker shows the variables, and
            only the request's repr is masked.
        read: Reads the response; None when it does not understand it.

    """
    try:
        request = prepare()
    except (InvalidCurrency, InvalidPayout) as problem:
        return LookupRefused(reason=Reason(ReasonCode.INVALID_REQUEST, text=problem.message))
    response = yield from exchange(request)
    result = read(response)
    return _refused(request.operation, response) if result is None else result


def _balances(response: HttpResponse, currency: str | None) -> tuple[Balance, ...] | None:
    balance = results.read(models.Balance, response)
    if balance is None:
        return None
    try:
        return (Balance(balance.available_balance, str(Currency(balance.currency or currency or ""))),)
    except InvalidCurrency:  # an amount of an unknown currency
        return None


def _holder_status(response: HttpResponse) -> HolderStatus | None:
    if read_body(response).says_not_found(response.status):  # DOC-TEST
        return HolderStatus.NOT_FOUND
    active = results.read_active(response)
    if active is None:
        return None
    return HolderStatus.ACTIVE if active else HolderStatus.NOT_ACTIVE


def _person(response: HttpResponse) -> Person | None:
    info, details = results.read(models.UserInfo, response), response.json()
    if info is None or not isinstance(details, dict):
        return None
    return Person(name=info.name, given_name=info.given_name, family_name=info.family_name, details=details)


def _consent(response: HttpResponse) -> Consent | None:
    consent = results.read(models.ConsentRequest, response)
    if consent is None:
        return None
    return Consent(
        request_id=consent.auth_req_id,
        poll_every_s=_positive(consent.interval_s) or _POLL_S,
        expires_in_s=_positive(consent.expires_in_s),
    )


def _positive(seconds: float | None) -> float | None:
    return seconds if seconds is not None and seconds > 0 else None


# --- when it holds nothing -----------------------------------------------------------------------------------------


def _refused(operation: str, response: HttpResponse) -> LookupRefused:
    body = read_body(response)
    code = body.code if body.shape in {Shape.MOMO, Shape.TOKEN} and _CODE.fullmatch(body.code) else ""
    row = _CONSENT.get((operation, code))
    reason, text = row or (_neutral(response, body, code), _sentence(operation, response, body))
    if code == "access_denied" and body.text in REASONS:  # not seen: the cause, beside OpenID's code
        reason = REASONS[body.text].reason or reason
    return LookupRefused(
        reason=Reason(reason, code, text),
        http_status=response.status,
        retry_after_s=retry_after_s(response, body) if response.status in {429, 503} else None,
    )


def _neutral(response: HttpResponse, body: Body, code: str) -> ReasonCode:
    """Return the neutral code: what is wrong with us by the table of responses, else by MTN's code or the status."""
    if reason := meaning_of_response(response.status, body).reason:
        return reason
    if code in REASONS:
        return REASONS[code].reason or ReasonCode.UNRECOGNISED
    return ReasonCode.PROVIDER_UNAVAILABLE if response.status in {429, 502, 503, 504} else ReasonCode.UNRECOGNISED


def _sentence(operation: str, response: HttpResponse, body: Body) -> str:
    """Return what the response means, where that is known; the table's other rows are about payments."""
    if response.status in OPERATIONS[operation].success:
        return "MTN's answer says nothing that can be read."
    if row := meaning_for_call(operation, response.status, body):
        return row[1].what
    meaning = meaning_of_response(response.status, body)
    return meaning.what if meaning.money == "no" else ""


_PASSING = frozenset({ReasonCode.PROVIDER_UNAVAILABLE, ReasonCode.PROVIDER_ERROR, _WAITING})


def _again(refused: LookupRefused, consent: Consent) -> LookupRefused:
    """Add when to ask for a consent's token again: while there is no answer, or MTN was not able to give one."""
    if refused.reason.code not in _PASSING:
        return refused
    slower_s = 5.0 if refused.reason.provider_code == "slow_down" else 0.0  # by CIBA
    return replace(refused, retry_after_s=max(refused.retry_after_s or 0.0, consent.poll_every_s + slower_s))
