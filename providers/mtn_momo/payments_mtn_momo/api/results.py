"""From a response to the typed value it holds: nothing that comes in raises, and nothing is thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import number, text_of
from payments_mtn_momo.api.codec import read_reason
from payments_mtn_momo.api.models import (
    Address,
    ApiKey,
    ApiUser,
    Balance,
    BasicUserInfo,
    ConsentRequest,
    Oauth2Token,
    Party,
    PaymentStatus,
    StatusReason,
    UserInfo,
)
from payments_mtn_momo.api.parsing import read_body

__all__ = [
    "is_true",
    "read_active",
    "read_api_key",
    "read_api_user",
    "read_balance",
    "read_basic_user_info",
    "read_consent_request",
    "read_oauth2_token",
    "read_payment",
    "read_user_info",
    "sendable_secret",
]

_LONGEST = 4096
M = TypeVar("M")
T = TypeVar("T")


class Fields:
    """The fields of a response, taken one by one; what is not taken, or cannot be read, is left."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.left = dict(fields)

    def taken(self, name: str, value: T | None) -> T | None:
        """Return a value, and take its field unless it was not understood."""
        if value is not None or self.left.get(name) is None:
            self.left.pop(name, None)
        return value

    def text(self, name: str) -> str:
        """Take a text, or a number as text; empty when there is none."""
        return self.taken(name, text_of(self.left.get(name), limit=_LONGEST) or None) or ""

    def number(self, name: str) -> Decimal | None:
        """Take a number, or text that is one."""
        return self.taken(name, number(self.left.get(name)))

    def seconds(self, name: str) -> float | None:
        """Take a duration in seconds."""
        value = self.number(name)
        return None if value is None else float(value)

    def flag(self, name: str) -> bool | None:
        """Take true or false, also written as text."""
        return self.taken(name, is_true(self.left.get(name)))

    def moment(self, name: str) -> datetime | None:
        """Take a moment written as seconds since 1970, or as ISO 8601."""
        return self.taken(name, _moment(self.left.get(name)))

    def secret(self, name: str) -> SecretStr | None:
        """Take a secret that fits into a header field or a form."""
        return self.taken(name, sendable_secret(self.left.get(name)))


def _moment(value: object) -> datetime | None:
    seconds = number(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(float(seconds), UTC)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def is_true(value: object) -> bool | None:
    """Return true or false, also written as text; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def sendable_secret(value: object) -> SecretStr | None:
    """Return text that fits into a header field as a secret; None for anything else."""
    good = isinstance(value, str) and value and value.isascii() and value.isprintable() and value == value.strip()
    return SecretStr(value) if good and isinstance(value, str) else None


def _fields(response: HttpResponse) -> Fields:
    """Return the fields of a success; an error holds no value."""
    return Fields(read_body(response).fields if response.status in {200, 201} else {})


# --- a model from its fields, each read by its type ------------------------------------------------------------------

# MTN's name of a field where it is neither ours nor ours in camel case; a unit is ours.
_NAMES: Mapping[str, str] = {
    "interval_s": "interval",
    "expires_in_s": "expires_in",
    "refresh_token_expires_in_s": "refresh_token_expired_in",  # so spelt by MTN
}


def _build(model: Callable[..., M], source: Fields, **known: Any) -> M:
    """Return a model; what none of its fields takes goes into ``extra``.

    Args:
        model: A dataclass with a field ``extra``.
        source: The response's fields.
        known: Values that do not come from the response.

    """
    values = {
        one.name: _READERS[str(one.type)](source, _name(one.name, source))
        for one in dataclass_fields(cast("Any", model))
        if one.name not in known and one.name != "extra"
    }
    return model(**known, **values, extra=source.left)


def _name(name: str, source: Fields) -> str:
    if name in _NAMES:
        return _NAMES[name]
    first, *others = name.split("_")
    camel = first + "".join(part.title() for part in others)
    return name if name in source.left else camel


def _party(source: Fields, name: str) -> Party | None:
    value = source.left.get(name)
    party = Party(text_of(value.get("partyIdType")), text_of(value.get("partyId"))) if isinstance(value, dict) else None
    return source.taken(name, party if party and party.value else None)


def _reason(source: Fields, name: str) -> StatusReason | None:
    code, message = read_reason(source.left.get(name))
    return source.taken(name, StatusReason(code, message) if code or message else None)


def _address(source: Fields, name: str) -> Address | None:
    """Read an object (as in responses), or text (SPEC)."""
    value = source.left.get(name)
    if isinstance(value, dict):
        return source.taken(name, _build(Address, Fields(value)))
    return source.taken(name, Address(formatted=value) if isinstance(value, str) else None)


_READERS: Mapping[str, Callable[[Fields, str], Any]] = {
    "str": Fields.text,
    "bool | None": Fields.flag,
    "float | None": Fields.seconds,
    "Decimal": Fields.number,
    "Decimal | None": Fields.number,
    "datetime | None": Fields.moment,
    "SecretStr": Fields.secret,
    "SecretStr | None": Fields.secret,
    "Party | None": _party,
    "StatusReason | None": _reason,
    "Address | None": _address,
}


# --- what each call returns; None when the response does not hold it -------------------------------------------------


def read_payment(response: HttpResponse, *, reference: str) -> PaymentStatus | None:
    """Read the status of a payment."""
    status = _build(PaymentStatus, _fields(response), reference=reference)
    return status if status.status else None


def read_balance(response: HttpResponse) -> Balance | None:
    """Read a balance."""
    fields = _fields(response)
    return None if number(fields.left.get("availableBalance")) is None else _build(Balance, fields)


def read_active(response: HttpResponse) -> bool | None:
    """Read whether an account holder is active: ``{"result": true}``, or bare true or false."""
    active = is_true(_fields(response).left.get("result"))
    return is_true(response.text) if active is None and response.status == 200 else active


def read_basic_user_info(response: HttpResponse) -> BasicUserInfo | None:
    """Read the name of an account holder."""
    fields = _fields(response)
    return _build(BasicUserInfo, fields) if fields.left else None


def read_user_info(response: HttpResponse) -> UserInfo | None:
    """Read an account holder's information."""
    fields = _fields(response)
    return _build(UserInfo, fields) if fields.left else None


def read_consent_request(response: HttpResponse) -> ConsentRequest | None:
    """Read a request for consent that was taken."""
    request = _build(ConsentRequest, _fields(response))
    return request if request.auth_req_id else None


def read_oauth2_token(response: HttpResponse) -> Oauth2Token | None:
    """Read a consent's token."""
    fields = _fields(response)
    return None if sendable_secret(fields.left.get("access_token")) is None else _build(Oauth2Token, fields)


def read_api_key(response: HttpResponse, *, api_user: str) -> ApiKey | None:
    """Read a new key."""
    key = _fields(response).secret("apiKey")
    return None if key is None else ApiKey(api_user, key)


def read_api_user(response: HttpResponse, *, api_user: str) -> ApiUser | None:
    """Read a user of the sandbox."""
    fields = _fields(response)
    return _build(ApiUser, fields, api_user=api_user) if fields.left else None
