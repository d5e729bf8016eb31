"""What a pause holds back, and the one payout that may go and see whether a block is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from flat_records import START, changed, later

from payments_core.domain.causes import PausedBy
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine.commands import AccountPaused, ApplyTransition, JournalResult, Stale, TransitionApplied
from payments_core.engine.journal_protocol import Journal

ACCOUNT = "mtn-uganda"

AddRow = Callable[..., PayoutRecord]


def block(seconds: float = 0, *, probe_after_s: float | None = 300, account: str | None = ACCOUNT) -> Pause:
    probe_at = None if probe_after_s is None else later(seconds + probe_after_s)
    return Pause(account, later(seconds), f"blocked at {seconds}", PausedBy.ACCOUNT_REFUSED, probe_at)


def send(journal: Journal, row: PayoutRecord, seconds: float) -> JournalResult:
    after = changed(row, status=PayoutStatus.SENDING, submissions=row.attempt.submissions + 1)
    return journal.execute(ApplyTransition(row, after, Event("payout.sending", later(seconds))))


def put_off(journal: Journal) -> list[float]:
    return [(pause.probe_at - START).total_seconds() for pause in journal.pauses() if pause.probe_at]


@pytest.mark.parametrize("account", [ACCOUNT, None])
def test_pause_by_a_person_stops_every_send(journal: Journal, add: AddRow, account: str | None) -> None:
    """While a person says stop nothing leaves, and nothing is written; afterwards it leaves."""
    row = add()
    pause = Pause(account, START, "audit", probe_at=START)
    journal.set_pause(pause)
    assert send(journal, row, 9_999) == AccountPaused(pause)
    assert journal.get(row.id) == row
    assert len(journal.history(row.id)) == 1
    assert journal.lift_pause(account) is True
    assert journal.lift_pause(account) is False
    assert isinstance(send(journal, row, 1), TransitionApplied)


def test_pause_stops_only_sends(journal: Journal, add: AddRow) -> None:
    """Reads, ends and other accounts go on."""
    journal.set_pause(Pause(ACCOUNT, START, "audit"))
    for name, status in (("a", PayoutStatus.PENDING), ("b", PayoutStatus.FAILED)):
        row = add(name)
        assert isinstance(
            journal.execute(ApplyTransition(row, replace(row, status=status), Event("e", START))), TransitionApplied
        )
    sending = add("c", status=PayoutStatus.PENDING, account="mtn-ghana")
    reply = send(journal, sending, 1)
    assert isinstance(reply, TransitionApplied)
    journal.set_pause(Pause(None, START, "all"))
    assert isinstance(send(journal, reply.row, 2), TransitionApplied)  # already SENDING: it renews its lease


def test_stale_send_under_a_pause_is_stale(journal: Journal, add: AddRow) -> None:
    """Who has lost the row learns that, paused or not, and uses up no probe."""
    row = add()
    now = send(journal, row, 1)
    assert isinstance(now, TransitionApplied)
    journal.set_pause(block(0))
    assert send(journal, row, 400) == Stale(now.row)
    assert journal.pauses() == (block(0),)


def test_pause_replaces_the_one_in_force(journal: Journal) -> None:
    """A person has the last word about an account; each account and all have one pause."""
    journal.set_pause(block())
    journal.set_pause(Pause(ACCOUNT, later(5), "mine"))
    journal.set_pause(Pause(None, later(6), "all"))
    assert journal.pauses() == (Pause(None, later(6), "all"), Pause(ACCOUNT, later(5), "mine"))


def test_account_refusal_pauses_in_the_commit_of_its_transition(journal: Journal, add: AddRow) -> None:
    """The refusal of one payout stops its account in the same commit."""
    row, next_one = add(), add("next")
    sent = send(journal, row, 0)
    assert isinstance(sent, TransitionApplied)
    back = replace(sent.row, status=PayoutStatus.CREATED)
    journal.execute(ApplyTransition(sent.row, back, Event("payout.account_refused", START), pause=block()))
    assert send(journal, next_one, 299) == AccountPaused(block())


def test_account_refusal_is_probed_once_at_doubling_intervals(journal: Journal, add: AddRow) -> None:
    """A block is tried by one payout at a time, ever more rarely, at most an hour apart."""
    journal.set_pause(block())
    rows = [add(str(number)) for number in range(7)]
    waits, at = [], 300.0
    for probe, held in pairwise(rows):
        assert isinstance(send(journal, probe, at), TransitionApplied)
        assert isinstance(send(journal, held, at), AccountPaused)
        [probe_at] = put_off(journal)
        waits.append(probe_at - at)
        at = probe_at
    assert waits == [600, 1200, 2400, 3600, 3600, 3600]
    assert journal.pauses()[0].since == START


def test_probe_that_may_not_be_sent_is_not_used_up(journal: Journal, add: AddRow) -> None:
    """When a pause for all holds a payout, the account's probe is still to come."""
    journal.set_pause(block())
    journal.set_pause(Pause(None, START, "all"))
    assert send(journal, add(), 400) == AccountPaused(Pause(None, START, "all"))
    assert put_off(journal) == [300]


