"""What each entry writes, what each question answers, and what the journal refuses whoever asks."""

from __future__ import annotations

import dataclasses
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from flat_records import START, changed, later, next_attempt
from hypothesis import given, settings
from hypothesis import strategies as st

from payments_core.domain.causes import PausedBy
from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.errors import JournalError
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import AttemptRecord, Event, Lease, Pause, PayoutRecord, Query, Schedule
from payments_core.engine.commands import (
    AppendHistory,
    ApplyTransition,
    CreateAttempt,
    CreatePayout,
    CreateResult,
    HistoryAppended,
    Stale,
    TransitionApplied,
)
from payments_core.engine.journal_protocol import Journal
from payments_core.journal.sql.columns import COLUMNS, PATHS, read_row, write_row

ACCOUNTS = ["mtn-uganda", "mtn-ghana"]

AddRow = Callable[..., PayoutRecord]
MoveRow = Callable[[ApplyTransition], PayoutRecord]
Ask = Callable[[str], list[tuple[Any, ...]]]


def event(name: str = "payout.changed", seconds: float = 1, **evidence: Any) -> Event:
    return Event(name, later(seconds), evidence)


# --- rows ---


def test_columns_cover_every_field_of_a_payout(journal: Journal, ask: Ask, store: str) -> None:
    """A field added to a payout's row cannot be forgotten in the table."""
    columns = {
        "sqlite": "SELECT name FROM pragma_table_info('payouts')",
        "postgres": "SELECT column_name FROM information_schema.columns WHERE table_name = 'payouts'",
    }
    assert {name for (name,) in ask(columns[store])} == {"no", *COLUMNS}
    groups = {"order": Order, "attempt": AttemptRecord, "schedule": Schedule, "lease": Lease}
    held = {name.name for name in dataclasses.fields(PayoutRecord)} - set(groups)
    held |= {f"{group}.{name.name}" for group, kind in groups.items() for name in dataclasses.fields(kind)}
    held = held - {"order.payee", "order.amount"} | {f"order.payee.{name}" for name in Payee.__slots__}
    assert sorted(PATHS.values()) == sorted(held | {f"order.amount.{name}" for name in Money.__slots__})


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
MAPPINGS = st.dictionaries(TEXT, TEXT, max_size=3)
COUNTS = st.integers(0, 2**31)
AMOUNTS = st.decimals("0.000000001", 10**17, places=9)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Any order, a refund now and then."""
    times, amount = st.none() | MOMENTS.filter(lambda at: at.year >= 2000), Money(draw(AMOUNTS), "UGX")
    payee = Payee(draw(TEXT), draw(TEXT), draw(MAPPINGS))
    order = Order(draw(st.text("aé-/", min_size=1)), payee, amount, note=draw(TEXT), options=draw(MAPPINGS))
    values = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(codec="utf-8"), max_size=20)
    )
    metadata = draw(st.dictionaries(TEXT.filter(bool), values, max_size=3))
    order = dataclasses.replace(order, not_before=draw(times), expires_at=draw(times), metadata=metadata)
    if draw(st.booleans()):
        return dataclasses.replace(order, operation=draw(st.sampled_from(sorted({*Operation} - {Operation.REFUND}))))
    return dataclasses.replace(
        order,
        operation=Operation.REFUND,
        payee=Payee("collection", payee.value, payee.details),
        original_amount=Money(amount.amount + draw(AMOUNTS), "UGX"),
    )


@st.composite
def rows(draw: st.DrawFn) -> PayoutRecord:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "str": TEXT,
        "int": COUNTS,
        "bool": st.booleans(),
        "datetime": MOMENTS,
        "datetime | None": st.none() | MOMENTS,
        "Mapping[str, str]": MAPPINGS,
        "tuple[str, ...]": st.lists(TEXT).map(tuple),
        "PayoutStatus": st.sampled_from(PayoutStatus),
        "tuple[Contradiction, ...]": st.lists(
            st.builds(Contradiction, MOMENTS, TEXT, COUNTS, st.sampled_from(ProviderStatus), TEXT, st.none() | MOMENTS)
        ).map(tuple),
        "Reason | None": st.none()
        | st.builds(Reason, st.sampled_from(ReasonCode), TEXT, TEXT, st.floats(0, 1000, allow_nan=False)),
    }

    groups = {"Order", "AttemptRecord", "Schedule", "Lease"}

    def fields(kind: Any) -> dict[str, Any]:
        drawn = (field for field in dataclasses.fields(kind) if str(field.type) not in groups)
        return {field.name: draw(kinds[str(field.type)]) for field in drawn}

    return PayoutRecord(
        order=draw(orders()),
        attempt=AttemptRecord(**fields(AttemptRecord)),
        schedule=Schedule(**fields(Schedule)),
        lease=Lease(**fields(Lease)),
        **fields(PayoutRecord),
    )


@given(rows())
@settings(max_examples=100, deadline=None)
def test_record_is_read_back_as_it_was_written(row: PayoutRecord) -> None:
    """Times to the microsecond, amounts to the last digit, texts in every script."""
    with closing(sqlite3.connect(":memory:")) as connection:
        stored = connection.execute(f"SELECT {', '.join('?' * len(COLUMNS))}", write_row(row)).fetchone()
    back = read_row(stored)
    assert back == row
    assert [type(value) for value in write_row(back)] == [type(value) for value in write_row(row)]


def test_time_without_a_zone_is_refused(journal: Journal, make_row: AddRow) -> None:
    """A moment that could mean two is not guessed."""
    with pytest.raises(TypeError):
        journal.execute(CreatePayout(make_row(next_at=datetime(2026, 1, 1)), event()))  # noqa: DTZ001
    assert journal.get("po_one") is None


def test_time_of_another_zone_is_the_same_moment(add: AddRow, journal: Journal) -> None:
    """Where the paying machine stands does not move a time."""
    add(not_before=START.astimezone(timezone(timedelta(hours=3))))
    row = journal.get("po_one")
    assert row is not None
    assert row.order.not_before == START


# --- open ---


def test_new_key_is_written_with_its_first_history_entry(journal: Journal, make_row: AddRow) -> None:
    """What was accepted is there, with the event that says so."""
    row = make_row()
    assert journal.execute(CreatePayout(row, event("payout.accepted", by="me"))) == CreateResult(row, created=True)
    assert journal.get(row.id) == journal.by_key(row.order.key) == row
    [first] = journal.history(row.id)
    assert (first.seq, first.at, first.event, first.status) == (1, later(1), "payout.accepted", PayoutStatus.CREATED)
    assert first.evidence == {"by": "me"}


def test_known_key_returns_the_stored_payout(journal: Journal, add: AddRow, make_row: AddRow) -> None:
    """One key is one payout, whatever the second caller wants of it."""
    row = add()
    other = make_row("other", key=row.order.key, amount=Decimal(99))
    assert journal.execute(CreatePayout(other, event())) == CreateResult(row, created=False)
    assert journal.get(other.id) is None
    assert len(journal.history(row.id)) == 1


def test_payout_id_under_another_key_is_refused(journal: Journal, add: AddRow, make_row: AddRow) -> None:
    """Two keys never share a payout."""
    row = add()
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.execute(CreatePayout(make_row(key="salary/else"), event()))
    assert journal.get(row.id) == row


def test_payout_cannot_begin_as_sending(journal: Journal, make_row: AddRow) -> None:
    """No road to SENDING leads around the pauses."""
    with pytest.raises(JournalError, match="cannot begin"):
        journal.execute(CreatePayout(make_row(status=PayoutStatus.SENDING), event()))


def test_queries_about_nothing_return_nothing(journal: Journal) -> None:
    """A question about nothing has an answer."""
    assert journal.get("po_none") is None
    assert journal.by_key("none") is None
    assert journal.by_query("none") is None
    assert journal.history("po_none") == ()
    assert journal.next_due(accounts=ACCOUNTS) is None
    assert journal.due(later(10), accounts=ACCOUNTS, limit=10) == ()
    assert journal.pauses() == ()
    assert journal.counts() == {}
    assert list(journal.rows()) == []


# --- move ---


def test_transition_writes_every_column_that_may_change(journal: Journal, add: AddRow, moved: MoveRow) -> None:
    """The row wanted is the row stored; version and time of the move are the journal's."""
    before = add()
    wanted = changed(
        before,
        not_before=later(1),
        expires_at=later(2),
        binding={"host": "elsewhere"},
        references={"reference_id": "r", "theirs": "t"},
        request='{"a":1}',
        request_hash="1" * 64,
        status=PayoutStatus.UNKNOWN,
        reason=Reason(ReasonCode.REJECTED, "NO", "said no", 1.5),
        decided_by="read",
        submissions=3,
        refusals=4,
        ambiguous=True,
        guards_passed=True,
        duplicate_unverified=True,
        refused=True,
        first_sent_at=later(3),
        sent_at=later(4),
        not_found_count=5,
        first_not_found_at=later(5),
        reopened_at=later(5),
        version=99,
        lease_owner="me",
        lease_until=later(6),
        next_at=later(7),
        updated_at=later(8),
    )
    after = moved(ApplyTransition(before, wanted, event(seconds=9)))
    assert after == replace(wanted, version=1, updated_at=later(9))
    assert journal.get(before.id) == after
    last = journal.history(before.id)[-1]
    assert (last.seq, last.status, last.attempt, last.submissions, last.decided_by) == (2, "UNKNOWN", 1, 3, "read")


