"""Circuits: many payments in a row without a clear answer stop the account, and one that has one starts it again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flat_records import START, changed, later

from payments_core.domain.causes import PausedBy
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.rates import PostEnd
from payments_core.domain.records import Event, Pause, PayoutRecord
from payments_core.engine.commands import AccountPaused, ApplyTransition, JournalResult, TransitionApplied
from payments_core.engine.journal_protocol import Journal

ACCOUNT = "mtn-uganda"
AddRow = Callable[..., PayoutRecord]


class FakeProvider:
    """Sends payments one after another, each of its own."""

    def __init__(self, journal: Journal, add: AddRow) -> None:
        self.journal, self._add, self._number = journal, add, 0

    def send(self, seconds: float = 0, account: str = ACCOUNT) -> JournalResult:
        self._number += 1
        row = self._add(f"{account}-{self._number}", account=account)
        after = changed(row, status=PayoutStatus.SENDING, submissions=1, sent_at=later(seconds))
        return self.journal.execute(ApplyTransition(row, after, Event("payout.sending", later(seconds))))

    def end(
        self, sent: JournalResult, seconds: float, *, clear: bool, after: int = 3, lifts: bool = False,
        pause: Pause | None = None,
    ) -> TransitionApplied:  # fmt: skip
        assert isinstance(sent, TransitionApplied), sent
        status = PayoutStatus.CREATED if pause else PayoutStatus.PENDING if clear else PayoutStatus.UNKNOWN
        move = ApplyTransition(
            sent.row,
            replace(sent.row, status=status),
            Event("payout.ended", later(seconds)),
            lifts=lifts,
            pause=pause,
            post_end=PostEnd(not clear, after),
        )
        reply = self.journal.execute(move)
        assert isinstance(reply, TransitionApplied), reply
        return reply

    def lose(self, seconds: float = 0, *, account: str = ACCOUNT, after: int = 3) -> TransitionApplied:
        return self.end(self.send(seconds, account), seconds, clear=False, after=after)

    def probes(self) -> list[float]:
        return [(pause.probe_at - START).total_seconds() for pause in self.journal.pauses() if pause.probe_at]


@pytest.fixture
def fake_provider(journal: Journal, add: AddRow) -> FakeProvider:
    return FakeProvider(journal, add)


@pytest.mark.parametrize("after", [1, 3, 20])
def test_circuit_opens_after_exactly_as_many_ambiguous_ends_as_set(fake_provider: FakeProvider, after: int) -> None:
    """Exactly as many as the setting says; what comes then is held, of this account only."""
    ends = [fake_provider.lose(after=after).opened for _ in range(after)]
    assert ends[:-1] == [None] * (after - 1)
    [pause] = fake_provider.journal.pauses()
    assert ends[-1] == pause
    assert (pause.account, pause.by, pause.since, pause.probe_at) == (ACCOUNT, "circuit", START, later(30))
    assert isinstance(fake_provider.send(29), AccountPaused)
    assert isinstance(fake_provider.send(0, "mtn-ghana"), TransitionApplied)


def test_circuit_set_to_zero_never_opens(fake_provider: FakeProvider) -> None:
    """Zero is never."""
    assert {fake_provider.lose(after=0).opened for _ in range(30)} == {None}


def test_circuit_count_restarts_after_any_clear_end(fake_provider: FakeProvider) -> None:
    """In a row means in a row, and each account counts for itself."""
    fake_provider.lose(), fake_provider.lose(), fake_provider.lose(account="mtn-ghana")
    assert fake_provider.end(fake_provider.send(), 0, clear=True).ended == frozenset()
    assert [fake_provider.lose().opened is None for _ in range(3)] == [True, True, False]
    assert [fake_provider.lose(account="mtn-ghana").opened is None for _ in range(2)] == [True, False]


def open_circuit(fake_provider: FakeProvider) -> None:
    for _ in range(3):
        fake_provider.lose()
    assert [pause.by for pause in fake_provider.journal.pauses()] == ["circuit"]


def test_circuit_sends_one_probe_and_closes_with_its_clear_end(fake_provider: FakeProvider) -> None:
    """Half open: one payment at a time; a refusal is as clear as a success."""
    open_circuit(fake_provider)
    probe = fake_provider.send(30)
    assert isinstance(fake_provider.send(30), AccountPaused)
    reply = fake_provider.end(probe, 31, clear=True)
    assert reply.ended == {"circuit"}
    assert not fake_provider.journal.pauses()
    assert isinstance(fake_provider.send(32), TransitionApplied)
    assert [fake_provider.lose(33).opened is None for _ in range(3)] == [True, True, False]


def test_circuit_doubles_its_wait_after_each_probe_up_to_ten_minutes(fake_provider: FakeProvider) -> None:
    """What was on the wire when it opened, and probes that end in doubt, never bring the next probe nearer or away."""
    open_circuit(fake_provider)
    waits, at = [], 30.0
    for _ in range(7):
        assert fake_provider.lose(at).opened is None
        [probe_at] = fake_provider.probes()
        waits.append(probe_at - at)
        at = probe_at
    assert waits == [60, 120, 240, 480, 600, 600, 600]
    assert fake_provider.journal.pauses()[0].since == START


def test_circuit_wait_is_not_changed_by_earlier_submissions(fake_provider: FakeProvider) -> None:
    sent = [fake_provider.send() for _ in range(8)]
    ended = [fake_provider.end(one, seconds, clear=False) for seconds, one in enumerate(sent)]
    assert [reply.opened is not None for reply in ended] == [False, False, True, *[False] * 5]
    assert fake_provider.probes() == [32]


@pytest.mark.parametrize(
    "pause", [Pause(ACCOUNT, START, "audit"), Pause(ACCOUNT, START, "no", PausedBy.ACCOUNT_REFUSED, later(300))]
)
def test_circuit_replaces_no_other_pause(fake_provider: FakeProvider, pause: Pause) -> None:
    """A person's stays a person's, a block a block; the circuit opens with the next doubt once it is lifted."""
    sent = [fake_provider.send() for _ in range(4)]
    fake_provider.journal.set_pause(pause)
    assert {fake_provider.end(one, 1, clear=False).opened for one in sent} == {None}
    assert fake_provider.journal.pauses() == (pause,)


def test_circuit_is_replaced_by_a_persons_pause(fake_provider: FakeProvider) -> None:
    """Their pause takes its place, and no clear end starts what they have stopped."""
    sent = fake_provider.send()
    open_circuit(fake_provider)
    pause = Pause(ACCOUNT, later(5), "audit")
    fake_provider.journal.set_pause(pause)
    assert fake_provider.end(sent, 6, clear=True, lifts=True).ended == frozenset()
    assert fake_provider.journal.pauses() == (pause,)


def test_circuit_count_restarts_when_a_person_lifts_it(fake_provider: FakeProvider) -> None:
    """A person who says go on gets more than one payment's worth of it."""
    open_circuit(fake_provider)
    assert fake_provider.journal.lift_pause(ACCOUNT)
    assert [fake_provider.lose().opened is None for _ in range(3)] == [True, True, False]


