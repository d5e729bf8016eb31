"""An ordinary transition is one statement, judged where it is written: it does what the judged way does, or nothing."""

# ruff: noqa: S608 - put together from constants of this module

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import psycopg
import pytest
from flat_records import START, changed, later, new_record
from hypothesis import given, settings
from hypothesis import strategies as st

from payments_core.domain.budgets import Budget
from payments_core.domain.causes import DecidedBy, PausedBy
from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.errors import JournalError
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.rates import PostEnd, ReadEnd
from payments_core.domain.records import Approval, Event, Pause, PayoutRecord, Query
from payments_core.engine.commands import ApplyTransition, CreatePayout, TransitionApplied
from payments_core.engine.journal_protocol import Journal
from payments_core.journal.postgres.batch_statements import member_of, write_members
from payments_core.journal.sql import update_payout, write_transition
from payments_core.journal.sql.apply import apply
from payments_core.journal.sql.columns import COLUMNS, write_row
from payments_core.journal.sql.statements import POSTGRES, SQLITE, quoted
from payments_core.journal.sql.transaction import DbTransaction
from payments_core.journal.sqlite.schema import create_tables

S = PayoutStatus
TOKEN, FINGERPRINT = "a" * 64, "f" * 64

Ask = Callable[[str], list[tuple[Any, ...]]]
AddRow = Callable[..., PayoutRecord]


def stored_of(row: PayoutRecord) -> dict[str, Any]:
    return dict(zip(COLUMNS, write_row(row), strict=True))


CONTRADICTION = Contradiction(START, "mtn-uganda", 1, ProviderStatus.PAID, "DONE")
# For each judged column: a payout, what changed in it while its transition was decided, and the transition.
CHANGED_SINCE: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "id": ({}, {}, {"status": S.UNKNOWN}),
    "version": ({}, {"version": 1}, {"status": S.UNKNOWN}),
    "status": ({"status": S.UNKNOWN}, {"status": S.SUCCEEDED}, {"status": S.PENDING}),
    "attempt": ({"status": S.UNKNOWN}, {"attempt": 2}, {"status": S.PENDING}),
    "account": ({"status": S.UNKNOWN}, {"account": "mtn-ghana"}, {"status": S.PENDING}),
    "references": ({"status": S.PENDING}, {"references": {"theirs": "t"}}, {"references": {"theirs": "t"}}),
    "ambiguous": ({}, {"ambiguous": True}, {"submissions": 1}),
    "first_sent_at": ({}, {"first_sent_at": later(1)}, {"first_sent_at": later(2)}),
    "next_at": ({"status": S.PENDING, "next_at": later(60)}, {"next_at": later(9)}, {"next_at": later(99)}),
    "contradictions": ({"status": S.FAILED}, {"contradictions": (CONTRADICTION,)}, {"read_at": later(1)}),
    "budgets": ({"status": S.UNKNOWN}, {"budgets": ("day/a",)}, {"status": S.PENDING}),
}


@contextmanager
def always_judged() -> Iterator[None]:
    """Read the stored record for every transition, as was done before there was a shorter way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_transition, "_write_ordinary", lambda *_: None)
        yield


@contextmanager
def without(column: str) -> Iterator[None]:
    """Break the statement: it does not compare this column."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_payout, "JUDGED", tuple(name for name in update_payout.JUDGED if name != column))
        yield


@pytest.fixture
def outcome(journal: Journal, add: AddRow, ask: Ask) -> Callable[[str, str], object]:
    """Make a payout, change a column of it behind its transition, and return what that leads to."""

    def play(column: str, name: str) -> object:
        given, since, wanted = CHANGED_SINCE[column]
        given = {"references": {"reference_id": "one"}, **given}
        before, bystander = add(name, **given), add(f"{name}-other", **given)
        for changed_one in since:
            stored = stored_of(changed(before, **since))[changed_one]
            ask(f"""UPDATE payouts SET "{changed_one}" = {stored!r} WHERE id = '{before.id}'""")
        try:
            reply: object = journal.execute(ApplyTransition(before, changed(before, **wanted), Event("x", later(9))))
        except JournalError as error:
            reply = str(error)
        rows = [journal.get(row.id) for row in (before, bystander)]
        assert not isinstance(reply, TransitionApplied) or reply.row == rows[0]
        beside = [journal.history(row.id) for row in (before, bystander)], journal.by_provider_reference("t")
        return str((reply, rows, beside)).replace(name, "")

    return play


