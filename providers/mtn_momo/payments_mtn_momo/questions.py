"""What an account can be asked beside payments: its balance, whether a payee can be paid, who a payee is.

An unclear response is ``LookupRefused`` with the neutral reason, MTN's own code where it has one, and our sentence.
MTN's sentences are left out: they may repeat what was asked.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), DOC-TEST its page Sandbox Use Cases.
No source has the answers of a consent that is not given: the words are those of OpenID's CIBA, or MoMo's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from payments_core.domain.errors import InvalidCurrency, InvalidPayout
from payments_core.domain.money import Currency
from payments_core.domain.payout import Payee, Reason, ReasonCode
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import (
    AccountRefused,
    Balance,
    Consent,
    Final,
    HolderStatus,
    LookupRefused,
    NotAccepted,
    Person,
)
from payments_mtn_momo import codec, meanings
from payments_mtn_momo.answers import Body, Shape, read_body, retry_after_s
from payments_mtn_momo.native import bodies, reading
from payments_mtn_momo.native.failures import own_row
from payments_mtn_momo.native.models import Oauth2Token
from payments_mtn_momo.operations import OPERATIONS
from payments_mtn_momo.requests import build, own_secrets, sealed
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["SCOPES", "LookupsMixin"]

T = TypeVar("T")

SCOPES = ("profile", "all_info")  # DOC-TEST and MTN's notebook; others are answered 500
_CIBA = "urn:openid:params:grant-type:ciba"  # MTN's own, not the standard's
_POLL_S = 5.0  # CIBA's own default; MTN's examples say 0
_CODE = re.compile(r"[A-Z_]{2,60}|[a-z_]{2,40}")  # a word: no digit, so no key and no number
_WAITING = ReasonCode.NO_FINAL_ANSWER
_OVER = (ReasonCode.INVALID_REQUEST, "The consent was used, has ended, or is not known.")

# Where a word about a consent means something else than a payment's.
_CONSENT: Mapping[tuple[str, str], tuple[ReasonCode, str]] = {
    ("bc_authorize", "RESOURCE_NOT_FOUND"): (ReasonCode.PAYEE_NOT_FOUND, "MTN knows no such account holder."),
    ("bc_authorize", "unknown_user_id"): (ReasonCode.PAYEE_NOT_FOUND, "MTN knows no such account holder."),
    ("oauth2_token", "authorization_pending"): (_WAITING, "The account holder has not answered yet."),
    ("oauth2_token", "slow_down"): (_WAITING, "The account holder has not answered yet."),
    ("oauth2_token", "ONGOING"): (_WAITING, "The account holder has not answered yet."),
    ("oauth2_token", "access_denied"): (ReasonCode.REJECTED, "The account holder, or MTN, said no."),
    ("oauth2_token", "APPROVAL_REJECTED"): (ReasonCode.REJECTED, "The account holder, or MTN, said no."),
    ("oauth2_token", "expired_token"): (ReasonCode.EXPIRED, "The account holder did not answer in time."),
    ("oauth2_token", "EXPIRED"): (ReasonCode.EXPIRED, "The account holder did not answer in time."),
    ("oauth2_token", "invalid_grant"): _OVER,
    ("oauth2_token", "RESOURCE_NOT_FOUND"): _OVER,
    ("oauth2_token", "RESOURCE_ALREADY_EXIST"): _OVER,
    ("oauth2_token", "login_failed"): (ReasonCode.CREDENTIALS, "The gateway could not log the API user in."),
    ("user_info", "invalid_token"): (ReasonCode.NOT_PERMITTED, "The consent has ended or was taken back."),
    ("user_info", "insufficient_scope"): (ReasonCode.NOT_PERMITTED, "The consent does not cover this."),
    ("user_info", "RESOURCE_NOT_FOUND"): (ReasonCode.PAYEE_NOT_FOUND, "MTN knows no such account holder."),
    ("basic_user_info", "RESOURCE_NOT_FOUND"): (ReasonCode.PAYEE_NOT_FOUND, "MTN knows no such account holder."),
}


class LookupsMixin:
    """The questions of one account; none of them moves money.

    Args:
        settings: The account.

    """

    def __init__(self, settings: MtnMomoSettings) -> None:
        self._settings = settings

    def balances(self, currency: str | None = None) -> HttpFlow[tuple[Balance, ...] | LookupRefused]:
        """Ask what the account holds, or what it holds in a currency."""
        request = build(self._settings, "balance")
        if currency is not None:
            try:
                request = build(self._settings, "balance_in", path={"currency": str(Currency(currency))})
            except InvalidCurrency as problem:
                return _not_asked(problem.message)
        return (yield from _ask(request, lambda answer: _balances(answer, currency)))

    def account_holder(self, payee: Payee) -> HttpFlow[HolderStatus | LookupRefused]:
        """Ask whether the payee's wallet is active; a 404 that names the holder is the only "not found"."""
        request = self._about("account_active", payee)
        return request if isinstance(request, LookupRefused) else (yield from _ask(request, _holder_status))

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        """Ask who holds the payee's wallet."""
        request = self._about("basic_user_info", payee)
        return request if isinstance(request, LookupRefused) else (yield from _ask(request, _person))

    def ask_consent(self, payee: Payee, scopes: Sequence[str]) -> HttpFlow[Consent | LookupRefused]:
        """Ask the holder of a telephone number to let us read more: ``profile`` or ``all_info``."""
        request = self._for_consent(payee, scopes)
        return request if isinstance(request, LookupRefused) else (yield from _ask(request, _consent))

    # A request is built in a frame that ends: of one that waits, an error tracker shows the variables, and only the
    # request's repr is masked.

    def _about(self, operation: str, payee: Payee) -> HttpRequest | LookupRefused:
        """Return the question about a payee."""
        path = _holder(payee)
        return path if isinstance(path, LookupRefused) else build(self._settings, operation, path=path)

    def _for_consent(self, payee: Payee, scopes: Sequence[str]) -> HttpRequest | LookupRefused:
        """Return the question for a payee's consent."""
        path = _holder(payee)
        if isinstance(path, LookupRefused):
            return path
        if payee.kind != "msisdn":
            return _not_asked("MTN asks for consent by telephone number only.")
        if not scopes or isinstance(scopes, str):
            return _not_asked(f"No scope is named; MTN knows {' and '.join(SCOPES)}.")
        form = {"login_hint": f"ID:{path['account']}/MSISDN", "scope": " ".join(scopes), "access_type": "online"}
        return build(self._settings, "bc_authorize", form=form)

    def user_info(self, consent: Consent) -> HttpFlow[Person | LookupRefused]:
        """Ask for what was consented to: the consent's token first, which it may use up, then the person."""
        # Secrets are opened in passing: a variable of this frame would be in every error tracker's report.
        request = build(self._settings, "oauth2_token", form={"grant_type": _CIBA, "auth_req_id": consent.request_id})
        token = yield from _ask(sealed(request, own_secrets(self._settings)), _token)
        if isinstance(token, LookupRefused):
            return _again(token, consent)
        request = sealed(
            build(self._settings, "user_info"),
            own_secrets(self._settings) | {"oauth2_token": token.access_token.get_secret_value()},
        )
        return (yield from _ask(request, _person))


