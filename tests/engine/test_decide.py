"""Every cell of the table of decisions: what a payout becomes after each end of a send and each answer to a read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, get_args

import pytest
from kit import OURS, T0, account_of, after, lost, row_of, unsent

from payments_core.domain.causes import DecidedBy
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.rates import ReadEnd
from payments_core.domain.records import PayoutRecord
from payments_core.engine import decide_outcome, decide_submission, transitions
from payments_core.engine.provider_calls import CheckResult, SubmitResult
from payments_core.engine.transitions import Decision
from payments_core.http.messages import NoAnswer, NotSent
from payments_core.provider import (
    Account,
    AccountRefused,
    Deferred,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    ReportedDetails,
    Unknown,
)

S = PayoutStatus
NO = Reason(ReasonCode.REJECTED, "NO", "no")
BAD_TOKEN = Reason(ReasonCode.CREDENTIALS, "401", "token")
ACCOUNT = account_of()
AT = after(10)  # when the answer is there: the first poll after the send (5 s) has passed, the second is at 20 s

SENT: Mapping[str, Any] = {
    "succeeded": Final(seen=OURS),
    "succeeded, silent": Final(),
    "succeeded, another amount": Final(seen=replace(OURS, amount=Decimal(26))),
    "failed": Final(reason=NO),
    "pending": Pending(),
    "pending, another payee": Pending(seen=replace(OURS, payee="46733123498")),
    "duplicate": Duplicate(http_status=409),
    "not accepted": NotAccepted(http_status=429),
    "not accepted, wait": NotAccepted(http_status=429, retry_after_s=77.0),
    "token refused": NotAccepted(http_status=401, blocks_if_repeated=BAD_TOKEN),
    "blocked": AccountRefused(NO, 403),
    "unknown": Unknown(http_status=500),
    "not sent": unsent(AT),
    "no answer": lost(AT),
}

# outcome: (status, seconds to the next look), without and with an ambiguous earlier try
AFTER_SUBMIT: Mapping[str, tuple[tuple[S, float | None], tuple[S, float | None]]] = {
    "succeeded": ((S.SUCCEEDED, None), (S.SUCCEEDED, None)),
    "succeeded, silent": ((S.SUCCEEDED, None), (S.SUCCEEDED, None)),
    "succeeded, another amount": ((S.REVIEW, None), (S.REVIEW, None)),
    "failed": ((S.FAILED, None), (S.UNKNOWN, 0.0)),
    "pending": ((S.PENDING, 10.0), (S.PENDING, 10.0)),
    "pending, another payee": ((S.REVIEW, None), (S.REVIEW, None)),
    "duplicate": ((S.UNKNOWN, 0.0), (S.UNKNOWN, 0.0)),
    "not accepted": ((S.CREATED, 2.0), (S.UNKNOWN, 10.0)),
    "not accepted, wait": ((S.CREATED, 77.0), (S.UNKNOWN, 10.0)),
    "token refused": ((S.CREATED, 2.0), (S.UNKNOWN, 10.0)),
    "blocked": ((S.CREATED, 300.0), (S.UNKNOWN, 10.0)),
    "unknown": ((S.UNKNOWN, 10.0), (S.UNKNOWN, 10.0)),
    "not sent": ((S.CREATED, 2.0), (S.UNKNOWN, 10.0)),
    "no answer": ((S.UNKNOWN, 10.0), (S.UNKNOWN, 10.0)),
}
STOPS = {"blocked": "account_refused", "not accepted": "rate", "not accepted, wait": "rate"}
LEAVES_DOUBT = {"duplicate", "unknown", "no answer"}
FIRST = T0 - timedelta(seconds=100)


def check_promises(before: PayoutRecord, decision: Decision) -> None:
    """What no decision may ever do."""
    row = decision.after
    assert row.attempt.ambiguous or not before.attempt.ambiguous, "the doubt was cleared"
    assert before.attempt.first_sent_at in {None, row.attempt.first_sent_at}, "the first send was moved"
    assert (row.lease.owner, row.lease.until) == ("", None), "the lease outlives the send"
    assert row.attempt.submissions == before.attempt.submissions
    assert (row.attempt.request, row.attempt.request_hash) == (
        before.attempt.request,
        before.attempt.request_hash,
    )
    assert before.attempt.references.items() <= row.attempt.references.items()
    assert row.status.is_final == bool(row.decided_by)
    assert (row.schedule.next_at is None) == (row.status.is_final or row.status is S.REVIEW)
    assert decision.publish == (row.status.is_final or decision.event.name == "payout.review")


def test_tables_have_every_outcome() -> None:
    """No end of a send and no answer to a read is forgotten in the tables."""
    assert SENT.keys() == AFTER_SUBMIT.keys()
    assert {type(outcome) for outcome in SENT.values()} == set(get_args(SubmitResult))
    assert {type(outcome) for outcome in OUTCOMES.values()} == set(get_args(CheckResult))


@pytest.mark.parametrize("ambiguous", [False, True], ids=["first", "doubted"])
@pytest.mark.parametrize("name", SENT)
def test_submission_outcome_decides_status_and_next_check(name: str, ambiguous: bool) -> None:
    """Each end of a send leads to its status and its next look; doubt is set once and never cleared."""
    doubted: dict[str, Any] = {"ambiguous": True, "first_sent_at": FIRST, "submissions": 2} if ambiguous else {}
    row = row_of(**doubted)
    decision = decide_outcome.after_submit(row, ACCOUNT, SENT[name], AT)
    status, next_s = AFTER_SUBMIT[name][ambiguous]
    assert decision.after.status is status
    assert decision.after.schedule.next_at == (None if next_s is None else AT + timedelta(seconds=next_s))
    check_promises(row, decision)
    assert decision.after.attempt.ambiguous is (ambiguous or name in LEAVES_DOUBT)
    if status is not S.CREATED and status is not S.FAILED:
        assert decision.after.attempt.first_sent_at == (FIRST if ambiguous else T0)
    if status is S.FAILED:
        assert decision.after.decided_by == "submit"
    assert decision.after.attempt.duplicate_unverified is (name == "duplicate" and not ambiguous)
    assert decision.after.attempt.refused is (name == "failed" and ambiguous)
    assert (decision.pause and decision.pause.by) == STOPS.get(name)
    assert decision.lifts is (isinstance(SENT[name], Final | Pending | Duplicate))
    assert not decision.resend


@pytest.mark.parametrize(("refusals", "wait_s"), [(0, 2), (1, 8), (2, 30), (3, 120), (4, 300), (5, 300), (50, 300)])
def test_refused_submission_backs_off_by_the_retry_schedule(refusals: int, wait_s: float) -> None:
    """Proven refusals back off by the schedule, whose last step repeats."""
    decision = decide_outcome.after_submit(row_of(refusals=refusals), ACCOUNT, unsent(AT), AT)
    assert decision.after.schedule.next_at == AT + timedelta(seconds=wait_s)
    assert decision.after.attempt.refusals == refusals + 1


OUTCOMES: Mapping[str, Any] = {
    "succeeded": Final(seen=OURS),
    "succeeded, silent": Final(),
    "succeeded, another amount": Final(seen=replace(OURS, amount=Decimal(26))),
    "failed": Final(reason=NO, seen=OURS),
    "failed, silent": Final(reason=NO),
    "failed, another payee": Final(reason=NO, seen=ReportedDetails(payee="46733123498")),
    "pending": Pending(seen=OURS),
    "pending, silent": Pending(),
    "pending, another currency": Pending(seen=ReportedDetails(currency="UGX")),
    "not found": NotFound(http_status=404),
    "unknown": Unknown(http_status=503),
    "result_callback": Deferred(),
    "not sent": unsent(AT),
    "no answer": lost(AT),
}
STAYS = ("not found", "unknown", "result_callback", "not sent", "no answer")
# status before: {what was heard: status after}; what is not named leaves the status as it was
AFTER_CHECK: Mapping[S, Mapping[str, S]] = {
    S.PENDING: {
        "succeeded": S.SUCCEEDED,
        "succeeded, silent": S.SUCCEEDED,
        "succeeded, another amount": S.REVIEW,
        "failed": S.FAILED,
        "failed, silent": S.FAILED,
        "failed, another payee": S.REVIEW,
        "pending, another currency": S.REVIEW,
    },
    S.UNKNOWN: {
        "succeeded": S.SUCCEEDED,
        "succeeded, silent": S.SUCCEEDED,
        "succeeded, another amount": S.REVIEW,
        "failed": S.FAILED,
        "failed, silent": S.FAILED,
        "failed, another payee": S.REVIEW,
        "pending": S.PENDING,
        "pending, silent": S.PENDING,
        "pending, another currency": S.REVIEW,
    },
    S.REVIEW: {
        "succeeded": S.SUCCEEDED,
        "succeeded, silent": S.SUCCEEDED,
        "failed": S.FAILED,
        "failed, silent": S.FAILED,
    },
}


@pytest.mark.parametrize("status", AFTER_CHECK)
@pytest.mark.parametrize("name", OUTCOMES)
def test_check_outcome_decides_status_and_next_check(status: S, name: str) -> None:
    """Each answer to a read leads to its status; an empty or broken read changes nothing but the next look."""
    row = row_of(status, next_at=AT, first_sent_at=T0, ambiguous=True)
    decision = decide_outcome.after_check(row, ACCOUNT, OUTCOMES[name], AT)
    expected = AFTER_CHECK[status].get(name, status)
    assert decision.after.status is expected
    check_promises(row, decision)
    if expected in {S.PENDING, S.UNKNOWN}:
        assert decision.after.schedule.next_at == after(20)  # the schedule counts from the send: 5, 20, 80 …
    if expected.is_final:
        assert decision.after.decided_by == "read"
    assert not decision.resend
    if name in STAYS:
        assert decision.after.status is status


@pytest.mark.parametrize("code", list(ReasonCode))
def test_pending_ends_a_review_only_when_visibility_was_in_doubt(code: ReasonCode) -> None:
    """A read that says PENDING leads out of REVIEW where only visibility or the account was in doubt."""
    row = row_of(S.REVIEW, reason=Reason(code), next_at=None, first_sent_at=T0, ambiguous=True)
    decision = decide_outcome.after_check(row, ACCOUNT, Pending(seen=OURS), AT)
    opens = code in {ReasonCode.NEVER_APPEARED, ReasonCode.BINDING_GONE, ReasonCode.ON_STATEMENT}
    assert decision.after.status is (S.PENDING if opens else S.REVIEW)


@pytest.mark.parametrize("name", OUTCOMES)
def test_duplicate_is_adopted_only_when_all_fields_agree(name: str) -> None:
    """After a duplicate on the first try only a view with amount, currency, payee and external id ends or adopts it."""
    row = row_of(S.UNKNOWN, duplicate_unverified=True)
    status = decide_outcome.after_check(row, ACCOUNT, OUTCOMES[name], AT).after.status
    whole = {"succeeded": S.SUCCEEDED, "failed": S.FAILED, "pending": S.PENDING}
    assert status is whole.get(name, S.UNKNOWN if name in STAYS else S.REVIEW)


@pytest.mark.parametrize("lacking", ["amount", "currency", "payee", "external_id"])
def test_duplicate_with_a_missing_field_is_review(lacking: str) -> None:
    """A view that lacks one of the four does not show that the payment is ours."""
    view: dict[str, Any] = {lacking: None}
    decision = decide_outcome.after_check(
        row_of(S.UNKNOWN, duplicate_unverified=True), ACCOUNT, Final(seen=replace(OURS, **view)), AT
    )
    assert decision.after.status is S.REVIEW
    assert lacking in str(decision.event.evidence["why"])


@pytest.mark.parametrize("field", ["amount", "currency", "payee", "external_id"])
def test_payment_with_one_different_field_is_review(field: str) -> None:
    """A difference in any field that is seen stops the machine, whatever else agrees."""
    view: dict[str, Any] = {field: Decimal(1) if field == "amount" else "other"}
    for status in (S.PENDING, S.UNKNOWN):
        decision = decide_outcome.after_check(row_of(status), ACCOUNT, Final(seen=replace(OURS, **view)), AT)
        assert decision.after.status is S.REVIEW
        assert decision.after.reason is not None
        assert decision.after.reason.code is ReasonCode.MISMATCH


def test_result_callback_of_success_needs_all_fields_and_failure_none() -> None:
    """Whoever can post to a path can claim success: that needs all fields; a failure moves no money."""
    for seen, failed, status in (
        (OURS, False, S.SUCCEEDED),
        (None, False, S.REVIEW),
        (ReportedDetails(amount=Decimal(25)), False, S.REVIEW),
        (None, True, S.FAILED),
        (ReportedDetails(amount=Decimal(26)), True, S.REVIEW),
    ):
        outcome = Final(reason=NO if failed else None, seen=seen)
        by = DecidedBy.RESULT_CALLBACK
        assert decide_outcome.after_check(row_of(S.UNKNOWN), ACCOUNT, outcome, AT, by=by).after.status is status


def test_result_callback_of_pending_needs_no_fields() -> None:
    """It ends nothing: it is asked again."""
    for seen, status in ((None, S.PENDING), (OURS, S.PENDING), (ReportedDetails(amount=Decimal(26)), S.REVIEW)):
        by = DecidedBy.RESULT_CALLBACK
        decision = decide_outcome.after_check(row_of(S.UNKNOWN), ACCOUNT, Pending(seen=seen), AT, by=by)
        assert decision.after.status is status


# --- absence -------------------------------------------------------------------------------------------------------


def absent(row: PayoutRecord, account: Account, *moments_s: float) -> Decision:
    """Hear "not found" at each moment."""
    decision = None
    for seconds in moments_s:
        decision = decide_outcome.after_check(row, account, NotFound(), after(seconds))
        row = decision.after
    assert decision is not None
    return decision


@pytest.mark.parametrize(
    ("moments_s", "resend"),
    [
        ((5,), False),
        ((5, 305), False),  # long enough, but only twice
        ((5, 10, 15), False),  # three times, but too soon
        ((5, 100, 304), False),
        ((5, 100, 305), True),
        ((5, 10, 15, 305), True),
        ((400, 401, 402), False),  # late is not long: the time between the reads counts
    ],
)
def test_absence_leads_to_a_resend_only_when_it_lasts(moments_s: tuple[float, ...], resend: bool) -> None:
    """Only three absences over the time a payment may stay invisible lead to another send of the same request."""
    decision = absent(row_of(S.UNKNOWN), ACCOUNT, *moments_s)
    assert decision.resend is resend
    assert decision.after.status is S.UNKNOWN
    assert decision.after.schedule.not_found_count == len(moments_s)


@pytest.mark.parametrize("status", [S.PENDING, S.REVIEW])
def test_absence_of_an_accepted_or_reviewed_payout_never_resends(status: S) -> None:
    """Absence of a payment that was once shown, or that a person looks at, only makes us ask again."""
    row = row_of(status, first_sent_at=T0, ambiguous=True, next_at=None)
    decision = absent(row, ACCOUNT, 5, 100, 305, 1000, 5000)
    assert decision.after.status is status
    assert not decision.resend


@pytest.mark.parametrize(
    ("conclusive_s", "last_s", "status"),
    [(None, 305, S.REVIEW), (3600.0, 305, S.UNKNOWN), (3600.0, 3599, S.UNKNOWN), (3600.0, 3600, S.FAILED)],
)
def test_ambiguous_payout_fails_only_by_refusal_and_conclusive_absence(
    conclusive_s: float | None, last_s: float, status: S
) -> None:
    """A refused later try and a lasting absence fail a payout only where the provider's absence is conclusive."""
    account = account_of(not_found_conclusive_after_s=conclusive_s)
    row = row_of(S.UNKNOWN, refused=True, reason=NO)
    decision = absent(row, account, 5, 100, last_s)
    assert decision.after.status is status
    assert not decision.resend
    if status is S.FAILED:
        assert decision.after.reason == NO
        assert decision.after.decided_by == "read"


