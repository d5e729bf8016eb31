"""What a restored journal may have forgotten: the provider is asked before anything is sent or called failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from kit import NAMESPACE, OURS, STORE, T0, Fake, account_of, after, last, reading, row_of, saying

from payments_core.engine import make_draft
from payments_core.engine.drafts import not_payable
from payments_core.engine.lost import FURTHER_ATTEMPTS, Ahead, look_ahead
from payments_core.errors import DecisionRefused, InvalidPayout
from payments_core.events import EventName
from payments_core.flow import Flow, Go, ReadAs, Refused, exchange, run
from payments_core.journal import keeping, store_of
from payments_core.payout import Operation, PayoutStatus, Reason, ReasonCode
from payments_core.provider import Attempt, Draft, Final, NotFound, Pending, Unknown
from payments_core.references import derive
from payments_core.rows import PayoutRow
from payments_core.wire import HttpRequest, NotSent

S = PayoutStatus
MakeStage = Callable[..., Any]
NO = Reason(ReasonCode.REJECTED, "NO")
PAID = Final(code="DONE", http_status=200, seen=OURS)
OVER = ReasonCode.NOT_SENT_IN_TIME


def restored(one: Any, *, gap_from: datetime = T0, reconciled: bool = False) -> None:
    """Say of a stage's journal that it is a backup, now."""
    store = store_of(STORE, namespace=NAMESPACE, root=one.folder, at=one.at)
    keeping.begin_gap(store, gap_from, keeping.Act(one.at, "Ann", "the disk broke"))
    if reconciled:
        keeping.reconcile(store, keeping.Act(one.at, "Ann", "compared"))


def knowing(said: Mapping[int, Any], asked: list[Any] | None = None, host: str = "fake.invalid") -> Callable[..., Any]:
    """Return a check that answers by the number of the attempt that is asked about; unlisted ones are not found."""
    account = account_of(Fake(host=host))
    order = row_of().order
    drafts = [make_draft(account, order, namespace=NAMESPACE, payout_id="po_x", number=n) for n in range(1, 20)]
    numbers = {draft.references["reference"]: n for n, draft in enumerate(drafts, 1)}

    def check(draft: Draft) -> Flow[Any]:
        number = numbers[draft.references["reference"]]
        if asked is not None:
            asked.append(number if host == "fake.invalid" else (host, number))
        yield from exchange(HttpRequest("GET", draft.request.url, "status", repeatable=True))
        return said.get(number, NotFound(http_status=404))

    return check


def absent(one: Any, row: PayoutRow) -> PayoutRow:
    """Let the provider be asked as often and as long as absence needs."""
    for seconds in (10, 110, 310):
        one.at = after(seconds)
        row = one.advance(row, early=True)
    return row


# --- sought before it is sent --------------------------------------------------------------------------------------


def test_the_provider_is_asked_before_the_first_byte(stage: MakeStage) -> None:
    """A try of it may be lost: nothing is sent before the provider has not shown it for long enough."""
    one = stage(Fake(checking=knowing({})))
    row = one.accept()
    restored(one)
    row = one.advance(row)
    assert (row.status, row.tries, row.next_at, len(one.posts())) == (S.UNKNOWN, 0, T0, 0)
    assert last(one, row) == ("sought", {})
    row = absent(one, row)
    assert (row.status, row.tries, row.adopting, len(one.posts())) == (S.PENDING, 1, False, 1)
    assert one.events(row) == ["created", "sought", "absent", "absent", "resend", "sending", "pending"]


@pytest.mark.parametrize(
    ("says", "status", "event"), [(PAID, S.SUCCEEDED, "succeeded"), (Pending(seen=OURS), S.PENDING, "adopted")]
)
def test_what_the_provider_knows_is_adopted(stage: MakeStage, says: Any, status: S, event: str) -> None:
    """It was sent before the restore, at the latest now, and is never sent again."""
    one = stage(Fake(checking=knowing({1: says})))
    row = one.accept()
    one.at = after(7)
    restored(one)
    row = one.advance(one.advance(row))
    assert (row.status, row.ambiguous, row.first_sent_at, row.tries) == (status, True, after(7), 0)
    assert one.events(row)[-1] == event
    assert len(one.posts()) == 0


@pytest.mark.parametrize("how", ["expiry", "later expiry", "guard"])
def test_nothing_is_called_failed_before_the_provider_was_asked(stage: MakeStage, how: str) -> None:
    """Neither what is not sent in time nor what a guard refuses; afterwards it is, in the words it had."""
    provider = Fake(checking=knowing({}))
    one = stage(provider)
    row = one.accept(expires_at=None if how == "guard" else after(5))
    restored(one)
    if how == "guard":
        one.leave = lambda _: Refused(NO, after(6))
    elif how == "expiry":
        one.at = after(6)
    else:
        one.leave = lambda _: Go(after(6))
    row = one.advance(row)
    assert (row.status, row.cleared, row.next_at, row.reopened_at) == (
        S.UNKNOWN,
        how == "later expiry",
        after(6),
        after(6),
    )
    assert last(one, row) == ("sought", {})
    row = absent(one, row)
    assert (row.status, row.decided_by) == (S.FAILED, "guard" if how == "guard" else "expiry")
    assert len(one.posts()) == 0


