"""A failure that a result callback told is read again: a veto, and no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flat_records import changed
from kit import OURS, Fake, account_of, after, reading

from payments_core.domain.errors import DecisionRefused, NotSupported
from payments_core.domain.payout import PayoutStatus as S
from payments_core.domain.payout import Reason, ReasonCode
from payments_core.domain.records import PayoutRecord
from payments_core.provider import Deferred, Final, Pending, Unknown

FAILED = Final(reason=Reason(ReasonCode.PAYEE_NOT_FOUND, "404"))
PAID = Final(seen=OURS)
LATER = Deferred()


def failed(stage: Any, checked: Any = LATER, **facts: Any) -> tuple[Any, PayoutRecord, Fake]:
    """Return a stage on which a payout was failed at second 5 by what came to its result path, and its provider."""
    provider = Fake(answer=FAILED, checking=reading(checked))
    one = stage(provider, **{"status_by": "result_callback", "result_by": "submission", **facts})
    row = one.advance(one.accept(), token="path")
    one.at = after(5)
    return one, one.deliver(row, "path"), provider


def reads_until_rest(one: Any, row: PayoutRecord) -> tuple[PayoutRecord, list[datetime]]:
    """Do what is due, and only then, until nothing is; return when the provider was asked."""
    asked = []
    while row.schedule.next_at is not None and len(asked) < 9:
        one.at = row.schedule.next_at
        asked.append(one.at)
        row = one.advance(row, token=f"question-{len(asked)}")
    return row, asked


def test_rechecks_follow_the_first_three_steps_of_the_schedule(stage: Any) -> None:
    """Counted from the failure; without a clear answer the failure stands, and nobody asks any more."""
    one, row, _ = failed(stage)
    assert (row.status, row.decided_by, row.view().may_have_been_sent) == (S.FAILED, "result_callback", True)
    row, asked = reads_until_rest(one, row)
    assert asked == [after(10), after(25), after(85)]
    assert (row.status, row.view().may_have_been_sent, len(one.reads())) == (S.FAILED, False, 3)


@pytest.mark.parametrize("answer", [PAID, FAILED, Unknown(), Pending(seen=OURS)])
def test_recheck_contradicts_only_by_a_success(stage: Any, answer: Any) -> None:
    """The answer comes to the path of the recheck; the status stands whatever it says."""
    one, row, provider = failed(stage)
    one.at = row.schedule.next_at
    row = one.advance(row, token="question")
    provider.answer = answer
    row = one.deliver(row, "question")
    assert (row.status, row.schedule.rechecks_left) == (S.FAILED, 2)
    assert ("contradicted" in one.events(row)) is (answer is PAID)


def test_repeated_failure_on_the_path_confirms_nothing(stage: Any) -> None:
    """Whoever has forged it can send it twice."""
    one, row, _ = failed(stage)
    assert one.deliver(row, "path") == row


def test_early_check_uses_up_no_recheck(stage: Any) -> None:
    """Nor does one that a person asks for before it is due."""
    one, row, _ = failed(stage)
    looked = one.advance(row, early=True)
    assert (looked.schedule.rechecks_left, looked.schedule.next_at) == (3, row.schedule.next_at)
    called = changed(looked, callback_read_at=looked.schedule.next_at)
    one.at = called.schedule.next_at
    assert one.advance(called).schedule.rechecks_left == 3


def test_recheck_with_an_immediate_failure_is_the_last(stage: Any) -> None:
    """Where the provider answers a read at once, its own word ends the matter."""
    one, row, _ = failed(stage, FAILED, status_by="answer")
    row, asked = reads_until_rest(one, row)
    assert (row.status, asked, row.schedule.rechecks_left) == (S.FAILED, [after(10)], 0)


def test_recheck_with_an_immediate_success_contradicts(stage: Any) -> None:
    one, row, _ = failed(stage, PAID, status_by="answer")
    row, _ = reads_until_rest(one, row)
    assert (row.status, one.events(row).count("contradicted")) == (S.FAILED, 1)


def test_failure_by_a_check_is_not_rechecked(stage: Any) -> None:
    """Only what came to a path can be forged."""
    provider = Fake(checking=reading(FAILED))
    one = stage(provider)
    row = one.put(S.PENDING, next_at=one.at)
    row = one.advance(row)
    assert (row.status, row.schedule.next_at, row.schedule.rechecks_left) == (S.FAILED, None, 0)


def test_reissue_is_refused_before_the_last_recheck(stage: Any) -> None:
    """The error says until when: then the rule of the provider decides."""
    one, row, _ = failed(stage)
    with pytest.raises(DecisionRefused) as early:
        one.reissue(row)
    assert early.value.again_at == after(85)
    result = f"It is too early to pay {row.label} again: a result callback told its failure, and it is checked again."
    assert early.value.message == result
    until = f"{after(85):%Y-%m-%d %H:%M:%S}"
    assert early.value.hint == f"Try again after {until} UTC, and do not pay it under another key before."
    other = account_of(name="other", settings={"poll_schedule_s": [1.0]})
    one.accounts = {"till": one.account}
    with pytest.raises(DecisionRefused) as early:
        one.reissue(row, other)
    assert early.value.again_at == after(85)  # as the account that has paid it reads
    one.at = after(10)
    row = one.advance(row)
    with pytest.raises(DecisionRefused) as early:
        one.reissue(row)
    assert early.value.again_at == after(85)
    row, _ = reads_until_rest(one, row)
    one.at = after(30 * 86_400)
    with pytest.raises(NotSupported):
        one.reissue(row)


def test_check_for_a_callback_does_not_delay_a_reissue(stage: Any) -> None:
    """What the send has failed is due for a look: that is no reason to wait."""
    one = stage(Fake(checking=reading(FAILED)))
    row = one.put(S.FAILED, next_at=one.at, decided_by="submit", reason=FAILED.reason)
    one.at = after(30 * 86_400)
    assert one.reissue(row).attempt.number == 2


def test_rechecks_remain_while_no_identity_can_ask(stage: Any) -> None:
    """The identity that has sent it may be configured again before the last of them."""
    one, row, _ = failed(stage)
    one.account = account_of(Fake(host="new.invalid"), status_by="result_callback", result_by="submission")
    row, asked = reads_until_rest(one, row)
    assert (row.status, asked, one.reads()) == (S.FAILED, [after(10), after(25), after(85)], [])


def test_rechecks_end_under_a_shortened_schedule(stage: Any) -> None:
    """And one that was shortened meanwhile still ends."""
    one, row, _ = failed(stage)
    short = one.account.settings.model_copy(update={"poll_schedule_s": (7.0,)})
    one.account = replace(one.account, settings=short)
    row, asked = reads_until_rest(one, row)
    assert asked == [after(10), after(17), after(24)]