def test_account_refusal_without_a_probe_waits_for_a_person(journal: Journal, add: AddRow) -> None:
    """What only a person can mend is not probed."""
    journal.set_pause(block(probe_after_s=None))
    assert isinstance(send(journal, add(), 99_999), AccountPaused)


@pytest.mark.parametrize("wait_s", [0.0, -5.0])
def test_probe_that_is_due_at_once_is_sent_alone(journal: Journal, add: AddRow, wait_s: float) -> None:
    """Whatever the settings say, two payouts never probe at one moment."""
    journal.set_pause(block(probe_after_s=wait_s))
    assert isinstance(send(journal, add("a"), 0), TransitionApplied)
    assert isinstance(send(journal, add("b"), 0), AccountPaused)


def refuse(journal: Journal, row: PayoutRecord, pause: Pause) -> bool:
    """Return whether the pause began with it."""
    reply = journal.execute(ApplyTransition(row, row, Event("payout.account_refused", pause.since), pause=pause))
    assert isinstance(reply, TransitionApplied)
    return reply.paused


def test_account_refusals_of_many_payouts_are_one_pause(journal: Journal, add: AddRow) -> None:
    """Payments already on the wire keep the beginning, never bring the probe nearer, and are one incident."""
    assert refuse(journal, add("a"), block(0))
    assert not refuse(journal, add("b"), block(4))
    assert journal.pauses() == (Pause(ACCOUNT, START, "blocked at 4", PausedBy.ACCOUNT_REFUSED, later(304)),)
    assert isinstance(send(journal, add("c"), 304), TransitionApplied)
    assert not refuse(journal, add("d"), block(305))
    assert put_off(journal) == [304 + 600]


def test_account_refusal_never_replaces_a_persons_pause(journal: Journal, add: AddRow) -> None:
    """What a person stopped is not started again by a probe, nor by a payment that got through."""
    pause = Pause(ACCOUNT, START, "audit")
    journal.set_pause(pause)
    refuse(journal, add("a"), block(5))
    row = add("b")
    journal.execute(ApplyTransition(row, row, Event("payout.pending", START), lifts=True))
    assert journal.pauses() == (pause,)


def test_account_refusal_is_replaced_by_a_persons_pause(journal: Journal, add: AddRow) -> None:
    """A pause of a person's that comes with a move takes the place of a block."""
    refuse(journal, add("a"), block(0))
    pause = Pause(ACCOUNT, later(5), "audit")
    refuse(journal, add("b"), pause)
    assert journal.pauses() == (pause,)


def test_success_lifts_the_refusal_of_its_own_account(journal: Journal, add: AddRow) -> None:
    """The probe's success opens its own account, and no other."""
    journal.set_pause(block())
    journal.set_pause(block(account="mtn-ghana"))
    row = add()
    journal.execute(ApplyTransition(row, replace(row, status=PayoutStatus.PENDING), Event("e", START), lifts=True))
    assert journal.pauses() == (block(account="mtn-ghana"),)


