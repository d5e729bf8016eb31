"""Circuits: after many ambiguous submissions in a row the POSTs of an account stop; reads go on."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta

from payments_core.domain.causes import PausedBy
from payments_core.domain.rates import PostEnd
from payments_core.domain.records import Pause
from payments_core.journal.sql import pauses
from payments_core.journal.sql.statements import Statements
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["count", "reset"]

_FIRST_WAIT_S = 30.0


class _Statements:
    """The statements, in one dialect."""

    def __init__(self, sql: Statements) -> None:
        at, text = sql.schema, sql.text
        self.add = text(
            f"INSERT INTO {at}ambiguity (account, in_a_row) VALUES (?, 1)"  # noqa: S608
            f" ON CONFLICT (account) DO UPDATE SET in_a_row = {at}ambiguity.in_a_row + 1"
        )
        self.in_a_row = text(f"SELECT in_a_row FROM {at}ambiguity WHERE account = ?")  # noqa: S608
        self.reset = text(f"DELETE FROM {at}ambiguity WHERE account = ?")  # noqa: S608


_statements = functools.cache(_Statements)


def count(session: DbTransaction, account: str, end: PostEnd, at: datetime) -> tuple[Pause | None, bool]:
    """Count the end of a POST; return the circuit that it opened, and whether it closed one.

    The count is locked before any pause: every transaction takes the two in this order.
    """
    if not end.is_ambiguous:
        is_closed = reset(session, account) and pauses.lift_by(session, account, at, PausedBy.CIRCUIT)
        return None, is_closed
    statements = _statements(session.sql)
    session.execute(statements.add, (account,))
    (in_a_row,) = session.execute(statements.in_a_row, (account,)).fetchone()
    if not 0 < end.circuit_after <= in_a_row:
        return None, False
    why = f"{in_a_row} payments in a row ended without a clear answer"
    opened = Pause(account, at, why, PausedBy.CIRCUIT, at + timedelta(seconds=_FIRST_WAIT_S))
    return (opened if pauses.stop_if_free(session, opened) else None), False


def reset(session: DbTransaction, account: str) -> bool:
    """Begin to count anew; whether anything was counted before."""
    return session.execute(_statements(session.sql).reset, (account,)).rowcount > 0
