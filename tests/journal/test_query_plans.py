"""What a payout asks of its journal costs the same however many payouts there are: all is found by an index."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from flat_records import START, changed

from payments_core.domain.inbox_records import Arrival, Handling
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.rates import AcquirePermit, PostEnd, Priority, ReadEnd
from payments_core.domain.records import Event, PayoutRecord, Query
from payments_core.engine.commands import AppendHistory, ApplyTransition, CreatePayout
from payments_core.journal.postgres.batch_statements import member_of, write_members
from payments_core.journal.sql.apply import apply
from payments_core.journal.sql.claims import Claim, Release, Renew
from payments_core.journal.sql.statements import POSTGRES, SQLITE
from payments_core.journal.sql.transaction import DbTransaction

TOKEN = "a" * 64
S = PayoutStatus
# They hold a few rows each, however many payouts there are.
SMALL = {"pauses", "claims", "meta"}


def asked_of(journal: Any, session: DbTransaction, row: PayoutRecord) -> None:
    """Accept, send, read and end a payout in every ordinary way, and ask about it as its caller and a worker do."""

    def write(command: Any) -> Any:
        return getattr(apply(session, command), "row", None)

    def moved(row: PayoutRecord, seconds: float, wanted: dict[str, Any], **about: Any) -> PayoutRecord:
        at = START + timedelta(seconds=seconds)
        after: PayoutRecord = write(ApplyTransition(row, changed(row, **wanted), Event("payout.x", at), **about))
        return after

    sent = {"status": S.SENDING, "submissions": 1, "sent_at": START, "guards_passed": True}
    begun = Event("payout.sending", START)
    write(AcquirePermit(account="mtn-uganda", priority=Priority.POST, per_s=5.0, within_s=1.0))
    write(CreatePayout(row, Event("payout.created", START), ApplyTransition(row, changed(row, **sent), begun)))
    other = replace(row, id="po_other", order=replace(row.order, key="salary/other"))
    write(CreatePayout(other, Event("payout.created", START)))
    other = moved(other, 1, sent, asks=Query(TOKEN, START))
    end = PostEnd(is_ambiguous=False, circuit_after=20)
    other = moved(other, 2, {"status": S.PENDING, "first_sent_at": START}, post_end=end, lifts=True)
    assert apply(session, Arrival(account="mtn-uganda", query=TOKEN, method="POST", at=START, encoded="", no=0))
    write(
        Handling(no=1, at=START, outcome="matched", details="", payout_id=other.id, event=Event("payout.called", START))
    )
    write(Claim(START + timedelta(days=1), "me", START + timedelta(days=1, hours=1), ("mtn-uganda",), 8))
    write(Renew("me", (other.id,), START + timedelta(days=1, hours=1)))
    other = moved(journal.get(other.id) or other, 9, {"status": S.UNKNOWN}, read_end=ReadEnd(is_refused=False))
    write(AppendHistory(other.id, Event("payout.late", START), due_at=START))
    moved(other, 10, {"status": S.SUCCEEDED, "next_at": None}, publish=True, answers=TOKEN)
    write(Release("me", (other.id,)))
    if session.sql is POSTGRES:
        one, two = (replace(row, id=f"po_{name}", order=replace(row.order, key=name)) for name in ("one", "two"))
        submission = ApplyTransition(one, changed(one, **sent), begun, asks=Query(TOKEN[1:], START))
        for members in ([CreatePayout(one, begun, submission), CreatePayout(two, begun)], [about_all(two)]):
            assert write_members(session, [member for one in members if (member := member_of(one))])()
    journal.by_key(row.order.key), journal.history(row.id), journal.by_query(TOKEN), journal.find(row.id)
    journal.by_provider_reference("ref-one")
    journal.due(START, accounts=["mtn-uganda"], limit=8)
    journal.next_due(accounts=["mtn-uganda"])


def about_all(row: PayoutRecord) -> ApplyTransition:
    """Return a transition that a batch writes with all that may belong to one."""
    after = changed(row, status=S.PENDING, references={"reference_id": "new"})
    ends = {"post_end": PostEnd(is_ambiguous=False, circuit_after=20), "read_end": ReadEnd(is_refused=False)}
    about: dict[str, Any] = {"publish": True, "lifts": True, "asks": Query(TOKEN[2:], START), **ends}
    return ApplyTransition(row, after, Event("payout.x", START), **about)


def test_statements_of_a_payout_scan_no_table(
    journal: Any, make_row: Callable[..., PayoutRecord], store: str, address: str, path: Path
) -> None:
    """Nothing that is asked for a payout reads the other payouts."""
    plans: list[tuple[str, str]] = []
    scan = r"^SCAN (?!CONSTANT|\d+-ROW)(\w+)" if store == "sqlite" else r"Seq Scan on (\w+)"
    with contextlib.ExitStack() as stack:
        if store == "sqlite":
            own: Any = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
        else:
            own = stack.enter_context(psycopg.connect(address, autocommit=True))
            own.execute("SET enable_seqscan = off")  # so few rows are scanned whatever indexes there are

        def execute(statement: str, values: Any = ()) -> Any:
            explain = "EXPLAIN QUERY PLAN" if store == "sqlite" else "EXPLAIN"
            if "pg_advisory" not in statement:
                found = own.execute(f"{explain} {statement}", values).fetchall()
                plans.extend((str(line[-1]), statement) for line in found)
            return own.execute(statement, values)

        journal._fetch = lambda statement, values=(): execute(statement, values).fetchall()
        asked_of(journal, DbTransaction(execute, SQLITE if store == "sqlite" else POSTGRES), make_row())
    assert len(plans) > 40
    scans = [(found[1], statement) for plan, statement in plans if (found := re.search(scan, plan))]
    assert [one for one in scans if one[0] not in SMALL] == []
    # A group of `payouts_listed` may be every payout of an account. PostgreSQL has statistics, SQLite has to be told.
    assert store == "postgres" or [one for one in plans if "payouts_listed" in one[0]] == []
