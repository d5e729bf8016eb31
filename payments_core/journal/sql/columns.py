"""Between columns and values: times as microseconds, amounts as text, mappings as compact JSON."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from pydantic_core import to_json

from payments_core.domain.causes import PausedBy
from payments_core.domain.characters import UNSTORABLE
from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.errors import JournalDamaged, PaymentsError
from payments_core.domain.money import Money
from payments_core.domain.payout import HistoryEntry, Operation, Order, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.payout.metadata import encode_metadata
from payments_core.domain.records import (
    Approval,
    AttemptRecord,
    EndedAttempt,
    Event,
    Lease,
    Pause,
    PayoutRecord,
    Schedule,
)
from payments_core.domain.references import canonical

__all__ = [
    "ATTEMPT_COLUMNS",
    "COLUMNS",
    "HISTORY_COLUMNS",
    "PATHS",
    "checked",
    "compared_references",
    "from_us",
    "may_send_values",
    "read_approval",
    "read_attempt",
    "read_contradiction",
    "read_history",
    "read_names",
    "read_pause",
    "read_reason",
    "read_row",
    "searchable_references",
    "to_us",
    "write_contradiction",
    "write_contradictions",
    "write_entry",
    "write_json",
    "write_reason",
    "write_row",
    "writer",
]

A = TypeVar("A")
T = TypeVar("T")

# Where a record holds the value of each column.
PATHS: Mapping[str, str] = {
    "id": "id",
    "key": "order.key",
    "fingerprint": "fingerprint",
    "account": "attempt.account",
    "operation": "order.operation",
    "payee_kind": "order.payee.kind",
    "payee_value": "order.payee.value",
    "payee_details": "order.payee.details",
    "amount": "order.amount.amount",
    "currency": "order.amount.currency",
    "note": "order.note",
    "options": "order.options",
    "metadata": "order.metadata",
    "not_before": "order.not_before",
    "expires_at": "order.expires_at",
    "original_amount": "order.original_amount",
    "binding": "attempt.binding",
    "references": "attempt.references",
    "request": "attempt.request",
    "request_hash": "attempt.request_hash",
    "status": "status",
    "reason": "reason",
    "decided_by": "decided_by",
    "attempt": "attempt.number",
    "submissions": "attempt.submissions",
    "refusals": "attempt.refusals",
    "ambiguous": "attempt.ambiguous",
    "guards_passed": "attempt.guards_passed",
    "duplicate_unverified": "attempt.duplicate_unverified",
    "refused": "attempt.refused",
    "absence_attested": "attempt.absence_attested",
    "budgets": "attempt.budgets",
    "rechecks_left": "schedule.rechecks_left",
    "first_sent_at": "attempt.first_sent_at",
    "sent_at": "attempt.sent_at",
    "not_found_count": "schedule.not_found_count",
    "first_not_found_at": "schedule.first_not_found_at",
    "reopened_at": "schedule.reopened_at",
    "read_at": "schedule.read_at",
    "callback_read_at": "schedule.callback_read_at",
    "version": "version",
    "lease_owner": "lease.owner",
    "lease_until": "lease.until",
    "next_at": "schedule.next_at",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "erased_at": "erased_at",
    "contradictions": "contradictions",
    "contradicted_at": "contradicted_at",
    "batch": "order.batch",
}
COLUMNS: tuple[str, ...] = tuple(PATHS)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970, exactly; a moment without a time zone is a ``TypeError``."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the moment, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def write_json(mapping: Mapping[str, Any]) -> str:
    """Return a mapping as compact JSON."""
    return _encode(dict(mapping)) if mapping else "{}"


def _encode(value: Any) -> str:
    """Return JSON that every store accepts, whatever is in it: evidence must never stop a transition.

    A value that JSON does not know is written as text, half a character as an escape.
    """
    try:
        return to_json(value, fallback=str).decode()  # a fifth of the time of `json.dumps`, a dozen times a payout
    except ValueError:
        return json.dumps(value, separators=(",", ":"), default=str)


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
    return _encode([_contradiction_fields(one) for one in contradictions])


def _read_contradictions(text: str) -> tuple[Contradiction, ...]:
    return () if text == "[]" else tuple(map(_contradiction, json.loads(text)))


def _read_metadata(text: str) -> Any:
    return json.loads(text) if text else {}


def read_names(text: str) -> tuple[str, ...]:
    """Read the names of budgets back; an empty text is none."""
    return tuple(map(str, json.loads(text))) if text else ()


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]

# Columns that are not stored as they are, beside times; None is NULL in all of them.
_CODECS: Mapping[str, Codec] = {
    "operation": (str, Operation),
    "status": (str, PayoutStatus),
    "currency": (str, str),
    "amount": ("{:f}".format, str),
    "original_amount": (lambda money: f"{money.amount:f}", str),
    "reason": (write_reason, read_reason),
    "contradictions": (write_contradictions, _read_contradictions),
    "metadata": (encode_metadata, _read_metadata),
    "budgets": (_encode, read_names),
    **dict.fromkeys(("payee_details", "options", "binding", "references", "evidence"), (write_json, _read_json)),
    **dict.fromkeys(("ambiguous", "guards_passed", "duplicate_unverified", "refused", "absence_attested"), (int, bool)),
}
_EMPTY = {
    "payee_details": "{}",
    "options": "{}",
    "metadata": "",
    "contradictions": "[]",
    "budgets": "",
}  # mostly: written without a call


def _times(names: Sequence[str]) -> tuple[int, ...]:
    return tuple(
        place for place, name in enumerate(names) if name == "at" or name.endswith(("_at", "_until", "_before"))
    )


def _coded(names: Sequence[str]) -> tuple[tuple[int, Callable[[Any], Any], Callable[[Any], Any]], ...]:
    return tuple((place, *_CODECS[name]) for place, name in enumerate(names) if name in _CODECS)


def _reader(make: Callable[[Sequence[Any]], T], names: Sequence[str], doc: str) -> Callable[[Iterable[Any]], T]:
    """Return what reads the columns of these names, and makes a value of them."""
    times, coded = _times(names), _coded(names)

    @checked
    def read(stored: Iterable[Any]) -> T:
        values = list(stored)
        for place in times:
            if values[place] is not None:
                values[place] = _EPOCH + timedelta(microseconds=values[place])
        for place, _, decode in coded:
            if values[place] is not None:
                values[place] = decode(values[place])
        return make(values)

    read.__doc__ = doc
    return read


def _flat(kind: type[T]) -> tuple[tuple[str, ...], Callable[[Sequence[Any]], T]]:
    """Return the columns of a value whose fields are columns, and what makes the value of them."""
    names = tuple(column.name for column in dataclasses.fields(kind))  # type: ignore[arg-type]
    return names, lambda values: kind(**dict(zip(names, values, strict=True)))


def _places(names: Iterable[str]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what takes the values of these columns."""
    return itemgetter(*map(COLUMNS.index, names))


