"""Forgetting a payee: nothing tells any more who was paid, and nothing is paid twice because of it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flat_records import changed, columns_of, next_attempt

from payments_core import AsyncPayoutClient, Money, Payee, PayoutStatus
from payments_core.domain.errors import DecisionRefused, JournalError, KeyReused, OverRefund, UnknownPayout
from payments_core.domain.records import Event
from payments_core.engine.commands import ApplyTransition, CreateAttempt, Stale

PAID, FAILS, PENDING = "46733123499", "46733123457", "46733123453"
NOTE, OWN = "wages of Mrs Namukasa", "employee of house 17b"
PERSON = {"actor": "Ann", "reason": "asked for it"}


def held(world: Any, *words: str) -> set[str]:
    """Return which of these words stand anywhere in the journal, found in the bytes of a copy of all of it."""
    path = world.folder / f"look-{len(list(world.folder.iterdir()))}.db"
    world.back_up(path)
    found = path.read_bytes()
    return {word for word in words if word.encode() in found}


def ended(world: Any, key: str, *, to: str = PAID, note: str = NOTE) -> Any:
    world.pay(key, to=to, note=note, metadata={"whose": OWN})
    with world.client() as client:
        client.refresh(key)
        return client.get(key)


def test_erased_payout_has_no_payee_note_metadata_or_request(world: Any) -> None:
    """Payee, note, metadata and request are gone from every table; what the promises need is not."""
    before = ended(world, "one")
    assert held(world, PAID, NOTE, OWN) == {PAID, NOTE, OWN}
    with world.client() as client:
        row = client._runtime.journal.get(before.id)
        assert client.erase("one", **PERSON).erased == (before.id,)
        after = client.get("one")
        now = client._runtime.journal.get(before.id)
    assert (after.note, after.metadata) == ("", {})
    assert held(world, PAID, NOTE, OWN) == set()
    kept = ("key", "fingerprint", "amount", "currency", "references", "request_hash", "status", "decided_by", "sent_at")
    assert [columns_of(now)[name] for name in kept] == [columns_of(row)[name] for name in kept]
    assert after.payee.masked.startswith("erased:")
    assert (after.history[-1].event, after.history[-1].evidence["actor"]) == ("payout.erased", "Ann")
    assert [entry.event for entry in after.history[:-1]] == [entry.event for entry in before.history]
    assert world.flaws() == []
    for left in (
        "UPDATE payouts SET note = 'x'",
        "UPDATE payouts SET note = '', metadata = '{\"a\":1}'",
        "UPDATE payouts SET metadata = '', options = '{\"a\":\"b\"}'",
    ):
        world.plant([left])
        assert {flaw.rule for flaw in world.flaws()} == {"erased"}


def test_erased_key_is_known_and_never_paid_again(world: Any) -> None:
    """By its fingerprint: the same order returns what became of it, another one is refused; nothing is sent."""
    before = ended(world, "one")
    paid = len(world.gateway.ledger())
    with world.client() as client:
        client.erase("one", **PERSON)
        again = client.send(key="one", payee=Payee.msisdn(PAID), amount=Money(5, "EUR"), note=NOTE)
        assert (again.id, again.status, again.differences) == (before.id, PayoutStatus.SUCCEEDED, ())
        with pytest.raises(KeyReused, match="another intent") as refused:
            client.send(key="one", payee=Payee.msisdn("46733123498"), amount=Money(5, "EUR"), note=NOTE)
        assert "erased:" not in str(refused.value)
    assert len(world.gateway.ledger()) == paid


def test_erased_failure_is_not_reissued(full: Any) -> None:
    """Nobody knows to whom: it is said so. Its earlier attempts are forgotten as well, and stay where they are."""
    assert FAILS in held(full, FAILS)
    with full.client() as client:
        client.erase("failed/0", **PERSON)
        with pytest.raises(DecisionRefused, match="its payee was erased"):
            client.reissue("failed/0", actor="Ann", reason="again")
        row = client._runtime.journal.by_key("failed/0")
        assert row is not None
        [first] = client._runtime.journal.attempts(row.id)
    assert held(full, FAILS) == set()
    assert (first.number, first.submissions, len(first.request_hash)) == (1, 1, 64)
    assert full.flaws() == []


def test_erased_payout_can_still_be_contradicted(world: Any) -> None:
    """References stay: a forgotten payout is asked about as before."""
    ended(world, "one")
    with world.client() as client:
        client.erase("one", **PERSON)
        assert client.refresh("one").status is PayoutStatus.SUCCEEDED
    world.plant(["UPDATE payouts SET status = 'FAILED', reason = NULL"])  # as if it had been called so
    with world.client() as client:
        client.refresh("one")
        assert client.get("one").history[-1].event == "payout.contradicted"


@pytest.mark.parametrize("key", ["open/0", "pending/0", "review/0", "paid/5"])
def test_erase_of_what_is_not_settled_is_refused(full: Any, key: str) -> None:
    """Open, under way, in review, contradicted: refused, and nothing is changed; nor is anything else of this payee."""
    if key == "paid/5":
        full.contradict(key)
    with full.client() as client:
        payee = client.get(key).payee
        before = list(client.payouts())
        with pytest.raises(DecisionRefused, match="cannot be erased"):
            client.erase(key, **PERSON)
        with pytest.raises(DecisionRefused, match="cannot be"):
            client.erase(payee=payee, **PERSON)
        assert list(client.payouts()) == before


def test_erase_removes_the_words_of_an_acknowledgement(full: Any) -> None:
    """Who took note, when and of what stays; nothing that was said of the payee does."""
    full.contradict("paid/5")
    with full.client() as client:
        client.acknowledge("paid/5", actor="Ann", reason="Zoë has it, as she says")
        client.erase("paid/5", **PERSON)
        (kept,) = client.get("paid/5").contradictions
        assert (kept.actor, kept.reason, kept.provider_status) == ("Ann", "", "failed")
    assert "Zoë" not in str(full.ask("SELECT contradictions FROM payouts") + full.ask("SELECT evidence FROM history"))
    assert full.flaws() == []


def test_erase_removes_the_words_of_a_cancellation(full: Any) -> None:
    """A person's words may name the payee; the name of the person who cancelled stays."""
    with full.client() as client:
        client.accept(key="cancelled/1", payee=Payee.msisdn(PAID), amount=Money(5, "EUR"))
        client.cancel("cancelled/1", actor="Ann", reason="Zoë has left")
        client.erase("cancelled/1", **PERSON)
        cancelled, _ = client.get("cancelled/1").history[-2:]
        assert (cancelled.event, cancelled.evidence) == ("payout.cancelled", {"actor": "Ann"})
    assert "Zoë" not in str(full.ask("SELECT evidence FROM history"))