@pytest.mark.parametrize("column", update_payout.JUDGED)
def test_judged_columns_are_each_compared_with_what_is_stored(
    column: str, outcome: Callable[[str, str], object]
) -> None:
    """What changed since the caller read the record is found by the statement; without that column it would not be."""
    with always_judged():
        expected = outcome(column, "judged")
    assert outcome(column, "short") == expected
    with without(column):
        try:
            broken = outcome(column, "broken")
        except AssertionError:
            broken = "the reply is not what is stored"
    assert broken != expected


# --- the same as the judged way, whatever is asked ---

MOMENTS = st.sampled_from([None, START, later(3), later(60)])
STATE = {
    "status": st.sampled_from(PayoutStatus),
    "attempt": st.sampled_from([1, 1, 2]),
    "ambiguous": st.booleans(),
    "first_sent_at": MOMENTS,
    "sent_at": MOMENTS,
    "next_at": MOMENTS,
    "callback_read_at": MOMENTS,
    "read_at": MOMENTS,
    "decided_by": st.sampled_from(["", *DecidedBy]),
    "reason": st.sampled_from([None, Reason(ReasonCode.REJECTED, "NO")]),
    "references": st.sampled_from([{"reference_id": "ref-one"}, {"reference_id": "ref-one", "theirs": "t"}]),
    "submissions": st.integers(0, 2),
    "lease_until": MOMENTS,
    "guards_passed": st.booleans(),
    "budgets": st.sampled_from([(), ("day/a",), ("batch/b", "day/a")]),
}
SINCE = {
    "version": st.just(1),
    "account": st.just("mtn-ghana"),
    "contradictions": st.just((CONTRADICTION,)),
    **{
        name: STATE[name]
        for name in ("status", "attempt", "ambiguous", "first_sent_at", "next_at", "callback_read_at", "budgets")
    },
}
ENTRY = {
    "publish": st.booleans(),
    "pause": st.none() | st.just(Pause("mtn-uganda", START, "refused", PausedBy.ACCOUNT_REFUSED, later(60))),
    "lifts": st.booleans(),
    "asks": st.none() | st.just(Query("b" * 64, START)),
    "answers": st.none() | st.just(TOKEN),
    "post_end": st.none() | st.builds(PostEnd, st.booleans(), st.sampled_from([0, 1, 2])),
    "read_end": st.none() | st.just(ReadEnd(is_refused=False)),
    "needs_approval": st.booleans(),
    "approves": st.none() | st.just(Approval("Ann", "right", START)),
    "absent_since": st.none() | st.just(START),
    "refused_since": st.none() | st.just(START),
    "budgets": st.sampled_from(
        [(), (Budget("day/a", Decimal(20)),), (Budget("day/a", Decimal(30)), Budget("batch/b"))]
    ),
}
PAID_EARLIER = (
    "INSERT INTO history SELECT no, 9, 0, 'payout.contradicted', 'FAILED', 1, 1, '', '{}'"
    " FROM payouts WHERE id = 'po_one'"
)
STOPS = (
    "INSERT INTO pauses VALUES ('mtn-uganda', 0, 'why', 'person', NULL, NULL) ON CONFLICT DO NOTHING",
    "INSERT INTO pauses VALUES ('', 0, 'why', 'person', NULL, NULL) ON CONFLICT DO NOTHING",
    "INSERT INTO pauses VALUES ('mtn-uganda', 0, 'why', 'circuit', 1, 1) ON CONFLICT DO NOTHING",
    "INSERT INTO pauses VALUES ('mtn-ghana', 0, 'why', 'person', NULL, NULL) ON CONFLICT DO NOTHING",
    "INSERT INTO meta VALUES ('restorations', '2')",
    """INSERT INTO meta VALUES ('restored', '{"began": 1, "at": 2}')""",
    "INSERT INTO statement_references VALUES ('refone', 'mtn-uganda', 0)",
    "INSERT INTO statement_references VALUES ('another', 'mtn-uganda', 0)",
    f"INSERT INTO approvals VALUES ('po_one', 1, '{FINGERPRINT}', 'Ann', 0, '')",
    "INSERT INTO budgets VALUES ('day/a', '12.50', NULL, 0)",
    "INSERT INTO budgets VALUES ('batch/b', '25', '40', 0)",
    "INSERT INTO budgets VALUES ('batch/b', '25', '40', 1) ON CONFLICT (name) DO UPDATE SET is_closed = 1",
    "INSERT INTO ambiguity VALUES ('mtn-uganda', 1)",
    "INSERT INTO permits VALUES ('mtn-uganda', 'read', 0, '[]', 1, 1)",
    f"INSERT INTO queries VALUES ('{'b' * 64}', 'po_one', 1, 0, NULL)",
    PAID_EARLIER,
    f"INSERT INTO queries VALUES ('{TOKEN}', 'po_one', 1, 0, NULL)",
)
TABLES = (
    "payouts",
    "history",
    "outbox",
    "pauses",
    "ambiguity",
    "permits",
    "budgets",
    "queries",
    "approvals",
    "by_provider_reference",
    "meta",
)


