"""From a response to the typed value it holds: nothing that comes in raises, and nothing is thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import number, text_of
from payments_mtn_momo.api.codec import read_reason
from payments_mtn_momo.api.models import Address, Party, StatusReason
from payments_mtn_momo.api.parsing import read_body

__all__ = ["is_true", "read", "read_active", "sendable_secret"]

_LONGEST = 4096
M = TypeVar("M")

# MTN's name of a field where it is neither ours nor ours in camel case; a unit is ours.
_NAMES: Mapping[str, str] = {
    "interval_s": "interval",
    "expires_in_s": "expires_in",
    "refresh_token_expires_in_s": "refresh_token_expired_in",  # so spelt by MTN
}


def read(model: Callable[..., M], response: HttpResponse, **known: Any) -> M | None:
    """Return the value in a success; None when it lacks a field that the model cannot be without.

    Args:
        model: A dataclass of ``models``. A field that is not taken, or cannot be read, goes into its ``extra``.
        response: The response; an error holds no value.
        known: Values that do not come from the response.

    """
    sent = read_body(response).fields if response.status in {200, 201} else {}
    return _build(model, sent, **known) if sent else None


def _build(model: Callable[..., M], sent: Mapping[str, Any], **known: Any) -> M | None:
    left, values = dict(sent), dict(known)
    for field in fields(cast("Any", model)):
        if field.name in known or field.name == "extra":
            continue
        name = _name(field.name, left)
        value = _READERS[str(field.type)](left.get(name))
        if value is not None or left.get(name) is None:
            left.pop(name, None)
        if value is not None:
            values[field.name] = value
        elif field.default is MISSING:
            return None
    return model(**values, extra=left)


def _name(name: str, sent: Mapping[str, Any]) -> str:
    if name in _NAMES:
        return _NAMES[name]
    first, *others = name.split("_")
    camel = first + "".join(part.title() for part in others)
    return name if name in sent else camel


def read_active(response: HttpResponse) -> bool | None:
    """Read whether an account holder is active: ``{"result": true}``, or bare true or false."""
    if response.status not in {200, 201}:
        return None
    active = is_true(read_body(response).fields.get("result"))
    return is_true(response.text) if active is None else active


def is_true(value: object) -> bool | None:
    """Return true or false, also written as text; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def sendable_secret(value: object) -> SecretStr | None:
    """Return text that fits into a header field as a secret; None for anything else."""
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        return None
    return SecretStr(value) if value == value.strip() else None


def _text(value: object) -> str | None:
    return text_of(value, limit=_LONGEST) or None


def _seconds(value: object) -> float | None:
    seconds = number(value)
    return None if seconds is None else float(seconds)


def _moment(value: object) -> datetime | None:
    """Read seconds since 1970, or ISO 8601."""
    seconds = number(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(float(seconds), UTC)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _party(value: object) -> Party | None:
    party = Party(text_of(value.get("partyIdType")), text_of(value.get("partyId"))) if isinstance(value, dict) else None
    return party if party and party.value else None


def _reason(value: object) -> StatusReason | None:
    code, message = read_reason(value)
    return StatusReason(code, message) if code or message else None


def _address(value: object) -> Address | None:
    """Read an object (as in responses), or text (SPEC)."""
    if isinstance(value, dict):
        return _build(Address, value)
    return Address(formatted=value) if isinstance(value, str) else None


_READERS: Mapping[str, Callable[[object], Any]] = {
    "str": _text,
    "bool | None": is_true,
    "float": _seconds,
    "float | None": _seconds,
    "Decimal": number,
    "Decimal | None": number,
    "datetime | None": _moment,
    "SecretStr": sendable_secret,
    "SecretStr | None": sendable_secret,
    "Party | None": _party,
    "StatusReason | None": _reason,
    "Address | None": _address,
}