def test_erase_of_a_payee_covers_all_payouts_and_recognises_them(world: Any) -> None:
    """All his payouts get one hash, another payee's get another; asked for again, they are found and left alone."""
    other = "46733123498"
    ids = {ended(world, key).id for key in ("one", "two")}
    rest = ended(world, "three", to=other)
    with world.client() as client:
        result = client.erase(payee=Payee.msisdn(PAID), **PERSON, dry_run=True)
        assert (set(result.erased), held(world, PAID)) == (ids, {PAID})
        assert set(client.erase(payee=Payee.msisdn(PAID), **PERSON).erased) == ids
        assert client.get(rest.id).payee.value == other
        assert held(world, PAID, other) == {other}
        client.erase(payee=Payee.msisdn(other), **PERSON)
        one, two, three = (client.get(key).payee.value for key in ("one", "two", "three"))
        assert (one == two, one == three) == (True, False)
        journal = client._runtime.journal
        assert set(journal.of_payee(Payee.msisdn(PAID))) == ids
        assert client.erase(payee=Payee.msisdn(PAID), **PERSON).erased == ()
        history = client.get("one").history
        assert client.get("one").history == history


def test_erase_before_a_day_covers_whatever_has_ended(full: Any) -> None:
    """What is open, in review or contradicted is kept, and said to be; what ended later is not touched."""
    full.contradict("paid/5")
    with full.client() as client:
        ends = {payout.key for payout in client.payouts() if payout.is_final}
        past = client.erase(before=datetime.now(UTC) - timedelta(days=1), **PERSON)
        assert past.erased == ()
        found = client.erase(before=datetime.now(UTC) + timedelta(days=1), **PERSON)
        assert {client.get(payout).key for payout in found.erased} == ends - {"paid/5"}
        assert [client.get(payout).key for payout in found.kept] == ["paid/5"]
    assert full.flaws() == []


