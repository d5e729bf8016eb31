"""What a person does with a journal as a whole: say that it was restored, and that it was compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from payments_core.domain.errors import DecisionRefused, JournalError
from payments_core.domain.masking import quote
from payments_core.domain.records import Gap
from payments_core.domain.references import canonical, fault_of
from payments_core.journal.maintenance.stores import Store
from payments_core.journal.sql import pauses, restore_gap
from payments_core.journal.sql.restore_gap import OperatorAction
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sqlite.schema import BACKUP_AT

__all__ = ["Compared", "OperatorAction", "begin_gap", "compare_statement", "end_gap", "gap_of", "no_gap"]


@dataclass(frozen=True, slots=True)
class Compared:
    """What a compared statement has left.

    Args:
        missing: The names of the accounts whose statement is still to be compared.
        kept: How many references were kept; two that differ in capitals, ``-`` and ``_`` alone are one.
        known: How many of them an attempt of the journal has.

    """

    missing: frozenset[str]
    kept: int
    known: int


def begin_gap(store: Store, began_at: datetime, act: OperatorAction) -> Gap:
    """Say that a journal was restored, and that everything after a moment may be missing in it.

    Args:
        store: Where it is.
        began_at: The moment of the backup; aware. A backup's own mark counts where it is earlier.
        act: The person's decision.

    Raises:
        DecisionRefused: That moment is still to come.
        JournalError: It cannot be written.

    """
    if began_at > act.at:
        raise DecisionRefused(
            f"{began_at:%Y-%m-%d %H:%M:%S} UTC is still to come.", hint="Say when the backup was made."
        )
    with store.writing() as session:
        store.settle(session)
        if (mark := store.meta(session).get(BACKUP_AT)) is not None:  # it knows best when it was made
            began_at = min(began_at, datetime.fromisoformat(mark))
        return restore_gap.begin(session, began_at, act)


def no_gap(store: Store) -> None:
    """Say that the journal is complete although it is on another server, as after a planned change.

    Args:
        store: Where it is.

    Raises:
        DecisionRefused: Something is missing: a gap is open.
        JournalError: It is a backup, or cannot be written.

    """
    with store.writing() as session:
        pauses.lock(session)
        if (gap := restore_gap.current(session)) is not None:
            raise DecisionRefused(
                f"A gap from {gap.began_at:%Y-%m-%d %H:%M:%S} UTC on is open.",
                hint="`payouts journal restored --over` ends a gap. If the journal has moved meanwhile, say "
                "`--gap-from` again.",
            )
        if BACKUP_AT in store.meta(session):
            raise JournalError(
                f"{store.name} is a backup: whatever came after it is missing.",
                hint="Say so with `payouts journal restored --gap-from`.",
            )
        store.settle(session)


def compare_statement(
    store: Store, act: OperatorAction, *, account: str, configured: Collection[str], references: Iterable[str] = ()
) -> Compared:
    """Write down that a person has compared an account's own statement of the gap with the journal.

    Args:
        store: Where it is.
        act: The person's decision, and what was found.
        account: Whose statement; it covers what the account paid as before.
        configured: The names of the accounts that are configured.
        references: Those of payments in the statement; none of them is ever sent again.

    Raises:
        DecisionRefused: Nothing is missing, no account of that name could have paid, or one of the references is none.

    """
    references = tuple(references)
    for number, reference in enumerate(references, 1):
        if fault := fault_of(reference):
            raise DecisionRefused(
                f"Reference {number} is none: {fault}.", hint="Give references of letters, digits, - and _."
            )
    kept = tuple(dict.fromkeys(map(canonical, references)))
    with store.writing() as session:
        _open_gap(session)
        known = restore_gap.accounts(session).union(configured)
        if account not in known:
            raise DecisionRefused(
                f"No account {quote(account)} is configured, and no payout of the journal names it.",
                hint=f"There are: {', '.join(sorted(known))}.",
            )
        gap = restore_gap.compare(session, account, kept, act)
        return Compared(_not_compared(session, gap, configured), len(kept), len(restore_gap.known(session, kept)))


def end_gap(store: Store, act: OperatorAction, configured: Collection[str]) -> Gap:
    """Say that nothing is missing any more; returns what was.

    Args:
        store: Where it is.
        act: The person's decision.
        configured: The names of the accounts that are configured.

    Raises:
        DecisionRefused: Nothing is missing, a statement was not compared, or a payout is in REVIEW or open.

    """
    with store.writing() as session:
        gap = _open_gap(session)
        missing = _not_compared(session, gap, configured)
        unsettled, in_review = restore_gap.unsettled(session, gap)
        if missing or unsettled or in_review:
            raise _not_over(missing, unsettled, in_review)
        restore_gap.end(session, act)
        return gap


def _not_compared(session: DbTransaction, gap: Gap, configured: Collection[str]) -> frozenset[str]:
    """Return the names of the accounts that could have paid in the gap and have no compared statement of their own."""
    return restore_gap.accounts(session).union(configured) - gap.compared


def _not_over(missing: Collection[str], unsettled: int, in_review: int) -> DecisionRefused:
    """Return the refusal: what is left to do, and the next command."""
    left = {
        "Statements not compared": ", ".join(sorted(missing)),
        "Open and not settled": _payouts(unsettled),
        "In REVIEW": _payouts(in_review),
    }
    tasks = " ".join(f"{what}: {which}." for what, which in left.items() if which)
    if missing:
        hint = f"Next: `payouts journal reconciled --account {min(missing)} --statement-checked-by NAME --reason TEXT`."
    elif unsettled:
        hint = "Next: `payouts resume`, or `payouts wait KEY` for what a pause stops."
    else:
        hint = "Next: `payouts review list`."
    return DecisionRefused(f"The gap cannot end yet. {tasks}", hint=hint)


def _payouts(count: int) -> str:
    return f"{count} payout{'' if count == 1 else 's'}" if count else ""


def gap_of(store: Store) -> Gap | None:
    """Return what a journal lacks; None when it is complete."""
    with store.writing() as session:
        return restore_gap.current(session)


def _open_gap(session: DbTransaction) -> Gap:
    """Return the gap; nothing is sent before the commit that changes it."""
    pauses.lock(session)
    gap = restore_gap.current(session)
    if gap is None:
        raise DecisionRefused(
            "This journal was not said to be restored.", hint="`payouts journal restored --gap-from`."
        )
    return gap
