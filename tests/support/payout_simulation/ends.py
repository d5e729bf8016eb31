"""What a provider says of ends: a contradiction that was told is kept, and an answer that ends something counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from payments_core.domain.inbox_records import Arrival
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.engine import Effect
from payments_core.engine.commands import AppendHistory, ApplyTransition, JournalCommand
from payments_core.http.messages import HttpRequest, HttpResponse

__all__ = ["Attempt", "Ends"]

Attempt: TypeAlias = tuple[str, int]  # our id of a payout, and the number of one of its attempts
_S = PayoutStatus
_CONTRARY = {_S.FAILED: "SUCCESSFUL", _S.CANCELLED: "SUCCESSFUL", _S.SUCCEEDED: "FAILED"}
_OPEN = {_S.PENDING, _S.UNKNOWN}


class Ends:
    """How each attempt ended, and what the journal holds against it.

    Args:
        rows: Every payout as the last commit left it, by our id.

    """

    def __init__(self, rows: Mapping[str, PayoutRecord]) -> None:
        self._rows = rows
        self._attempts: dict[str, Attempt] = {}  # by reference
        self._asked: dict[str, Attempt] = {}  # by the hash of the path that was minted for the question
        self._kept: set[Attempt] = set()

    def wrote(self, entry: JournalCommand, row: PayoutRecord) -> None:
        """A row is durable: its reference, and the path of a question about it, are known from here on."""
        self._attempts[row.attempt.references["reference"]] = row.id, row.attempt.number
        if isinstance(entry, ApplyTransition) and entry.asks is not None:
            self._asked[entry.asks.token_hash] = row.id, row.attempt.number

    def noted(self, entry: AppendHistory) -> None:
        """A note is durable, or had been written before."""
        if entry.contradiction is not None:
            self._kept.add((entry.payout_id, entry.contradiction.attempt))

    def contradicted(self, request: HttpRequest, response: HttpResponse) -> list[Attempt]:
        """Return the attempt that an answer contradicts, if any, as it stands when a flow is told."""
        attempt = self._attempts.get(request.url.rsplit("/", 1)[1])
        if request.operation != "status" or response.status != 200 or attempt is None:
            return []
        return [attempt] if self._contradicts(_described(response.body), attempt) else []

    def erased(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """Return those of which the journal does not hold what was told against them."""
        return [attempt for attempt in attempts if attempt not in self._kept]

    def answered(self, arrival: Arrival, outcome: str) -> tuple[str, Attempt] | None:
        """Return what is wrong once an answer on a minted path was handled, and of which attempt; None: nothing.

        Args:
            arrival: As it came.
            outcome: What is said to have come of it.

        """
        attempt = self._asked.get(arrival.query)
        if attempt is None or outcome not in set(Effect):  # who has sent it is in no configuration any more
            return None
        fields = _described(base64.b64decode(json.loads(arrival.encoded)["body"]))
        is_ours, is_end = fields.get("external") == attempt[0], fields.get("state") in _CONTRARY.values()
        if (is_ours or "external" not in fields) and self._contradicts(fields, attempt) and self.erased([attempt]):
            return "a contradiction was forgotten", attempt
        if is_ours and is_end and self._status(attempt) in _OPEN:  # nothing follows from one that does not say whose
            return "an answer was dropped", attempt
        return None

    def _contradicts(self, payload: Mapping[str, Any], attempt: Attempt) -> bool:
        return "state" in payload and payload["state"] == _CONTRARY.get(self._status(attempt))

    def _status(self, attempt: Attempt) -> PayoutStatus:
        row = self._rows[attempt[0]]
        return row.status if attempt[1] == row.attempt.number else _S.FAILED


def _described(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
