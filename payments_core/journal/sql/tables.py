"""The tables and indexes of a journal, written once for both dialects.

A change of a released table needs a new version of the schema and a command that upgrades an older journal.
"""

from __future__ import annotations

from payments_core.journal.sql.statements import Statements

__all__ = ["VERSION", "tables"]

#: The version of the schema; a journal of a newer one is refused.
VERSION = 1


def tables(sql: Statements, *, integer: str, row_number: str, without_rowid: str = "") -> tuple[str, ...]:
    """Return the statements that create the tables and indexes in one dialect.

    Times are microseconds since 1970 (UTC), amounts are decimal text, mappings are compact JSON.

    Args:
        sql: The dialect.
        integer: Its type for 64-bit integers.
        row_number: Type and constraints of ``no``, which counts the rows of a table in the order of their insertion.
            Under PostgreSQL a row may become visible after a row with a higher number.
        without_rowid: Ends the statement of a table that has a primary key of its own.

    """
    at = sql.schema
    # Keys that begin with a text are found in the order of their bytes, and listed without a look at the table.
    unique_key = "UNIQUE (key)"
    if sql.includes:
        unique_key = f"CONSTRAINT payouts_key_key {unique_key} INCLUDE (created_at, no)"
    return (
        f"""
    CREATE TABLE {at}payouts (
        no {row_number},
        id TEXT NOT NULL UNIQUE,
        key TEXT{sql.bytewise} NOT NULL,
        fingerprint TEXT NOT NULL,
        account TEXT NOT NULL,
        operation TEXT NOT NULL,
        payee_kind TEXT NOT NULL,
        payee_value TEXT NOT NULL,
        payee_details TEXT NOT NULL,
        amount TEXT NOT NULL,
        currency TEXT NOT NULL,
        note TEXT NOT NULL,
        options TEXT NOT NULL,
        metadata TEXT NOT NULL,
        not_before {integer},
        expires_at {integer},
        original_amount TEXT,
        binding TEXT NOT NULL,
        "references" TEXT NOT NULL,
        request TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        decided_by TEXT NOT NULL,
        attempt {integer} NOT NULL,
        submissions {integer} NOT NULL,
        refusals {integer} NOT NULL,
        ambiguous {integer} NOT NULL,
        guards_passed {integer} NOT NULL,
        duplicate_unverified {integer} NOT NULL,
        refused {integer} NOT NULL,
        absence_attested {integer} NOT NULL,
        budgets TEXT NOT NULL, -- JSON: what its amount is reserved from; empty for nothing
        rechecks_left {integer} NOT NULL,
        first_sent_at {integer},
        sent_at {integer},
        not_found_count {integer} NOT NULL,
        first_not_found_at {integer},
        reopened_at {integer},
        read_at {integer},
        callback_read_at {integer},
        version {integer} NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_until {integer},
        next_at {integer},
        created_at {integer} NOT NULL,
        updated_at {integer} NOT NULL,
        erased_at {integer},
        contradictions TEXT NOT NULL,
        contradicted_at {integer},
        batch TEXT NOT NULL, -- '' is none
        {unique_key}
    )
    """,
        f"CREATE INDEX payouts_due ON {at}payouts (next_at) WHERE next_at IS NOT NULL",
        f"CREATE INDEX payouts_callback_due ON {at}payouts (next_at) WHERE callback_read_at = next_at",
        # The condition of `undecided`.
        f"CREATE INDEX payouts_undecided ON {at}payouts (no) WHERE status = 'REVIEW' OR contradicted_at IS NOT NULL",
        # What payouts are listed by, in the order of acceptance: see `listing.py`.
        f"CREATE INDEX payouts_listed ON {at}payouts (account, status, created_at, no)",
        f"CREATE INDEX payouts_by_payee ON {at}payouts ({sql.payee_key}, created_at, no)",
        f"CREATE INDEX payouts_by_reason ON {at}payouts ({sql.reason_code}, created_at, no, account, status)"
        " WHERE reason IS NOT NULL",
        f"CREATE INDEX payouts_of_batch ON {at}payouts (batch, created_at, no, account, status, {sql.reason_code})"
        " WHERE batch <> ''",
        f"""
    CREATE TABLE {at}history ( -- by number: ids are in no order, and what is written at one time stands together
        payout_no {integer} NOT NULL REFERENCES {at}payouts (no),
        seq {integer} NOT NULL,
        at {integer} NOT NULL,
        event TEXT NOT NULL,
        status TEXT NOT NULL,
        attempt {integer} NOT NULL,
        submissions {integer} NOT NULL,
        decided_by TEXT NOT NULL,
        evidence TEXT NOT NULL,
        PRIMARY KEY (payout_no, seq)
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}attempts ( -- the attempts that have ended
        payout_id TEXT NOT NULL REFERENCES {at}payouts (id),
        number {integer} NOT NULL,
        account TEXT NOT NULL,
        binding TEXT NOT NULL,
        "references" TEXT NOT NULL,
        request TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        reason TEXT,
        decided_by TEXT NOT NULL,
        submissions {integer} NOT NULL,
        ambiguous {integer} NOT NULL,
        first_sent_at {integer},
        sent_at {integer},
        ended_at {integer} NOT NULL,
        PRIMARY KEY (payout_id, number)
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}approvals (
        payout_id TEXT NOT NULL REFERENCES {at}payouts (id),
        attempt {integer} NOT NULL,
        fingerprint TEXT NOT NULL, -- of the order that was approved
        actor TEXT NOT NULL,
        at {integer} NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (payout_id, attempt)
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}by_provider_reference ( -- finds a payout whose id its provider does not repeat
        value TEXT NOT NULL,
        payout_id TEXT NOT NULL REFERENCES {at}payouts (id),
        PRIMARY KEY (value, payout_id)
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}queries (
        token_hash TEXT PRIMARY KEY NOT NULL,
        payout_id TEXT NOT NULL REFERENCES {at}payouts (id),
        attempt {integer} NOT NULL,
        asked_at {integer} NOT NULL,
        answered_at {integer}
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}account_queries ( -- about an account itself; deleted after a day
        token_hash TEXT PRIMARY KEY NOT NULL,
        account TEXT NOT NULL,
        asked_at {integer} NOT NULL,
        answered_at {integer},
        answer TEXT -- JSON, amounts as decimal text
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}claims (
        payout_id TEXT PRIMARY KEY NOT NULL REFERENCES {at}payouts (id),
        owner TEXT NOT NULL, -- a worker id, unique per process life
        until {integer} NOT NULL
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}pauses (
        account TEXT PRIMARY KEY NOT NULL, -- '' is every account
        since {integer} NOT NULL,
        why TEXT NOT NULL,
        by TEXT NOT NULL,
        probe_at {integer},
        probe_every {integer} -- microseconds to the probe after next
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}permits (
        account TEXT NOT NULL,
        queue TEXT NOT NULL, -- post or read
        next_at {integer} NOT NULL, -- the earliest time of the next permit
        waiting TEXT NOT NULL, -- permits whose time is still to come, each with its priority
        held_until {integer} NOT NULL, -- the end of a penalty
        penalty {integer} NOT NULL, -- its length; the next one is twice as long
        PRIMARY KEY (account, queue)
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}ambiguity (
        account TEXT PRIMARY KEY NOT NULL,
        in_a_row {integer} NOT NULL -- ambiguous submissions since the last one with a clear end
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}budgets (
        name TEXT PRIMARY KEY NOT NULL,
        reserved TEXT NOT NULL, -- the sum of the amounts of the payouts that name it
        most TEXT, -- none: what reserves from it brings that
        is_closed {integer} NOT NULL
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}inbox (
        no {row_number},
        account TEXT NOT NULL,
        payout_id TEXT REFERENCES {at}payouts (id), -- none: about no payout of this journal
        received_at {integer} NOT NULL,
        query TEXT NOT NULL, -- token_hash of the query whose path it came to
        method TEXT NOT NULL,
        proven {integer}, -- signed by the provider, forged, or nothing to prove
        body TEXT NOT NULL, -- encrypted until it is handled, redacted afterwards
        handled_at {integer},
        outcome TEXT NOT NULL
    )
    """,
        f"CREATE INDEX inbox_unhandled ON {at}inbox (no) WHERE handled_at IS NULL",
        f"CREATE INDEX inbox_payout ON {at}inbox (payout_id) WHERE payout_id IS NOT NULL",
        f"CREATE INDEX inbox_query ON {at}inbox (query) WHERE query <> ''",
        f"""
    CREATE TABLE {at}outbox (
        no {row_number},
        event_id TEXT NOT NULL UNIQUE,
        payout_id TEXT NOT NULL REFERENCES {at}payouts (id),
        key TEXT NOT NULL,
        account TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        attempt {integer} NOT NULL,
        seq {integer} NOT NULL,
        at {integer} NOT NULL,
        contradiction TEXT
    )
    """,
        f"CREATE INDEX outbox_payout ON {at}outbox (payout_id, seq)",
        f"""
    CREATE TABLE {at}outbox_reads (
        consumer TEXT NOT NULL,
        event_id TEXT NOT NULL REFERENCES {at}outbox (event_id),
        at {integer} NOT NULL,
        PRIMARY KEY (consumer, event_id)
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}deliveries (
        consumer TEXT NOT NULL,
        event_id TEXT NOT NULL REFERENCES {at}outbox (event_id),
        attempts {integer} NOT NULL,
        next_at {integer}, -- none: given up
        result TEXT NOT NULL, -- of the last attempt
        PRIMARY KEY (consumer, event_id)
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}statement_references ( -- on compared statements, and not in this restored journal
        reference TEXT PRIMARY KEY NOT NULL, -- without capitals, - and _
        account TEXT NOT NULL, -- of the statement
        kept_at {integer} NOT NULL
    ){without_rowid}
    """,
        f"""
    CREATE TABLE {at}batches (
        no {row_number},
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        content_hash TEXT, -- none while its rows are being written
        row_count {integer} NOT NULL,
        totals TEXT NOT NULL, -- JSON: decimal text for each currency
        begun_at {integer} NOT NULL
    )
    """,
        f"CREATE UNIQUE INDEX batches_content ON {at}batches (content_hash)"
        " WHERE content_hash IS NOT NULL AND state <> 'CANCELLED'",
        f"""
    CREATE TABLE {at}batch_rows (
        batch TEXT NOT NULL REFERENCES {at}batches (id),
        number {integer} NOT NULL, -- the line of the file
        key TEXT{sql.bytewise} NOT NULL,
        digest TEXT NOT NULL,
        payee_id TEXT NOT NULL,
        content TEXT NOT NULL, -- JSON of order and account; '' once its payee was erased
        PRIMARY KEY (batch, number)
    ){without_rowid}
    """,
        f"CREATE UNIQUE INDEX batch_rows_by_key ON {at}batch_rows (key, batch)",
        f"CREATE INDEX batch_rows_by_payee_id ON {at}batch_rows (payee_id) WHERE payee_id <> ''",
        f"""
    CREATE TABLE {at}batch_history (
        batch TEXT NOT NULL REFERENCES {at}batches (id),
        seq {integer} NOT NULL,
        at {integer} NOT NULL,
        event TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (batch, seq)
    ){without_rowid}
    """,
        f"CREATE TABLE {at}meta (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL){without_rowid}",
    )