def test_transition_from_an_old_version_is_stale(journal: Journal, add: AddRow, moved: MoveRow) -> None:
    """Whoever comes second learns how the row stands and has written nothing."""
    before = add()
    first = moved(ApplyTransition(before, changed(before, submissions=1), event()))
    second = ApplyTransition(before, replace(before, status=PayoutStatus.FAILED), event(), publish=True)
    assert journal.execute(second) == Stale(first)
    assert journal.get(before.id) == first
    assert len(journal.history(before.id)) == 2


@pytest.mark.parametrize("name", ["id", "key", "fingerprint", "payee_value", "amount", "currency", "created_at"])
def test_transition_cannot_change_the_order(journal: Journal, add: AddRow, name: str) -> None:
    """Name and intent of a payout are for life."""
    before = add()
    value: Any = {"amount": Decimal(1000), "currency": "UGX", "created_at": later(1)}.get(name, "else")
    with pytest.raises(JournalError, match=f"cannot change its {name}"):
        journal.execute(ApplyTransition(before, changed(before, **{name: value}), event()))
    assert journal.get(before.id) == before


FINAL = [status for status in PayoutStatus if status.is_final]


@pytest.mark.parametrize(
    ("end", "then"),
    [
        (end, then)
        for end, then in itertools.product(FINAL, PayoutStatus)
        if end is not then and (end, then) != (PayoutStatus.SUCCEEDED, PayoutStatus.REVERSED)
    ],
)
def test_final_status_is_never_left(journal: Journal, add: AddRow, end: PayoutStatus, then: PayoutStatus) -> None:
    """A payout that has come to its end stays there, even when the caller believes otherwise."""
    row = add(status=end)
    believed = replace(row, status=PayoutStatus.UNKNOWN)
    for before in (row, believed):
        with pytest.raises(JournalError, match=f"is {end} and cannot become {then}"):
            journal.execute(ApplyTransition(before, replace(row, status=then), event()))
    assert journal.get(row.id) == row