# Most transitions are of these kinds, and so are most that are looked at here.
KINDS: list[dict[str, tuple[Any, Any]]] = [
    {},
    {"status": (S.CREATED, S.SENDING)},
    {"status": (S.CREATED, S.SENDING), "attempt": (2, 2)},
    {"status": (S.REVIEW, S.CANCELLED)},
    {"status": (S.UNKNOWN, S.PENDING), "references": ({"a": "1"}, {"a": "1", "b": "2"})},
    {"status": (S.UNKNOWN, S.SENDING), "attempt": (2, 2)},
    {"status": (S.SENDING, S.FAILED), "decided_by": ("", DecidedBy.SUBMIT)},
    {"status": (S.SENDING, S.PENDING)},
    {"status": (S.SENDING, S.CREATED), "budgets": (("day/a",), ())},
    {"status": (S.PENDING, S.SUCCEEDED)},
]


@st.composite
def changes(draw: st.DrawFn, of: dict[str, st.SearchStrategy[Any]], most: int) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(of)), unique=True, max_size=most))
    return {name: draw(of[name]) for name in names}


Write = Callable[[DbTransaction, Any], Any]


def in_a_batch(session: DbTransaction, entry: Any) -> Any:
    """Write a change as a batch does, and alone when the batch does not write it or fails."""
    if (member := member_of(entry)) is not None:
        session.execute("SAVEPOINT batch", ())
        try:
            if member.payout_id in write_members(session, [member])():
                return member.reply
        except psycopg.Error:
            session.execute("ROLLBACK TO batch", ())
    return apply(session, entry)


@pytest.fixture(scope="module")
def server_tables(postgres: Any) -> Iterator[DbTransaction]:
    """A journal's tables in a database of the server."""
    with psycopg.connect(
        url := postgres.create(), autocommit=True, options="-csearch_path=payments_core"
    ) as connection:
        yield DbTransaction(connection.execute, POSTGRES)
    postgres.drop(url)


@pytest.fixture(scope="module", params=["sqlite", "a batch"])
def short(request: pytest.FixtureRequest) -> Iterator[tuple[DbTransaction, Write]]:
    """A journal's tables, and the shortest way to write into them."""
    if request.param == "a batch":
        yield request.getfixturevalue("server_tables"), in_a_batch
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_tables(connection, namespace="test-namespace", at=START)
        yield DbTransaction(connection.execute, SQLITE), apply


