"""``payouts journal verify``: what is true of a journal, and that each thing that is not is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from payout_simulation import Plan, SqliteStore, simulate

from payments_core.journal import open_audit

GHOST = "po_aaaaaaaaaaaaaaaaaaaaaaaa"
_ID = "(SELECT id FROM payouts WHERE key = '{key}')"
_OF = "payout_id = " + _ID
_OF_HISTORY = "payout_no = (SELECT no FROM payouts WHERE key = '{key}')"

# By the key of the payout it is done to: what somebody does by hand, and the rules it breaks.
PLANTED: dict[str, tuple[Sequence[str], set[str]]] = {
    "paid/0": (["DELETE FROM history WHERE {of_history} AND seq = 2"], {"history", "version"}),
    "paid/1": (
        ["UPDATE payouts SET status = 'FAILED' WHERE key = '{key}'"],
        {"last entry", "end"},
    ),
    "paid/2": (
        [
            "INSERT INTO history"
            " SELECT payout_no, seq + 1, at, 'payout.pending', 'PENDING', attempt, submissions, '', '{{}}'"
            " FROM history WHERE {of_history} ORDER BY seq DESC LIMIT 1",
            "UPDATE payouts SET status = 'PENDING', version = version + 1, next_at = 1 WHERE key = '{key}'",
        ],
        {"history"},
    ),
    "paid/3": (["UPDATE payouts SET version = version + 1 WHERE key = '{key}'"], {"version"}),
    "paid/4": (["UPDATE payouts SET amount = '9' WHERE key = '{key}'"], {"fingerprint"}),
    "paid/5": (["UPDATE payouts SET payee_value = '46733123498' WHERE key = '{key}'"], {"fingerprint"}),
    "paid/6": (
        ["UPDATE payouts SET request = REPLACE(request, '46733123499', '46733123498') WHERE key = '{key}'"],
        {"request"},
    ),
    "paid/7": (["UPDATE payouts SET submissions = 2 WHERE key = '{key}'"], {"last entry"}),
    "paid/8": (["DELETE FROM outbox WHERE {of}"], {"outbox"}),
    "paid/9": (["UPDATE outbox SET status = 'FAILED' WHERE {of}"], {"outbox"}),
    "paid/10": (["UPDATE outbox SET seq = 77 WHERE {of}"], {"outbox"}),
    "paid/11": (
        ["UPDATE payouts SET lease_owner = 'host:1:a', lease_until = 99 WHERE key = '{key}'"],
        {"lease"},
    ),
    "paid/12": (["UPDATE payouts SET ambiguous = 1, first_sent_at = NULL WHERE key = '{key}'"], {"doubt"}),
    "paid/13": (["UPDATE payouts SET decided_by = '' WHERE key = '{key}'"], {"end"}),
    "paid/14": (["UPDATE payouts SET binding = 'no json' WHERE key = '{key}'"], {"unreadable"}),
    "paid/15": (["UPDATE payouts SET attempt = 2 WHERE key = '{key}'"], {"attempts", "last entry", "reference"}),
    "paid/16": (["UPDATE payouts SET updated_at = updated_at + 1 WHERE key = '{key}'"], {"last entry"}),
    "paid/17": (["UPDATE history SET submissions = 5 WHERE {of_history} AND seq = 1"], {"history"}),
    "paid/18": (
        ["""UPDATE payouts SET "references" = REPLACE("references", '-4', '-5') WHERE key = '{key}'"""],
        {"reference"},
    ),
    "paid/19": (["UPDATE payouts SET amount = '-5' WHERE key = '{key}'"], {"unreadable"}),
    "paid/20": (["UPDATE payouts SET key = 'stolen' WHERE key = '{key}'"], {"identity", "outbox", "reference"}),
    "paid/21": (["UPDATE payouts SET status = 'PAYED' WHERE key = '{key}'"], {"unreadable"}),
    "failed/0": (["DELETE FROM attempts WHERE {of}"], {"attempts"}),
    "pending/0": (["UPDATE payouts SET next_at = NULL WHERE key = '{key}'"], {"stranded"}),
    "pending/1": (["UPDATE payouts SET erased_at = 1 WHERE key = '{key}'"], {"erased"}),
    "review/0": (["UPDATE payouts SET reason = NULL WHERE key = '{key}'"], {"end"}),
    "open/0": (["UPDATE payouts SET ambiguous = 1, first_sent_at = 5 WHERE key = '{key}'"], {"doubt"}),
    "cancelled/0": (["UPDATE payouts SET ambiguous = 1, first_sent_at = 5 WHERE key = '{key}'"], {"doubt"}),
    "open/1": (["UPDATE approvals SET fingerprint = 'another' WHERE {of}"], {"approval"}),
    "refund/1": (["UPDATE payouts SET amount = '9' WHERE key = '{key}'"], {"fingerprint", "refunds"}),
}
ORPHANS = {
    "history": "INSERT INTO history VALUES (77777, 1, 1, 'payout.created', 'CREATED', 1, 0, '', '{{}}')",
    "attempts": "INSERT INTO attempts VALUES"
    " ('{ghost}', 1, 'a', '{{}}', '{{}}', '', '', NULL, '', 0, 0, NULL, NULL, 1)",
    "approvals": "INSERT INTO approvals VALUES ('{ghost}', 1, 'f', 'Ann', 1, '')",
    "claims": "INSERT INTO claims VALUES ('{ghost}', 'w', 1)",
    "queries": "INSERT INTO queries VALUES ('t', '{ghost}', 1, 1, NULL)",
    "outbox": "INSERT INTO outbox (event_id, payout_id, key, account, status, attempt, seq, at)"
    " VALUES ('{ghost}.2', '{ghost}', 'k', 'a', 'FAILED', 1, 2, 1)",
    "inbox": "INSERT INTO inbox (account, payout_id, received_at, query, method, body, outcome)"
    " VALUES ('a', '{ghost}', 1, '', 'PUT', '', '')",
    "outbox_reads": "INSERT INTO outbox_reads VALUES ('c', '{ghost}.7', 1)",
    "deliveries": "INSERT INTO deliveries VALUES ('c', '{ghost}.7', 1, 1, '')",
}


def test_sound_journal_has_no_flaws(full: Any) -> None:
    """Payouts in every state, refunds, a second attempt, an approval: nothing is wrong."""
    assert [str(one) for one in full.flaws()] == []


@pytest.mark.parametrize(
    ("planted", "rules"),
    [
        ("UPDATE payouts SET contradictions = '[]' WHERE key = 'paid/5'", {"contradiction"}),
        ("UPDATE payouts SET contradicted_at = NULL WHERE key = 'paid/5'", {"contradiction"}),
        ("UPDATE payouts SET contradicted_at = 5 WHERE key = 'paid/6'", {"contradiction"}),
        ("DELETE FROM outbox WHERE contradiction IS NOT NULL", {"outbox"}),
        ("DELETE FROM history WHERE event = 'payout.acknowledged'", {"contradiction"}),
    ],
)
def test_contradictions_are_compared_with_history_and_outbox(full: Any, planted: str, rules: set[str]) -> None:
    """And what waits for a person is what nobody has acknowledged."""
    for key in ("paid/5", "paid/7"):
        full.contradict(key)
    with full.client() as client:
        client.acknowledge("paid/7", actor="Ann", reason="seen")
    assert full.flaws() == []
    full.plant([planted])
    assert {one.rule for one in full.flaws()} == rules


@pytest.mark.parametrize(("more", "whole"), [(".r1", True), (".rqkzvwmhtbx", True), (".r", False), (".r1x", False)])
def test_event_id_may_have_the_suffix_of_a_restore(full: Any, more: str, whole: bool) -> None:
    """By a word that was drawn for it, or by the count of an older version; by nothing else."""
    of = _OF.format(key="paid/0")
    full.plant([f"UPDATE outbox SET event_id = event_id || '{more}' WHERE {of}"])  # noqa: S608
    assert [one.rule for one in full.flaws()] == ([] if whole else ["outbox"])


def test_flaws_are_named_by_payout_and_rule(full: Any) -> None:
    """Each rule is broken by hand on a payout of its own: that payout is named with that rule, and no other is."""
    ids = dict(full.ask("SELECT key, id FROM payouts"))
    for key, (statements, _) in PLANTED.items():
        names = {"key": key, "of": _OF.format(key=key), "of_history": _OF_HISTORY.format(key=key)}
        full.plant([statement.format(**names) for statement in statements])
    full.plant([statement.format(ghost=GHOST) for statement in ORPHANS.values()])

    found = full.flaws()
    named: dict[str, set[str]] = {}
    for one in found:
        if one.payout not in {GHOST, ""}:
            named.setdefault(one.payout, set()).add(one.rule)
    wanted = {ids[key]: rules for key, (_, rules) in PLANTED.items()}
    assert named == wanted
    orphans = {one.text.split(" tells of ")[0] for one in found if one.payout in {GHOST, ""} and one.rule == "orphan"}
    assert orphans == set(ORPHANS)
    assert not any("46733123" in one.text for one in found), "no flaw tells of a payee"


@pytest.mark.parametrize(
    ("planted", "rules"),
    [
        ("INSERT INTO budgets VALUES ('day/a', '5', NULL, 0)", {"budget"}),
        ("""UPDATE payouts SET budgets = '["day/a"]' WHERE key = 'paid/0'""", {"budget"}),
        (
            """UPDATE payouts SET budgets = '["day/a"]', status = 'CREATED' WHERE key = 'paid/0'""",
            {"budget", "last entry"},
        ),
        ("UPDATE payouts SET budgets = 'no json' WHERE key = 'paid/0'", {"unreadable"}),
        ("INSERT INTO budgets VALUES ('day/a', 'much', NULL, 0)", {"unreadable"}),
    ],
)
def test_budgets_are_compared_with_the_payouts_that_name_them(full: Any, planted: str, rules: set[str]) -> None:
    """What is reserved is what payouts hold that may have been paid: no more, and no less."""
    reserve = """UPDATE payouts SET budgets = '["day/b"]' WHERE key IN ('paid/1', 'pending/0')"""
    full.plant([reserve, "INSERT INTO budgets VALUES ('day/b', '10', NULL, 0)"])
    assert full.flaws() == []
    full.plant([planted])
    assert {one.rule for one in full.flaws()} == rules


def test_references_of_earlier_attempts_are_derived_too(full: Any) -> None:
    """They say where the money may have gone."""
    full.plant(["""UPDATE attempts SET "references" = REPLACE("references", '-4', '-5')"""])
    [flaw] = full.flaws()
    assert (flaw.rule, "of attempt 1" in flaw.text) == ("reference", True)


@pytest.mark.parametrize(
    ("store", "statement", "expected"),
    [
        ("postgres", "DROP TRIGGER history_is_append_only ON history", "the trigger history_is_append_only is missing"),
        (
            "postgres",
            "ALTER TABLE attempts DISABLE TRIGGER attempts_are_append_only",
            "attempts_are_append_only of attempts is switched off",
        ),
        (
            "postgres",
            "ALTER TABLE history DISABLE TRIGGER ALL",
            "what checks references of history is switched off",
        ),
        (
            "postgres",
            "ALTER TABLE payouts DROP CONSTRAINT payouts_key_key",
            "the constraint payouts.payouts_key_key is missing",
        ),
        (
            "postgres",
            "ALTER TABLE inbox DROP CONSTRAINT inbox_payout_id_fkey",
            "the constraint inbox.inbox_payout_id_fkey is missing",
        ),
        ("sqlite", "DROP TRIGGER history_is_never_deleted", "the trigger history_is_never_deleted is missing"),
        ("sqlite", "DROP INDEX payouts_due", "the index payouts_due is missing"),
        (
            "sqlite",
            "DROP TRIGGER attempts_are_never_changed;"
            "CREATE TRIGGER attempts_are_never_changed BEFORE UPDATE ON attempts BEGIN SELECT 1; END",
            "attempts_are_never_changed is not as this version makes it",
        ),
    ],
)
def test_structure_that_was_lost_is_named(world: Any, store: str, statement: str, expected: str) -> None:
    """A trigger, index or constraint that is gone or switched off lets others break every other rule."""
    assert world.flaws() == []
    if store == "sqlite":
        with closing(sqlite3.connect(world.folder / "payouts.db")) as file:
            file.executescript(statement)
    else:
        with psycopg.connect(world.url, autocommit=True, options="-csearch_path=payments_core") as server:
            server.execute(statement)
    found = world.flaws()
    assert any(expected in one.text for one in found), found
    assert {one.rule for one in found} == {"structure"}


@pytest.mark.parametrize("store", ["sqlite"])
def test_index_of_a_file_that_is_wrong_is_named(world: Any) -> None:
    """What SQLite's own check finds is said."""
    world.pay("one")
    with closing(sqlite3.connect(world.folder / "payouts.db", isolation_level=None)) as file:
        file.execute("UPDATE payouts SET next_at = NULL")
        file.execute("PRAGMA writable_schema = ON")
        file.execute(
            "UPDATE sqlite_master SET sql = REPLACE(sql, 'WHERE next_at IS NOT NULL', '') WHERE name = 'payouts_due'"
        )
    found = world.flaws()
    assert any("does not pass its own check (SQLite: " in one.text for one in found), found


def test_verify_reads_one_moment_while_others_pay(world: Any) -> None:
    """A moment is looked at: payments made meanwhile go through, and disturb nothing."""
    world.pay("before")
    with closing(open_audit(world.url, namespace=world.namespace, root=world.folder)) as audit:
        assert audit.payouts == 1
        world.pay("meanwhile")
        seen: list[int] = []
        assert list(audit.flaws(lambda: seen.append(1))) == []
        assert len(seen) == 1
    assert world.flaws() == []


@pytest.mark.parametrize("seed", [1])
def test_simulated_journal_has_no_flaws(seed: int) -> None:
    """Crashes, zombies, contradictions and callbacks in any order break no rule."""
    found: list[str] = []

    class Audited(SqliteStore):
        def close(self) -> None:
            with closing(
                open_audit(f"sqlite:///{self._path}", namespace="simulated-installation", root=Path())
            ) as audit:
                found.extend(str(one) for one in audit.flaws())
                assert audit.payouts > 50
            super().close()

    assert not simulate(Plan(seed=seed, payouts=100), Audited()).breaches
    assert found == []