def test_success_can_be_reversed_and_a_final_payout_checked(add: AddRow, moved: MoveRow) -> None:
    """What is allowed at the end stays possible."""
    row = add(status=PayoutStatus.SUCCEEDED)
    row = moved(ApplyTransition(row, row, event("payout.queried"), asks=Query("q" * 64, START)))
    assert (
        moved(ApplyTransition(row, replace(row, status=PayoutStatus.REVERSED), event())).status is PayoutStatus.REVERSED
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ambiguous": False}, "was ambiguous and stays so"),
        ({"status": PayoutStatus.CREATED}, "may have arrived and does not wait to be sent"),
        ({"first_sent_at": None}, "first sent"),
        ({"first_sent_at": later(60)}, "first sent"),
        ({"attempt": 1, "ambiguous": False}, "has attempt 2; a move cannot make it 1"),
        ({"attempt": 3, "ambiguous": False}, "has attempt 2; a move cannot make it 3"),
    ],
)
def test_transition_cannot_undo_a_possible_submission(
    journal: Journal, add: AddRow, changes: dict[str, Any], words: str
) -> None:
    """Within an attempt neither the doubt nor the moment of its first send can be taken back."""
    row = add(status=PayoutStatus.UNKNOWN, attempt=2, ambiguous=True, first_sent_at=START)
    with pytest.raises(JournalError, match=words):
        journal.execute(ApplyTransition(row, changed(row, **changes), event()))
    assert journal.get(row.id) == row