def played(session: DbTransaction, write: Write, entry: Any, since: dict[str, Any] | None, stops: set[str]) -> object:
    """Return what a change leads to, of a payout changed since it was read, or of none; nothing of it stays."""

    def run(statement: str, values: Sequence[Any] = ()) -> Any:
        return session.execute(session.sql.text(statement), values)

    def rows(table: str) -> list[Any]:
        found = run(f"SELECT * FROM {table} ORDER BY 1, 2")
        names = [column[0] for column in found.description]
        counted = {"no", "payout_no"}  # with what is rolled back
        return [
            [value for name, value in zip(names, row, strict=True) if name not in counted] for row in found.fetchall()
        ]

    run("BEGIN")
    try:
        if since is not None:
            apply(session, CreatePayout(new_record(), Event("payout.created", START)))
            stored = stored_of(changed(entry.before, **since))
            run(f"UPDATE payouts SET {', '.join(f'{quoted([name])} = ?' for name in stored)}", [*stored.values()])
        for statement in sorted(stops):
            run(statement)
        try:
            reply: object = write(session, entry)
        except (JournalError, sqlite3.IntegrityError, psycopg.Error) as error:
            return str(error)
        return reply, list(map(rows, TABLES))
    finally:
        run("ROLLBACK")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_short_way_is_stopped_by_what_stops_the_judged_way(
    short: tuple[DbTransaction, Write], kind: dict[str, tuple[Any, Any]]
) -> None:
    """A pause, a gap, a statement, a missing approval, a contradiction: each stops exactly what it stopped before."""
    was, becomes = ({name: states[place] for name, states in kind.items()} for place in (0, 1))
    row = new_record(**was)
    ends = {"post_end": PostEnd(False, 20), "read_end": ReadEnd(is_refused=False), "lifts": True, "publish": True}
    day = {"budgets": (Budget("day/a", Decimal(20)),)}
    abouts: list[dict[str, Any]] = [{}, {"needs_approval": True}, {"post_end": PostEnd(True, 1)}, ends, day]
    for about, stop in product(abouts, ("", *STOPS)):
        entry = ApplyTransition(row, changed(row, **becomes), Event("payout.changed", later(9)), **about)
        with always_judged():
            expected = played(short[0], apply, entry, {}, {stop} - {""})
        assert played(*short, entry, {}, {stop} - {""}) == expected, (about, stop)


@given(
    kind=st.sampled_from(KINDS),
    before=changes(STATE, 4),
    wanted=changes(STATE, 4),
    since=st.just({}) | changes(SINCE, 2),
    about=changes(ENTRY, 4),
    stops=st.just(set()) | st.sets(st.sampled_from(STOPS), max_size=2),
)
@settings(max_examples=100, deadline=None)
def test_short_way_writes_what_the_judged_way_writes(
    short: tuple[DbTransaction, Write],
    kind: dict[str, tuple[Any, Any]],
    before: dict[str, Any],
    wanted: dict[str, Any],
    since: dict[str, Any],
    about: dict[str, Any],
    stops: set[str],
) -> None:
    """Whatever is stored and whatever is asked: the same reply or the same refusal, and every table the same."""
    row = new_record(**before | {name: was for name, (was, _) in kind.items()})
    after = changed(row, **wanted | {name: becomes for name, (_, becomes) in kind.items()})
    entry = ApplyTransition(row, after, Event("payout.changed", later(9), {"code": "1"}), **about)
    with always_judged():
        expected = played(short[0], apply, entry, since, stops)
    assert played(*short, entry, since, stops) == expected


@pytest.mark.parametrize("most", [None, 20, 25, 5])
@pytest.mark.parametrize("begins", [False, True], ids=["accepted", "sent"])
def test_new_payout_is_the_same_in_a_batch_and_alone(
    server_tables: DbTransaction, begins: bool, most: int | None
) -> None:
    """Whatever could stop a submission, and where the key or the id is taken: the same reply, and the same tables."""
    row = new_record(references={"reference_id": "ref-one", "theirs": "t", "again": "t"})
    sent = changed(row, status=S.SENDING, submissions=1, sent_at=START, guards_passed=True)
    submission = ApplyTransition(row, sent, Event("payout.sending", later(1), {"a": "b"}), asks=Query("b" * 64, START))
    budgets = () if most is None else (Budget("day/a", Decimal(most)),)
    entry = CreatePayout(row, Event("payout.created", START), submission if begins else None, budgets)
    taken = f"INSERT INTO payouts ({quoted(COLUMNS)}) VALUES {tuple(stored_of(row).values())}".replace("None", "NULL")
    for stop in ("", taken, taken.replace("po_one", "po_two"), *(stop for stop in STOPS if "po_one" not in stop)):
        alone = played(server_tables, apply, entry, None, {stop} - {""})
        assert played(server_tables, in_a_batch, entry, None, {stop} - {""}) == alone, stop


def test_transition_that_is_judged_counts_its_submission_once(journal: Journal, add: AddRow, ask: Ask) -> None:
    """A transition that has to be judged counts the end of its submission once."""
    row = add(status=S.UNKNOWN)
    ask("UPDATE payouts SET next_at = 1")
    wanted = replace(row, schedule=replace(row.schedule, next_at=later(60)))
    end = PostEnd(is_ambiguous=True, circuit_after=20)
    assert isinstance(journal.execute(ApplyTransition(row, wanted, Event("x", START), post_end=end)), TransitionApplied)
    assert ask("SELECT in_a_row FROM ambiguity") == [(1,)]