def test_conclusive_absence_alone_fails_nothing() -> None:
    """Without a refusal of the payload even a conclusive absence leads to another send, never to FAILED."""
    assert absent(row_of(S.UNKNOWN), account_of(not_found_conclusive_after_s=1.0), 5, 100, 305).resend


# --- the schedule --------------------------------------------------------------------------------------------------


def schedule_s() -> list[float]:
    moment, moments = 0.0, []
    for wait_s in ACCOUNT.settings.poll_schedule_s:
        moment += wait_s
        moments.append(moment)
    return moments


@pytest.mark.parametrize("status", [S.PENDING, S.UNKNOWN])
def test_checks_follow_the_poll_schedule_to_its_end(status: S) -> None:
    """Reads come at 5, 20, 80 s …, counted from the send, and end after 72 hours in REVIEW, never in FAILED."""
    row = row_of(status)
    moments = schedule_s()
    assert moments[:4] == [5, 20, 80, 380]
    assert 71 * 3600 < moments[-1] < 73 * 3600
    for now_s, next_s in pairwise(moments):
        decision = decide_outcome.after_check(row, ACCOUNT, Unknown(), after(now_s))
        assert decision.after.schedule.next_at == after(next_s)
        assert decision.after.status is status
    ended = decide_outcome.after_check(row, ACCOUNT, Unknown(), after(moments[-1]))
    assert ended.after.status is S.REVIEW
    assert ended.after.reason is not None
    assert ended.after.reason.code is ReasonCode.NO_FINAL_ANSWER