def test_erased_refund_keeps_its_collection(full: Any) -> None:
    """What is left to refund is counted as before: a collection's reference is nobody's address."""
    with full.client() as client:
        for key in ("refund/0", "refund/1"):
            client.refresh(key)
            client.erase(key, **PERSON)
        collection = client.get("refund/0").payee.value
    with pytest.raises(OverRefund):
        full.refund("refund/2", collection, 1)
    assert full.flaws() == []


def test_erase_works_in_the_async_client(world: Any) -> None:
    """With the same words."""
    ended(world, "one")

    async def erase() -> Any:
        async with AsyncPayoutClient.from_config(world.config) as client:
            with pytest.raises(UnknownPayout):
                await client.erase("two", **PERSON)
            return await client.erase("one", **PERSON)

    assert len(asyncio.run(erase()).erased) == 1
    assert held(world, PAID) == set()


def test_transition_that_knows_the_erased_payee_is_stale(world: Any) -> None:
    """A move of somebody who still knows the payee is stale."""
    ended(world, "one")
    with world.client() as client:
        journal = client._runtime.journal
        row = journal.by_key("one")
        assert row is not None
        client.erase("one", **PERSON)
        reply = journal.execute(
            ApplyTransition(row, changed(row, next_at=None), Event("payout.read", datetime.now(UTC)))
        )
        assert isinstance(reply, Stale)
    assert held(world, PAID) == set()


@pytest.mark.parametrize("store", ["sqlite"])
def test_erased_payee_is_in_no_byte_of_the_file(world: Any) -> None:
    """Neither in the file nor in its log, among many payouts that moved often, while others have it open."""
    numbers = [f"4670200{number:04}" for number in range(30)]
    with world.client() as client, world.client() as other:
        for number in numbers:
            client.send(
                key=f"to/{numbers.index(number)}", payee=Payee.msisdn(number), amount=Money(5, "EUR"), note=NOTE
            )
        for payout in client.payouts():
            client.refresh(payout.id)
        assert len(list(other.payouts())) == len(numbers)
        files = [path for path in world.folder.iterdir() if path.name.startswith("payouts.db")]
        assert {path.name for path in files} == {"payouts.db", "payouts.db-wal", "payouts.db-shm"}
        for number in numbers:
            client.erase(payee=Payee.msisdn(number), **PERSON)
        left = b"".join(path.read_bytes() for path in files)
        assert [number for number in [*numbers, NOTE] if number.encode() in left] == []


@pytest.mark.parametrize("store", ["sqlite"])
def test_vacuum_reports_that_another_process_still_reads(world: Any) -> None:
    """A reader's moment keeps the log: it is not wiped, and the next time it is."""
    ended(world, "one")
    with world.client() as client:
        journal = client._runtime.journal
        with closing(sqlite3.connect(world.folder / "payouts.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT COUNT(*) FROM payouts").fetchall()
            client.erase("one", **PERSON)
            assert not journal.vacuum()
        assert journal.vacuum()


def test_trim_removes_only_callbacks_handled_long_ago(world: Any) -> None:
    """Those that nobody has handled, and newer ones, stay; as many at a time as asked for."""
    day = 24 * 3600 * 1_000_000
    world.flaws()  # a file is made when it is opened
    insert = "INSERT INTO inbox (account, received_at, query, method, body, handled_at, outcome) VALUES "
    world.plant([f"{insert} ('a', 1, '', 'PUT', '{{}}', {at}, 'x')" for at in (1 * day, 2 * day, 3 * day, "NULL")])
    with world.client() as client:
        journal = client._runtime.journal
        before = datetime.fromtimestamp(3 * 24 * 3600, UTC)
        assert [journal.trim(before, limit=1) for _ in range(3)] == [1, 1, 0]
    assert world.ask("SELECT handled_at FROM inbox ORDER BY no") == [(3 * day,), (None,)]


def test_journal_refuses_another_attempt_of_an_erased_payout(full: Any) -> None:
    """Whatever is asked of it."""
    with full.client() as client:
        client.erase("failed/0", **PERSON)
        journal = client._runtime.journal
        row = journal.by_key("failed/0")
        assert row is not None
        with pytest.raises(JournalError, match="was erased"):
            journal.execute(CreateAttempt(row, next_attempt(row), Event("payout.reissued", datetime.now(UTC))))