def test_transition_of_an_unknown_payout_is_an_error(journal: Journal, make_row: AddRow) -> None:
    """A payout that was never written cannot move or be noted."""
    row = make_row()
    with pytest.raises(JournalError, match="no payout po_one"):
        journal.execute(ApplyTransition(row, row, event()))
    with pytest.raises(JournalError, match="no payout po_one"):
        journal.execute(AppendHistory(row.id, event()))


# --- outbox and history ---


def test_published_transition_is_in_the_outbox_with_its_history(add: AddRow, moved: MoveRow, ask: Ask) -> None:
    """Whoever delivers events finds each of them once, under a name that never changes."""
    row = add()
    row = moved(ApplyTransition(row, row, event()))
    reason = Reason(ReasonCode.PAYEE_NOT_FOUND, "PAYEE_NOT_FOUND", "nobody")
    moved(ApplyTransition(row, replace(row, status=PayoutStatus.FAILED, reason=reason), event(seconds=2), publish=True))
    [stored] = ask("SELECT event_id, payout_id, key, account, status, reason, attempt, seq, at FROM outbox")
    assert stored[:5] == ("po_one.3", "po_one", "salary/one", "mtn-uganda", "FAILED")
    assert '"code":"payee_not_found"' in stored[5]
    assert stored[6:] == (1, 3, int(later(2).timestamp() * 1_000_000))


BREAK = {
    "sqlite": ["CREATE TRIGGER broken BEFORE INSERT ON {} BEGIN SELECT RAISE(ABORT, 'broken'); END"],
    "postgres": [
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$",
        "CREATE TRIGGER broken BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION broken()",
    ],
}
MEND = {"sqlite": "DROP TRIGGER broken", "postgres": "DROP FUNCTION broken CASCADE"}


@pytest.mark.parametrize("broken", ["history", "outbox", "queries", "pauses"])
def test_transition_is_written_whole_or_not_at_all(
    journal: Journal, add: AddRow, ask: Ask, store: str, broken: str
) -> None:
    """No move without its history, its event, its question and its pause: when one of them fails, the row stands."""
    row = add()
    for statement in BREAK[store]:
        ask(statement.format(broken))
    entry = ApplyTransition(
        row,
        replace(row, status=PayoutStatus.REVIEW),
        event(seconds=5),
        publish=True,
        pause=Pause(row.attempt.account, START, "blocked", PausedBy.ACCOUNT_REFUSED, later(300)),
        asks=Query("q" * 64, START),
    )
    with pytest.raises(JournalError, match="broken"):
        journal.execute(entry)
    assert journal.get(row.id) == row
    assert len(journal.history(row.id)) == 1
    assert journal.pauses() == ()
    assert journal.by_query("q" * 64) is None
    assert ask("SELECT * FROM outbox") == []
    ask(MEND[store])
    assert isinstance(journal.execute(entry), TransitionApplied)
    assert len(ask("SELECT * FROM outbox")) == len(journal.pauses()) == 1


