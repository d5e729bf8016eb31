"""Many writers at once, a server that goes away, and what is refused: only under PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flat_records import START, changed

from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import (
    JournalClosed,
    JournalError,
    JournalLocked,
    JournalMissing,
    SettingsError,
)
from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine.commands import (
    AccountPaused,
    AppendHistory,
    ApplyTransition,
    CreatePayout,
    CreateResult,
    OverRefunded,
    Stale,
    TransitionApplied,
)
from payments_core.journal import init_journal, open_journal, store_of
from payments_core.journal.maintenance.snapshot import PostgresSnapshot
from payments_core.journal.postgres import connection
from payments_core.journal.postgres.journal import PostgresJournal
from payments_core.journal.sql.transaction import lock_number

NAMESPACE = "test-namespace"
EVENT = Event("payout.changed", START)
SECRET = "hunter2-correct-horse"

Row = Callable[..., PayoutRecord]


OpenShared = Callable[..., PostgresJournal]


def send(journal: PostgresJournal, row: PayoutRecord, seconds: float = 0) -> Any:
    after = changed(row, status=PayoutStatus.SENDING, submissions=row.attempt.submissions + 1)
    return journal.execute(ApplyTransition(row, after, Event("payout.sending", START + timedelta(seconds=seconds))))


def write(journal: PostgresJournal, row: PayoutRecord) -> PayoutRecord:
    reply = journal.execute(CreatePayout(row, EVENT))
    assert isinstance(reply, CreateResult)
    return reply.row


# --- many at once ---


def test_key_accepted_twice_at_once_is_one_payout(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """One creates it; the other waits until that is certain, and gets the row."""
    a, b = open_shared(), open_shared()
    first, second = (CreatePayout(make_row(note=note), EVENT) for note in ("first", "second"))
    assert gate.race(lambda: a.execute(first), lambda: b.execute(second)) == (
        CreateResult(make_row(note="first"), created=True),
        CreateResult(make_row(note="first"), created=False),
    )
    assert len(a.history("po_one")) == 1


def test_row_moved_twice_at_once_makes_one_transition(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """The second waits, sees the row as the first has left it, and its history goes on without a gap."""
    a, b = open_shared(), open_shared()
    row = write(a, make_row())
    moved, late = gate.race(
        lambda: a.execute(ApplyTransition(row, changed(row, submissions=1), EVENT)),
        lambda: b.execute(ApplyTransition(row, changed(row, submissions=2), EVENT)),
    )
    assert isinstance(moved, TransitionApplied)
    assert late == Stale(moved.row)
    assert isinstance(b.execute(ApplyTransition(moved.row, moved.row, EVENT)), TransitionApplied)
    assert [entry.seq for entry in a.history(row.id)] == [1, 2, 3]


def test_history_appended_beside_a_transition_is_numbered_after_it(
    open_shared: OpenShared, gate: Any, make_row: Row
) -> None:
    """Who waited for the row counts what was written meanwhile."""
    a, b = open_shared(), open_shared()
    row = write(a, make_row())
    moved, _ = gate.race(
        lambda: a.execute(ApplyTransition(row, changed(row, submissions=1), EVENT)),
        lambda: b.execute(AppendHistory(row.id, Event("payout.late_result", START))),
    )
    assert isinstance(moved, TransitionApplied)
    assert [entry.event for entry in a.history(row.id)] == ["payout.changed", "payout.changed", "payout.late_result"]


def test_send_that_waits_for_its_payout_does_not_lock_the_pauses(
    shared: PostgresJournal, gate: Any, make_row: Row, postgres_url: str
) -> None:
    """The payout is locked before the pauses: in the other order two transactions could wait for each other."""
    row = write(shared, make_row())
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT 1 FROM payments_core.payouts FOR UPDATE")
        sending = gate.start(lambda: send(shared, row))
        taken = other.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock_number("pauses"),)).fetchone()
        assert taken == (True,)
    assert isinstance(sending.result(10), TransitionApplied)


def test_pause_stops_every_send_that_commits_after_it(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """An emergency stop waits for the send under way, and once it is set nothing leaves that had not seen it."""
    a, b, c = open_shared(), open_shared(), open_shared()
    one, two = write(a, make_row("one")), write(a, make_row("two"))
    pause = Pause(None, START, "stop")
    gate.shut()
    under_way = gate.start(lambda: send(a, one))
    stop = gate.start(lambda: b.set_pause(pause))
    late = gate.start(lambda: send(c, two))
    assert not stop.done()
    gate.open()
    assert isinstance(under_way.result(), TransitionApplied)
    stop.result()
    assert late.result() == AccountPaused(pause)


def test_account_refusal_stops_the_sends_that_follow(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """So does a refusal of us: who sends after it has seen it."""
    a, b = open_shared(), open_shared()
    one, two = write(a, make_row("one")), write(a, make_row("two"))
    block = Pause("mtn-uganda", START, "blocked", PausedBy.ACCOUNT_REFUSED, START + timedelta(seconds=300))
    refusal = ApplyTransition(one, changed(one, submissions=1), EVENT, pause=block)
    refused, late = gate.race(lambda: a.execute(refusal), lambda: send(b, two))
    assert isinstance(refused, TransitionApplied)
    assert late == AccountPaused(block)


def test_probe_that_two_find_due_is_sent_once(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """Two who find the probe due at one moment: one takes it, and the other sees that it is taken."""
    a, b = open_shared(), open_shared()
    one, two = write(a, make_row("one")), write(a, make_row("two"))
    a.set_pause(Pause("mtn-uganda", START, "blocked", PausedBy.ACCOUNT_REFUSED, START + timedelta(seconds=300)))
    probe, late = gate.race(lambda: send(a, one, 300), lambda: send(b, two, 300))
    assert isinstance(probe, TransitionApplied)
    assert isinstance(late, AccountPaused)


def test_lifted_pause_does_not_wait_for_a_send(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """Whoever is being moved is left to his mover: two who waited for each other would be stopped by the server."""
    a, b = open_shared(), open_shared()
    soon, later = START + timedelta(minutes=30), START + timedelta(hours=1)
    row, other = write(a, make_row("one", next_at=soon)), write(a, make_row("two", next_at=later))
    a.set_pause(Pause(None, START, "all"))
    gate.shut()
    under_way = gate.start(lambda: a.execute(ApplyTransition(row, changed(row, submissions=1), EVENT)))
    assert b.lift_pause(None)
    gate.open()
    assert isinstance(under_way.result(), TransitionApplied)
    assert [stored.schedule.next_at for stored in map(a.get, [row.id, other.id]) if stored] == [soon, START]


def test_refunds_at_once_stay_under_the_ceiling(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """The second is counted after the first, however the collection is written."""
    a, b = open_shared(), open_shared()
    refund: dict[str, Any] = {
        "operation": Operation.REFUND,
        "payee_kind": "collection",
        "amount": Decimal(6),
        "original_amount": Decimal(10),
    }
    first, second = gate.race(
        lambda: a.execute(CreatePayout(make_row("one", payee_value="c-1", **refund), EVENT)),
        lambda: b.execute(CreatePayout(make_row("two", payee_value="C-1", **refund), EVENT)),
    )
    assert isinstance(first, CreateResult)
    assert isinstance(second, OverRefunded)
    assert b.get("po_two") is None


def test_lock_held_too_long_is_reported(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """A lock that is not let go costs the caller its entry, and nothing else."""
    a, b = open_shared(), open_shared(lock_timeout_s=0.1)
    row = write(a, make_row())
    gate.shut()
    first = gate.start(lambda: a.execute(ApplyTransition(row, changed(row, submissions=1), EVENT)))
    with pytest.raises(JournalLocked, match=r"does not let go.*the same key is safe"):
        b.execute(ApplyTransition(row, changed(row, submissions=2), EVENT))
    assert b.get(row.id) == row
    gate.open()
    assert isinstance(first.result(), TransitionApplied)


# --- in the application's transaction ---


def test_key_being_accepted_is_decided_by_the_application_first(
    shared: PostgresJournal, postgres_url: str, gate: Any, make_row: Row
) -> None:
    """Nobody decides about a key before the application has."""
    with psycopg.connect(postgres_url) as application:
        shared.open_within(application, CreatePayout(make_row(note="theirs"), EVENT))
        waiting = gate.start(lambda: shared.execute(CreatePayout(make_row(note="ours"), EVENT)))
        application.rollback()
        assert waiting.result() == CreateResult(make_row(note="ours"), created=True)


def test_connection_that_cannot_keep_the_promise_is_refused(
    shared: PostgresJournal, postgres_url: str, new_database: Callable[[], str], make_row: Row
) -> None:
    """Where the promise could not be kept, nothing is written, and the application's transaction goes on."""
    entry = CreatePayout(make_row(), EVENT)
    with psycopg.connect(postgres_url, autocommit=True) as loose:
        with pytest.raises(JournalError, match="in no transaction"):
            shared.open_within(loose, entry)
        with loose.transaction():
            assert shared.open_within(loose, entry).created
    with psycopg.connect(new_database()) as elsewhere:
        elsewhere.execute("CREATE TABLE theirs (x int)")
        with pytest.raises(JournalError, match="without this journal"):
            shared.open_within(elsewhere, entry)
        elsewhere.execute("INSERT INTO theirs VALUES (1)")
    with pytest.raises(JournalError, match=r"no psycopg\.Connection"):
        shared.open_within(object(), entry)
    refund = make_row("two", operation=Operation.REFUND, payee_kind="collection", original_amount=Decimal(99))
    with psycopg.connect(postgres_url) as application, pytest.raises(JournalError, match="refund"):
        shared.open_within(application, CreatePayout(refund, EVENT))


