"""What a provider says against an end, as both databases keep it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flat_records import START

from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.deliveries import Consumer, PayoutEvent
from payments_core.domain.events import EventName
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import AcknowledgeContradictions, AppendHistory, ApplyTransition, HistoryAppended
from payments_core.engine.journal_protocol import Journal
from payments_core.journal.sql.statements import SQLITE

S = PayoutStatus
Add = Callable[..., PayoutRecord]
ENDED: dict[str, Any] = {"status": S.FAILED, "reason": Reason(ReasonCode.REJECTED), "decided_by": "read"}


def paid(row: PayoutRecord, seconds: float = 0, attempt: int = 1, **changes: Any) -> AppendHistory:
    at = START + timedelta(seconds=seconds)
    text = replace(Contradiction(at, row.attempt.account, attempt, ProviderStatus.PAID, "DONE"), **changes)
    return AppendHistory(row.id, Event(EventName.PAYOUT_CONTRADICTED, at, {"attempt": attempt}), contradiction=text)


def acknowledge(row: PayoutRecord, seconds: float) -> AcknowledgeContradictions:
    event = Event(EventName.PAYOUT_ACKNOWLEDGED, START + timedelta(seconds=seconds), {"actor": "Ann"})
    return AcknowledgeContradictions(row.id, event, "Ann", "the statement shows it")


def published(journal: Journal) -> list[PayoutEvent]:
    return list(journal.offered(Consumer("books"), after=0, limit=10))


def test_contradiction_is_kept_and_published_in_one_commit(journal: Journal, add: Add) -> None:
    """With the payout, in its history and in the outbox; no status changes and nothing is moved."""
    row, entry = add(**ENDED), None
    entry = paid(row)
    assert entry.contradiction is not None
    reply = journal.execute(entry)
    after = journal.get(row.id)

    assert reply == HistoryAppended(after)
    assert after == replace(row, contradictions=(entry.contradiction,), contradicted_at=START)
    assert [one.event for one in journal.history(row.id)][1:] == ["payout.contradicted"]
    [event] = published(journal)
    assert (event.status, event.seq, event.contradiction) == (S.FAILED, 2, entry.contradiction)


def test_contradiction_reported_again_is_written_once(journal: Journal, add: Add) -> None:
    """Also by readers that hear it at the same moment; of another attempt, account or status it is another."""
    row = add(**ENDED)
    with ThreadPoolExecutor(4) as pool:
        replies: list[Any] = list(pool.map(lambda second: journal.execute(paid(row, second)), range(4)))
    others = [
        paid(row, 5, attempt=2),
        paid(row, 6, account="other"),
        paid(row, 7, provider_status=ProviderStatus.TAKEN_BACK),
    ]

    assert sorted(reply.written for reply in replies) == [False, False, False, True]
    assert [getattr(journal.execute(other), "written", None) for other in others] == [True] * 3
    after = journal.get(row.id)
    assert after is not None
    assert len(after.contradictions) == len(journal.history(row.id)) - 1 == 4


def test_acknowledgement_covers_every_contradiction_so_far(journal: Journal, add: Add) -> None:
    """With name and reason; the same again is no news, and anything else waits for a person anew."""
    row = add(**ENDED)
    journal.execute(paid(row, 1))
    journal.execute(paid(row, 2, attempt=2))
    assert [one.id for one in journal.undecided()] == [row.id]
    journal.execute(acknowledge(row, 3))
    after = journal.get(row.id)

    assert after is not None
    assert {(one.acknowledged_at, one.actor, one.reason) for one in after.contradictions} == {
        (START + timedelta(seconds=3), "Ann", "the statement shows it")
    }
    assert (after.status, after.version, after.contradicted_at, list(journal.undecided())) == (S.FAILED, 0, None, [])
    assert journal.execute(acknowledge(row, 4)) == HistoryAppended(after, written=False)
    assert journal.execute(paid(row, 5)) == HistoryAppended(after, written=False)
    journal.execute(paid(row, 6, attempt=3))
    assert [one.contradicted_at for one in journal.undecided()] == [START + timedelta(seconds=6)]
    assert [one.event for one in journal.history(row.id)][-2:] == ["payout.acknowledged", "payout.contradicted"]


def test_contradiction_is_kept_by_a_later_transition(
    journal: Journal, add: Add, moved: Callable[[ApplyTransition], PayoutRecord]
) -> None:
    """Neither the row that the mover had read before it, nor anything it writes, says it away."""
    row = add(status=S.PENDING, submissions=1, attempt=2)
    entry = paid(row)
    journal.execute(entry)
    after = moved(
        ApplyTransition(row, replace(row, status=S.SUCCEEDED, decided_by="read"), Event("payout.succeeded", START))
    )

    assert after == journal.get(row.id)
    assert (after.status, after.contradictions, after.contradicted_at) == (
        S.SUCCEEDED,
        (entry.contradiction,),
        START,
    )


def test_undecided_payouts_are_found_by_an_index(journal: Journal, add: Add, store: str, ask: Any) -> None:
    """In review or contradicted, oldest first; what is acknowledged, or stands, is not looked at."""
    review = add("review", status=S.REVIEW)
    add("stands", **ENDED)
    contradicted = add("contradicted", **ENDED)
    journal.execute(paid(contradicted))
    assert [one.id for one in journal.undecided()] == [review.id, contradicted.id]
    if store == "sqlite":
        asked = SQLITE.undecided.replace("?", "1")
        assert "payouts_undecided" in str(ask(f"EXPLAIN QUERY PLAN {asked}"))
