"""Whether a journal is whole: looked at as it stood at one moment, while others go on paying; nothing is written."""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import groupby, islice
from typing import Any, TypeAlias

from payments_core.domain.budgets import add
from payments_core.domain.errors import JournalDamaged, PaymentsError
from payments_core.domain.records import PayoutRecord
from payments_core.journal.maintenance.batch_check import batch_flaws
from payments_core.journal.maintenance.invariants import Stored, broken
from payments_core.journal.maintenance.schema_check import REFERENCES, flaws
from payments_core.journal.maintenance.snapshot import Snapshot
from payments_core.journal.sql.budgets import read_states
from payments_core.journal.sql.columns import (
    ATTEMPT_COLUMNS,
    COLUMNS,
    HISTORY_COLUMNS,
    checked,
    read_attempt,
    read_history,
    read_names,
    read_row,
)
from payments_core.journal.sql.outbox import EVENT_COLUMNS, read_event
from payments_core.journal.sql.refunds import may_have_moved
from payments_core.journal.sql.statements import marks, quoted

__all__ = ["Audit", "DeriveReferences", "Flaw"]

#: Called with a payout, and the account, binding and number of one of its attempts; returns nothing where that is not
#: configured any more.
DeriveReferences: TypeAlias = Callable[[PayoutRecord, str, Mapping[str, str], int], Mapping[str, str]]