def test_who_gives_up_too_late_gets_what_is_there(stage: MakeStage) -> None:
    """Somebody else moved it first: their row stands."""
    one = stage()
    old = one.accept(expires_at=after(5))
    newer = one.advance(old)
    one.at = after(6)
    assert one.advance(old) == newer
    assert newer.status is S.PENDING


def test_a_refusal_of_what_was_sent_before_the_restore_decides_nothing(stage: MakeStage) -> None:
    """The journal is restored while a send is under way: its answer is written down, and the provider is asked."""
    one = stage(Fake(submitting=saying(Final(reason=NO, code="NO")), checking=knowing({})))
    row = one.accept()
    original = one.perform

    def slow(command: Any) -> Any:
        if isinstance(command, HttpRequest) and command.moves_money:
            one.at = after(1)
            restored(one)
        return original(command)

    one.perform = slow
    row = one.advance(row)
    assert (row.status, one.events(row)) == (S.SENDING, ["created", "sending", "late_answer"])
    assert last(one, row)[1]["answer"] == "payout.failed"


def test_where_the_gap_is_too_long_it_waits_unsent(stage: MakeStage) -> None:
    """Sought in vain it is as unsent as it was, and says once that it is held."""
    one = stage(Fake(checking=knowing({})), dedupe_window_s=100.0)
    row = one.accept()
    restored(one, gap_from=after(-51))
    row = absent(one, one.advance(row))
    assert (row.status, row.tries, row.adopting) == (S.CREATED, 0, True)
    why = "the journal was restored, and nobody has compared the provider's statement with it yet"
    assert last(one, row) == ("held", {"why": why})
    count = len(one.events(row))
    assert one.advance(row) == row
    assert len(one.events(row)) == count
    assert len(one.posts()) == 0


def test_a_gap_inside_the_window_needs_no_statement(stage: MakeStage) -> None:
    """The provider itself would refuse a second one; where that is not proven, nobody sends."""
    one = stage(Fake(checking=knowing({})), dedupe_window_s=2000.0)
    row = one.accept()
    restored(one, gap_from=after(-600))
    assert absent(one, one.advance(row)).status is S.PENDING


def test_a_provider_that_answers_later_is_not_sought(stage: MakeStage) -> None:
    """It cannot be asked at once: the gap itself holds the payout, and a person compares."""
    one = stage(Fake(checking=reading(Unknown())), status_by="deferred")
    row = one.accept()
    restored(one, gap_from=after(-86_400))
    row = one.advance(row)
    assert (row.status, len(one.posts())) == (S.CREATED, 0)
    assert one.events(row) == ["created", "held"]
    one.at = after(5)
    expired = one.advance(one.accept(key="k/2", expires_at=after(5)))
    why = "The journal was restored, and the provider does not tell at once whether it was paid in what is missing."
    assert expired.reason == Reason(ReasonCode.NEVER_APPEARED, text=why)
    assert (expired.status, expired.ambiguous, expired.first_sent_at) == (S.REVIEW, True, after(5))


# --- attempts nobody remembers -------------------------------------------------------------------------------------


def sought(stage: MakeStage, said: Mapping[int, Any], *, gap: bool = True) -> tuple[Any, PayoutRow, list[Any]]:
    """Set a stage on which the provider does not show a payout, and may know of further attempts."""
    asked: list[Any] = []
    one = stage(Fake(checking=knowing(said, asked)))
    row = one.put(S.UNKNOWN, references=_references(1), absences=2, first_absence_at=T0, next_at=after(300))
    if gap:
        restored(one)
    one.at = after(301)
    return one, row, asked


def _references(number: int, host: str = "fake.invalid") -> Mapping[str, str]:
    account = account_of(Fake(host=host))
    return make_draft(account, row_of().order, namespace=NAMESPACE, payout_id="po_x", number=number).references


def test_every_attempt_that_may_have_followed_is_read(stage: MakeStage) -> None:
    """Only then the same request is sent again; a journal that was not restored lacks none."""
    one, row, asked = sought(stage, {})
    assert one.advance(row).status is S.PENDING
    assert asked == [1, 2, 3, 4]
    assert max(asked) == 1 + FURTHER_ATTEMPTS


def test_absence_of_before_the_restore_proves_nothing(stage: MakeStage) -> None:
    """It is sought again, and counted from now."""
    one, row, _ = sought(stage, {}, gap=False)
    restored(one)
    row = one.advance(row)
    assert last(one, row) == ("sought", {})
    assert (row.absences, row.first_absence_at, row.reason) == (0, None, None)
    assert (row.adopting, len(one.posts())) == (False, 0)


