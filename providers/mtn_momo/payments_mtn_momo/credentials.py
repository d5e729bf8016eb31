"""The token endpoint: what is asked, and what its answers mean."""

from __future__ import annotations

from datetime import timedelta

from payments_core.domain.payout import Reason, ReasonCode
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer
from payments_core.http.parsing import number
from payments_core.provider import AccountRefused, Credential
from payments_mtn_momo import meanings
from payments_mtn_momo.answers import Body, Shape, read_body
from payments_mtn_momo.requests import build, own_secrets, sealed
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["ask_for_token", "fill_secrets", "is_token_refused", "read_token"]

_LIFE_S = 3600.0  # SPEC and every recorded answer; assumed where the answer does not say
_LONGEST_LIFE_S = 86_400.0
_MARGIN_S = 600.0  # COMM-93: ask for the next one ten minutes before


def ask_for_token(settings: MtnMomoSettings) -> HttpRequest:
    """Return the request for a token; it is never stored, so it carries the secrets themselves."""
    return sealed(build(settings, "token"), own_secrets(settings))


def read_token(response: HttpResponse, settings: MtnMomoSettings) -> Credential | AccountRefused:
    """Say what the answer of the token endpoint means.

    Raises:
        NoAnswer: It is neither a token nor a refusal of ours: worth asking again later.

    """
    body = read_body(response)
    token = body.fields.get("access_token")
    if response.status == 200 and isinstance(token, str) and token and token.isascii() and token.isprintable():
        life_s = _life_s(body.fields.get("expires_in"))
        return Credential(
            secrets={"access_token": token, "subscription_key": settings.subscription_key.get_secret_value()},
            expires_at=response.at + timedelta(seconds=life_s - min(_MARGIN_S, life_s / 6)),
        )
    if code := _refusal(response.status, body):
        meaning = meanings.of_answer(response.status, body)
        ours = f"{meaning.what} {meaning.do}" if body.shape is Shape.TOKEN else ""  # other rows are about payments
        return AccountRefused(Reason(code, body.code, body.text or ours), http_status=response.status)
    said = body.code or ("a page of HTML" if body.shape is Shape.HTML else "no token")
    raise NoAnswer(f"The token endpoint answered {response.status} with {said}.", at=response.at)


def _refusal(status: int, body: Body) -> ReasonCode | None:
    match status:
        case 401:  # SPEC {"error": …}; the gateway for the subscription key; invalid_client on the newer platform
            return ReasonCode.CREDENTIALS
        case 500 if body.code.lower().replace(" ", "_") == "login_failed":  # measured in the sandbox for a wrong key
            return ReasonCode.CREDENTIALS
        case 400 if "x-target-environment" in body.code.lower():  # the newer platform
            return ReasonCode.MISCONFIGURED
        case 403:  # the firewall, or an address that is not allowed
            return ReasonCode.NOT_PERMITTED
        case 404 if body.shape is Shape.GATEWAY:  # ERR: wrong address
            return ReasonCode.MISCONFIGURED
        case _:
            return None


def _life_s(expires_in: object) -> float:
    told = number(expires_in)
    return min(float(told), _LONGEST_LIFE_S) if told is not None and told > 0 else _LIFE_S


def fill_secrets(request: HttpRequest, credential: Credential) -> HttpRequest:
    """Return the request with token and subscription key in their slots, hidden from its repr."""
    return sealed(request, credential.secrets)


def is_token_refused(response: HttpResponse) -> bool:
    """Say whether a 401 means the token; the gateway's 401 about the subscription key does not."""
    return response.status == 401 and read_body(response).shape is not Shape.KEY_REFUSED