# --- what an answer says -------------------------------------------------------------------------------------------


def _ask(request: HttpRequest, read: Callable[[HttpResponse], T | None]) -> HttpFlow[T | LookupRefused]:
    """Ask once and return what the answer says, as far as ``read`` understands it."""
    answer = yield from exchange(request)
    found = read(answer)
    return _lookup_refused(request.operation, answer) if found is None else found


def _balances(answer: HttpResponse, asked: str | None) -> tuple[Balance, ...] | None:
    found = reading.read_balance(answer) if answer.status == 200 else None
    if found is None or found.available_balance is None:
        return None
    try:
        return (Balance(found.available_balance, str(Currency(found.currency or asked or ""))),)
    except InvalidCurrency:  # an amount of nobody knows what
        return None


def _holder_status(answer: HttpResponse) -> HolderStatus | None:
    body = read_body(answer)
    if answer.status == 404 and body.shape is Shape.MOMO and body.code == "RESOURCE_NOT_FOUND":  # DOC-TEST
        return HolderStatus.NOT_FOUND
    active = reading.read_active(answer) if answer.status == 200 else None
    if active is None:
        return None
    return HolderStatus.ACTIVE if active else HolderStatus.NOT_ACTIVE


def _person(answer: HttpResponse) -> Person | None:
    found = reading.read_basic_user_info(answer) if answer.status == 200 else None
    details = answer.json()
    if found is None or not isinstance(details, dict):
        return None
    return Person(name=found.name, given_name=found.given_name, family_name=found.family_name, details=details)