def test_further_attempts_are_drafted_as_they_would_have_been(stage: MakeStage) -> None:
    """A provider may make its references of any of it: number, seed, and the payout's id."""
    seen: list[Attempt] = []

    class Drafting(Fake):
        def draft(self, order: Any, attempt: Attempt) -> Draft:
            seen.append(attempt)
            return super().draft(order, attempt)

    one, row, _ = sought(stage, {})
    one.account = account_of(Drafting(checking=knowing({})))
    one.advance(row)
    assert seen == [Attempt(number, derive(NAMESPACE, "k/1", number), "po_x") for number in (2, 3, 4)]


def test_a_journal_that_lacks_nothing_asks_about_nothing_else(stage: MakeStage) -> None:
    one, row, asked = sought(stage, {2: PAID}, gap=False)
    assert one.advance(row).status is S.PENDING
    assert asked == [1]


@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("says", [PAID, Final(reason=NO), Pending()])
def test_a_later_attempt_that_is_known_stops_the_machine(stage: MakeStage, says: Any, number: int) -> None:
    """Whatever became of it: this one is not sent again, and a person decides."""
    one, row, _ = sought(stage, {number: says})
    row = one.advance(row)
    why = f"The provider knows attempt {number}, which is not in the restored journal."
    assert (row.status, row.reason) == (S.REVIEW, Reason(ReasonCode.LATER_ATTEMPT, text=why))
    assert last(one, row) == ("review", {"why": why})
    assert one.journal.history(row.id)[-1].at == one.at
    assert len(one.posts()) == 0


def test_a_later_attempt_nobody_tells_of_is_asked_about_again(stage: MakeStage) -> None:
    """At the schedule's next moment; nothing is sent meanwhile."""
    one, row, _ = sought(stage, {3: Unknown()})
    row = one.advance(row)
    assert (row.status, len(one.posts())) == (S.UNKNOWN, 0)
    assert last(one, row) == ("read", {"why": "The provider did not say whether it knows attempt 3."})
    assert one.journal.history(row.id)[-1].at == one.at
    assert row.next_at > one.at


def test_an_attempt_under_an_earlier_identity_is_read_as_that(stage: MakeStage) -> None:
    """On its own line, and from this attempt on: it may have been paid before the account changed hands."""
    asked: list[Any] = []
    one = stage(Fake(checking=knowing({}, asked)))
    old = account_of(Fake(host="old.invalid", checking=knowing({1: PAID}, asked, "old.invalid")))
    one.account = replace(one.account, retired=(replace(old, is_retired=True),))
    row = one.put(S.UNKNOWN, references=_references(1), absences=2, first_absence_at=T0, next_at=after(300))
    restored(one)
    one.at = after(301)
    row = one.advance(row)
    why = "The provider knows attempt 1, as the account paid before, which is not in the restored journal."
    assert row.reason == Reason(ReasonCode.LATER_ATTEMPT, text=why)
    assert asked == [1, 2, 3, 4, ("old.invalid", 1)]
    as_others = [command for command in one.asked if isinstance(command, ReadAs)]
    assert [(dict(command.binding), command.account, command.operation) for command in as_others] == [
        ({"host": "old.invalid"}, "till", row.operation)
    ]


def test_where_answers_come_later_no_further_attempt_can_be_read(stage: MakeStage) -> None:
    """Nobody is asked: what such a provider would say comes to a path, and none was minted."""
    asked: list[Any] = []
    one = stage(Fake(checking=knowing({2: PAID}, asked)), status_by="deferred")
    row = one.put(S.UNKNOWN)
    restored(one)
    flow = look_ahead(one.account, row, one.moment())
    assert (run(flow, one.perform), asked) == (Ahead(), [])


def test_what_could_not_be_paid_so_was_not(stage: MakeStage) -> None:
    """An attempt of which no draft can be made is passed over, and the next is read."""
    asked: list[int] = []
    one = stage(Fake(checking=knowing({3: PAID}, asked)))

    class Refusing(Fake):
        def draft(self, order: Any, attempt: Any) -> Draft:
            if attempt.number == 2:
                raise InvalidPayout("No.")
            return super().draft(order, attempt)

    one.account = account_of(Refusing(checking=knowing({3: PAID}, asked)))
    row = one.put(S.UNKNOWN, references=_references(1), absences=2, first_absence_at=T0, next_at=after(300))
    restored(one)
    one.at = after(301)
    assert one.advance(row).reason.code is ReasonCode.LATER_ATTEMPT
    assert asked == [1, 3]