@pytest.mark.parametrize("answer", [Pending(code="QUEUED"), Unknown(code="QUEUED")])
def test_review_after_the_schedule_records_the_last_answer(answer: Pending | Unknown) -> None:
    """A person who decides sees what the provider said at last."""
    ended = decide_outcome.after_check(row_of(S.PENDING), ACCOUNT, answer, after(schedule_s()[-1]))

    assert ended.after.status is S.REVIEW
    assert ended.event.evidence["code"] == "QUEUED"


def test_poll_schedule_begins_anew_with_a_new_submission() -> None:
    """A second try is read as soon after it as the first one was."""
    row = row_of(S.UNKNOWN, sent_at=after(1000), submissions=2)
    assert decide_outcome.after_check(row, ACCOUNT, Unknown(), after(1001)).after.schedule.next_at == after(1005)


# --- sending -------------------------------------------------------------------------------------------------------


HALF_DAY = 12 * 3600.0
AGAIN: list[tuple[str, dict[str, Any], dict[str, Any], float, S]] = [
    ("never doubted, unsafe", {"ambiguous": False}, {"resend": "unsafe"}, 1e6, S.SENDING),
    ("never doubted, many tries", {"ambiguous": False, "submissions": 40}, {}, 1e6, S.SENDING),
    ("doubted, safe", {}, {}, 400, S.SENDING),
    ("doubted, unsafe", {}, {"resend": "unsafe"}, 400, S.REVIEW),
    ("just inside half the window", {}, {}, HALF_DAY - 1, S.SENDING),
    ("at half the window", {}, {}, HALF_DAY, S.REVIEW),
    ("no window declared", {}, {"dedupe_window_s": 0.0}, 400, S.REVIEW),
    ("fourth try done", {"submissions": 4}, {}, 400, S.SENDING),
    ("fifth try done", {"submissions": 5}, {}, 400, S.REVIEW),
    ("clock before the first send", {}, {}, -1, S.REVIEW),
    ("first send not known", {"first_sent_at": None}, {}, 400, S.REVIEW),
]