# --- what is refused ---


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("synchronous_commit = off", r"may forget an acknowledged commit \(synchronous_commit = off\).*set fsync = on"),
        ("synchronous_commit = local", r"synchronous_commit = local"),
        ("synchronous_commit = remote_write", r"synchronous_commit = remote_write"),
        ("default_transaction_read_only = on", r"is read-only and cannot be written.*primary"),
    ],
)
def test_server_that_may_forget_is_refused(
    postgres: Any, postgres_url: str, open_shared: OpenShared, make_row: Row, setting: str, words: str
) -> None:
    """Before the first payment, and again on every new connection."""
    journal = open_shared()
    database = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    postgres.execute(f"ALTER DATABASE {database} SET {setting}")
    with pytest.raises(JournalError, match=words):
        open_shared()
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608
    )
    with pytest.raises(JournalError, match=words):
        journal.execute(CreatePayout(make_row(), EVENT))


def test_server_that_does_not_flush_is_refused(own_postgres: Any) -> None:
    """Fsync = off loses what was acknowledged, and more, when the power goes."""
    own_postgres.execute("ALTER SYSTEM SET fsync = off")
    own_postgres.execute("SELECT pg_reload_conf()")
    try:
        while own_postgres.ask("SHOW fsync") != "off":  # the setting takes a moment to reach new connections
            time.sleep(0.01)
        with pytest.raises(JournalError, match=r"\(fsync = off\)"):
            PostgresJournal(own_postgres.url, namespace=NAMESPACE, clock=lambda: START)
    finally:
        own_postgres.execute("ALTER SYSTEM RESET fsync")
        own_postgres.execute("SELECT pg_reload_conf()")