def test_a_lost_attempt_contradicts_what_is_told_to_have_failed(stage: MakeStage) -> None:
    """Every failure is looked at once after a restore; what is found stays written, and forbids to pay it again."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO), 2: replace(PAID, seen=None)})))
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    restored(one)
    row = one.advance(one.journal.get(row.id))
    said = [entry for entry in one.journal.history(row.id) if entry.event == EventName.PAYOUT_CONTRADICTED]
    why = "The provider knows attempt 2, which is not in the restored journal."
    assert [dict(entry.evidence) for entry in said] == [{"attempt": 2, "code": "DONE", "http_status": 200, "why": why}]
    assert [entry.at for entry in said] == [one.at]
    assert (row.status, row.next_at) == (S.FAILED, None)


def test_a_failure_is_looked_at_until_that_finds_something_out(stage: MakeStage) -> None:
    """A provider that cannot be asked just then has told nothing: the look stays due."""
    one = stage(
        Fake(checking=knowing({1: Final(reason=NO), 2: Unknown()})), settings={"poll_schedule_s": (5.0, 9.0, 95.0)}
    )
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    assert one.advance(row, early=True).next_at is None
    restored(one)
    assert one.advance(row, early=True).next_at is None  # asked by somebody who does not know that it is due
    row = one.advance(one.journal.get(row.id))
    why = "The provider did not say whether it knows attempt 2."
    assert last(one, row) == ("waiting", {"why": why, "again_in_s": 95.0})
    assert (row.status, row.next_at) == (S.FAILED, one.at + timedelta(seconds=95))
    later = Fake(checking=knowing({1: Final(reason=NO), 2: Final(reason=NO), 3: Pending()}))
    one.account = account_of(later, settings={"poll_schedule_s": (5.0, 9.0, 95.0)})
    one.at = row.next_at
    row = one.advance(row)
    why = "The provider knows attempt 3, which is not in the restored journal."
    assert last(one, row) == ("waiting", {"why": why, "again_in_s": 95.0})
    one.account = account_of(Fake(checking=knowing({1: Final(reason=NO), 2: Final(reason=NO), 3: PAID})))
    one.at = row.next_at
    row = one.advance(row)
    assert (row.status, row.next_at) == (S.FAILED, None)
    said = [entry for entry in one.journal.history(row.id) if entry.event == EventName.PAYOUT_CONTRADICTED]
    assert [entry.evidence["why"] for entry in said] == [why]


@pytest.mark.parametrize(
    ("says", "is_over"), [(Unknown(http_status=200), True), (Unknown(http_status=429), False), (Pending(), False)]
)
def test_a_compared_statement_ends_the_looks_that_nobody_understands(
    stage: MakeStage, says: Any, is_over: bool
) -> None:
    """But not those at what is under way, nor those that found out nothing at all."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO), 2: says})))
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    restored(one, reconciled=True)
    assert (one.advance(one.journal.get(row.id)).next_at is None) is is_over


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({2: Final(reason=NO), 3: Pending(), 4: PAID}, PAID),
        ({2: Final(reason=NO), 3: Pending(), 4: Pending(code="4")}, Pending()),
        ({2: Pending(), 3: Unknown()}, Pending()),
        ({2: Final(reason=NO), 3: Final(reason=NO, code="3")}, Final(reason=NO)),
    ],
    ids=["paid", "under way", "under way and unclear", "failed"],
)
def test_of_all_that_are_known_what_counts_most_is_told(stage: MakeStage, said: Mapping[int, Any], found: Any) -> None:
    """One that failed hides none that was paid."""
    one, row, _ = sought(stage, said)
    assert run(look_ahead(one.account, row, one.moment()), one.perform).found == found


def silence(asked: list[Any]) -> Callable[..., Any]:
    """Return a check whose question cannot even leave."""

    def check(draft: Draft) -> Flow[Any]:
        asked.append("silence")
        raise NotSent("no route to host", at=T0)
        yield

    return check


def test_who_answers_without_saying_anything_is_asked_about_the_others(stage: MakeStage) -> None:
    """What was paid stands behind an answer that nobody understands, and is found all the same."""
    one, row, _ = sought(stage, {2: Unknown(http_status=200), 3: PAID})
    assert run(look_ahead(one.account, row, one.moment()), one.perform).found == PAID
    one.account = account_of(Fake(checking=knowing(dict.fromkeys((2, 4), Unknown(http_status=200)))))
    why = "The provider did not say whether it knows attempt 2."
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead(None, why)
    one.account = account_of(Fake(checking=knowing({2: Unknown(http_status=200), 3: Unknown(http_status=500)})))
    restored(one, reconciled=True)
    why = "The provider did not say whether it knows attempt 3."
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead(None, why)  # silence counts more


