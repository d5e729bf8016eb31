"""Paying again from another account: only what failed, as every earlier account says now, and never both."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import kit
import pytest
from flat_records import changed
from kit import FAILED, LEASE_S, LIMIT, OURS, SETTLE_S, SETTLED, Fake, MakeStage, account_of, after, reading, saying

from payments_core import engine
from payments_core.domain.errors import DecisionRefused, InvalidPayout, JournalError, NotSupported
from payments_core.domain.events import EventName
from payments_core.domain.payout import Operation, PayoutStatus, ReasonCode
from payments_core.domain.records import EndedAttempt, Event, PayoutRecord
from payments_core.engine.commands import ApplyTransition
from payments_core.engine.flow import NeedsApproval, ReadAs
from payments_core.engine.previous_attempts import AttemptState
from payments_core.http.flow import run_flow
from payments_core.provider import Account, Final, NotFound, Pending

S = PayoutStatus
PAID = Final(seen=OURS)


def other(*, host: str = "other.invalid", name: str = "other", **facts: Any) -> Account:
    """Return a second account, whose provider settles at once unless told otherwise."""
    return account_of(Fake(host=host), name=name, **({"dedupe_settle_s": 0.0} | facts))


def failed(stage: MakeStage, *parsed: Any, target: Account | None = None, **facts: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout of one account failed, and there is a second account."""
    one, row = kit.failed(stage, *parsed, **facts)
    second = target or other()
    one.accounts = {"till": one.account, second.name: second}
    return one, row


def over(one: Any, row: PayoutRecord, name: str = "other") -> PayoutRecord:
    """Pay it again from another account, which is what works on it from then on."""
    row = one.reissue(row, one.accounts[name])
    one.account = one.accounts[name]
    return row


# --- what changes, and what does not -------------------------------------------------------------------------------


def test_failover_pays_the_next_attempt_from_the_other_account(stage: MakeStage) -> None:
    """The earlier one is kept with its account and read there, before it begins and before it is sent."""
    one, row = failed(stage)
    again = over(one, row)
    attempt = again.attempt
    assert (attempt.account, attempt.number, attempt.submissions, again.status) == ("other", 2, 0, S.CREATED)
    assert dict(attempt.binding) == {"host": "other.invalid"}
    assert one.journal.attempts(row.id) == (EndedAttempt.of(row),)
    assert EndedAttempt.of(row).account == "till"
    sent = one.advance(again)
    assert (sent.status, sent.attempt.account, sent.attempt.number) == (S.PENDING, "other", 2)
    assert [post.url.split("/")[2] for post in one.posts()] == ["fake.invalid", "other.invalid"]
    asked = [command for command in one.asked if isinstance(command, ReadAs)]
    assert [(one.account, dict(one.binding)) for one in asked] == [
        ("till", {"host": "fake.invalid"}),
    ] * 2


def test_failover_records_both_accounts(stage: MakeStage) -> None:
    one, row = failed(stage)
    over(one, row)
    result = one.journal.history(row.id)[-1].evidence
    assert (result["account_before"], result["account"], result["actor"]) == ("till", "other", "Ann")
    assert (result["because"], result["references_before"]) == (str(LIMIT), dict(row.attempt.references))


def test_reissue_from_the_same_account_is_no_failover(stage: MakeStage) -> None:
    one, row = failed(stage)
    again = one.reissue(row, one.accounts["till"])
    assert again.attempt.account == "till"
    assert not {"account", "account_before"} & one.journal.history(row.id)[-1].evidence.keys()


def test_failover_back_checks_each_attempt_at_its_own_account(stage: MakeStage) -> None:
    """A third attempt from the first account: the first one is read there, the second one from the other."""
    one, row = failed(stage)
    second = one.accounts["other"].provider
    second.submitting, second.checking = saying(FAILED), reading(NotFound())
    row = one.advance(over(one, row))
    assert (row.status, row.attempt.account) == (S.FAILED, "other")
    one.at += timedelta(seconds=LEASE_S)
    before = len(one.asked)
    row = over(one, row, "till")
    assert (row.attempt.number, row.attempt.account) == (3, "till")
    assert [kept.account for kept in one.journal.attempts(row.id)] == ["till", "other"]
    # At the moment of asking the other account was paying: its own read needs nobody else's line.
    as_others = [command.account for command in one.asked[before:] if isinstance(command, ReadAs)]
    assert as_others == ["other"]


