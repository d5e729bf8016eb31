"""The token of the API user: how it is asked for, and what the token endpoint's responses mean.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), ERR its page Common Error Codes,
COMM-93 an article of the developer community.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pydantic import SecretStr

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, fill
from payments_core.provider import AccountRefused, Credential
from payments_mtn_momo.api.error_catalog import meaning_of_response
from payments_mtn_momo.api.models import TOKEN_LIFE_S, AccessToken
from payments_mtn_momo.api.parsing import Shape, read_body
from payments_mtn_momo.api.requests import build, own_secrets
from payments_mtn_momo.api.results import read
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["is_token_refused", "read_access_token", "read_credential", "read_refusal", "token_request"]

_LONGEST_LIFE_S = 86_400.0
_MARGIN_S = 600.0  # COMM-93: ask for the next one ten minutes before


def token_request(settings: MtnMomoSettings) -> HttpRequest:
    """Return the request for a token; it is never stored, so it carries the secrets themselves."""
    return fill(build(settings, "token"), own_secrets(settings))


def read_access_token(response: HttpResponse) -> AccessToken | None:
    """Return the token; None when the response holds none."""
    token = read(AccessToken, response, renew_at=response.at)
    if token is None or response.status != 200:
        return None
    life_s = min(token.expires_in_s, _LONGEST_LIFE_S) if token.expires_in_s > 0 else TOKEN_LIFE_S
    return replace(token, renew_at=response.at + timedelta(seconds=life_s - min(_MARGIN_S, life_s / 6)))


def read_refusal(response: HttpResponse) -> AccountRefused | None:
    """Return how the token endpoint refused the account; None when it did not."""
    body = read_body(response)
    meaning = meaning_of_response(response.status, body)
    reason = meaning.reason if response.status in {401, 403, 404} else None
    if response.status == 500 and body.code.lower().replace(" ", "_") == "login_failed":  # measured: a wrong key
        reason = ReasonCode.CREDENTIALS
    if response.status == 400 and "x-target-environment" in body.code.lower():  # the newer platform
        reason = ReasonCode.MISCONFIGURED
    if reason is None:
        return None
    advice = f"{meaning.what} {meaning.do}" if body.shape is Shape.TOKEN else ""  # other rows are about payments
    return AccountRefused(Reason(reason, body.code, body.text or advice), http_status=response.status)


def read_credential(response: HttpResponse, subscription_key: SecretStr) -> Credential | AccountRefused:
    """Return what every request carries, or how the account was refused.

    Raises:
        NoAnswer: It is neither a token nor a refusal of ours: worth asking again later.

    """
    if token := read_access_token(response):
        secrets = {"access_token": token.access_token, "subscription_key": subscription_key}
        return Credential(
            secrets={name: secret.get_secret_value() for name, secret in secrets.items()}, expires_at=token.renew_at
        )
    if refused := read_refusal(response):
        return refused
    body = read_body(response)
    what = body.code or ("a page of HTML" if body.shape is Shape.HTML else "no token")
    raise NoAnswer(f"The token endpoint answered {response.status} with {what}.", at=response.at)


def is_token_refused(response: HttpResponse) -> bool:
    """Whether a 401 means the token; the gateway's 401 about the subscription key does not."""
    return response.status == 401 and read_body(response).shape is not Shape.KEY_REFUSED