@pytest.mark.parametrize(("number", "counts"), [(1, False), (2, True), (3, True)])
def test_of_what_failed_as_somebody_else_an_earlier_attempt_does_not_count(
    stage: MakeStage, number: int, counts: bool
) -> None:
    """Otherwise the same failure would stop every attempt that a person makes; one that he has not seen stops it."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO)})))
    there = Fake(checking=knowing({number: Final(reason=NO, code="B")}, host="other.invalid"), host="other.invalid")
    one.accounts = {"till": one.account, "other": account_of(there, name="other")}
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    one.at = after(1_000_000)
    row = one.pay_again(row)
    restored(one)
    found = run(look_ahead(one.account, row, one.moment()), one.perform).found
    assert found == (Final(reason=NO, code="B") if counts else None)


def test_of_who_is_silent_nothing_more_is_asked(stage: MakeStage) -> None:
    """Nor does what failed count before it is known what it hides, whatever a person has compared meanwhile."""
    one, row, asked = beside(stage, {})
    silent = account_of(Fake(host="other.invalid", checking=silence(asked)), name="other")
    one.accounts = {"other": silent}
    one.account = one.accounts["till"] = account_of(Fake(checking=knowing({2: Final(reason=NO)}, asked)))
    one.accounts["third"] = account_of(Fake(host="third.invalid", checking=silence(asked)), name="third")
    why = "The provider did not say whether it knows attempt 1, from account other."
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead(None, why)
    assert asked == [2, 3, 4, "silence", "silence"]
    restored(one, reconciled=True)
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead(None, why)
    del one.accounts["other"], one.accounts["third"]  # they answer no more, and are taken out of the configuration
    assert run(look_ahead(one.account, row, one.moment()), one.perform).found == Final(reason=NO)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_earlier_attempts_as_somebody_else_are_read_as_well(stage: MakeStage, number: int) -> None:
    """One that was paid from another account in the gap stays found when this one was decided and paid again."""
    asked: list[Any] = []
    one = stage(Fake(checking=knowing({1: Final(reason=NO)}, asked)))
    there = Fake(checking=knowing({number: PAID}, asked, "other.invalid"), host="other.invalid")
    one.accounts = {"till": one.account, "other": account_of(there, name="other")}
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    one.at = after(1_000_000)
    row = one.pay_again(row)
    restored(one)
    asked.clear()
    found = run(look_ahead(one.account, row, one.moment()), one.perform)
    why = f"The provider knows attempt {number}, from account other, which is not in the restored journal."
    assert found == Ahead(PAID, why, account="other", attempt=number)
    assert asked == [3, 4, 5, *(("other.invalid", n) for n in range(1, number + 1))]


def test_attempts_that_the_journal_tells_of_are_not_looked_for(stage: MakeStage) -> None:
    """Each was made as somebody: from two accounts there are two first attempts, and one of them is known."""
    asked: list[Any] = []
    one = stage(Fake(checking=knowing({1: Final(reason=NO)}, asked)))
    there = Fake(checking=knowing({}, asked, "other.invalid"), host="other.invalid")
    one.accounts = {"till": one.account, "other": account_of(there, name="other")}
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    one.at = after(1_000_000)
    row = one.pay_again(row, one.accounts["other"])
    restored(one)
    asked.clear()
    assert run(look_ahead(one.accounts["other"], row, one.moment()), one.perform) == Ahead()
    assert asked == [*(("other.invalid", n) for n in (1, 3, 4, 5)), 2, 3, 4, 5]


@pytest.mark.parametrize("status", [S.FAILED, S.REVIEW])
def test_what_nobody_can_read_any_more_may_have_been_paid_as_the_account_pays_now(stage: MakeStage, status: S) -> None:
    """Its old identity is gone; the attempt itself, made ready anew, and those after it are looked for all the same."""
    one = stage(Fake(host="new.invalid", checking=knowing({1: PAID}, host="new.invalid")))
    gone = {"binding": {"host": "gone.invalid"}, "references": _references(1), "next_at": T0, "decided_by": "read"}
    row = one.put(status, reason=Reason(ReasonCode.BINDING_GONE), **gone)
    restored(one)
    why = "The provider knows attempt 1, which is not in the restored journal."
    if status is S.FAILED:
        row = one.advance(row)
        assert [entry.event for entry in one.journal.history(row.id)][-2:] == [
            EventName.PAYOUT_CONTRADICTED,
            "payout.read",
        ]
        assert one.journal.history(row.id)[-2].evidence["why"] == why
        assert (row.status, row.next_at) == (S.FAILED, None)
        return
    with pytest.raises(DecisionRefused):
        one.resolve(row, paid=False)
    assert one.journal.get(row.id).reason == Reason(ReasonCode.LATER_ATTEMPT, text=why)


@pytest.mark.parametrize("status", [S.PENDING, S.FAILED])
def test_what_a_retired_identity_sent_may_have_been_paid_again_by_the_one_that_pays_now(
    stage: MakeStage, status: S
) -> None:
    """The account changed hands before the journal was lost: what serves the old attempt is not who sent the next."""
    asked: list[Any] = []
    one = stage(Fake(host="new.invalid", checking=knowing({2: PAID}, asked, "new.invalid")))
    older = replace(
        account_of(Fake(host="older.invalid", checking=knowing({}, asked, "older.invalid"))), is_retired=True
    )
    old = replace(account_of(Fake(checking=knowing({1: Final(reason=NO)}, asked))), is_retired=True)
    one.accounts = {"till": replace(one.account, retired=(older, old))}
    one.account = old
    row = one.put(status, reason=NO, decided_by="read", references=_references(1), next_at=T0)
    restored(one)
    row = one.advance(row)
    assert asked == [1, 2, 3, 4, ("new.invalid", 1), ("new.invalid", 2)]
    why = "The provider knows attempt 2, as the account pays now, which is not in the restored journal."
    if status is S.PENDING:
        assert (row.status, row.reason) == (S.REVIEW, Reason(ReasonCode.LATER_ATTEMPT, text=why))
    else:
        contradicted = one.journal.history(row.id)[-2]
        assert (contradicted.event, contradicted.evidence["why"]) == (EventName.PAYOUT_CONTRADICTED, why)


@pytest.mark.parametrize("status", [S.CREATED, S.PENDING, S.UNKNOWN, S.REVIEW])
@pytest.mark.parametrize("says", [PAID, Pending()])
def test_nothing_is_told_to_have_failed_that_was_paid_again(stage: MakeStage, status: S, says: Any) -> None:
    """The provider shows that attempt 1 failed, and knows a later one that the journal has forgotten."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO, seen=OURS), 3: says})))
    row = one.put(status, references=_references(1), next_at=T0, reason=None)
    restored(one)
    row = one.advance(row, early=True)
    if status is S.CREATED:  # sought, and read then
        row = one.advance(row)
    why = "The provider knows attempt 3, which is not in the restored journal."
    assert (row.status, row.reason) == (S.REVIEW, Reason(ReasonCode.LATER_ATTEMPT, text=why))
    assert last(one, row) == ("review", {"why": why})
    assert one.journal.history(row.id)[-1].at == one.at
    assert S.FAILED not in {entry.status for entry in one.journal.history(row.id)}


