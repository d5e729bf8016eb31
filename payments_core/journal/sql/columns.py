"""Between columns and values: times as microseconds, amounts as text, mappings as compact JSON."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeVar

from payments_core.domain.causes import PausedBy
from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.errors import JournalDamaged, PaymentsError
from payments_core.domain.payout import HistoryEntry, Operation, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Approval, EndedAttempt, Pause, PayoutRecord

__all__ = [
    "ATTEMPT_COLUMNS",
    "COLUMNS",
    "HISTORY_COLUMNS",
    "checked",
    "from_us",
    "read_approval",
    "read_attempt",
    "read_contradiction",
    "read_counts",
    "read_history",
    "read_pause",
    "read_reason",
    "read_row",
    "to_us",
    "write_contradiction",
    "write_contradictions",
    "write_json",
    "write_reason",
    "write_row",
]

A = TypeVar("A")
T = TypeVar("T")

COLUMNS: tuple[str, ...] = tuple(column.name for column in dataclasses.fields(PayoutRecord))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Made once: json.dumps would make an encoder for every call.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970, exactly; a moment without a time zone is a ``TypeError``."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the moment, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def write_json(mapping: Mapping[str, Any]) -> str:
    """Return compact JSON that every store accepts, whatever is in it: evidence must never stop a transition.

    A value that JSON does not know is written as text, half a character as an escape.
    """
    return _dump(dict(mapping)) if mapping else "{}"


def _read_json(text: str) -> dict[str, Any]:
    mapping: dict[str, Any] = {} if text == "{}" else json.loads(text)
    return mapping


def checked(read: Callable[[A], T]) -> Callable[[A], T]:
    """Let a reader raise ``JournalDamaged`` for values that this library cannot have written."""

    @functools.wraps(read)
    def call(stored: A) -> T:
        try:
            return read(stored)
        except (ValueError, TypeError, LookupError, ArithmeticError, PaymentsError) as error:
            kind = type(error).__name__
        raise JournalDamaged(  # outside of the except block: the error may hold what is stored
            f"What the journal holds makes no sense ({kind}): it is not as it was written.",
            hint="Stop every paying process: `payouts journal verify` says of which payout. Then restore a backup.",
        )

    return call


_REASON = tuple(column.name for column in dataclasses.fields(Reason))


def write_reason(reason: Reason) -> str:
    """Return a reason as JSON."""
    return write_json({name: getattr(reason, name) for name in _REASON})


def read_reason(text: str) -> Reason:
    """Read a reason back."""
    fields = json.loads(text)
    return Reason(**fields | {"code": ReasonCode(fields["code"])})


def _dump(value: Any) -> str:
    text = _encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=str)
    return text


def _contradiction_fields(contradiction: Contradiction) -> dict[str, Any]:
    fields = dataclasses.asdict(contradiction)
    return fields | {name: None if fields[name] is None else to_us(fields[name]) for name in ("at", "acknowledged_at")}


def _contradiction(fields: Mapping[str, Any]) -> Contradiction:
    at, acknowledged_at = fields["at"], fields["acknowledged_at"]
    times = {"at": from_us(at), "acknowledged_at": None if acknowledged_at is None else from_us(acknowledged_at)}
    return Contradiction(**{**fields, **times, "provider_status": ProviderStatus(fields["provider_status"])})


def write_contradiction(contradiction: Contradiction) -> str:
    """Return a contradiction as JSON."""
    return write_json(_contradiction_fields(contradiction))


def read_contradiction(text: str) -> Contradiction:
    """Read a contradiction back."""
    return _contradiction(json.loads(text))


def write_contradictions(contradictions: Sequence[Contradiction]) -> str:
    """Return contradictions as a JSON list."""
    return _dump([_contradiction_fields(one) for one in contradictions]) if contradictions else "[]"


def _read_contradictions(text: str) -> tuple[Contradiction, ...]:
    return () if text == "[]" else tuple(map(_contradiction, json.loads(text)))


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]

# Columns that are not stored as they are; None is NULL in all of them.
_CODECS: Mapping[str, Codec] = {
    "operation": (str, Operation),
    "status": (str, PayoutStatus),
    "currency": (str, str),
    "amount": ("{:f}".format, Decimal),
    "original_amount": ("{:f}".format, Decimal),
    "reason": (write_reason, read_reason),
    "contradictions": (write_contradictions, _read_contradictions),
    **dict.fromkeys(("payee_details", "options", "binding", "references", "evidence"), (write_json, _read_json)),
    **dict.fromkeys(("ambiguous", "guards_passed", "duplicate_unverified", "refused", "absence_attested"), (int, bool)),
    **dict.fromkeys(
        (
            "not_before",
            "expires_at",
            "first_sent_at",
            "sent_at",
            "first_not_found_at",
            "reopened_at",
            "read_at",
            "callback_read_at",
            "lease_until",
            "next_at",
            "created_at",
            "updated_at",
            "erased_at",
            "contradicted_at",
            "ended_at",
            "at",
        ),
        (to_us, from_us),
    ),
}


def _coded(names: Iterable[str]) -> tuple[tuple[int, Callable[[Any], Any], Callable[[Any], Any]], ...]:
    return tuple((place, *_CODECS[name]) for place, name in enumerate(names) if name in _CODECS)


def _reader(kind: Callable[..., T], names: Sequence[str], doc: str) -> Callable[[Iterable[Any]], T]:
    """Return what reads the columns of these names as fields of a value."""
    coded = _coded(names)

    @checked
    def read(stored: Iterable[Any]) -> T:
        values = list(stored)
        for place, _, decode in coded:
            if values[place] is not None:
                values[place] = decode(values[place])
        return kind(**dict(zip(names, values, strict=True)))

    read.__doc__ = doc
    return read


def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(column.name for column in dataclasses.fields(kind))


_ROW = _coded(COLUMNS)
_values = attrgetter(*COLUMNS)
HISTORY_COLUMNS, ATTEMPT_COLUMNS = _names(HistoryEntry), _names(EndedAttempt)

read_row = _reader(PayoutRecord, COLUMNS, "Read a record from values in the order of its columns.")
read_history = _reader(HistoryEntry, HISTORY_COLUMNS, "Read a history entry.")
read_attempt = _reader(EndedAttempt, ATTEMPT_COLUMNS, "Read an attempt that ended.")


def write_row(row: PayoutRecord) -> list[Any]:
    """Return a row's values in the order of :data:`COLUMNS`."""
    values = list(_values(row))
    for place, write, _ in _ROW:
        if values[place] is not None:
            values[place] = write(values[place])
    return values


@checked
def read_counts(stored: Iterable[tuple[Any, ...]]) -> dict[PayoutStatus, int]:
    """Read how many payouts stand in each status: status, count."""
    return {PayoutStatus(status): count for status, count in stored}


@checked
def read_pause(stored: tuple[Any, ...]) -> Pause:
    """Read a pause: account, since, why, by, probe_at."""
    account, since, why, by, probe_at = stored
    return Pause(account or None, from_us(since), why, PausedBy(by), None if probe_at is None else from_us(probe_at))


@checked
def read_approval(stored: tuple[Any, ...]) -> Approval:
    """Read an approval: actor, reason, at."""
    actor, reason, at = stored
    return Approval(actor, reason, from_us(at))