UNCHANGEABLE = [
    "DELETE FROM payouts",
    "DELETE FROM history",
    "DELETE FROM attempts",
    "UPDATE history SET event = 'x'",
    "UPDATE history SET evidence = '{}'",
    "UPDATE attempts SET account = 'mtn-ghana'",
    "UPDATE attempts SET request = ''",
]


@pytest.mark.parametrize("statement", UNCHANGEABLE)
def test_history_cannot_be_changed_by_any_statement(journal: Journal, add: AddRow, ask: Ask, statement: str) -> None:
    """The database itself refuses to change or delete, whichever program asks."""
    end_attempt(journal, add())
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match=r"append-only|never"):
        ask(statement)


def test_erased_payout_loses_only_texts(journal: Journal, add: AddRow, ask: Ask) -> None:
    """Evidence, the request and the reason of an attempt may be overwritten once it is erased, and nothing else.

    Nothing of a payout beside it either.
    """
    end_attempt(journal, add())
    end_attempt(journal, add("other"))
    ask("UPDATE payouts SET erased_at = 1 WHERE id = 'po_one'")
    ask("UPDATE history SET evidence = '{}' WHERE payout_no = (SELECT no FROM payouts WHERE id = 'po_one')")
    ask("UPDATE attempts SET request = '', reason = NULL WHERE payout_id = 'po_one'")
    for statement in (
        "UPDATE history SET event = 'x' WHERE payout_no = (SELECT no FROM payouts WHERE id = 'po_one')",
        "UPDATE history SET at = 7 WHERE payout_no = (SELECT no FROM payouts WHERE id = 'po_one')",
        "UPDATE attempts SET account = 'mtn-ghana' WHERE payout_id = 'po_one'",
        "UPDATE attempts SET binding = 'x' WHERE payout_id = 'po_one'",
        "UPDATE attempts SET submissions = 7 WHERE payout_id = 'po_one'",
        "DELETE FROM history WHERE payout_no = (SELECT no FROM payouts WHERE id = 'po_one')",
        "DELETE FROM attempts WHERE payout_id = 'po_one'",
        "UPDATE history SET evidence = '{}' WHERE payout_no = (SELECT no FROM payouts WHERE id = 'po_other')",
        "UPDATE attempts SET request = '' WHERE payout_id = 'po_other'",
    ):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match=r"append-only|never"):
            ask(statement)


@pytest.mark.parametrize("table", ["payouts", "history", "attempts"])
@pytest.mark.parametrize("store", ["postgres"])
def test_tables_refuse_truncate(journal: Journal, ask: Ask, table: str) -> None:
    """TRUNCATE calls no trigger of a row."""
    with pytest.raises(psycopg.errors.RaiseException, match=r"append-only|never"):
        ask(f"TRUNCATE {table} CASCADE")


def end_attempt(journal: Journal, row: PayoutRecord) -> None:
    """Let a payout have an attempt that ended."""
    failed = changed(row, status=PayoutStatus.FAILED, reason=Reason(ReasonCode.REJECTED), next_at=None)
    moved = journal.execute(ApplyTransition(row, failed, event(), publish=True))
    assert isinstance(moved, TransitionApplied)
    assert isinstance(journal.execute(CreateAttempt(moved.row, next_attempt(moved.row), event())), TransitionApplied)


def test_evidence_that_is_not_json_does_not_stop_a_transition(journal: Journal, add: AddRow, moved: MoveRow) -> None:
    """Money is not stopped by how a fact about it is written."""
    row = add()
    moved(ApplyTransition(row, row, event(amount=Decimal("1.50"), at=START, status=PayoutStatus.FAILED)))
    assert journal.history(row.id)[-1].evidence == {
        "amount": "1.50",
        "at": "2026-11-02T08:00:00Z",
        "status": "FAILED",
    }


# --- notes ---