def test_a_failure_is_told_when_the_provider_knows_of_nothing_later(stage: MakeStage) -> None:
    """Not before: as long as it cannot be asked, the payout is as open as it was."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO), 2: Unknown()})))
    row = one.put(S.PENDING, references=_references(1), next_at=T0)
    restored(one)
    row = one.advance(row)
    assert (row.status, row.next_at > one.at) == (S.PENDING, True)
    assert last(one, row) == ("read", {"why": "The provider did not say whether it knows attempt 2."})
    one.account = account_of(Fake(checking=knowing({1: Final(reason=NO), 2: Final(reason=NO)})))
    assert one.advance(row, early=True).reason.code is ReasonCode.LATER_ATTEMPT  # a person decides
    one.account = account_of(Fake(checking=knowing({1: Final(reason=NO)})))
    row = one.advance(row, early=True)
    assert (row.status, row.decided_by) == (S.REVIEW, "")
    one.account = account_of(Fake(checking=knowing({1: Final(reason=NO)})))
    row = one.advance(one.journal.get(row.id), early=True)
    assert (row.status, row.decided_by) == (S.FAILED, "read")


def test_a_compared_statement_does_not_let_the_machine_pass_over_silence(stage: MakeStage) -> None:
    """Silence passes, and what it hides may have been paid: nothing is sent, and nothing told to have failed."""
    one, row, _ = sought(stage, {2: Unknown(http_status=200)})
    restored(one, reconciled=True)
    row = replace(row, first_absence_at=one.at)
    for _ in range(4):
        one.at += timedelta(seconds=400)
        row = one.advance(one.journal.get(row.id), early=True)
    assert (row.status, len(one.posts())) == (S.UNKNOWN, 0)
    assert last(one, row) == ("read", {"why": "The provider did not say whether it knows attempt 2."})


def test_nor_is_a_failure_told_then(stage: MakeStage) -> None:
    """What nobody understands may have been paid."""
    one = stage(Fake(checking=knowing({1: Final(reason=NO), 2: Unknown(http_status=200)})))
    row = one.put(S.PENDING, references=_references(1), next_at=T0)
    restored(one, reconciled=True)
    assert one.advance(row).status is S.PENDING


def test_what_succeeded_is_told_without_a_look_at_anything_else(stage: MakeStage) -> None:
    asked: list[Any] = []
    one = stage(Fake(checking=knowing({1: PAID}, asked)))
    row = one.put(S.PENDING, references=_references(1), next_at=T0)
    restored(one)
    assert one.advance(row).status is S.SUCCEEDED
    assert asked == [1]


def test_the_state_does_not_end_while_later_attempts_are_still_to_be_looked_for(stage: MakeStage) -> None:
    """Absence of the attempt itself says nothing of them; what waits to be sent again was looked for."""
    one = stage()
    sought_in_vain = {"absences": 3, "first_absence_at": after(10)}
    one.put(S.UNKNOWN, next_at=after(300), **sought_in_vain)
    one.put(S.CREATED, key="k/2", id="po_y", next_at=after(300), **sought_in_vain)
    one.at = after(5)
    restored(one)
    store = store_of(STORE, namespace=NAMESPACE, root=one.folder, at=after(20))
    with pytest.raises(DecisionRefused, match="Of 1 payouts"):
        keeping.end_gap(store, keeping.Act(after(20), "Ann", "over"), ["till"])


# --- a person's decision -------------------------------------------------------------------------------------------


def decided(stage: MakeStage, said: Mapping[int, Any], code: ReasonCode, *, gap: bool = True) -> tuple[Any, PayoutRow]:
    """Set a stage on which a restored payout is in REVIEW, and the provider knows these."""
    one = stage(Fake(checking=knowing(said)))
    told = {"reason": Reason(code), "ambiguous": True, "first_sent_at": T0, "next_at": None}
    row = one.put(S.REVIEW, references=_references(1), **told)
    if gap:
        restored(one)
    one.at = after(100_000)
    return one, row


@pytest.mark.parametrize("first", [{}, {1: Final(reason=NO)}], ids=["absent", "failed"])
def test_a_person_does_not_call_failed_what_was_paid_again(stage: MakeStage, first: Mapping[int, Any]) -> None:
    """The later attempt is shown to them, and is what they decide about then."""
    one, row = decided(stage, {**first, 2: PAID}, ReasonCode.NEVER_APPEARED)
    with pytest.raises(DecisionRefused, match="because of later_attempt"):
        one.resolve(row, paid=False)
    row = one.journal.get(row.id)
    why = "The provider knows attempt 2, which is not in the restored journal."
    assert (row.status, row.reason) == (S.REVIEW, Reason(ReasonCode.LATER_ATTEMPT, text=why))
    assert last(one, row)[0] == "review"
    assert one.journal.history(row.id)[-1].at == one.at
    row = one.resolve(row, paid=False)
    assert (row.status, row.decided_by) == (S.FAILED, "read" if first else "person")
    one.at = after(1_000_000)
    assert one.pay_again(row).attempt == 2  # and what is known is adopted


def test_a_person_may_say_that_the_later_attempt_has_paid_it(stage: MakeStage) -> None:
    """Although the provider shows that this one failed."""
    one, row = decided(stage, {1: Final(reason=NO), 2: PAID}, ReasonCode.LATER_ATTEMPT)
    row = one.resolve(row, paid=True)
    assert (row.status, row.decided_by) == (S.SUCCEEDED, "person")


@pytest.mark.parametrize("first", [{}, {1: Final(reason=NO)}], ids=["absent", "failed"])
def test_nothing_is_called_failed_while_nobody_can_be_asked_about_later_attempts(
    stage: MakeStage, first: Mapping[int, Any]
) -> None:
    """Before a person has compared the statements and names what they say; that it was paid pays nobody twice."""
    one, row = decided(stage, {**first, 2: Unknown(http_status=200)}, ReasonCode.NEVER_APPEARED)
    with pytest.raises(DecisionRefused) as refused:
        one.resolve(row, paid=False)
    assert refused.value.hint == "The provider did not say whether it knows attempt 2."
    assert "another payment" not in refused.value.message
    assert one.journal.get(row.id) == row
    restored(one, reconciled=True)
    with pytest.raises(DecisionRefused):
        one.resolve(row, paid=False, evidence=" ")
    account, one.account = one.account, account_of(Fake(checking=knowing({**first, 2: Unknown(http_status=503)})))
    with pytest.raises(DecisionRefused):
        one.resolve(row, paid=False)
    one.account = account
    assert one.resolve(one.journal.get(row.id), paid=False).status is S.FAILED


def test_what_failed_may_be_called_paid_while_nobody_can_be_asked_about_later_attempts(stage: MakeStage) -> None:
    one, row = decided(stage, {1: Final(reason=NO), 2: Unknown()}, ReasonCode.NEVER_APPEARED)
    row = one.resolve(row, paid=True)
    assert (row.status, row.decided_by) == (S.SUCCEEDED, "person")
    assert last(one, row)[1]["provider"] == "unclear"


@pytest.mark.parametrize(("said", "gap"), [({}, True), ({2: PAID}, False)], ids=["none", "nothing is missing"])
def test_where_no_later_attempt_is_looked_for_or_known_a_person_decides_as_ever(
    stage: MakeStage, said: Mapping[int, Any], gap: bool
) -> None:
    one, row = decided(stage, said, ReasonCode.NEVER_APPEARED, gap=gap)
    assert one.resolve(row, paid=False).status is S.FAILED


def test_lost_attempts_that_failed_contradict_nothing(stage: MakeStage) -> None:
    one = stage(Fake(checking=knowing({1: Final(reason=NO), 2: Final(reason=NO)})))
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    restored(one)
    row = one.advance(one.journal.get(row.id))
    assert EventName.PAYOUT_CONTRADICTED not in {entry.event for entry in one.journal.history(row.id)}
    assert row.next_at is None


def test_of_what_succeeded_no_further_attempt_is_looked_for(stage: MakeStage) -> None:
    asked: list[Any] = []
    one = stage(Fake(checking=knowing({1: PAID, 2: Final(reason=NO)}, asked)))
    row = one.put(S.SUCCEEDED, decided_by="read", references=_references(1), next_at=None)
    restored(one)
    one.advance(row, early=True)
    assert asked == [1]
    assert EventName.PAYOUT_CONTRADICTED not in {entry.event for entry in one.journal.history(row.id)}


# --- other accounts ------------------------------------------------------------------------------------------------


def beside(stage: MakeStage, says: Mapping[int, Any], **facts: Any) -> tuple[Any, PayoutRow, list[Any]]:
    """Set a stage on which a sought payout is to be sent, with a second account whose provider knows these."""
    one, row, asked = sought(stage, {})
    there = Fake(checking=knowing(says, asked, "other.invalid"), host="other.invalid")
    one.accounts = {"till": one.account, "other": account_of(there, name="other", **facts)}
    return one, row, asked


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_attempt_that_another_account_paid_stops_the_machine(stage: MakeStage, number: int) -> None:
    """Somebody may have failed over in what is missing, or have sent the key from there in the first place."""
    one, row, asked = beside(stage, {number: PAID})
    row = one.advance(row)
    why = f"The provider knows attempt {number}, from account other, which is not in the restored journal."
    assert (row.status, row.reason) == (S.REVIEW, Reason(ReasonCode.LATER_ATTEMPT, text=why))
    assert one.posts() == []
    assert asked[-number:] == [("other.invalid", n) for n in range(1, number + 1)]
    assert {command.account for command in one.asked if isinstance(command, ReadAs)} == {"other"}


def test_what_another_account_paid_as_before_is_read_as_well(stage: MakeStage) -> None:
    one, row, asked = beside(stage, {})
    old = account_of(Fake(host="old.invalid", checking=knowing({2: PAID}, asked, "old.invalid")), name="other")
    one.accounts["other"] = replace(one.accounts["other"], retired=(replace(old, is_retired=True),))
    row = one.advance(row)
    assert "knows attempt 2, from account other" in row.reason.text
    assert one.posts() == []


def test_where_no_account_knows_it_it_is_sent(stage: MakeStage) -> None:
    """From its own account, after each attempt was asked for on the other one too."""
    one, row, asked = beside(stage, {})
    row = one.advance(row)
    assert (row.status, row.account, len(one.posts())) == (S.PENDING, "till", 1)
    assert asked[-4:] == [("other.invalid", n) for n in (1, 2, 3, 4)]


def test_a_second_name_of_the_same_identity_is_not_asked_about_the_attempt_itself(stage: MakeStage) -> None:
    """It would find the payout's own attempt there, and take it for another account's."""
    asked: list[Any] = []
    one = stage(Fake(checking=knowing({1: Final(reason=NO), 3: PAID}, asked)))
    one.accounts = {"till": one.account, "twin": account_of(one.account.provider, name="twin")}
    row = one.put(S.FAILED, reason=NO, decided_by="read", references=_references(1), next_at=None)
    restored(one)
    one.advance(one.journal.get(row.id))
    assert asked[:3] == [1, 2, 3]
    one.accounts = {"twin": one.accounts["twin"]}
    asked.clear()
    one.account = account_of(Fake(checking=knowing({1: Final(reason=NO)}, asked)))
    run(look_ahead(one.account, row, one.moment()), one.perform)
    assert asked == [2, 3, 4, 2, 3]


def test_who_could_not_have_paid_it_is_not_asked(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Play money is not real money, a refund has one account, and what a provider has not it has not paid."""
    one, row, asked = beside(stage, {1: PAID, 2: PAID})
    spare = one.accounts["other"]
    one.accounts["other"] = replace(spare, spec=replace(spare.spec, operations=frozenset({Operation.DEPOSIT})))
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead()
    one.accounts["other"] = spare
    assert not [told for told in asked if isinstance(told, tuple)]
    assert "goes back from the account" in not_payable(spare, replace(row, operation=Operation.REFUND), one.account)
    rehearsing = {id(spare.settings)}
    monkeypatch.setattr(type(spare.settings), "is_rehearsal", property(lambda self: id(self) in rehearsing))
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead()
    rehearsing.clear()
    assert run(look_ahead(one.account, row, one.moment()), one.perform).found == PAID