@pytest.mark.parametrize(("changes", "facts", "at_s", "status"), [row[1:] for row in AGAIN], ids=[r[0] for r in AGAIN])
def test_resend_is_decided_when_it_begins(
    changes: dict[str, Any], facts: dict[str, Any], at_s: float, status: S
) -> None:
    """After doubt a request leaves again only where duplicates are refused, within half that memory, five times."""
    decision = decide_submission.begin(row_of(S.UNKNOWN, **changes), account_of(**facts), owner="me", at=after(at_s))
    assert decision.after.status is status


@pytest.mark.parametrize(
    ("ambiguous", "at_s", "fails"), [(False, 59, False), (False, 60, True), (True, 60, False), (True, 1e6, False)]
)
def test_expires_at_holds_only_while_nothing_was_ambiguous(ambiguous: bool, at_s: float, fails: bool) -> None:
    """What was to be sent by now fails only if it certainly was not sent."""
    row = row_of(S.CREATED, ambiguous=ambiguous, expires_at=after(60))
    decision = decide_submission.expired(row, after(at_s))
    assert (decision is not None) is fails
    if decision:
        assert decision.after.status is S.FAILED
        assert (decision.after.reason and decision.after.reason.code) is ReasonCode.NOT_SENT_IN_TIME
        assert decision.after.decided_by == "expiry"