# --- the conditions, of every earlier attempt ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in S if status is not S.FAILED])
def test_failover_of_what_has_not_failed_is_refused(stage: MakeStage, status: S) -> None:
    """Not what waits to be sent, not what may be under way, not what ended otherwise; nobody is asked."""
    one = stage()
    one.accounts = {"till": one.account, "other": other()}
    row = one.put(S.PENDING) if status is S.SENDING else one.put(status)
    row = replace(row, status=status)
    with pytest.raises(DecisionRefused, match=f"is {status}: only what failed"):
        one.reissue(row, one.accounts["other"])
    assert one.reads() == []
    assert one.journal.get(row.id).attempt.account == "till"


def test_failover_waits_for_the_settling_time_of_the_first_account(stage: MakeStage) -> None:
    """The other account's own figure says nothing of a send that was not its own."""
    one, row = failed(stage)
    one.at = SETTLED - timedelta(seconds=1)
    with pytest.raises(DecisionRefused, match="too early") as caught:
        one.reissue(row, one.accounts["other"])
    assert caught.value.again_at == SETTLED


def test_failover_ignores_the_settling_time_of_the_new_account(stage: MakeStage) -> None:
    one, row = failed(stage, target=other(dedupe_settle_s=10.0**6))
    assert one.reissue(row, one.accounts["other"]).attempt.number == 2


def test_failover_settles_each_attempt_by_its_own_account(stage: MakeStage) -> None:
    """The second attempt was sent from an account that settles slowly, and the wait is counted by that one."""
    slow = other(dedupe_settle_s=50_000.0)
    one, row = failed(stage, target=slow)
    slow.provider.submitting = saying(FAILED)  # type: ignore[attr-defined]
    row = one.advance(over(one, row))
    assert row.status is S.FAILED
    with pytest.raises(DecisionRefused) as caught:
        one.reissue(row, one.accounts["till"])
    assert caught.value.again_at == SETTLED + timedelta(seconds=LEASE_S + 50_000)


@pytest.mark.parametrize(
    ("parsed", "words"),
    [(PAID, "was paid after all"), (Pending(), "still under way"), (NotFound(), "no proof that it failed")],
)
def test_failover_needs_the_first_account_to_say_failed_now(stage: MakeStage, parsed: Any, words: str) -> None:
    """What it says now counts, whatever the journal has on record; nothing begins."""
    one, row = failed(stage, parsed)
    with pytest.raises(DecisionRefused, match=words):
        one.reissue(row, one.accounts["other"])
    kept = one.journal.get(row.id)
    assert (kept.attempt.number, kept.attempt.account, one.journal.attempts(row.id)) == (1, "till", ())


def test_failover_from_a_removed_account_is_refused(stage: MakeStage) -> None:
    """Nobody can read what it paid; an identity that is gone is the same."""
    one, row = failed(stage)
    del one.accounts["till"]
    with pytest.raises(DecisionRefused, match="'till', which paid attempt 1, is not configured"):
        one.reissue(row, one.accounts["other"])
    one.accounts["till"] = account_of(Fake(host="new.invalid"), dedupe_settle_s=SETTLE_S)
    with pytest.raises(DecisionRefused, match="Nobody can read attempt 1: what it was paid as"):
        one.reissue(row, one.accounts["other"])
    assert one.journal.get(row.id) == row


def test_failover_is_refused_where_the_first_account_answers_later(stage: MakeStage) -> None:
    """Of any attempt: the other account does not make the first one's provider answer."""
    one = stage(Fake(), status_by="result_callback")
    one.accounts = {"till": one.account, "other": other()}
    row = one.put(S.FAILED, reason=LIMIT, decided_by="submit", next_at=None)
    one.at = after(10**6)
    with pytest.raises(NotSupported, match="cannot be paid again under its key"):
        one.reissue(row, one.accounts["other"])


