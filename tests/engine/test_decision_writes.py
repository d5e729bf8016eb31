"""What each decision writes, whole: the fields of the row that change and no other, the event and all its evidence.

Who reads a payout's history after the fact has nothing else: a decision that says less, or says it under another name,
takes a fact from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from flat_records import changed, columns_of
from kit import OURS, T0, account_of, after, lost, row_of, unsent

from payments_core.domain.causes import PausedBy
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine import decide_outcome, decide_submission
from payments_core.engine.transitions import Decision
from payments_core.provider import AccountRefused, Deferred, Duplicate, Final, NotAccepted, NotFound, Pending, Unknown

S = PayoutStatus
ACCOUNT = account_of()
AT = after(10)
NUMBER = "call 46733123450"  # what a provider's own words may hold, and no history may
MASKED = "call 46*******50"
LONG = "X" * 100
CUT = "X" * 79 + "…"  # how much of a provider's code is kept
NO = Reason(ReasonCode.REJECTED, LONG, NUMBER)
NO_CLEAN = Reason(ReasonCode.REJECTED, CUT, MASKED)
RAW_DETAILS: dict[str, Any] = {"code": LONG, "text": NUMBER, "http_status": 418}
MASKED_DETAILS: dict[str, Any] = {"code": CUT, "text": MASKED, "http_status": 418}
THEIRS = replace(OURS, amount=Decimal(26))
ANOTHER = "The provider shows another amount under our reference."
NOT_SAFE = "It may have arrived, the provider does not show it, and sending again is not proven safe any more."
ON_STATEMENT = "The provider's statement has a payment under its reference, and the provider does not show it."
NO_ANSWER_YET = "The provider has given no final answer for as long as the schedule asks."
RELEASED: dict[str, Any] = {"lease_owner": "", "lease_until": None}
DOUBTED: dict[str, Any] = {"status": S.UNKNOWN, "ambiguous": True, "first_sent_at": T0}
LEASED_UNTIL = after(10 + ACCOUNT.settings.lease_s)
BEGUN: dict[str, Any] = {
    "status": S.SENDING,
    "sent_at": AT,
    "lease_owner": "me",
    "lease_until": LEASED_UNTIL,
    "next_at": LEASED_UNTIL,
}
ASKED_ANEW: dict[str, Any] = {
    "status": S.UNKNOWN,
    "duplicate_unverified": True,
    "not_found_count": 0,
    "first_not_found_at": None,
    "reopened_at": AT,
    "next_at": AT,
}

SENDING = row_of()
CREATED = row_of(S.CREATED)
PENDING = row_of(S.PENDING)
UNKNOWN = row_of(S.UNKNOWN)
SECOND = row_of(ambiguous=True, first_sent_at=after(-100), submissions=2)  # a try after one that may have arrived
LONG_AGO = after(30 * 24 * 3600)  # after the last step of the schedule


class Written(NamedTuple):
    """What is written.

    Args:
        before: The row as it was.
        decide: What decides.
        changes: What is different in the row after.
        event: The event, with all its evidence.
        pause: What stops or slows the account.

    """

    before: PayoutRecord
    decide: Callable[[PayoutRecord], Decision | None]
    changes: Mapping[str, Any]
    event: Event
    pause: Pause | None = None


def _event(name: str, evidence: Mapping[str, Any] | None = None, at: datetime = AT) -> Event:
    return Event(f"payout.{name}", at, evidence or {})


def _stopped(code: ReasonCode, why: str, **more: Any) -> dict[str, Any]:
    return {"status": S.REVIEW, "reason": Reason(code, text=why), "next_at": None, **more}


def _waits(why: str, again_in_s: float = 2) -> dict[str, Any]:
    reason = Reason(ReasonCode.PROVIDER_UNAVAILABLE, text=why)
    return {**RELEASED, "status": S.CREATED, "reason": reason, "refusals": 1, "next_at": after(10 + again_in_s)}


def _absent(row: PayoutRecord, *, seen: int, account: Any = ACCOUNT) -> Written:
    """Decide on one more absence after so many."""
    before = changed(row, not_found_count=seen, first_not_found_at=after(10) if seen else None)
    return Written(
        before,
        lambda row: decide_outcome.after_check(row, account, NotFound(**RAW_DETAILS), after(400)),
        {},
        _event(""),
    )


LATER = account_of(status_by="result_callback")
RETIRED = replace(ACCOUNT, is_retired=True)
CONCLUSIVE = account_of(not_found_conclusive_after_s=390.0)
DUPLICATE_UNVERIFIED = changed(UNKNOWN, duplicate_unverified=True)
CHECKED_FIRST = changed(
    CREATED, status=S.UNKNOWN, duplicate_unverified=True
)  # the journal was restored, and it may have been sent
REFUSED = changed(UNKNOWN, refused=True, reason=NO_CLEAN)
_AT_400 = after(400)
_THIRD: dict[str, Any] = {"not_found_count": 3}

WRITTEN: Mapping[str, Written] = {
    # --- before the first byte ---
    "begin": Written(
        CREATED,
        lambda row: decide_submission.begin(row, ACCOUNT, owner="me", at=AT),
        {**BEGUN, "submissions": 1, "guards_passed": True},
        _event("sending", {"submission": 1}),
    ),
    "begin, again": Written(
        changed(UNKNOWN, not_found_count=3, first_not_found_at=T0, reason=NO_CLEAN),
        lambda row: decide_submission.begin(row, ACCOUNT, owner="you", at=AT),
        {**BEGUN, "submissions": 2, "not_found_count": 0, "first_not_found_at": None, "lease_owner": "you"},
        _event("sending", {"submission": 2}),
    ),
    "begin, not safe any more": Written(
        changed(UNKNOWN, submissions=5),
        lambda row: decide_submission.begin(row, ACCOUNT, owner="me", at=AT),
        _stopped(ReasonCode.NEVER_APPEARED, NOT_SAFE),
        _event("review", {"why": NOT_SAFE}),
    ),
    "begin, sought in vain": Written(
        CHECKED_FIRST,
        lambda row: decide_submission.begin(row, ACCOUNT, owner="me", at=AT),
        {**BEGUN, "submissions": 1, "guards_passed": True, "duplicate_unverified": False},
        _event("sending", {"submission": 1}),
    ),
    "begin, called a duplicate before": Written(
        DUPLICATE_UNVERIFIED,
        lambda row: decide_submission.begin(row, ACCOUNT, owner="me", at=AT),
        {**BEGUN, "submissions": 2},
        _event("sending", {"submission": 2}),
    ),
    "check_first": Written(
        changed(SENDING, status=S.CREATED, not_found_count=2, first_not_found_at=T0, reason=NO_CLEAN),
        lambda row: decide_submission.check_first(row, AT),
        {**RELEASED, **ASKED_ANEW, "reason": None},
        _event("checked_first"),
    ),
    "seek, doubted": Written(
        UNKNOWN,
        lambda row: decide_submission.check_first(row, AT),
        {"reopened_at": AT, "next_at": AT},
        _event("checked_first"),
    ),
    "seek, called a duplicate before": Written(
        DUPLICATE_UNVERIFIED,
        lambda row: decide_submission.check_first(row, AT),
        {"reopened_at": AT, "next_at": AT},
        _event("checked_first"),
    ),
    "on a statement, not asked about yet": Written(
        changed(CREATED, not_found_count=2, first_not_found_at=T0),
        lambda row: decide_submission.on_statement(row, ACCOUNT, AT),
        ASKED_ANEW,
        _event("checked_first"),
    ),
    "on a statement, and not shown": Written(
        changed(CHECKED_FIRST, not_found_count=3, sent_at=None),
        lambda row: decide_submission.on_statement(row, ACCOUNT, AT),
        {"ambiguous": True, "first_sent_at": AT, **_stopped(ReasonCode.ON_STATEMENT, ON_STATEMENT)},
        _event("review", {"why": ON_STATEMENT}),
    ),
    "on a statement, where answers come later": Written(
        changed(CREATED, sent_at=after(3)),
        lambda row: decide_submission.on_statement(row, LATER, AT),
        {"ambiguous": True, "first_sent_at": after(3), **_stopped(ReasonCode.ON_STATEMENT, ON_STATEMENT)},
        _event("review", {"why": ON_STATEMENT}),
    ),
    "lease_expired": Written(
        replace(SENDING, reason=NO_CLEAN),
        lambda row: decide_submission.lease_expired(row, AT),
        {**RELEASED, **DOUBTED, "reason": None, "next_at": AT},
        _event("lease_expired"),
    ),
    "lapsed, and a callback has come meanwhile": Written(
        changed(SENDING, next_at=after(5), callback_read_at=after(5)),
        lambda row: decide_submission.lease_expired(row, AT),
        {**RELEASED, **DOUBTED},
        _event("lease_expired"),
    ),
    "expired": Written(
        changed(CREATED, expires_at=AT),
        lambda row: decide_submission.expired(row, AT),
        {
            "status": S.FAILED,
            "reason": Reason(ReasonCode.NOT_SENT_IN_TIME, text="It was to be sent before expires_at and was not."),
            "decided_by": "expiry",
            "next_at": None,
        },
        _event("failed", {"reason": "not_sent_in_time"}),
    ),
    "too early": Written(
        changed(CREATED, not_before=after(99)),
        lambda row: decide_submission.too_early(row, AT),
        {"next_at": after(99)},
        _event("waiting", {"why": "It may not be sent before not_before."}),
    ),
    "put off": Written(
        CREATED,
        lambda row: decide_submission.put_off(row, NUMBER, AT, after_s=1.23456),
        {"next_at": after(11.23456)},
        _event("waiting", {"why": MASKED, "again_in_s": 1.235}),
    ),
    "put off, and a callback asked for it": Written(
        changed(PENDING, callback_read_at=PENDING.schedule.next_at),
        lambda row: decide_submission.put_off(row, NUMBER, AT, after_s=2.0),
        {"next_at": after(12), "callback_read_at": after(12)},
        _event("waiting", {"why": MASKED, "again_in_s": 2.0}),
    ),
    "put off, after a callback": Written(
        changed(PENDING, callback_read_at=T0),
        lambda row: decide_submission.put_off(row, NUMBER, AT, after_s=2.0),
        {"next_at": after(12)},
        _event("waiting", {"why": MASKED, "again_in_s": 2.0}),
    ),
    "on_hold": Written(
        CREATED, lambda row: decide_submission.on_hold(row, NUMBER, AT), {}, _event("on_hold", {"why": MASKED})
    ),
    "held, sought in vain": Written(
        CHECKED_FIRST,
        lambda row: decide_submission.on_hold(row, NUMBER, AT),
        {"status": S.CREATED},
        _event("on_hold", {"why": MASKED}),
    ),
    "needs approval": Written(
        changed(row_of(), expires_at=after(99)),
        lambda row: decide_submission.needs_approval(row, ACCOUNT, NUMBER, AT),
        {
            **RELEASED,
            "status": S.CREATED,
            "reason": Reason(ReasonCode.NEEDS_APPROVAL, text=MASKED),
            "next_at": after(99),
        },
        _event("needs_approval", {"why": MASKED}),
    ),
    "needs approval, doubted": Written(
        UNKNOWN,
        lambda row: decide_submission.needs_approval(row, ACCOUNT, NUMBER, AT),
        {"next_at": after(20)},
        _event("needs_approval", {"why": MASKED}),
    ),
    "refused by a guard": Written(
        CREATED,
        lambda row: decide_submission.refused_by_guard(row, NO, AT),
        {"status": S.FAILED, "reason": NO_CLEAN, "decided_by": "guard", "next_at": None},
        _event("failed", {"reason": f"rejected ({CUT})", "why": MASKED}),
    ),
    # --- the end of a send ---
    "not sent": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, unsent(AT), AT),
        _waits("refused"),
        _event("waiting", {"why": "refused", "again_in_s": 2.0}),
    ),
    "not sent, doubted": Written(
        SECOND,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, unsent(AT), AT),
        {**RELEASED, "status": S.UNKNOWN, "next_at": after(20)},
        _event("waiting", {"why": "refused"}),
    ),
    "waiting, in somebody's words": Written(
        SENDING,
        lambda row: decide_submission.waiting(row, ACCOUNT, NUMBER, AT, after_s=0.5),
        _waits(MASKED),
        _event("waiting", {"why": MASKED, "again_in_s": 2.0}),
    ),
    "waiting, doubted": Written(
        UNKNOWN,
        lambda row: decide_submission.waiting(row, ACCOUNT, NUMBER, AT),
        {"next_at": after(20)},
        _event("waiting", {"why": MASKED}),
    ),
    "not accepted": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, NotAccepted(http_status=503), AT),
        _waits("The provider did not take it: 503."),
        _event("waiting", {"why": "The provider did not take it: 503.", "again_in_s": 2.0}),
    ),
    "not accepted, too many": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, NotAccepted(code=LONG, http_status=429), AT),
        _waits(f"The provider did not take it: {LONG}."),
        _event("waiting", {"why": f"The provider did not take it: {LONG}.", "again_in_s": 2.0}),
        Pause("till", AT, f"the provider asked us to wait: {CUT}", by=PausedBy.RATE, probe_at=after(12)),
    ),
    "not accepted, in its words": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(
            row, ACCOUNT, NotAccepted(http_status=401, retry_after_s=7.0, blocks_if_repeated=NO), AT
        ),
        {**RELEASED, "status": S.CREATED, "reason": NO_CLEAN, "refusals": 1, "next_at": after(17)},
        _event("waiting", {"why": "The provider did not take it: 401.", "again_in_s": 7.0}),
        Pause("till", AT, "the provider asked us to wait: 401", by=PausedBy.RATE, probe_at=after(17)),
    ),
    "not accepted, once too often": Written(
        replace(SENDING, reason=NO_CLEAN),
        lambda row: decide_outcome.after_submit(row, ACCOUNT, NotAccepted(http_status=401, blocks_if_repeated=NO), AT),
        {**RELEASED, "status": S.CREATED, "next_at": after(310)},
        _event("account_refused", {"http_status": 401, "code": CUT, "text": MASKED}),
        Pause("till", AT, f"rejected ({CUT}): {MASKED}", by=PausedBy.ACCOUNT_REFUSED, probe_at=after(310)),
    ),
    "blocked": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, AccountRefused(NO, 403), AT),
        {**RELEASED, "status": S.CREATED, "reason": NO_CLEAN, "next_at": after(310)},
        _event("account_refused", {"http_status": 403, "code": CUT, "text": MASKED}),
        Pause("till", AT, f"rejected ({CUT}): {MASKED}", by=PausedBy.ACCOUNT_REFUSED, probe_at=after(310)),
    ),
    "waiting, not for long": Written(
        SENDING,
        lambda row: decide_submission.waiting(row, account_of(settings={"retry_schedule_s": (0.5,)}), "busy", AT),
        _waits("busy", again_in_s=0.5),
        _event("waiting", {"why": "busy", "again_in_s": 0.5}),
    ),
    "blocked, doubted": Written(
        SECOND,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, AccountRefused(replace(NO, text=""), 403), AT),
        {**RELEASED, "status": S.UNKNOWN, "next_at": after(20)},
        _event("account_refused", {"http_status": 403, "code": CUT, "text": ""}),
        Pause("till", AT, f"rejected ({CUT})", by=PausedBy.ACCOUNT_REFUSED, probe_at=after(310)),
    ),
    "no answer": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, lost(AT), AT),
        {**RELEASED, **DOUBTED, "next_at": after(20)},
        _event("unknown", {"why": "timed out"}),
    ),
    "unclear": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(
            row, ACCOUNT, Unknown(**RAW_DETAILS, references={"given": "MP1", "reference": "theirs"}), AT
        ),
        {
            **RELEASED,
            **DOUBTED,
            "references": {"given": "MP1", "reference": "r", "external_id": "x-1"},
            "next_at": after(20),
        },
        _event("unknown", MASKED_DETAILS),
    ),
    "duplicate": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, Duplicate(**RAW_DETAILS), AT),
        {**RELEASED, **DOUBTED, "duplicate_unverified": True, "next_at": AT},
        _event("duplicate", MASKED_DETAILS),
    ),
    "pending": Written(
        replace(SENDING, reason=NO_CLEAN),
        lambda row: decide_outcome.after_submit(row, ACCOUNT, Pending(**RAW_DETAILS), AT),
        {**RELEASED, "status": S.PENDING, "first_sent_at": T0, "reason": None, "next_at": after(20)},
        _event("pending", MASKED_DETAILS),
    ),
    "succeeded": Written(
        replace(SENDING, reason=NO_CLEAN),
        lambda row: decide_outcome.after_submit(
            row, ACCOUNT, Final(**RAW_DETAILS, references={"receipt": "R", "reference": "theirs"}), AT
        ),
        {
            **RELEASED,
            "status": S.SUCCEEDED,
            "references": {"receipt": "R", "reference": "r", "external_id": "x-1"},
            "first_sent_at": T0,
            "reason": None,
            "decided_by": "submit",
            "next_at": None,
        },
        _event("succeeded", MASKED_DETAILS),
    ),
    "succeeded with something else": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, Final(**RAW_DETAILS, seen=THEIRS), AT),
        {**RELEASED, "first_sent_at": T0, **_stopped(ReasonCode.MISMATCH, ANOTHER)},
        _event("review", {"why": ANOTHER, **MASKED_DETAILS}),
    ),
    "pending with something else": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, Pending(**RAW_DETAILS, seen=THEIRS), AT),
        {**RELEASED, "first_sent_at": T0, **_stopped(ReasonCode.MISMATCH, ANOTHER)},
        _event("review", {"why": ANOTHER, **MASKED_DETAILS}),
    ),
    "failed": Written(
        SENDING,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, Final(**RAW_DETAILS, reason=NO), AT),
        {**RELEASED, "status": S.FAILED, "reason": NO_CLEAN, "decided_by": "submit", "next_at": None},
        _event("failed", {"reason": f"rejected ({CUT})", **MASKED_DETAILS}),
    ),
    "failed, doubted": Written(
        SECOND,
        lambda row: decide_outcome.after_submit(row, ACCOUNT, Final(**RAW_DETAILS, reason=NO), AT),
        {**RELEASED, "status": S.UNKNOWN, "refused": True, "reason": NO_CLEAN, "next_at": AT},
        _event("unknown", MASKED_DETAILS),
    ),
    # --- a read ---
    "read, silent": Written(
        UNKNOWN,
        lambda row: decide_outcome.after_check(row, ACCOUNT, lost(AT), AT),
        {"next_at": after(20)},
        _event("read", {"why": "timed out"}),
    ),
    "read, nothing found out": Written(
        UNKNOWN,
        lambda row: decide_submission.ask_later(row, ACCOUNT, NUMBER, AT),
        {"next_at": after(20)},
        _event("read", {"why": MASKED}),
    ),
    "read, later": Written(
        UNKNOWN,
        lambda row: decide_outcome.after_check(row, ACCOUNT, Deferred(**RAW_DETAILS), AT),
        {"next_at": after(20)},
        _event("read", MASKED_DETAILS),
    ),
    "read, pending": Written(
        PENDING,
        lambda row: decide_outcome.after_check(row, ACCOUNT, Pending(**RAW_DETAILS), AT),
        {"next_at": after(20)},
        _event("read", MASKED_DETAILS),
    ),
    "read, pending and ours after all": Written(
        DUPLICATE_UNVERIFIED,
        lambda row: decide_outcome.after_check(row, ACCOUNT, Pending(**RAW_DETAILS, seen=OURS), AT),
        {"status": S.PENDING, "next_at": after(20)},
        _event("adopted", MASKED_DETAILS),
    ),
    "read, sought and found": Written(
        CHECKED_FIRST,
        lambda row: decide_outcome.after_check(row, ACCOUNT, Final(**RAW_DETAILS, seen=OURS), AT),
        {
            "status": S.SUCCEEDED,
            "ambiguous": True,
            "first_sent_at": AT,
            "decided_by": "read",
            "next_at": None,
        },
        _event("succeeded", {**MASKED_DETAILS, "adopted": True}),
    ),
    "read, sought and found failed": Written(
        changed(CHECKED_FIRST, sent_at=after(3)),
        lambda row: decide_outcome.after_check(row, ACCOUNT, Final(**RAW_DETAILS, reason=NO, seen=OURS), AT),
        {
            "status": S.FAILED,
            "reason": NO_CLEAN,
            "ambiguous": True,
            "first_sent_at": after(3),
            "decided_by": "read",
            "next_at": None,
        },
        _event("failed", {"reason": f"rejected ({CUT})", **MASKED_DETAILS, "adopted": True}),
    ),
    "read, pending once more": Written(
        changed(PENDING, duplicate_unverified=True, ambiguous=True),
        lambda row: decide_outcome.after_check(row, ACCOUNT, Pending(**RAW_DETAILS, seen=OURS), AT),
        {"next_at": after(20)},
        _event("read", MASKED_DETAILS),
    ),
    "read in review, pending": Written(
        changed(PENDING, status=S.REVIEW, next_at=AT, reason=Reason(ReasonCode.NO_FINAL_ANSWER)),
        lambda row: decide_outcome.after_check(row, ACCOUNT, Pending(**RAW_DETAILS), AT),
        {"next_at": None},
        _event("read", MASKED_DETAILS),
    ),
    "read, something else": Written(
        UNKNOWN,
        lambda row: decide_outcome.after_check(row, ACCOUNT, Final(**RAW_DETAILS, seen=THEIRS), AT),
        _stopped(ReasonCode.MISMATCH, ANOTHER),
        _event("review", {"why": ANOTHER, **MASKED_DETAILS}),
    ),
    "read, failed": Written(
        UNKNOWN,
        lambda row: decide_outcome.after_check(row, ACCOUNT, Final(**RAW_DETAILS, reason=NO), AT),
        {"status": S.FAILED, "reason": NO_CLEAN, "decided_by": "read", "next_at": None},
        _event("failed", {"reason": f"rejected ({CUT})", **MASKED_DETAILS}),
    ),
    "read, for too long": Written(
        PENDING,
        lambda row: decide_outcome.after_check(row, ACCOUNT, Unknown(**RAW_DETAILS), LONG_AGO),
        _stopped(ReasonCode.NO_FINAL_ANSWER, NO_ANSWER_YET),
        _event("review", {"why": NO_ANSWER_YET, **MASKED_DETAILS}, LONG_AGO),
    ),
    "absent for too long": Written(
        changed(UNKNOWN, not_found_count=1, first_not_found_at=after(1)),
        lambda row: decide_outcome.after_check(row, ACCOUNT, Unknown(**RAW_DETAILS), LONG_AGO),
        _stopped(ReasonCode.NEVER_APPEARED, NOT_SAFE),
        _event("review", {"why": NOT_SAFE, **MASKED_DETAILS}, LONG_AGO),
    ),
    # --- absence ---
    "not_found": _absent(UNKNOWN, seen=0)._replace(
        changes={"not_found_count": 1, "first_not_found_at": _AT_400, "next_at": after(680)},
        event=_event("not_found", MASKED_DETAILS, _AT_400),
    ),
    "absent, and was taken": _absent(PENDING, seen=4)._replace(
        changes={
            "not_found_count": 5,
            "reason": Reason(ReasonCode.NEVER_APPEARED, text="The provider took it and does not show it (5 times)."),
            "next_at": after(680),
        },
        event=_event("not_found", MASKED_DETAILS, _AT_400),
    ),
    "absent for long enough": _absent(UNKNOWN, seen=2)._replace(
        changes={**_THIRD, "next_at": _AT_400, "reason": Reason(ReasonCode.NEVER_APPEARED, text=decide_outcome._AGAIN)},
        event=_event("resend", {"not_found_count": 3}, _AT_400),
    ),
    "absent, and called a duplicate": _absent(DUPLICATE_UNVERIFIED, seen=2)._replace(
        changes=_stopped(
            ReasonCode.DUPLICATE_OF_ANOTHER,
            why := "The provider called our first send a duplicate and does not show the payment.",
            **_THIRD,
        ),
        event=_event("review", {"why": why}, _AT_400),
    ),
    "absent, and sought": _absent(CHECKED_FIRST, seen=2)._replace(
        changes={**_THIRD, "next_at": _AT_400, "reason": Reason(ReasonCode.NEVER_APPEARED, text=decide_outcome._AGAIN)},
        event=_event("resend", {"not_found_count": 3}, _AT_400),
    ),
    "absent, and retired": _absent(UNKNOWN, seen=2, account=RETIRED)._replace(
        changes=_stopped(
            ReasonCode.BINDING_GONE,
            why := "What sent it is retired and only checks: the provider does not show it, and it is not sent again.",
            **_THIRD,
        ),
        event=_event("review", {"why": why}, _AT_400),
    ),
    "absent, refused, and nothing is conclusive": _absent(REFUSED, seen=2)._replace(
        changes=_stopped(
            ReasonCode.NEVER_APPEARED,
            why := "An earlier send may have arrived, a later one was refused, and the provider shows nothing.",
            **_THIRD,
        ),
        event=_event("review", {"why": why}, _AT_400),
    ),
    "absent, refused, and that is conclusive": _absent(REFUSED, seen=2, account=CONCLUSIVE)._replace(
        changes={**_THIRD, "status": S.FAILED, "decided_by": "read", "next_at": None},
        event=_event("failed", {"reason": f"rejected ({CUT})", "not_found_count": 3}, _AT_400),
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_decision_writes_exactly_this(name: str) -> None:
    """Row, event, evidence and pause are these and nothing else; what came from outside is masked and cut."""
    before, decided, changes, event, pause = WRITTEN[name]
    decision = decided(before)
    assert decision is not None
    after_ = decision.after
    was, now = columns_of(before), columns_of(after_)
    different = {name for name in was if was[name] != now[name]}
    assert {one: now[one] for one in different} == {one: value for one, value in changes.items() if was[one] != value}
    assert decision.event == event
    assert dict(decision.event.evidence) == dict(event.evidence)
    assert decision.pause == pause


def test_resend_window_includes_the_first_send_and_excludes_its_half() -> None:
    """A clock that stands exactly at the first send is inside the window, one at its half is not."""
    half = ACCOUNT.facts.dedupe_window_s / 2
    row = row_of(S.UNKNOWN)
    assert decide_submission.begin(row, ACCOUNT, owner="me", at=T0).after.status is S.SENDING
    assert decide_submission.begin(row, ACCOUNT, owner="me", at=after(half - 1)).after.status is S.SENDING
    assert decide_submission.begin(row, ACCOUNT, owner="me", at=after(half)).after.status is S.REVIEW
    assert decide_submission.begin(row, ACCOUNT, owner="me", at=T0 - timedelta(microseconds=1)).after.status is S.REVIEW


def test_duplicates_are_refused_for_half_the_window() -> None:
    """For half of what it says, and never where that is not proven."""
    half = ACCOUNT.facts.dedupe_window_s / 2
    assert decide_submission.refused_since(ACCOUNT, AT) == AT - timedelta(seconds=half)
    assert decide_submission.refused_since(account_of(resend="unsafe"), AT) is None


def test_absence_must_last_for_the_visible_time() -> None:
    """For as long as a payment may stay invisible, and it never has where nobody can be asked at once."""
    assert decide_submission.absent_since(ACCOUNT, AT) == AT - timedelta(seconds=ACCOUNT.facts.visible_after_s)
    assert decide_submission.absent_since(LATER, AT) is None


@pytest.mark.parametrize(
    ("refusals", "poll_s", "again_in_s"),
    [(0, 7, 1), (2, 7, 4), (3, 7, None), (3, 8, 4), (5, 15, None), (5, 16, 4), (0, 0.5, 1)],
)
def test_previous_attempt_is_checked_for_the_whole_poll_schedule(refusals: int, poll_s: float, again_in_s: Any) -> None:
    """Waits by the retry schedule, whose last step repeats, add up to the whole poll schedule at the most."""
    account = account_of(settings={"retry_schedule_s": (1.0, 2.0, 4.0), "poll_schedule_s": (poll_s / 2, poll_s / 2)})
    row = changed(CREATED, refusals=refusals)
    why = "Attempt 1 is still under way."
    decision = decide_submission.waiting_for_previous_attempt(row, account, why, AT)
    if again_in_s is None:
        assert decision.after.reason == Reason(ReasonCode.NO_FINAL_ANSWER, text=why)
        assert (decision.after.status, decision.event.name) == (S.REVIEW, "payout.review")
    else:
        assert decision.event == _event("waiting", {"why": why, "again_in_s": again_in_s})
    doubted = decide_submission.waiting_for_previous_attempt(changed(row, ambiguous=True, sent_at=AT), account, why, AT)
    assert doubted.event == _event("waiting", {"why": why})
    assert doubted.after.status is not S.REVIEW