# --- due ---


def test_unsent_payouts_of_a_paused_account_are_not_due(journal: Journal, add: AddRow) -> None:
    """A pause keeps the machine from turning in place, and from reading nothing."""
    mine = [ACCOUNT, "mtn-ghana"]
    add("unsent", next_at=later(1))
    add("open", next_at=later(20), status=PayoutStatus.PENDING)
    add("elsewhere", next_at=later(30), account="mtn-ghana")
    journal.set_pause(Pause(ACCOUNT, START, "audit"))
    assert [row.id for row in journal.due(later(60), accounts=mine, limit=9)] == ["po_open", "po_elsewhere"]
    assert journal.next_due(accounts=mine) == later(20)
    journal.set_pause(Pause(None, START, "all"))
    assert [row.id for row in journal.due(later(60), accounts=mine, limit=9)] == ["po_open"]
    assert journal.next_due(accounts=["mtn-ghana"]) is None
    journal.lift_pause(ACCOUNT), journal.lift_pause(None)
    assert journal.next_due(accounts=mine) == START


@pytest.mark.parametrize("pause", [Pause(ACCOUNT, START, "audit", probe_at=START), block(probe_after_s=None)])
def test_pause_that_a_person_must_lift_ends_at_no_time(journal: Journal, add: AddRow, pause: Pause) -> None:
    """Neither a person's own pause, whatever stands in it, nor one of the machine's that has no probe."""
    add("unsent", next_at=later(1))
    journal.set_pause(pause)
    assert journal.due(later(10**9), accounts=[ACCOUNT], limit=9) == ()
    assert journal.next_due(accounts=[ACCOUNT]) is None


def test_payouts_put_off_by_a_pause_are_due_when_it_ends(journal: Journal, add: AddRow) -> None:
    """A refused account's payouts are put off; once the pause ends they are due, and not before their `not_before`."""
    mine = [ACCOUNT, "mtn-ghana"]
    add("put_off", next_at=later(300))
    add("dated", next_at=later(400), not_before=later(200))
    add("open", next_at=later(500), status=PayoutStatus.PENDING)
    add("elsewhere", next_at=later(600), account="mtn-ghana")
    journal.set_pause(block())
    assert journal.lift_pause(ACCOUNT)
    due = {row.id: row.schedule.next_at for row in journal.due(later(999), accounts=mine, limit=9)}
    assert due == {"po_put_off": START, "po_dated": later(200), "po_open": later(500), "po_elsewhere": later(600)}


def test_unsent_payouts_of_a_refused_account_are_due_with_its_probe(journal: Journal, add: AddRow) -> None:
    """The machine wakes for the probe, not before and not too late."""
    add("unsent", next_at=later(1))
    journal.set_pause(block())
    assert journal.due(later(299), accounts=[ACCOUNT], limit=9) == ()
    assert journal.next_due(accounts=[ACCOUNT]) == later(300)
    assert [row.id for row in journal.due(later(300), accounts=[ACCOUNT], limit=9)] == ["po_unsent"]
    add("open", next_at=later(100), status=PayoutStatus.UNKNOWN)
    assert journal.next_due(accounts=[ACCOUNT]) == later(100)
    journal.set_pause(block(50, account=None))
    assert journal.due(later(349), accounts=[ACCOUNT], limit=9)[0].id == "po_open"
    assert len(journal.due(later(350), accounts=[ACCOUNT], limit=9)) == 2


def test_payout_that_waits_longer_than_the_probe_keeps_its_time(journal: Journal, add: AddRow) -> None:
    """The probe's moment does not hurry a payout that was to wait longer."""
    add("unsent", next_at=later(900))
    journal.set_pause(block())
    assert journal.next_due(accounts=[ACCOUNT]) == later(900)