_AT_ONCE = 500
_MOST_ORPHANS = 100
_NAMES, _ID = quoted(COLUMNS), COLUMNS.index("id")
_CHILDREN = {  # the rows of a payout in other tables: their columns and order
    "history": (quoted(HISTORY_COLUMNS), "seq"),
    "attempts": (quoted(ATTEMPT_COLUMNS), "number"),
    "outbox": (EVENT_COLUMNS, "seq"),
    "approvals": ("attempt, fingerprint", "attempt"),
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a journal that must not be.

    Args:
        rule: Which rule is broken, in a word that stays the same.
        payout: The payout's id; empty when it concerns none.
        text: What was seen; of a payee no word.

    """

    rule: str
    payout: str
    text: str

    def __str__(self) -> str:
        """``po_abc: version: its version is 3, and it was moved 2 times``."""
        return f"{self.payout or 'journal'}: {self.rule}: {self.text}"


class Audit:
    """One look at a whole journal.

    Args:
        snapshot: The journal, as it stood at one moment; closed with this.
        namespace: The installation's.
        derive: Returns the references that an attempt must have; they are compared with the stored ones.

    """

    def __init__(self, snapshot: Snapshot, *, namespace: str, derive: DeriveReferences | None = None) -> None:
        self._snapshot = snapshot
        self._at = snapshot.sql.schema
        self._namespace = namespace
        self._derive = derive
        self.name = snapshot.name
        self.meta = snapshot.meta()
        self.payouts = self.contradicted = 0
        with contextlib.suppress(JournalDamaged):  # the checks report it
            self.payouts = snapshot.ask(f"SELECT COUNT(*) FROM {self._at}payouts")[0][0]
            statement = f"SELECT COUNT(*) FROM {self._at}payouts WHERE contradicted_at IS NOT NULL"
            self.contradicted = snapshot.ask(statement)[0][0]

    def close(self) -> None:
        """Let go of the journal."""
        self._snapshot.close()

    def flaws(self, on_payout: Callable[[], object] = int) -> Iterator[Flaw]:
        """Yield what is wrong, as it is found; a check that damage stops is a flaw, and the others go on.

        Args:
            on_payout: Called after each payout.

        Raises:
            JournalError: The journal cannot be read, for another reason than damage.

        """
        checks: Mapping[str, Callable[[], Iterator[Flaw]]] = {
            "the database itself": self._structure,
            "whether what is referred to is there": self._orphans,
            "the payouts": lambda: self._payouts(on_payout),
            "what is refunded": self._refunds,
            "what is reserved": self._budgets,
            "the batches": self._batches,
        }
        for what, check in checks.items():
            try:
                yield from check()
            except JournalDamaged as error:
                yield Flaw("unreadable", "", f"the check of {what} could not be finished: {error.message}")

    def _structure(self) -> Iterator[Flaw]:
        for text in flaws(self._snapshot):
            yield Flaw("structure", "", text)

    def _payouts(self, on_payout: Callable[[], object]) -> Iterator[Flaw]:
        statement = f"SELECT {_NAMES} FROM {self._at}payouts ORDER BY no"
        for page in _pages(self._snapshot.stream(statement)):
            yield from self._page(page, on_payout)

    def _orphans(self) -> Iterator[Flaw]:
        for table, column, parent, wanted in REFERENCES:
            found = self._snapshot.ask(
                f"SELECT DISTINCT t.{column} FROM {self._at}{table} t LEFT JOIN {self._at}{parent} p"
                f" ON p.{wanted} = t.{column} WHERE p.{wanted} IS NULL AND t.{column} IS NOT NULL LIMIT {_MOST_ORPHANS}"
            )
            for (name,) in found:
                payout = name.partition(".")[0] if isinstance(name, str) else ""
                yield Flaw("orphan", payout, f"{table} tells of {wanted} {name}, which is not in {parent}")
        for column in ("id", "key"):
            statement = f"SELECT MIN(id) FROM {self._at}payouts GROUP BY {column} HAVING COUNT(*) > 1"
            for (payout,) in self._snapshot.ask(statement):
                yield Flaw("identity", payout, f"two payouts have the same {column}")

    def _page(self, page: Sequence[Sequence[Any]], on_payout: Callable[[], object]) -> Iterator[Flaw]:
        ids = [values[_ID] for values in page]
        children = {table: self._children(table, *columns, ids) for table, columns in _CHILDREN.items()}
        for values in page:
            payout = values[_ID]
            try:
                stored = Stored(
                    row=read_row(values),
                    history=[*map(read_history, children["history"][payout])],
                    attempts=[*map(read_attempt, children["attempts"][payout])],
                    events=[*map(read_event, children["outbox"][payout])],
                    approvals=[(attempt, fingerprint) for attempt, fingerprint in children["approvals"][payout]],
                )
                findings = [*broken(stored, self._namespace), *self._underived(stored)]
            except (ValueError, TypeError, KeyError, ArithmeticError, PaymentsError) as error:
                why = error.message if isinstance(error, JournalDamaged) else type(error).__name__
                findings = [("unreadable", f"what is stored of it cannot be read: {why}")]
            for rule, text in findings:
                yield Flaw(rule, payout, text)
            on_payout()

    def _children(
        self, table: str, columns: str, order: str, ids: Sequence[str]
    ) -> Mapping[str, list[tuple[Any, ...]]]:
        found = defaultdict[str, list[tuple[Any, ...]]](list)
        rows = f"{self._at}{table}"
        if table == "history":  # which knows a payout by its number
            rows = f"(SELECT p.id AS payout_id, h.* FROM {rows} h JOIN {self._at}payouts p ON p.no = h.payout_no)"
        statement = f"SELECT o.payout_id, {columns} FROM {rows} o WHERE o.payout_id IN ({marks(len(ids))})"
        for payout, *rest in self._snapshot.ask(f"{statement} ORDER BY o.payout_id, o.{order}", ids):
            found[payout].append(tuple(rest))
        return found

    def _underived(self, stored: Stored) -> Iterator[tuple[str, str]]:
        """Compare the references of each attempt with those that are derived again."""
        row = stored.row
        if row.erased_at is not None or self._derive is None:
            return
        attempts = [(one.number, one.binding, one.references) for one in stored.attempts]
        for number, binding, references in [
            *attempts,
            (row.attempt.number, row.attempt.binding, row.attempt.references),
        ]:
            for name, value in self._derive(row, stored.paid_from(number), binding, number).items():
                if references.get(name) != value:
                    yield "reference", f"{name} of attempt {number} is not what namespace, key and attempt give"

    def _batches(self) -> Iterator[Flaw]:
        for rule, text in batch_flaws(self._snapshot):
            yield Flaw(rule, "", text)

    def _refunds(self) -> Iterator[Flaw]:
        """Sum what may have been refunded of each collection."""
        collection = self._snapshot.sql.folded("payee_value")
        statement = (
            f"SELECT {collection}, {_NAMES} FROM {self._at}payouts WHERE operation = 'refund' ORDER BY {collection}, no"
        )
        for _, group in groupby(self._snapshot.stream(statement), key=lambda stored: stored[0]):
            total, first = Decimal(0), None
            for _, *stored in group:
                try:
                    row = read_row(stored)
                except JournalDamaged:
                    continue  # reported already
                if not may_have_moved(self._snapshot.session, row):
                    continue
                first = first or row
                with localcontext(prec=60):
                    total += row.order.amount.amount
                original = row.order.original_amount
                if original is None or total > original.amount:
                    collected = None if original is None else original.amount
                    yield Flaw("refunds", row.id, f"with it, {total:f} is refunded of {collected} collected")
                elif original != first.order.original_amount:
                    yield Flaw("refunds", row.id, f"it says that another amount was collected than {first.id} does")

    def _budgets(self) -> Iterator[Flaw]:
        """Compare what is reserved from each budget with the amounts of the payouts that name it."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        statement = f"SELECT budgets, amount FROM {self._at}payouts WHERE budgets <> ''"
        for names, amount in self._snapshot.stream(statement):
            for name in checked(read_names)(names):
                sums[name] = add(sums[name], checked(Decimal)(amount))
        states = read_states(self._snapshot.ask(self._snapshot.sql.budgets))
        for name in sorted({*sums, *states}):
            reserved = states[name].reserved if name in states else Decimal(0)
            if reserved != sums[name]:
                yield Flaw("budget", "", f"{reserved:f} is reserved from {name}, and its payouts hold {sums[name]:f}")


def _pages(found: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while page := list(islice(found, _AT_ONCE)):
        yield page