def _consent(answer: HttpResponse) -> Consent | None:
    found = reading.read_consent_request(answer) if answer.status == 200 else None
    if found is None:
        return None
    return Consent(
        request_id=found.auth_req_id,
        poll_every_s=_positive(found.interval_s) or _POLL_S,
        expires_in_s=_positive(found.expires_in_s),
    )


def _positive(seconds: float | None) -> float | None:
    return seconds if seconds is not None and seconds > 0 else None


def _token(answer: HttpResponse) -> Oauth2Token | None:
    return reading.read_oauth2_token(answer) if answer.status == 200 else None


# --- when it says nothing ------------------------------------------------------------------------------------------


def _holder(payee: Payee) -> dict[str, str] | LookupRefused:
    """Return whom a question is about, as the path wants it."""
    try:
        found = bodies.party_of(payee)
    except InvalidPayout as problem:
        return _not_asked(problem.message)
    return {"account_type": found.kind, "account": found.value}


def _not_asked(why: str) -> LookupRefused:
    return LookupRefused(reason=Reason(ReasonCode.INVALID_REQUEST, text=why))


def _lookup_refused(operation: str, answer: HttpResponse) -> LookupRefused:
    body = read_body(answer)
    word = body.code if body.shape in {Shape.MOMO, Shape.TOKEN} and _CODE.fullmatch(body.code) else ""
    code, text = _CONSENT.get((operation, word)) or (_code(answer, word), _sentence(operation, answer, body))
    if word == "access_denied" and body.text in codec.REASONS:  # seen nowhere: why, beside OpenID's word
        code = codec.REASONS[body.text][0]
    return LookupRefused(
        reason=Reason(code, word, text),
        http_status=answer.status,
        retry_after_s=retry_after_s(answer, body) if answer.status in {429, 503} else None,
    )


def _code(answer: HttpResponse, word: str) -> ReasonCode:
    """Return the neutral code: what is wrong with us by the table of payments, else by MTN's word or its status."""
    match codec.read_submitted(answer):
        case AccountRefused(reason=reason) | Final(reason=Reason() as reason):
            return reason.code
        case NotAccepted(blocks_if_repeated=Reason() as reason):
            return reason.code
        case _ if word in codec.REASONS:
            return codec.REASONS[word][0]
        case _:
            unavailable = answer.status in {429, 502, 503, 504}
            return ReasonCode.PROVIDER_UNAVAILABLE if unavailable else ReasonCode.UNRECOGNISED


def _sentence(operation: str, answer: HttpResponse, body: Body) -> str:
    """Return what the answer means, where that is known; the table's other rows are about payments."""
    if answer.status in OPERATIONS[operation].success:
        return "MTN's answer says nothing that can be read."
    if row := own_row(operation, answer, body):
        return row[1].what
    meaning = meanings.of_answer(answer.status, body)
    return meaning.what if meaning.money == "no" else ""


_PASSING = frozenset({ReasonCode.PROVIDER_UNAVAILABLE, ReasonCode.PROVIDER_ERROR, _WAITING})


def _again(told: LookupRefused, consent: Consent) -> LookupRefused:
    """Say when asking for a consent's token again is worth it: while nobody has answered, or MTN could not."""
    if told.reason.code not in _PASSING:
        return told
    slower = 5.0 if told.reason.provider_code == "slow_down" else 0.0  # so says CIBA
    return replace(told, retry_after_s=max(told.retry_after_s or 0.0, consent.poll_every_s + slower))
