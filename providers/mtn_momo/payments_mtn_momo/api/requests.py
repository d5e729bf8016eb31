"""From a row of ``operations`` to a request: the only place that puts addresses and header fields together."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from payments_core.domain.errors import ProviderBug
from payments_core.http.messages import HttpRequest, slot
from payments_mtn_momo.api.operations import OPERATIONS, Auth, Call
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["CIBA", "build", "own_secrets"]

CIBA = "urn:openid:params:grant-type:ciba"  # MTN's own grant type, not the standard's
_KEY = slot("subscription_key")
_AUTHORIZATION: Mapping[Auth, str] = {
    "basic": f"Basic {slot('basic')}",
    "bearer": f"Bearer {slot('access_token')}",
    "oauth2": f"Bearer {slot('oauth2_token')}",
}


def build(
    settings: MtnMomoSettings,
    operation: str,
    *,
    path: Mapping[str, str] | None = None,
    reference: str = "",
    callback_url: str = "",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    form: Mapping[str, str] | None = None,
    auth: Auth | None = None,
) -> HttpRequest:
    """Return a call's request, its secrets as slots.

    The slots are ``subscription_key`` and one of ``basic``, ``access_token`` and ``oauth2_token``. A request that
    speaks with the API user's token carries ``credential=True``: the session fills it. Any other is filled by
    :func:`~payments_core.http.messages.fill`.

    Args:
        settings: Where it goes.
        operation: A name of ``OPERATIONS``.
        path: Values for the names in braces; they are percent-encoded here.
        reference: ``X-Reference-Id``: the id of what the call creates.
        callback_url: ``X-Callback-Url``; left out when empty, as an empty one is refused (seen in the sandbox).
        headers: Further header fields.
        body: JSON text.
        form: Fields of a form, instead of a body.
        auth: Who speaks, where a source allows another than the row's.

    Raises:
        ProviderBug: An operation that does not exist, or a path value that is missing, empty or a dot.

    """
    row = OPERATIONS.get(operation)
    if row is None:
        raise ProviderBug(f"There is no operation {operation!r}; there are: {', '.join(OPERATIONS)}.")
    speaks = auth or row.auth
    fields = {
        "Authorization": _AUTHORIZATION.get(speaks, ""),
        "Ocp-Apim-Subscription-Key": _KEY,
        # On every call, the token too: optional there on the older platform, refused without it on the newer (MIG).
        "X-Target-Environment": "" if row.auth == "none" else settings.target_environment,
        "Content-Type": row.content_type,
        "X-Reference-Id": reference,
        "X-Callback-Url": callback_url,
        **(headers or {}),
    }
    return HttpRequest(
        method=row.method,
        url=f"{settings.base_url}{_path(row, path or {}) if '{' in row.path else row.path}",
        operation=row.name,
        headers={name: value for name, value in fields.items() if value},
        body=body if form is None else urlencode(form, quote_via=quote),
        repeatable=row.retry is not None,
        moves_money=row.moves_money,
        credential=speaks == "bearer",
    )


def _path(row: Call, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        if value.strip(".") == "":  # empty, or a dot segment, which would change the address
            raise ProviderBug(f"Operation {row.name!r} cannot be addressed: {name} is empty or only dots.")
    try:
        return row.path.format_map({name: quote(value, safe="") for name, value in values.items()})
    except KeyError as missing:
        raise ProviderBug(f"Operation {row.name!r} cannot be addressed: {missing} is missing.") from None


def own_secrets(settings: MtnMomoSettings) -> dict[str, str]:
    """Return what the account itself holds, by slot: ``basic`` and ``subscription_key``.

    The pair goes raw into Base64: on the newer platform it holds ``=`` and punctuation, and a URL-encoded one is
    answered 500 there (MIG).
    """
    pair = f"{settings.api_user}:{settings.api_key.get_secret_value()}"
    return {
        "basic": base64.b64encode(pair.encode()).decode(),
        "subscription_key": settings.subscription_key.get_secret_value(),
    }
