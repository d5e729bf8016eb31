"""The ordinary way of a new payout: written down and begun in one commit, or as far as that may go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import T0, Fake, MakeStage, Stage, account_of, after, lost, order_of, plain_submit

from payments_core.domain.errors import InvalidPayout, KeyReused, OverRefund
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Payee, PayoutStatus
from payments_core.domain.records import Pause
from payments_core.engine import token_hash
from payments_core.engine.commands import ApplyTransition, CreatePayout
from payments_core.engine.flow import Command, EngineFlow, PreflightAtOnce, RunPreflight
from payments_core.provider import Draft, Pending

S = PayoutStatus


def commits(one: Stage) -> list[Command]:
    return [command for command in one.asked if isinstance(command, CreatePayout | ApplyTransition)]


def test_send_writes_and_begins_a_new_payout_in_one_commit(stage: MakeStage) -> None:
    """One commit before the request, one after it; the request leaves when SENDING is durable."""
    one = stage()
    sent = one.send()
    assert (sent.created, sent.row.status) == (True, S.PENDING)
    preflight, first, request, last = one.asked
    assert isinstance(preflight, PreflightAtOnce)
    assert isinstance(first, CreatePayout)
    assert first.begins is not None
    assert preflight.row == first.begins.before == first.row
    assert [request] == one.posts()
    assert isinstance(last, ApplyTransition)
    assert one.events(sent.row) == ["created", "sending", "pending"]
    assert one.journal.get(sent.row.id) == sent.row


@given(
    note=st.sampled_from(["", "for March"]),
    operation=st.sampled_from(["transfer", "deposit"]),
    not_before=st.sampled_from([None, after(-5)]),
    expires_at=st.sampled_from([None, after(3600)]),
    result_by=st.sampled_from(["read", "submission"]),
    ends=st.sampled_from([200, lost()]),
)
@settings(max_examples=30, deadline=None)
def test_send_in_one_commit_writes_what_two_commits_write(
    tmp_path_factory: pytest.TempPathFactory, result_by: str, ends: Any, **changes: Any
) -> None:
    """Record, history and references are the same, whether C1 and C2 were one commit or two."""
    left = []
    for at_once in (True, False):
        facts: dict[str, Any] = {"result_by": result_by} if result_by == "submission" else {}
        one = Stage(tmp_path_factory.mktemp("one"), account_of(Fake(), **facts), [ends], at_once=at_once)
        row = one.send(**{**changes, "operation": Operation(changes["operation"])}).row
        row = row if at_once else one.advance(row)
        asked = [command.begins or command for command in commits(one) if isinstance(command, CreatePayout)]
        asked += [command for command in commits(one) if isinstance(command, ApplyTransition)]
        query = next((command.asks for command in asked if isinstance(command, ApplyTransition) and command.asks), None)
        found = query and one.journal.by_query(query.token_hash)
        left.append((one.journal.get(row.id), one.journal.history(row.id), found and found[1]))
        one.journal.close()
    assert left[0] == left[1]
    assert left[0][0] is not None
    assert left[0][0].version == 2


def test_send_only_records_what_has_to_wait(stage: MakeStage) -> None:
    """Where a plugin, an approval, a credential or a permit is needed first, the payout is accepted and no more."""
    one = stage()
    one.at_once = False
    sent = one.send()
    assert (sent.created, sent.row.status, one.posts()) == (True, S.CREATED, [])
    assert one.advance(sent.row).status is S.PENDING
    assert [kind for kind in map(type, one.asked) if kind is RunPreflight] == [RunPreflight]


@pytest.mark.parametrize("account", ["till", None])
def test_send_under_a_pause_only_records(stage: MakeStage, account: str | None) -> None:
    """An emergency stop holds a new payout as it holds every other one; it is not lost, and nothing leaves."""
    one = stage()
    one.journal.set_pause(Pause(account, T0, "stop"))
    sent = one.send()
    assert (sent.created, sent.row.status, one.posts()) == (True, S.CREATED, [])
    assert one.events(sent.row) == ["created"]
    held = one.advance(sent.row)
    assert (held.status, one.posts()) == (S.CREATED, [])
    one.journal.lift_pause(account)
    assert one.advance(held).status is S.PENDING


def test_send_ignores_the_pause_of_another_account(stage: MakeStage) -> None:
    """What stops one account stops no other."""
    one = stage()
    one.journal.set_pause(Pause("other", T0, "stop"))
    assert one.send().row.status is S.PENDING


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"not_before": after(60)}, S.CREATED), ({"expires_at": after(-1)}, S.CREATED), ({}, S.PENDING)],
)
def test_send_keeps_to_not_before_and_expires_at(
    stage: MakeStage, changes: dict[str, Any], status: PayoutStatus
) -> None:
    """What may not be sent yet, or not any more, does not begin."""
    one = stage()
    assert one.send(**changes).row.status is status
    assert len(one.posts()) == (status is S.PENDING)


def test_send_only_records_a_refund(stage: MakeStage) -> None:
    """The ceiling of a collection is judged under its lock, in a commit of its own."""
    one = stage()
    refund = {"payee": Payee.payer_of("c-1"), "operation": Operation.REFUND, "original_amount": Money("30", "EUR")}
    sent = one.send(**refund)
    assert (sent.row.status, one.posts()) == (S.CREATED, [])
    with pytest.raises(OverRefund):
        one.send(**refund, key="k/2")


def test_send_pays_a_key_once(stage: MakeStage) -> None:
    """The second call finds the payout in the commit that would have written it: nothing changes, nothing leaves."""
    one = stage()
    first = one.send()
    again = one.send()
    assert (again.created, again.row) == (False, one.journal.get(first.row.id))
    assert len(one.posts()) == 1
    with pytest.raises(KeyReused):
        one.send(operation=Operation.DEPOSIT)
    assert one.journal.get(first.row.id) == first.row


def test_send_leaves_alone_what_another_caller_is_sending(stage: MakeStage) -> None:
    """A second caller of a key that is SENDING finds it in the commit: it submits nothing, and changes nothing."""
    one = stage()
    found = []

    def submit(draft: Draft) -> EngineFlow[Pending]:
        found.append(one.send())
        return (yield from plain_submit(draft))

    one.account.provider.submitting = submit
    one.send()
    [second] = found
    assert (second.created, second.row.status, len(one.posts())) == (False, S.SENDING, 1)
    assert one.events(second.row) == ["created", "sending", "pending"]


def test_send_refuses_a_wrong_order_before_anything(stage: MakeStage) -> None:
    """What cannot be paid is neither written down nor asked about."""

    def refuse(_: Any) -> None:
        raise InvalidPayout("No.")

    one = stage(Fake(drafts=refuse))
    with pytest.raises(InvalidPayout):
        one.send()
    assert one.asked == []


def test_send_records_the_path_of_a_result_callback_before_the_request(stage: MakeStage) -> None:
    """The query is durable with SENDING: an answer that comes while the request is under way finds its payout."""
    drafts: list[Draft] = []

    def submit(draft: Draft) -> EngineFlow[Pending]:
        drafts.append(draft)
        return plain_submit(draft)

    one = stage(Fake(submitting=submit), result_by="submission")
    sent = one.send()
    [created] = [command for command in one.asked if isinstance(command, CreatePayout)]
    assert created.begins is not None
    assert created.begins.asks is not None
    assert created.begins.asks.token_hash == token_hash("token-1")
    assert [draft.answer_token for draft in drafts] == ["token-1"]
    found = one.journal.by_query(created.begins.asks.token_hash)
    assert found is not None
    assert found[0].id == sent.row.id


def test_send_holds_its_lease_until_it_ends(stage: MakeStage) -> None:
    """Another worker that finds the payout SENDING leaves it alone, and takes it for sent when the lease is over."""
    one = stage()
    seen = []

    def look(_: Any) -> Any:
        row = one.journal.by_key(order_of().key)
        assert row is not None
        seen.append(one.advance(row, owner="other").status)
        one.at += timedelta(seconds=one.account.settings.lease_s + 1)
        seen.append(one.advance(row, owner="other").status)
        yield from ()

    one.account.provider.submitting = look
    row = one.send().row
    assert seen == [S.SENDING, S.UNKNOWN]
    assert replace(row, version=0).status is S.UNKNOWN
