"""Plans the callbacks of one payment: the true one, its faulty variants, or a given sequence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from payments_core.testing.emulator.callback_queue import Callback
from payments_core.testing.emulator.faults import Rule
from payments_core.testing.emulator.gateway import Fires

__all__ = ["Answer", "ProviderSays", "plan"]

ProviderSays: TypeAlias = Literal["true", "other end", "another's"]
#: One of several callbacks to one address: also an empty body, and a forged one with the opposite end, sent when the
#: payment is accepted by a sender that knows the address.
Answer: TypeAlias = Literal["true", "other", "another", "empty", "forged"]
_WRITTEN: Mapping[Answer, ProviderSays] = {"other": "other end", "forged": "other end", "another": "another's"}


def plan(
    write: Callable[[ProviderSays, datetime], Callback],
    fires: Fires,
    *,
    accepted_at: datetime,
    ends_at: datetime | None,
    answers: Sequence[Answer] = ("true",),
) -> list[Callback]:
    """Return the callbacks of a payment that was just accepted; each holds its followers.

    Two faults report the opposite end, both by ``write("other end", …)``. A forged callback (``callback_forged``) comes
    from another sender, first, when the payment is accepted. A contradicting one (``callback_contradicts``) comes from
    the provider, after the true one. Where the provider signs, only the forged one has no valid signature: it is the
    first that is returned, with the fault's name among its ``faults``.

    Args:
        write: Returns a callback, due at a time, with the payment's end (``"true"``), the opposite end
            (``"other end"``), or a true end with the reference of another payment (``"another's"``).
        fires: Returns the rule of a fault that applies to this payment.
        accepted_at: When the payment was accepted.
        ends_at: When it ends; None for never.
        answers: The sequence of callbacks to its address; faults apply to a single true one.

    """
    forged = _of(write("other end", accepted_at), "callback_forged") if fires("callback_forged") else None
    if tuple(answers) != ("true",):
        found = _in_order(write, answers, accepted_at, ends_at)
    else:
        found = [] if ends_at is None else _genuine(write, fires, accepted_at, ends_at)
    if forged is None:
        return found
    forged.then = found  # right after it: the payment has not ended then
    return [forged]


def _in_order(
    write: Callable[[ProviderSays, datetime], Callback],
    answers: Sequence[Answer],
    accepted_at: datetime,
    ends_at: datetime | None,
) -> list[Callback]:
    """Return the first of several callbacks; each holds the next one."""
    first: list[Callback] = []
    place = first
    for answer in answers:
        due_at = accepted_at if answer == "forged" else ends_at
        if due_at is None:  # the payment never ends: only a forged callback can claim it
            continue
        callback = write(_WRITTEN.get(answer, "true"), due_at)
        if answer == "empty":
            callback.says, callback.body = "nothing", b""
        place.append(callback)
        place = callback.then
    return first


def _genuine(
    write: Callable[[ProviderSays, datetime], Callback],
    fires: Fires,
    accepted_at: datetime,
    ends_at: datetime,
) -> list[Callback]:
    """Return the callback of the payment's end with its copies and followers."""
    late = fires("callback_late_s")
    early = ends_at == accepted_at and fires("callback_early") is not None
    due_at = ends_at + timedelta(seconds=late.value if late and not early else 0)
    true = _of(write("true", due_at), *["callback_late_s"] * bool(late), *["callback_early"] * early)
    true.early = early
    if fires("callback_lost"):
        true.state = "lost"
        return [_of(true, "callback_lost")]
    if rule := fires("callback_malformed"):
        true.body, kind = _malformed(true.body, rule, true.headers.get("content-type", ""))
        true.headers = {**true.headers, "content-type": kind}
        _of(true, "callback_malformed")
    found = [true]
    if rule := fires("callback_repeated"):
        found += [_copy(true) for _ in range(int(rule.value))]
    if fires("callback_for_another"):
        found.append(_of(write("another's", due_at), "callback_for_another"))
    if fires("callback_contradicts"):
        true.then = [_of(write("other end", due_at), "callback_contradicts")]
    return found


def _of(callback: Callback, *faults: str) -> Callback:
    callback.faults = (*callback.faults, *faults)
    return callback


def _copy(callback: Callback) -> Callback:
    return replace(callback, faults=(*callback.faults, "callback_repeated"), early=False, attempts=[], then=[])


def _malformed(body: bytes, rule: Rule, kind: str) -> tuple[bytes, str]:
    """Return a malformed body and its content type."""
    match rule.kind:
        case "html":
            return b"<html>\r\n<body>\r\n<h1>502 Bad Gateway</h1>\r\n</body>\r\n</html>\r\n", "text/html"
        case "huge":
            fields = {**json.loads(body), "padding": "x" * int(rule.value * 1024 * 1024)}
            return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode(), kind
        case "type":
            return body, "text/plain"
        case _:
            return body[: len(body) // 2], kind