@pytest.mark.parametrize(("ambiguous", "at_s", "waits"), [(False, 59, True), (False, 60, False), (True, 59, False)])
def test_not_before_holds_only_while_nothing_was_ambiguous(ambiguous: bool, at_s: float, waits: bool) -> None:
    """What may not be sent yet is put off to its moment; what may have left already is not."""
    row = row_of(S.CREATED, ambiguous=ambiguous, not_before=after(60))
    decision = decide_submission.too_early(row, after(at_s))
    assert (decision is not None) is waits
    if decision:
        assert (decision.after.status, decision.after.schedule.next_at) == (S.CREATED, after(60))


def test_decisions_are_pure() -> None:
    """Equal arguments give equal decisions, and the row that was given stays as it was."""
    row: PayoutRecord = row_of()
    moment: datetime = AT
    for outcome in SENT.values():
        kept = replace(row)
        assert decide_outcome.after_submit(row, ACCOUNT, outcome, moment) == decide_outcome.after_submit(
            row, ACCOUNT, outcome, moment
        )
        assert row == kept


def test_accepted_payout_in_review_may_have_been_sent() -> None:
    taken = decide_outcome.after_submit(row_of(), ACCOUNT, Pending(), AT).after
    other = decide_outcome.after_check(taken, ACCOUNT, Final(seen=replace(OURS, amount=Decimal(26))), AT).after
    never = transitions.review(
        row_of(S.CREATED, submissions=0, sent_at=None), ReasonCode.BINDING_GONE, "elsewhere", AT
    ).after

    assert (other.status, other.view().may_have_been_sent) == (S.REVIEW, True)
    assert (never.status, never.view().may_have_been_sent) == (S.REVIEW, False)


