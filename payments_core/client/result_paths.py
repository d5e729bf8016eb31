"""What a path was minted for: which payout, which attempt of it, and as whom that was submitted."""

from __future__ import annotations

from typing import NamedTuple

from payments_core.domain.records import EndedAttempt, PayoutRecord
from payments_core.provider import Account
from payments_core.runtime import Runtime

__all__ = ["TRIES", "Asked", "asked_about"]

TRIES = 3  # how often an answer is taken in anew when another process has moved its payout meanwhile


class Asked(NamedTuple):
    """What a query was about.

    Args:
        row: The payout.
        account: The identity that made the query.
        ended: The attempt it was about, if that is not the current one.

    """

    row: PayoutRecord
    account: Account
    ended: EndedAttempt | None


def asked_about(runtime: Runtime, query: str) -> Asked | None:
    """Return what a query was about; None where it is about no payout.

    Args:
        runtime: Whose journal and accounts there are.
        query: ``token_hash`` of the query.

    Raises:
        PayoutInterrupted: The payout's account is not configured any more.
        UnknownAccount: The account of an earlier attempt is not configured any more.

    """
    found = runtime.journal.by_query(query)
    if found is None:
        return None
    row, attempt = found
    if attempt == row.attempt.number:
        return Asked(row, runtime.serving(row), None)
    [ended] = (one for one in runtime.journal.attempts(row.id) if one.number == attempt)
    account = runtime.account(ended.account)
    return Asked(row, account.identity(row.order.operation, ended.binding) or account, ended)
