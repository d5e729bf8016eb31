"""Checks of an account that move no money: three requests, and its settings.

Sources: ERR is the portal's page Common Error Codes, MK the measurements of a client of sandbox and production, MIG the
public notes of a client that moved to the newer platform, SDK-JAVA the live tests of MTN's Java library.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from payments_core.domain.masking import scrub
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, fill
from payments_core.provider import Finding
from payments_mtn_momo.api import results
from payments_mtn_momo.api.error_catalog import REASONS, Effect, meaning_of_response
from payments_mtn_momo.api.models import ApiUser, Balance
from payments_mtn_momo.api.parsing import Body, Shape, read_body
from payments_mtn_momo.api.requests import build, own_secrets
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["PROBE", "diagnose"]

PROBE = "payouts-doctor"  # no UUID, so no reference: MTN answers 400 to it (ERR)
_REACH = "See that this server reaches the gateway and that the account's credentials are good."
_NOT_KNOWN = "Nothing is known to be wrong; run it again."


def diagnose(settings: MtnMomoSettings) -> HttpFlow[tuple[Finding, ...]]:
    """Look at platform, target environment and currency, callback host, and the permission to pay."""
    found = [_platform(settings)]
    found.append((yield from _environment(settings)))
    found += yield from _callback_host(settings)
    found.append((yield from _permission(settings)))
    return tuple(found)


def _query(request: HttpRequest, settings: MtnMomoSettings) -> HttpFlow[HttpResponse | str]:
    """Return the response, or why there is none."""
    try:
        return (yield from exchange(request))
    except (NotSent, NoAnswer) as ended:
        why = ended.why
        for secret in (settings.api_key.get_secret_value(), *own_secrets(settings).values()):
            why = why.replace(secret, "***")  # a refused login may have repeated what it was sent
        return scrub(why)


def _platform(settings: MtnMomoSettings) -> Finding:
    what, says = "platform", f"{settings.platform} at {settings.host}"
    if settings.platform == "legacy":  # MIG
        hint = (
            'MTN moves accounts to momoapi.momo.africa. When it moves this one, set platform = "momo_africa" with the '
            "user and token it gives you, and keep this identity under retired until its payouts have come to an end."
        )
        return Finding("ok", what, says, hint)
    if settings.platform == "momo_africa":
        hint = "What was sent through proxy.momoapi.mtn.com is read only there: keep that identity under retired."
        return Finding("ok", what, says, "" if settings.retired else hint)
    return Finding("ok", what, f"{says}; play money")


# --- target environment and currency -------------------------------------------------------------------------------


def _environment(settings: MtnMomoSettings) -> HttpFlow[Finding]:
    what, target = "target environment", settings.target_environment
    response = yield from _query(build(settings, "balance"), settings)
    if isinstance(response, str):
        return Finding("wrong", what, f"the balance could not be asked for: {response}", _REACH)
    balance = results.read(Balance, response)
    if balance is not None and balance.currency == settings.currency:
        says = f"{target} knows the account, and its balance is in {balance.currency}, as it should be"
        return Finding("ok", what, says)
    if balance is not None and balance.currency:
        return Finding(
            "wrong",
            what,
            f"the balance is in {scrub(balance.currency, limit=20)}, and the account pays in {settings.currency}",
            "MTN would refuse every payment. Ask it which currency the wallet has, and compare target_environment.",
        )
    body = read_body(response)
    seen = f"{target} did not return its balance ({_answered(response, body)})"
    failed = response.status >= 500 or response.status == 404
    if not settings.target.is_live and body.shape is Shape.MOMO and failed:  # measured by three clients
        hint = "The sandbox answers balances with errors as it likes; by itself that is nothing."
        if body.code == "NOT_ALLOWED_TARGET_ENVIRONMENT":
            hint = f"{hint} If payments say the same, {_OTHER_PRODUCT}"
        return Finding("note", what, seen, hint)
    return _refused(what, seen, response, body) or Finding("note", what, seen, _NOT_KNOWN)


_OTHER_PRODUCT = (
    "the API user was made under another product's subscription key: make one under the Disbursements key, for example "
    "with `payouts mtn_momo provision`."
)


# --- where MTN may call back ---------------------------------------------------------------------------------------


def _callback_host(settings: MtnMomoSettings) -> HttpFlow[list[Finding]]:
    what, ours = "callback host", settings.callback_host or (urlsplit(settings.callback_url).hostname or "")
    if settings.target.is_live:
        if not settings.callback_url:
            return []
        says = f"callbacks go to {ours}; the host registered for the API user cannot be read here"
        hint = "Compare them in the partner portal: were they not the same, MTN would refuse every payment."
        return [Finding("note", what, says, hint)]
    request = build(settings, "get_api_user", path={"api_user": settings.api_user})
    response = yield from _query(fill(request, own_secrets(settings)), settings)
    if isinstance(response, str):
        return [Finding("note", what, f"the registered host could not be read: {response}", _NOT_KNOWN)]
    user = results.read(ApiUser, response, api_user=settings.api_user)
    if user is None:
        seen = _answered(response, read_body(response))
        return [Finding("note", what, f"the sandbox did not return the registered host ({seen})", _NOT_KNOWN)]
    theirs = scrub(user.provider_callback_host, limit=100)
    if not theirs:
        return [Finding("ok" if not ours else "note", what, "none is registered")]
    if not ours or theirs.lower() == ours:
        return [Finding("ok", what, f"registered is {theirs}")]
    # MK: a mismatch is 500 INVALID_CALLBACK_URL_HOST and no payment; without X-Callback-Url it does not matter.
    return [
        Finding(
            "wrong" if settings.callback_url else "note",
            what,
            f"registered is {theirs}, and the account has {ours}: with it MTN refuses every payment",
            "A registered host cannot be changed: make another API user with `payouts mtn_momo provision`, or take "
            "callback_url and callback_host out.",
        )
    ]


# --- the permission to pay -----------------------------------------------------------------------------------------


def _probe(settings: MtnMomoSettings) -> HttpRequest:
    """Return a POST that can never pay: it names no payee and no amount, and its reference is none.

    A 403 is said before the body is read (MK); a reference that is no UUID (ERR) and an empty object (SDK-JAVA) are
    each answered 400. It is sent once, and no payment's name stands in the logs for it.
    """
    return replace(
        build(settings, "transfer", reference=PROBE, body="{}"),
        operation="permission_probe",
        moves_money=False,
        repeatable=False,
    )


def _permission(settings: MtnMomoSettings) -> HttpFlow[Finding]:
    what = "permission to pay"
    response = yield from _query(_probe(settings), settings)
    if isinstance(response, str):
        return Finding("note", what, f"it could not be asked for: {response}", _REACH)
    body = read_body(response)
    seen = _answered(response, body)
    if 200 <= response.status < 300:
        return Finding(
            "wrong",
            what,
            f"MTN TOOK A PAYMENT THAT CANNOT BE ONE ({seen}): no payee, no amount, no reference",
            f"Pause the account, pay nothing from it, and ask MTN what it made of the X-Reference-Id {PROBE!r}.",
        )
    if response.status == 400 and body.shape not in {Shape.HTML, Shape.GATEWAY}:
        says = "MTN takes payments from here: a request that can pay nobody was refused for its form only"
        return Finding("ok", what, says)
    if response.status == 403:
        return Finding(
            "wrong",
            what,
            f"MTN does not let this account pay from here ({seen})",
            "Reads may work all the same. Ask MTN to allow this server's public address for Disbursements and to "
            "authorise the account for payments; a page of HTML is its firewall's.",
        )
    return _refused(what, f"a payment would be refused ({seen})", response, body) or Finding(
        "note", what, f"it is not known ({seen})", _NOT_KNOWN
    )


def _refused(what: str, seen: str, response: HttpResponse, body: Body) -> Finding | None:
    """Return what is wrong where the response proves that it is something of ours."""
    meaning = meaning_of_response(response.status, body)
    if meaning.effect is not Effect.ACCOUNT_REFUSED:
        return None
    return Finding("wrong", what, f"{seen}: {meaning.what}", meaning.do)


def _answered(response: HttpResponse, body: Body) -> str:
    code = body.momo_code if body.momo_code in REASONS else ""
    return f"HTTP {response.status} {code}".rstrip()