# --- rates and circuits ---


@pytest.mark.parametrize(
    ("outcome", "held_s"),
    [
        (NotAccepted(http_status=429), 2.0),
        (NotAccepted(http_status=429, retry_after_s=77.0), 77.0),
        (NotAccepted(http_status=503, retry_after_s=9.0), 9.0),
        (NotAccepted(http_status=429, retry_after_s=1e6), 3600.0),
        (NotAccepted(http_status=503), None),
    ],
)
def test_wait_asked_for_by_the_provider_slows_the_account(outcome: NotAccepted, held_s: float | None) -> None:
    """A 429, or any refusal with a wait, is for the whole account; at most an hour, and never less than it says."""
    pause = decide_outcome.after_submit(row_of(), ACCOUNT, outcome, AT).pause
    assert (pause and (pause.by, pause.account)) == (None if held_s is None else ("rate", "till"))
    assert (pause and pause.probe_at) == (None if held_s is None else AT + timedelta(seconds=held_s))


@pytest.mark.parametrize("name", SENT)
def test_submission_outcome_counts_for_the_circuit(name: str) -> None:
    """Only what may have arrived is doubt; a proven "not sent" is no end at all."""
    end = decide_outcome.post_end(ACCOUNT, SENT[name])
    assert (end is None) is isinstance(SENT[name], NotSent)
    if end is not None:
        assert end.is_ambiguous is isinstance(SENT[name], NoAnswer | Unknown)
        assert end.circuit_after == 20


@pytest.mark.parametrize(
    ("wanted", "end"),
    [
        (Unknown(http_status=429, retry_after_s=7.0), ReadEnd(is_refused=True, after_s=7.0)),
        (Unknown(http_status=429), ReadEnd(is_refused=True)),
        (Unknown(http_status=500), None),
        (NoAnswer("reset", at=AT), None),
        (NotSent("refused", at=AT), None),
        (NotFound(), ReadEnd(is_refused=False)),
        (Pending(), ReadEnd(is_refused=False)),
    ],
)
def test_check_outcome_counts_for_the_rate(wanted: Any, end: ReadEnd | None) -> None:
    """Refused for the rate, answered, or neither."""
    assert decide_outcome.read_end(wanted) == end