def test_circuit_is_replaced_by_an_account_refusal_and_by_a_penalty(fake_provider: FakeProvider) -> None:
    """Both are clear answers."""
    for by in (PausedBy.ACCOUNT_REFUSED, PausedBy.RATE):
        open_circuit(fake_provider)
        pause = Pause(ACCOUNT, later(31), "no", by, later(90))
        assert fake_provider.end(fake_provider.send(30), 31, clear=True, pause=pause).ended == {"circuit"}
        assert fake_provider.journal.pauses() == (pause,)
        fake_provider.journal.lift_pause(ACCOUNT)


def test_circuit_is_opened_by_one_of_many_threads(fake_provider: FakeProvider) -> None:
    """Counted in the commit of each end: none is lost, and one of them opens it."""
    sent = [fake_provider.send() for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda one: fake_provider.end(one, 1, clear=False, after=20), sent))
    assert sum(reply.opened is not None for reply in ended) == 1


# --- a penalty on payments ---


def slower(seconds: float, wait_s: float = 10.0) -> Pause:
    return Pause(ACCOUNT, later(seconds), f"slower at {seconds}", PausedBy.RATE, later(seconds + wait_s))


def test_penalty_doubles_until_a_probe_succeeds(fake_provider: FakeProvider) -> None:
    """Everybody waits, then one goes to see; refused again the wait doubles, and its success lets all go on."""
    fake_provider.end(fake_provider.send(), 0, clear=True, pause=slower(0))
    assert fake_provider.send(9) == AccountPaused(slower(0))
    probe = fake_provider.send(10)
    fake_provider.end(probe, 11, clear=True, pause=slower(11))
    assert fake_provider.probes() == [30]
    reply = fake_provider.end(fake_provider.send(30), 31, clear=True, lifts=True)
    assert reply.ended == {"rate"}
    assert not fake_provider.journal.pauses()


def test_penalty_is_not_ended_by_an_earlier_submission(fake_provider: FakeProvider) -> None:
    """Ten of sixteen at once are taken: that is why the others were refused."""
    first, second = fake_provider.send(0), fake_provider.send(0)
    fake_provider.end(second, 1, clear=True, pause=slower(1))
    assert fake_provider.end(first, 2, clear=True, lifts=True).ended == frozenset()
    assert fake_provider.journal.pauses() == (slower(1),)


@pytest.mark.parametrize(
    "pause", [Pause(ACCOUNT, START, "audit"), Pause(ACCOUNT, START, "no", PausedBy.ACCOUNT_REFUSED, later(300))]
)
def test_penalty_replaces_no_other_pause(fake_provider: FakeProvider, pause: Pause) -> None:
    sent = fake_provider.send()
    fake_provider.journal.set_pause(pause)
    fake_provider.end(sent, 1, clear=True, pause=slower(1))
    assert fake_provider.journal.pauses() == (pause,)
