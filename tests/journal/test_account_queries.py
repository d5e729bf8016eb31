"""Questions about an account on either store: written down first, answered once, dropped after a day."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from flat_records import START

from payments_core.domain.inbox_records import Arrival, Handling
from payments_core.domain.records import Query
from payments_core.engine.commands import HistoryAppended, RecordAccountQuery
from payments_core.engine.journal_protocol import Journal

ANSWER = '{"balances":[{"amount":"49117.50","currency":"KES","label":"Utility Account"}]}'
OURS, OTHERS = "a" * 64, "b" * 64
Ask = Callable[[str], list[tuple[Any, ...]]]


def asked(journal: Journal, query: str = OURS, *, account: str = "mpesa", hours: float = 0) -> None:
    assert (
        journal.execute(RecordAccountQuery(account, Query(query, START + timedelta(hours=hours)))) == HistoryAppended()
    )


def arrived(journal: Journal, query: str = OURS) -> int:
    journal.receive(Arrival(account="mpesa", query=query, method="POST", at=START, encoded="{}")).result()
    return journal.unhandled(accounts=["mpesa"], limit=100)[-1].no


def handled(no: int, answer: str | None = ANSWER) -> Handling:
    return Handling(no=no, at=START, outcome="answered" if answer else "makes no sense", details="{}", answer=answer)


def test_query_is_seen_by_every_process_that_opens_the_journal(
    journal: Journal, open_one: Callable[[], Journal]
) -> None:
    """The server of the callbacks is another process: it has to know the path as soon as it can be called."""
    asked(journal)
    other = open_one()

    assert other.asked(OURS) == "mpesa"
    assert other.account_answer(OURS) is None
    assert other.asked(OTHERS) is None
    assert other.by_query(OURS) is None


def test_query_keeps_its_first_answer(journal: Journal, open_one: Callable[[], Journal]) -> None:
    asked(journal)
    first, second = arrived(journal), arrived(journal)
    journal.handle(handled(first))
    journal.handle(handled(second, ANSWER.replace("49117.50", "1")))

    assert open_one().account_answer(OURS) == ANSWER
    assert journal.asked(OURS) == "mpesa"
    assert journal.unhandled(accounts=["mpesa"], limit=10) == ()


def test_query_is_answered_once_when_many_handle_one_callback(journal: Journal) -> None:
    asked(journal)
    no, answers = arrived(journal), [ANSWER.replace("49117.50", str(number)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        closed = list(pool.map(lambda answer: journal.handle(handled(no, answer)), answers))

    assert [answer for answer, found in zip(answers, closed, strict=True) if found] == [journal.account_answer(OURS)]


def test_query_is_answered_only_at_its_own_path(journal: Journal) -> None:
    """And what makes no sense is for none: the question stays open."""
    asked(journal)
    asked(journal, OTHERS)
    journal.handle(handled(arrived(journal), None))
    journal.handle(handled(arrived(journal, OTHERS)))
    journal.handle(handled(arrived(journal, "")))

    assert (journal.account_answer(OURS), journal.account_answer(OTHERS)) == (None, ANSWER)
    assert journal.asked(OURS) == "mpesa"


def test_query_older_than_a_day_is_dropped_by_the_next_one(journal: Journal, ask: Ask) -> None:
    asked(journal)
    asked(journal, OTHERS, account="till", hours=23.9)
    assert len(ask("SELECT * FROM account_queries")) == 2
    asked(journal, "c" * 64, hours=24.1)

    assert ask("SELECT account, asked_at, answered_at, answer FROM account_queries WHERE token_hash < 'c'") == [
        ("till", int((START + timedelta(hours=23.9)).timestamp() * 1_000_000), None, None)
    ]


def test_query_recorded_twice_is_stored_once(journal: Journal, ask: Ask) -> None:
    """A shared journal writes an entry again whose commit was not answered."""
    asked(journal)
    asked(journal)

    assert ask("SELECT token_hash FROM account_queries") == [(OURS,)]
