"""What a person does with a journal as a whole: say that it was restored, that it was compared, and move it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from payments_core.errors import DecisionRefused, JournalError
from payments_core.journal import gaps
from payments_core.journal.gaps import Act
from payments_core.journal.moving import Moved, move
from payments_core.journal.stores import Store
from payments_core.rows import Gap

__all__ = ["Act", "Moved", "begin_gap", "end_gap", "gap_of", "move", "no_gap", "reconcile"]


def begin_gap(store: Store, began_at: datetime, act: Act) -> Gap:
    """Say that a journal was restored, and that everything after a moment may be missing in it.

    Args:
        store: Where it is.
        began_at: The moment of the backup; aware.
        act: Who says so.

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
        return gaps.begin(session, began_at, act)


def no_gap(store: Store) -> None:
    """Say that the journal is complete although it is on another server, as after a planned change.

    Args:
        store: Where it is.

    Raises:
        JournalError: It is a backup, or cannot be written.

    """
    with store.writing() as session:
        if "backup_at" in store.meta(session):
            raise JournalError(
                f"{store.name} is a backup: whatever came after it is missing.",
                hint="Say so with `payouts journal restored --gap-from`.",
            )
        store.settle(session)


def reconcile(store: Store, act: Act) -> None:
    """Say that a person has compared the provider's statement of the gap with the journal.

    Args:
        store: Where it is.
        act: Who did, and what was found.

    Raises:
        DecisionRefused: Nothing is missing.

    """
    with store.writing() as session:
        if not gaps.reconcile(session, act):
            raise _nothing_missing()


def end_gap(store: Store, act: Act, accounts: Collection[str]) -> Gap:
    """Say that nothing is missing any more; returns what was.

    Args:
        store: Where it is.
        act: Who says so, and why.
        accounts: The names of those that are configured.

    Raises:
        DecisionRefused: Nothing is missing, or there are payouts of which nobody knows yet whether they were paid.

    """
    with store.writing() as session:
        gap = gaps.current(session)
        if gap is None:
            raise _nothing_missing()
        if count := gaps.unsettled(session, gap, accounts):
            raise DecisionRefused(
                f"Of {count} payouts it is not known yet whether they were paid in what the journal lacks.",
                hint="`payouts resume` or a worker asks the provider, and what is in REVIEW takes a decision. For an "
                "account that is gone, put it back, or compare its statement: `payouts journal reconciled`.",
            )
        gaps.end(session, act)
        return gap


def gap_of(store: Store) -> Gap | None:
    """Return what a journal lacks; None when it is complete."""
    with store.writing() as session:
        return gaps.current(session)


def _nothing_missing() -> DecisionRefused:
    return DecisionRefused("This journal was not said to be restored.", hint="`payouts journal restored --gap-from`.")
