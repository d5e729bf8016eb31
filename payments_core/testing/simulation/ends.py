"""Ends that a provider contradicts: what a flow was told against one is kept when the flow is over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from payments_core.entries import Note
from payments_core.payout import PayoutStatus
from payments_core.rows import PayoutRow
from payments_core.wire import HttpRequest, HttpResponse

__all__ = ["Attempt", "Ends"]

Attempt: TypeAlias = tuple[str, int]  # our id of a payout, and the number of one of its attempts
_S = PayoutStatus
_CONTRARY = {_S.FAILED: "SUCCESSFUL", _S.CANCELLED: "SUCCESSFUL", _S.SUCCEEDED: "FAILED"}


class Ends:
    """How each attempt ended, and what the journal holds against it.

    Args:
        rows: Every payout as the last commit left it, by our id.

    """

    def __init__(self, rows: Mapping[str, PayoutRow]) -> None:
        self._rows = rows
        self._attempts: dict[str, Attempt] = {}  # by reference
        self._kept: set[Attempt] = set()

    def wrote(self, row: PayoutRow) -> None:
        """A row is durable: its reference is known from here on."""
        self._attempts[row.references["reference"]] = row.id, row.attempt

    def noted(self, entry: Note) -> None:
        """A note is durable, or had been written before."""
        if entry.contradiction is not None:
            self._kept.add((entry.payout_id, entry.contradiction.attempt))

    def contradicted(self, request: HttpRequest, response: HttpResponse) -> list[Attempt]:
        """Return the attempt that an answer contradicts, if any, as it stands when a flow is told."""
        attempt = self._attempts.get(request.url.rsplit("/", 1)[1])
        if request.operation != "status" or response.status != 200 or attempt is None:
            return []
        payout, number = attempt
        row = self._rows[payout]
        status = row.status if number == row.attempt else _S.FAILED
        return [attempt] if _state(response) == _CONTRARY.get(status) else []

    def forgotten(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """Return those of which the journal does not hold what was told against them."""
        return [attempt for attempt in attempts if attempt not in self._kept]


def _state(response: HttpResponse) -> str:
    try:
        return str(json.loads(response.body)["state"])
    except (ValueError, KeyError, TypeError):
        return ""