def test_failover_to_an_account_that_answers_later_is_the_last(stage: MakeStage) -> None:
    later = other(status_by="result_callback")
    later.provider.submitting = saying(FAILED)  # type: ignore[attr-defined]
    one, row = failed(stage, target=later)
    row = one.advance(over(one, row))
    assert (row.status, row.attempt.account) == (S.FAILED, "other")
    one.at = after(10**7)
    with pytest.raises(NotSupported):
        one.reissue(row, one.accounts["till"])


# --- what the other account can carry ------------------------------------------------------------------------------


def test_failover_that_the_other_provider_refuses_changes_nothing(stage: MakeStage) -> None:
    """Amount, currency, payee and options are its provider's to refuse, in its own words."""

    def refuse(_: Any) -> None:
        raise InvalidPayout("Unknown options: command_id.")

    one, row = failed(stage)
    one.accounts["other"].provider.drafts = refuse
    with pytest.raises(InvalidPayout, match="Unknown options: command_id"):
        one.reissue(row, one.accounts["other"])
    assert one.journal.get(row.id) == row


def test_failover_of_a_refund_is_refused(stage: MakeStage) -> None:
    """The engine refuses it before anybody is asked, and the journal whoever asks."""
    one = stage(Fake(checking=reading(FAILED)), dedupe_settle_s=0.0)
    one.accounts = {"till": one.account, "other": other()}
    fields: dict[str, Any] = {"operation": Operation.REFUND, "payee_kind": "collection", "payee_value": "c-1"}
    fields |= {"original_amount": Decimal(25), "reason": LIMIT, "decided_by": "read", "next_at": None}
    row = one.put(S.FAILED, **fields)
    one.at = SETTLED
    why = r": a refund goes back from the account on which its money was collected\.$"
    with pytest.raises(InvalidPayout, match=why):
        one.reissue(row, one.accounts["other"])
    assert one.reads() == []
    assert one.journal.get(row.id) == row


def test_failover_to_a_provider_without_the_operation_is_refused(stage: MakeStage) -> None:
    one, row = failed(stage)
    account = one.accounts["other"]
    one.accounts["other"] = replace(account, spec=replace(account.spec, operations=frozenset({Operation.TRANSFER})))
    with pytest.raises(InvalidPayout, match="Fake has no deposit"):
        one.reissue(changed(row, operation=Operation.DEPOSIT), one.accounts["other"])
    assert one.journal.get(row.id) == row


@pytest.mark.parametrize("real", [True, False])
def test_failover_between_test_mode_and_real_money_is_refused(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch, real: bool
) -> None:
    """In neither direction, and nobody is asked."""
    one, row = failed(stage)
    first, second = (True, False) if real else (False, True)
    kinds = {id(one.account.settings): first, id(one.accounts["other"].settings): second}
    kind = type(one.account.settings)
    monkeypatch.setattr(kind, "is_test_mode", property(lambda self: kinds[id(self)]))
    before = len(one.reads())
    with pytest.raises(InvalidPayout, match=r": one of them moves real money, and the other one does not\.$"):
        one.reissue(row, one.accounts["other"])
    assert len(one.reads()) == before


# --- leave ---------------------------------------------------------------------------------------------------------


def test_failover_runs_preflight_again(stage: MakeStage) -> None:
    """Guards and approval of the first attempt let nothing pass from another account."""
    one, row = failed(stage)
    assert row.attempt.guards_passed
    row = over(one, row)
    assert not row.attempt.guards_passed
    one.preflight = lambda _: NeedsApproval("above the limit", one.at)
    posts = len(one.posts())
    row = one.advance(row)
    assert (row.status, row.reason.code, len(one.posts())) == (S.CREATED, ReasonCode.NEEDS_APPROVAL, posts)


# --- a late success of the earlier attempt -------------------------------------------------------------------------


def test_late_success_of_the_first_account_stops_an_unsent_failover(stage: MakeStage) -> None:
    """It is told, with the account that paid, and the other account sends nothing."""
    one, row = failed(stage, FAILED, PAID)
    row, posts = over(one, row), len(one.posts())
    row = one.advance(row)
    assert (row.status, row.reason.code, row.attempt.account) == (S.REVIEW, ReasonCode.EARLIER_ATTEMPT_PAID, "other")
    assert len(one.posts()) == posts
    entries = [entry for entry in one.journal.history(row.id) if entry.event == EventName.PAYOUT_CONTRADICTED]
    assert [(entry.evidence["attempt"], entry.evidence["paid_from"]) for entry in entries] == [(1, "till")]