def test_appended_history_changes_no_status(journal: Journal, add: AddRow) -> None:
    """Whoever holds the row can still move it after a note."""
    row = add(status=PayoutStatus.PENDING, submissions=2, decided_by="submit")
    assert journal.execute(AppendHistory(row.id, event("payout.late_result", code="X"))) == HistoryAppended(row)
    assert journal.get(row.id) == row
    note = journal.history(row.id)[-1]
    assert (note.seq, note.event, note.status, note.submissions, note.decided_by) == (
        2,
        "payout.late_result",
        PayoutStatus.PENDING,
        2,
        "",
    )


@pytest.mark.parametrize(
    ("status", "next_at", "asked", "becomes"),
    [
        (PayoutStatus.PENDING, later(60), later(10), later(10)),
        (PayoutStatus.PENDING, later(60), later(90), later(60)),
        (PayoutStatus.REVIEW, None, later(10), later(10)),
        (PayoutStatus.SUCCEEDED, None, later(10), later(10)),
        (PayoutStatus.PENDING, later(60), None, later(60)),
    ],
)
def test_appended_history_makes_a_check_due_sooner_and_never_later(
    journal: Journal,
    add: AddRow,
    status: PayoutStatus,
    next_at: datetime | None,
    asked: datetime | None,
    becomes: datetime | None,
) -> None:
    """A hint can only hurry the machine; what has ended is looked at once more."""
    row = add(status=status, next_at=next_at)
    journal.execute(AppendHistory(row.id, event(), due_at=asked))
    assert journal.get(row.id) == changed(row, next_at=becomes)


# --- queries ---


def test_answer_counts_once_and_a_final_answer_always(journal: Journal, add: AddRow, moved: MoveRow, ask: Ask) -> None:
    """An absence that a path tells twice is one; an end that it tells afterwards is one nevertheless."""
    token = "a" * 64
    row = add(status=PayoutStatus.UNKNOWN)
    row = moved(ApplyTransition(row, row, event("payout.queried"), asks=Query(token, later(1))))
    assert journal.by_query(token) == (row, 1)
    row = moved(ApplyTransition(row, row, event(seconds=2), answers=token))
    assert journal.by_query(token) == (row, 1)
    assert journal.execute(ApplyTransition(row, row, event(seconds=3), answers=token)) == Stale(row)
    assert journal.get(row.id) == row
    assert len(journal.history(row.id)) == 3
    answered = ask("SELECT answered_at FROM queries")
    row = moved(ApplyTransition(row, replace(row, status=PayoutStatus.SUCCEEDED), event(seconds=4), answers=token))
    assert ask("SELECT answered_at FROM queries") == answered != [(None,)]


def test_answer_counts_only_for_its_own_payout_and_attempt(journal: Journal, add: AddRow, moved: MoveRow) -> None:
    """An answer about one attempt says nothing about the next, nor about another payout."""
    token = "a" * 64
    row, other = add(status=PayoutStatus.REVIEW), add("other")
    row = moved(ApplyTransition(row, row, event("payout.queried"), asks=Query(token, later(1))))
    assert journal.execute(ApplyTransition(other, other, event(), answers=token)) == Stale(other)
    row = moved(ApplyTransition(row, replace(row, status=PayoutStatus.FAILED), event(seconds=2)))
    reply = journal.execute(CreateAttempt(row, next_attempt(row), event(seconds=3)))
    assert isinstance(reply, TransitionApplied)
    assert journal.by_query(token) == (reply.row, 1)
    assert journal.execute(ApplyTransition(reply.row, reply.row, event(seconds=4), answers=token)) == Stale(reply.row)
    ended = ApplyTransition(reply.row, replace(reply.row, status=PayoutStatus.FAILED), event(seconds=4), answers=token)
    assert journal.execute(ended) == Stale(reply.row)


# --- questions ---


def test_rows_come_in_the_order_of_acceptance_page_by_page(journal: Journal, add: AddRow) -> None:
    """A long list is whole and in order, and the journal can be written while it is read."""
    names = [f"{(number * 7919) % 1000:04}" for number in range(450)]
    for name in names:
        add(name)
    seen: Iterator[PayoutRecord] = journal.rows()
    assert next(seen).id == f"po_{names[0]}"
    add("late")
    assert [row.id for row in seen] == [f"po_{name}" for name in [*names[1:], "late"]]