def test_of_two_that_tell_only_later_the_first_is_named(stage: MakeStage) -> None:
    one, row, _ = beside(stage, {}, status_by="deferred")
    one.accounts["third"] = account_of(Fake(host="third.invalid"), name="third", status_by="deferred")
    why = "Account other tells only later what it paid: compare its statement."
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead(None, why)


def test_an_account_that_tells_only_later_keeps_it_waiting_until_a_statement_was_compared(stage: MakeStage) -> None:
    """It cannot be asked at once: nobody is, and nothing is sent; a person's comparison is what ends it."""
    one, row, asked = beside(stage, {2: PAID}, status_by="deferred")
    before = len(asked)
    waiting = one.advance(row)
    assert (waiting.status, len(one.posts())) == (S.UNKNOWN, 0)
    assert last(one, row)[1] == {"why": "Account other tells only later what it paid: compare its statement."}
    assert ("other.invalid", 1) not in asked[before:]
    restored(one, reconciled=True)
    assert run(look_ahead(one.account, row, one.moment()), one.perform) == Ahead()
    there = Fake(checking=knowing({2: PAID}, asked, "third.invalid"), host="third.invalid")
    one.accounts["third"] = account_of(there, name="third")
    assert run(look_ahead(one.account, row, one.moment()), one.perform).found == PAID  # the others are still asked
