"""A new payout that begins in the commit that writes it: where nothing could forbid it, and only its first send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flat_records import START, changed

from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import JournalError
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.records import Event, Pause, PayoutRecord, Query
from payments_core.engine.commands import ApplyTransition, CreatePayout, CreateResult
from payments_core.engine.journal_protocol import Journal

S = PayoutStatus
MakeRow = Callable[..., PayoutRecord]
CREATED, SENDING = Event("payout.created", START), Event("payout.sending", START + timedelta(seconds=1))


def begun(row: PayoutRecord, **changes: Any) -> PayoutRecord:
    """Return the row of the first submission."""
    fields = {"status": S.SENDING, "submissions": 1, "guards_passed": True, "sent_at": START, "lease_owner": "me"}
    return changed(row, **{**fields, "lease_until": START + timedelta(seconds=90), **changes})


def entry_of(row: PayoutRecord, **changes: Any) -> CreatePayout:
    return CreatePayout(row, CREATED, ApplyTransition(row, begun(row), SENDING, **changes))


def test_creation_with_its_beginning_writes_both(journal: Journal, make_row: MakeRow) -> None:
    """The row is SENDING under its lease, with two history rows, its references and its query."""
    row = make_row()
    reply = journal.execute(entry_of(row, asks=Query("hash", START)))
    assert reply == CreateResult(replace(begun(row), version=1, updated_at=SENDING.at), created=True)
    assert journal.get(row.id) == reply.row
    entries = [(entry.seq, entry.event, entry.status, entry.submissions) for entry in journal.history(row.id)]
    assert entries == [(1, "payout.created", S.CREATED, 0), (2, "payout.sending", S.SENDING, 1)]
    assert journal.by_provider_reference("ref-one") == (reply.row,)
    assert journal.by_query("hash") == (reply.row, 1)


@pytest.mark.parametrize("account", ["mtn-uganda", None])
@pytest.mark.parametrize("by", PausedBy)
def test_creation_under_a_pause_begins_nothing(
    journal: Journal, make_row: MakeRow, account: str | None, by: PausedBy
) -> None:
    """Whatever stands in the way, a probe that is due too, leaves the payout created and unsent."""
    probe_at = None if by in {PausedBy.PERSON, PausedBy.RESTORED} else START
    journal.set_pause(Pause(account, START, "stop", by, probe_at))
    row = make_row()
    assert journal.execute(entry_of(row, asks=Query("hash", START))) == CreateResult(row, created=True)
    assert [entry.event for entry in journal.history(row.id)] == ["payout.created"]
    assert journal.by_query("hash") is None
    assert [pause.probe_at for pause in journal.pauses()] == [probe_at]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO meta (name, value) VALUES ('restored', '{\"began\": 1, \"at\": 1}')",
        "INSERT INTO statement_references (reference, account, kept_at) VALUES ('refone', 'mtn-uganda', 1)",
    ],
)
def test_creation_in_a_restored_journal_begins_nothing(
    journal: Journal, make_row: MakeRow, ask: Callable[[str], Any], statement: str
) -> None:
    """An open gap, or a statement that has the payout's reference, leaves it to the gate of every submission."""
    ask(statement)
    row = make_row()
    assert journal.execute(entry_of(row)) == CreateResult(row, created=True)
    assert [entry.event for entry in journal.history(row.id)] == ["payout.created"]


def test_creation_of_a_known_key_changes_nothing(journal: Journal, add: MakeRow, make_row: MakeRow) -> None:
    """The payout that is there comes back as it is."""
    row = add()
    other = make_row("other", key=row.order.key)
    assert journal.execute(entry_of(other)) == CreateResult(row, created=False)
    assert journal.get(other.id) is None
    assert len(journal.history(row.id)) == 1
    assert journal.by_provider_reference("ref-other") == ()


REFUND = {"operation": Operation.REFUND, "payee_kind": "collection", "original_amount": Money("99", "EUR")}


@pytest.mark.parametrize(
    ("of", "begins", "more"),
    [
        ({}, {"submissions": 2}, {}),
        ({}, {"status": S.PENDING}, {}),
        ({}, {"request": "other"}, {}),
        ({}, {"account": "other"}, {}),
        ({}, {"ambiguous": True}, {}),
        ({}, {"id": "po_other"}, {}),
        ({}, {"note": "other"}, {}),
        ({}, {}, {"needs_approval": True}),
        ({"attempt": 2}, {}, {}),
        (REFUND, {}, {}),
    ],
)
def test_creation_begins_the_first_submission_only(
    journal: Journal, make_row: MakeRow, of: dict[str, Any], begins: dict[str, Any], more: dict[str, Any]
) -> None:
    """What has rules of its own, or is not this very payout, is refused by the journal, and nothing is written."""
    row = make_row(**of)
    entry = CreatePayout(row, CREATED, ApplyTransition(row, begun(row, **begins), SENDING, **more))
    with pytest.raises(JournalError, match="not its first submission"):
        journal.execute(entry)
    assert journal.get(row.id) is None