def test_rows_and_counts_are_selected_by_status_and_account(journal: Journal, add: AddRow) -> None:
    """A question about some payouts is answered with those."""
    add("a"), add("b", status=PayoutStatus.FAILED), add("c", status=PayoutStatus.FAILED, account="mtn-ghana")
    assert [row.id for row in journal.rows(status=PayoutStatus.FAILED)] == ["po_b", "po_c"]
    assert [row.id for row in journal.rows(account="mtn-uganda")] == ["po_a", "po_b"]
    assert [row.id for row in journal.rows(status=PayoutStatus.FAILED, account="mtn-ghana")] == ["po_c"]
    assert journal.counts() == {PayoutStatus.CREATED: 1, PayoutStatus.FAILED: 2}


def test_due_payouts_are_those_whose_time_has_come_without_a_lease(journal: Journal, add: AddRow) -> None:
    """What waits longest comes first; what somebody is sending, or nobody waits for, does not come."""
    add("second", next_at=later(5))
    add("first", next_at=later(1))
    add("future", next_at=later(11))
    add("leased", next_at=later(2), lease_until=later(20))
    add("lease_expired", next_at=later(9), lease_until=later(10))
    add("never", next_at=None)
    add("elsewhere", account="mtn-ghana", next_at=START)
    mine = ["mtn-uganda"]
    assert [row.id for row in journal.due(later(10), accounts=mine, limit=9)] == [
        "po_first",
        "po_second",
        "po_lease_expired",
    ]
    assert [row.id for row in journal.due(later(10), accounts=mine, limit=1)] == ["po_first"]
    assert [row.id for row in journal.due(later(10), accounts=ACCOUNTS, limit=1)] == ["po_elsewhere"]
    assert journal.due(later(10), accounts=[], limit=9) == ()
    assert journal.next_due(accounts=[]) is None


def test_next_due_waits_for_leases(journal: Journal, add: AddRow) -> None:
    """The moment told is one at which something really is due, and nothing was before."""
    add("leased", next_at=later(1), lease_until=later(50))
    assert journal.next_due(accounts=ACCOUNTS) == later(50)
    add("open", next_at=later(30))
    assert journal.next_due(accounts=ACCOUNTS) == later(30)
    add("sooner", next_at=later(2), lease_until=later(20))
    assert journal.next_due(accounts=ACCOUNTS) == later(20)
    assert journal.next_due(accounts=["mtn-ghana"]) is None


def test_next_due_reads_no_final_payout(
    journal: Journal,
    add: AddRow,
    store: str,
    ask: Callable[[str], list[tuple[Any, ...]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker asks for it each turn, and most payouts of an old journal are final."""
    add("final", next_at=None)
    columns = [name for name in COLUMNS if name not in {"id", "key"}]
    names = ", ".join(f'"{name}"' for name in columns)
    schema = "" if store == "sqlite" else "payments_core."
    ask(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000) "  # noqa: S608
        f"INSERT INTO {schema}payouts (id, key, {names}) SELECT 'po_' || n, 'old/' || n, {names} "
        f"FROM numbers, {schema}payouts WHERE id = 'po_final'"
    )
    ask("ANALYZE")
    add("open", next_at=later(30))
    asked, fetch = list[tuple[str, Any]](), journal._fetch  # type: ignore[attr-defined]

    def record(statement: str, values: Any = ()) -> Any:
        asked.append((statement, values))
        return fetch(statement, values)

    monkeypatch.setattr(journal, "_fetch", record)
    assert journal.next_due(accounts=ACCOUNTS, free_at=START) == later(30)

    explain = "EXPLAIN QUERY PLAN " if store == "sqlite" else "EXPLAIN "
    plan = str([fetch(explain + statement, values) for statement, values in asked])
    assert "payouts_due" in plan
    assert [way for way in ("SCAN payouts", "Seq Scan on payouts", "Heap Scan on payouts") if way in plan] == []