def test_replica_is_refused(own_postgres: Any) -> None:
    """What follows another server cannot be written, and may show the past."""
    url = own_postgres.create()
    with own_postgres.replica() as port:
        replica = f"{url}&port={port}"
        with pytest.raises(JournalError, match=r"replica in recovery.*target_session_attrs=read-write"):
            PostgresJournal(replica, namespace=NAMESPACE, clock=lambda: START)


def test_old_server_is_refused(open_shared: OpenShared, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest version that is looked after is the oldest we use."""
    monkeypatch.setattr(connection, "OLDEST_SERVER", 99)
    with pytest.raises(JournalError, match="needs 99 or newer"):
        open_shared()


def test_database_that_cannot_hold_every_name_is_refused(postgres: Any) -> None:
    """Text in any script comes back as it was written."""
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(JournalError, match="stores text as LATIN1"):
            PostgresJournal(postgres.url_of("latin"), namespace=NAMESPACE, clock=lambda: START)
    finally:
        postgres.execute("DROP DATABASE latin")


def described(error: BaseException) -> str:
    """Everything that a log could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__) + repr(error.__cause__)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/payouts",
        f"postgresql://me@127.0.0.1:1/payouts?password={SECRET}",
        f"postgresql://me:a@{SECRET}@127.0.0.1:1/payouts",
        f"postgresql://me:a/{SECRET}@127.0.0.1:1/payouts",
        f"postgresql://me:1/{SECRET}@127.0.0.1:1/payouts",
        f"postgresql://me:a%zz{SECRET}@127.0.0.1:1/payouts",
        f"postgresql://me:{SECRET}@[::1/payouts",
        f"postgres:/me:{SECRET}@127.0.0.1/payouts",
    ],
)
def test_password_is_in_no_message(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the address is understood or not, and wherever in it the password stands."""
    monkeypatch.setenv("JOURNAL", url)
    for address in (url, "env:JOURNAL"):
        with pytest.raises((JournalError, SettingsError)) as caught:
            open_journal(address, namespace=NAMESPACE, root=tmp_path, clock=lambda: START)
        assert SECRET not in described(caught.value)
        assert caught.value.hint


def test_detail_of_a_refused_row_is_not_shown(shared: PostgresJournal, postgres_url: str, make_row: Row) -> None:
    """The detail of a refused row is the row, payee included."""
    with psycopg.connect(postgres_url) as other:
        other.execute("ALTER TABLE payments_core.payouts ADD CHECK (account <> 'forbidden')")
    row = make_row(account="forbidden")
    with pytest.raises(JournalError, match=r"refused an entry: .*check constraint") as caught:
        shared.execute(CreatePayout(row, EVENT))
    assert row.order.payee.value not in described(caught.value)


def test_maintenance_does_not_show_the_error_of_the_driver(shared: PostgresJournal, postgres_url: str) -> None:
    """Where a journal is restored, verified or backed up, nothing of the driver is chained to an error either."""
    store = store_of(postgres_url, namespace=NAMESPACE, root=Path(), at=START)
    with pytest.raises(JournalError, match="refused an entry") as caught, store.writing() as session:
        session.execute("UPDATE payments_core.meta SET value = NULL", ())
    assert "Failing row" not in described(caught.value)


@pytest.mark.parametrize("read", [PostgresSnapshot.ask, lambda snapshot, statement: [*snapshot.stream(statement)]])
def test_snapshot_does_not_show_the_error_of_the_driver(shared: PostgresJournal, postgres_url: str, read: Any) -> None:
    """Neither where all rows are read at once nor where they are streamed."""
    snapshot = PostgresSnapshot(connection.Server(postgres_url), namespace=NAMESPACE)
    with closing(snapshot), pytest.raises(JournalError, match="refused an entry") as caught:
        read(snapshot, "SELECT 1 / COUNT(*) FROM payments_core.claims")
    assert "DivisionByZero" not in described(caught.value)


def test_missing_driver_is_named_with_its_extra() -> None:
    """Who installed the library alone learns what to add."""
    script = """
import sys
sys.modules["psycopg"] = None
from datetime import UTC, datetime
from pathlib import Path
from payments_core.domain.errors import SettingsError
from payments_core.journal import open_journal
try:
    open_journal("postgresql://localhost/x", namespace="n" * 8, root=Path(), clock=lambda: datetime.now(UTC))
except SettingsError as error:
    print(error)
"""
    text = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert 'pip install "payments-core[postgres]"' in text


# --- tables ---


def init(url: str) -> str:
    try:
        init_journal(url, namespace=NAMESPACE, root=Path(), at=START)
    except JournalError as error:
        return error.message
    return "made"


def test_empty_database_is_prepared_once_and_by_one_command_alone(
    new_database: Callable[[], str], open_shared: OpenShared
) -> None:
    """Opening creates no journal, as one may have been lost; of several that create it, one does."""
    url = new_database()
    with pytest.raises(JournalMissing, match=r"holds no journal.*restore a backup.*payouts journal init"):
        open_shared(url)
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: init(url), range(4)))
    assert done.count("made") == 1
    assert sum("is there already; nothing was changed" in item for item in done) == 3
    assert open_shared(url).counts() == {}


def test_schema_of_another_program_is_left_alone(new_database: Callable[[], str]) -> None:
    """No table of ours is put between another program's."""
    url = new_database()
    with psycopg.connect(url) as other:
        other.execute("CREATE SCHEMA payments_core; CREATE TABLE payments_core.theirs (x int)")
    assert "tables of another program" in init(url)
    with psycopg.connect(url) as other:
        names = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'payments_core'").fetchall()
    assert names == [("theirs",)]


# --- a server that goes away ---


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_acknowledged_entries_survive_a_restart_of_the_server(own_postgres: Any, make_row: Row, mode: str) -> None:
    """Stopped in the middle of everything: each yes holds; meanwhile there are errors, no guesses; then all goes on."""
    url = own_postgres.create()
    settings: dict[str, Any] = {"namespace": NAMESPACE, "clock": lambda: START, "fate_timeout_s": 1.0}
    journals = [PostgresJournal(url, **settings) for _ in range(2)]
    acknowledged: dict[str, int] = {}
    errors: list[JournalError] = []
    ended = threading.Event()

    def work(priority: int) -> None:
        number = 0
        while not ended.is_set():
            row = make_row(f"{priority}-{number}")
            try:
                row = write(journals[priority % 2], row)
                acknowledged[row.id] = row.version
                after = replace(row, status=PayoutStatus.FAILED)
                reply = journals[priority % 2].execute(ApplyTransition(row, after, EVENT, publish=True))
                if row.version == 0:
                    assert isinstance(reply, TransitionApplied), (
                        reply
                    )  # nobody else moves it, and it was there as we read it
                acknowledged[row.id] = 1
            except JournalError as error:
                errors.append(error)
                continue  # the same key again
            number += 1

    with ThreadPoolExecutor(6) as threads:
        lanes = [threads.submit(work, priority) for priority in range(6)]
        try:
            for _ in range(2):
                have = len(acknowledged)
                while len(acknowledged) < have + 60:
                    time.sleep(0.01)
                own_postgres.stop(mode)
                before = len(errors)
                while len(errors) < before + 3:
                    time.sleep(0.01)
                own_postgres.start()
            have = len(acknowledged)
            while len(acknowledged) < have + 60:
                time.sleep(0.01)
        finally:
            ended.set()
        for priority in lanes:
            priority.result()
    assert {type(error) for error in errors} == {JournalError}
    assert [error.message for error in errors if not error.hint] == []
    stored = {row.id: row for row in journals[0].rows()}
    assert {
        name for name, version in acknowledged.items() if name not in stored or stored[name].version < version
    } == set()
    for row in stored.values():
        assert [entry.seq for entry in journals[1].history(row.id)] == list(range(1, row.version + 2))
    for journal in journals:
        journal.close()


def test_lost_answer_to_a_commit_is_found_again(cut: Any, open_shared: OpenShared, make_row: Row) -> None:
    """Who finds written what he has just tried to write has written it: a yes is a yes, and it is there once."""
    journal = open_shared(cut.url)
    cut.after_commit = True
    assert journal.execute(CreatePayout(make_row(), EVENT)) == CreateResult(make_row(), created=True)
    cut.after_commit = True
    after = changed(make_row(), status=PayoutStatus.SENDING, submissions=1, lease_owner="me", references={"a": "b"})
    moved = journal.execute(ApplyTransition(make_row(), after, EVENT))
    assert moved == TransitionApplied(replace(after, version=1))
    cut.after_commit = True
    journal.set_pause(Pause(None, START, "stop"))
    cut.after_commit = True
    assert journal.lift_pause(None)
    assert not journal.lift_pause(None)
    assert len(journal.history("po_one")) == 2
    assert cut.cuts == 4


def test_lost_transition_that_was_overtaken_is_stale(cut: Any, open_shared: OpenShared, make_row: Row) -> None:
    """When the answer to our commit is lost and the row stands otherwise, it is not ours to say how."""
    journal, other = open_shared(cut.url), open_shared()
    row = write(journal, make_row())
    overtaken: list[Any] = []

    def overtake() -> None:
        seen = other.get(row.id)
        assert seen is not None
        overtaken.append(other.execute(ApplyTransition(seen, changed(seen, submissions=7), EVENT)).row)

    cut.after_commit, cut.at_cut = True, overtake
    assert journal.execute(ApplyTransition(row, changed(row, submissions=1), EVENT)) == Stale(overtaken[0])
    assert [entry.submissions for entry in journal.history(row.id)] == [0, 1, 7]


def test_commit_that_never_arrived_is_made_again(cut: Any, open_shared: OpenShared, make_row: Row) -> None:
    """What was not written is written now, once."""
    journal = open_shared(cut.url)
    cut.before_commit = True
    assert journal.execute(CreatePayout(make_row(), EVENT)) == CreateResult(make_row(), created=True)
    cut.before_commit = True
    moved = journal.execute(ApplyTransition(make_row(), changed(make_row(), submissions=1), EVENT))
    assert isinstance(moved, TransitionApplied)
    assert journal.get("po_one") == moved.row
    assert len(journal.history("po_one")) == 2
    assert cut.cuts == 2


def test_commit_with_an_unknown_fate_is_reported_as_unknown(cut: Any, open_shared: OpenShared, make_row: Row) -> None:
    """Neither yes nor no is said; the same key finds out."""
    journal = open_shared(cut.url, fate_timeout_s=0.3)
    cut.after_commit = cut.stays_shut = True
    with pytest.raises(JournalError, match=r"not known whether it did.*the same key is safe"):
        journal.execute(CreatePayout(make_row(), EVENT))
    with pytest.raises(JournalError, match="cannot be reached"):
        journal.get("po_one")
    cut.stays_shut = False
    assert journal.execute(CreatePayout(make_row(), EVENT)) == CreateResult(make_row(), created=False)


def test_standby_that_takes_over_is_written_before_the_reply(
    own_postgres: Any, make_cut: Callable[[str], Any], make_row: Row
) -> None:
    """A commit that only the lost server knows of counts for nothing: what is acknowledged is in the new one."""
    url = own_postgres.create()
    with own_postgres.replica(promoted=True) as port:
        cut = make_cut(url)
        journal = PostgresJournal(cut.url, namespace=NAMESPACE, clock=lambda: START)
        cut.after_commit, cut.next_port = True, port
        assert journal.execute(CreatePayout(make_row(), EVENT)) == CreateResult(make_row(), created=True)
        assert journal.get("po_one") == make_row()
        journal.close()
        for found, server in ((1, url), (1, f"{url}&port={port}")):
            with psycopg.connect(server) as other:
                assert other.execute("SELECT COUNT(*) FROM payments_core.payouts").fetchone() == (found,)


# --- the journal's threads ---


def test_connection_count_is_one_for_one_caller(shared: PostgresJournal, make_row: Row) -> None:
    """A command that looks at one payout does not open eight connections for it."""
    for number in range(20):
        shared.execute(CreatePayout(make_row(str(number)), EVENT))
    assert len(shared._threads._threads) == 1


def test_cancelled_caller_writes_nothing(open_shared: OpenShared, gate: Any, make_row: Row) -> None:
    """Who leaves before its turn leaves nothing behind."""
    journal = open_shared(connections=1)
    gate.shut()
    first = gate.start(lambda: journal.execute(CreatePayout(make_row("one"), EVENT)))
    queued = [journal.submit(CreatePayout(make_row(name), EVENT)) for name in ("two", "three")]
    assert queued[0].cancel()
    gate.open()
    assert first.result().created
    assert isinstance(queued[1].result(10), CreateResult)
    assert {row.id for row in journal.rows()} == {"po_one", "po_three"}


def test_closing_finishes_what_is_queued(open_shared: OpenShared, make_row: Row) -> None:
    """Who was let in is served; who comes later is turned away; a callback may close, too."""
    journal = open_shared(connections=2)
    futures = [journal.submit(CreatePayout(make_row(str(number)), EVENT)) for number in range(50)]
    futures[-1].add_done_callback(lambda _: journal.close())
    journal.close()
    assert all(isinstance(future.result(10), CreateResult) for future in futures)
    for use in (
        lambda: journal.get("po_1"),
        lambda: journal.submit(CreatePayout(make_row(), EVENT)),
        lambda: journal.counts(),
    ):
        with pytest.raises(JournalClosed, match="Make a new client"):
            use()
    journal.close()
    assert len(list(open_shared().rows())) == 50


def test_deadlock_is_not_reported_as_a_lost_server() -> None:
    """Two applications that accept keys in different orders: the hint is to begin again, not to look at the server."""
    server = connection.Server("postgresql://nobody@localhost/payouts")
    result = server.explain(psycopg.errors.DeadlockDetected("deadlock detected"))
    assert "gave way to another transaction" in result.message
