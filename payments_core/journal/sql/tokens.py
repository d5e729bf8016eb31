"""Tokens that all processes share: one row each, under a lease while one of them fetches."""

from __future__ import annotations

import json
from typing import Any

from payments_core.domain.shared_tokens import AskToken, KeepToken, SharedToken, TokenChange
from payments_core.journal.sql.columns import to_us
from payments_core.journal.sql.inbox import statements
from payments_core.journal.sql.statements import DbTransaction

__all__ = ["apply"]


def apply(session: DbTransaction, change: TokenChange) -> SharedToken:
    """Return the token that is good, or say who fetches one; keep what was fetched."""
    name = f"token/{change.name}"
    session.lock("token", change.name)
    found = session.execute(statements(session.sql).kept, (name,)).fetchone()
    row: dict[str, Any] = json.loads(found[0]) if found else {}
    if isinstance(change, KeepToken):
        if row.get("owner") != change.owner:
            return SharedToken()
        good_until = None if change.good_until is None else to_us(change.good_until)
        row = {"sealed": change.sealed, "mark": change.mark, "good_until": good_until}
    else:
        told = _told(row, change)
        if not told.may_fetch:
            return told
        row |= {"owner": change.owner, "until": to_us(change.until)}
    session.execute(statements(session.sql).keep_last, (name, json.dumps(row)))
    return SharedToken(may_fetch=isinstance(change, AskToken))


def _told(row: dict[str, Any], asked: AskToken) -> SharedToken:
    at = to_us(asked.at)
    good_until = row.get("good_until")
    if row.get("sealed") and row["mark"] != asked.spent and (good_until is None or good_until > at):
        return SharedToken(row["sealed"])
    is_taken = row.get("owner", asked.owner) != asked.owner and row["until"] > at
    return SharedToken(may_fetch=not is_taken)