def _group(path: str) -> tuple[tuple[str, ...], Callable[[Sequence[Any]], tuple[Any, ...]]]:
    """Return the fields of one group of a record, and what takes their values out of the columns."""
    held = {name: there.rpartition(".") for name, there in PATHS.items()}
    fields = {name: field for name, (group, _, field) in held.items() if group == path}
    return tuple(fields.values()), _places(fields)


(_ROOT, _root), (_ORDER, _order), (_ATTEMPT, _attempt) = map(_group, ("", "order", "attempt"))
(_SCHEDULE, _schedule), (_LEASE, _lease) = map(_group, ("schedule", "lease"))
_payee, _amount = _places(("payee_kind", "payee_value", "payee_details")), _places(("amount", "currency"))


def _record(values: Sequence[Any]) -> PayoutRecord:
    amount, order = Money(*_amount(values)), dict(zip(_ORDER, _order(values), strict=True))
    if order["original_amount"] is not None:
        order["original_amount"] = Money(order["original_amount"], amount.currency)
    return PayoutRecord(
        order=Order(payee=Payee(*_payee(values)), amount=amount, **order),
        attempt=AttemptRecord(**dict(zip(_ATTEMPT, _attempt(values), strict=True))),
        schedule=Schedule(**dict(zip(_SCHEDULE, _schedule(values), strict=True))),
        lease=Lease(**dict(zip(_LEASE, _lease(values), strict=True))),
        **dict(zip(_ROOT, _root(values), strict=True)),
    )


HISTORY_COLUMNS, _history = _flat(HistoryEntry)
ATTEMPT_COLUMNS, _ended = _flat(EndedAttempt)

read_row = _reader(_record, COLUMNS, "Read a record from values in the order of its columns.")
read_history = _reader(_history, HISTORY_COLUMNS, "Read a history entry.")
read_attempt = _reader(_ended, ATTEMPT_COLUMNS, "Read an attempt that ended.")


def writer(names: tuple[str, ...]) -> Callable[[PayoutRecord], list[Any]]:
    """Return what writes the values of these columns of a record, at least two, as they are stored."""
    take, times = attrgetter(*(PATHS[name] for name in names)), _times(names)
    coded = tuple((place, write, _EMPTY.get(names[place])) for place, write, _ in _coded(names))

    def write(row: PayoutRecord) -> list[Any]:
        """Return the values of the columns, in their order."""
        values = list(take(row))
        for place in times:
            if (moment := values[place]) is not None:
                values[place] = (moment - _EPOCH) // _MICROSECOND
        for place, encode, empty in coded:
            if (value := values[place]) is not None:
                values[place] = encode(value) if value or empty is None else empty
        return values

    return write


#: Returns a row's values in the order of :data:`COLUMNS`.
write_row = writer(COLUMNS)


def write_entry(row: PayoutRecord, event: Event, decided_by: str) -> tuple[Any, ...]:
    """Return the values of a history entry after payout and number."""
    state = (str(row.status), row.attempt.number, row.attempt.submissions)
    return (to_us(event.at), event.name, *state, decided_by, write_json(event.evidence))


def searchable_references(row: PayoutRecord) -> tuple[str, ...]:
    """Return the references of a payout that a callback may hold; none where one of them begins with our own id."""
    values = [value for value in dict.fromkeys(row.attempt.references.values()) if not UNSTORABLE.search(value)]
    return () if [value for value in values if value.startswith(row.id)] else tuple(values)


def compared_references(references: Mapping[str, str]) -> frozenset[str]:
    """Return the canonical references of an attempt."""
    return frozenset([canonical(value) for value in references.values() if not UNSTORABLE.search(value)])


def may_send_values(row: PayoutRecord) -> tuple[str, ...]:
    """Return what the condition of ``Statements.may_send`` is about: the account, and the references of an attempt."""
    return (row.attempt.account, *(compared_references(row.attempt.references) or [""]))


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
