"""Tokens that all processes share: one row each, under a lease while one process fetches."""

from __future__ import annotations

import json
from typing import Any

from payments_core.domain.shared_tokens import AskToken, KeepToken, SharedToken, TokenChange
from payments_core.journal.sql.columns import to_us
from payments_core.journal.sql.inbox import statements
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["apply"]


def apply(session: DbTransaction, change: TokenChange) -> SharedToken:
    """Return the valid token, or whether the caller fetches one; store what was fetched."""
    name = f"token/{change.name}"
    session.lock("token", change.name)
    found = session.execute(statements(session.sql).fact, (name,)).fetchone()
    row: dict[str, Any] = json.loads(found[0]) if found else {}
    if isinstance(change, KeepToken):
        if row.get("owner") != change.owner:
            return SharedToken()
        good_until = None if change.good_until is None else to_us(change.good_until)
        row = {"encrypted": change.encrypted, "mark": change.mark, "good_until": good_until}
    else:
        shared = _shared_token(row, change)
        if not shared.may_fetch:
            return shared
        row |= {"owner": change.owner, "until": to_us(change.until)}
    session.execute(statements(session.sql).store, (name, json.dumps(row)))
    return SharedToken(may_fetch=isinstance(change, AskToken))


def _shared_token(row: dict[str, Any], request: AskToken) -> SharedToken:
    at, good_until = to_us(request.at), row.get("good_until")
    if row.get("encrypted") and row["mark"] != request.spent and (good_until is None or good_until > at):
        return SharedToken(row["encrypted"])
    is_taken = row.get("owner", request.owner) != request.owner and row["until"] > at
    return SharedToken(may_fetch=not is_taken)