def test_failover_waits_while_the_first_account_is_not_configured(stage: MakeStage) -> None:
    """Removed from the configuration after the decision: nothing leaves until it is back."""
    one, row = failed(stage)
    row, posts = over(one, row), len(one.posts())
    kept = one.accounts.pop("till")
    row = one.advance(row)
    assert (row.status, row.attempt.submissions, len(one.posts())) == (S.CREATED, 0, posts)
    assert "its account 'till' is not in the configuration" in row.reason.text
    one.accounts["till"], one.at = kept, row.schedule.next_at
    assert one.advance(row).status is S.PENDING


@pytest.mark.parametrize("status", [S.PENDING, S.SUCCEEDED])
def test_callback_causes_a_check_of_all_attempts(stage: MakeStage, status: S) -> None:
    """The read that a callback makes due finds the earlier account's late success; a schedule's own read does not."""
    one, row = failed(stage, FAILED, FAILED, PAID)
    if status is S.SUCCEEDED:
        one.accounts["other"].provider.submitting = saying(PAID)
    row = one.advance(over(one, row))
    assert row.status is status
    one.at += timedelta(seconds=60)
    due = changed(row, next_at=one.at)
    one.advance(due)
    assert "contradicted" not in one.events(row)
    one.advance(changed(one.journal.get(row.id), next_at=one.at, callback_read_at=one.at))
    assert one.events(row).count("contradicted") == 1


def test_callback_during_a_send_survives_the_death_of_the_sender(stage: MakeStage) -> None:
    """The read that follows a lapsed lease is still the callback's: it finds the earlier account's late success."""
    one, row = failed(stage, FAILED, FAILED, PAID)
    row = over(one, row)
    flow = engine.advance(one.account, row, one.moment())
    command, reply = next(flow), None
    while not (isinstance(command, ApplyTransition) and command.after.status is S.SENDING):
        reply = one.execute(command)
        command = flow.send(reply)
    row = one.execute(command).row
    flow.close()
    one.at += timedelta(seconds=LEASE_S)
    called = row.attempt.sent_at + timedelta(seconds=1)
    one.advance(changed(row, next_at=called, callback_read_at=called))
    assert one.events(row).count("contradicted") == 1


def test_previous_attempt_is_checked_at_its_own_account(stage: MakeStage) -> None:
    """Two accounts with one binding are two accounts: the attempt's own one is asked, with its own facts."""
    one, row = failed(stage)
    row = over(one, row)
    same = replace(one.accounts["till"])
    same.provider.checking = reading(Pending())  # type: ignore[attr-defined]
    one.accounts = {"till": same, "other": account_of(Fake(checking=reading(FAILED)), name="other")}
    one.account = one.accounts["other"]
    standing, why = run_flow(engine.check_previous_attempts(one.account, row, one.moment()), one.execute)
    assert (standing, why) == (AttemptState.OPEN, "The provider says that attempt 1 is still under way.")


def test_transition_to_another_account_is_refused_by_the_journal(stage: MakeStage) -> None:
    """The journal refuses it, whoever asks: only another attempt may be paid from elsewhere."""
    one = stage()
    row = one.accept()
    with pytest.raises(JournalError, match="is paid from till alone"):
        one.journal.execute(ApplyTransition(row, changed(row, account="other"), Event("payout.rebound", one.at)))


def test_provider_config_is_refreshed_once_the_failure_is_proven(stage: MakeStage) -> None:
    """What it may carry is known before the attempt is drafted; and nobody is asked in vain before."""
    entries: list[Any] = []

    class Learning(Fake):
        def refresh_provider_config(self, at: Any) -> Any:
            entries.append(at)
            yield from ()

        def draft(self, order: Any, attempt: Any) -> Any:
            entries.append("drafted")
            return super().draft(order, attempt)

    one, row = failed(stage, Pending(), FAILED, target=account_of(Learning(host="other.invalid"), name="other"))
    with pytest.raises(DecisionRefused):
        one.reissue(row, one.accounts["other"])
    assert entries == []
    one.reissue(row, one.accounts["other"])
    assert entries == [SETTLED, "drafted"]
