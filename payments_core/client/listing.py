"""Lists of payouts for callers: what is asked for, and where a page ends."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from payments_core.domain.errors import InvalidArgument
from payments_core.domain.listing import PayoutFilter, Position, RecordPage
from payments_core.domain.payout import Payee, Payout, PayoutStatus, ReasonCode

__all__ = ["MOST", "PAGE", "PayoutPage", "make_filter", "read_cursor", "to_page", "write_cursor"]

PAGE = 200  # payouts that are in memory while a list is read
MOST = 10_000  # payouts of a page that a caller may ask for
_CURSOR = re.compile(r"(asc|desc)\.([0-9]{1,19})\.([0-9]{1,19})\.([0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class PayoutPage:
    """A page of a list.

    Args:
        payouts: The payouts, without their history; there may be none although the list goes on.
        next_cursor: The cursor of the next page; None at the end of the list, and only there.

    """

    payouts: tuple[Payout, ...]
    next_cursor: str | None


def make_filter(
    *,
    key_prefix: str | None,
    batch: str | None,
    status: PayoutStatus | str | Collection[PayoutStatus | str] | None,
    reason: ReasonCode | str | None,
    account: str | None,
    payee: Payee | str | None,
    created_from: datetime | None,
    created_to: datetime | None,
    newest_first: bool,
) -> PayoutFilter:
    """Return the conditions of a list.

    Raises:
        InvalidArgument: There is no such status or reason, or a time has no time zone.

    """
    for name, moment in (("created_from", created_from), ("created_to", created_to)):
        if moment is not None and moment.utcoffset() is None:
            raise InvalidArgument(f"{name} must be a datetime with a time zone.", hint="Write datetime(…, tzinfo=UTC).")
    return PayoutFilter(
        key_prefix=key_prefix or "",
        batch=batch or "",
        statuses=() if status is None else _statuses(status),
        reason=None if reason is None else _reason(reason),
        account=account,
        payee=payee.value if isinstance(payee, Payee) else payee,
        created_from=created_from,
        created_to=created_to,
        newest_first=newest_first,
    )


def _statuses(status: PayoutStatus | str | Collection[PayoutStatus | str]) -> tuple[PayoutStatus, ...]:
    wanted = tuple(dict.fromkeys([status] if isinstance(status, str) else status))
    if not wanted or not set(wanted) <= set(PayoutStatus):
        raise InvalidArgument(f"status must be one or several of {', '.join(PayoutStatus)}.")
    return tuple(map(PayoutStatus, wanted))


def _reason(reason: ReasonCode | str) -> ReasonCode:
    if reason not in set(ReasonCode):
        raise InvalidArgument(f"reason must be one of {', '.join(ReasonCode)}.")
    return ReasonCode(reason)


def to_page(page: RecordPage, wanted: PayoutFilter) -> PayoutPage:
    """Return a page as a caller sees it."""
    following = None if page.last is None else write_cursor(page.last, wanted)
    return PayoutPage(tuple(row.view() for row in page.rows), following)


def write_cursor(position: Position, wanted: PayoutFilter) -> str:
    """Return the cursor of a position."""
    text = f"{_direction(wanted)}.{position.created_us}.{position.no}"
    return base64.urlsafe_b64encode(f"{text}.{_sum(text)}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, wanted: PayoutFilter) -> Position | None:
    """Return the position of a cursor.

    Raises:
        InvalidArgument: It is not as a page gave it, or belongs to a list in the other order.

    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (TypeError, ValueError, binascii.Error):
        text = ""
    found = _CURSOR.fullmatch(text)
    if found is None or found[4] != _sum(text.rpartition(".")[0]):
        raise InvalidArgument("The cursor is not as a page gave it.", hint="Begin again without a cursor.")
    if found[1] != _direction(wanted):
        raise InvalidArgument(
            "The cursor belongs to a list in the other order.", hint="Ask for each page in the order of the first one."
        )
    return Position(int(found[2]), int(found[3]))


def _direction(wanted: PayoutFilter) -> str:
    return "desc" if wanted.newest_first else "asc"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
