"""Each rule of how a payout travels is broken on purpose, and the simulation has to find it.

A case says which rule is broken, how, and where to look. The same search over the unbroken code finds nothing, so what
is found is found because of the broken rule.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from promises import broken_promises
from worlds import ACCOUNT, GOOD, OTHER, VISIBLE_AFTER_S, Momo, PostEnd, TallyWorld

from payments_core.engine import decide, flows
from payments_core.entries import Held, Move, Moved, PayoutRow, Stale
from payments_core.flow import AskLeave, Command, Flow, Go, Reply, move, run
from payments_core.journal import changes, open_journal
from payments_core.money import Money
from payments_core.payout import Order, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.performer import Office
from payments_core.provider import Callback, Draft, Final, NotFound, Unknown
from payments_core.testing import Arrival, End, Restless, Scenario, Simulator, Stage, VirtualClock, World
from payments_core.wire import HttpRequest, HttpResponse, NoAnswer

NAME = "two-workers"
S = PayoutStatus
Patch = pytest.MonkeyPatch


# --- where to look -------------------------------------------------------------------------------------------------


def momo(post: PostEnd, get: str = "answers", **settings: Any) -> Scenario:
    """Return a scenario over MoMo that the table of ways to send does not have."""

    def world(stage: Stage) -> World:
        side = Momo(stage, post, get)
        account = side.account()
        if settings:
            values = account.settings.model_copy(update=settings)
            account = replace(account, settings=values)
        return World(accounts=[account], gateway=side)

    order = Order("salary/1", Payee.msisdn(post.payee), Money("25.50", "EUR"))
    return Scenario(name="broken", orders=[(ACCOUNT, order)], world=world)


def forgetful(absent_s: float) -> Scenario:
    """Return a scenario in which MoMo takes a payment, loses the answer, and shows and remembers it no more."""

    class Forgets(Momo):
        def _do_accept_lose(self, request: HttpRequest) -> HttpResponse:
            try:
                return super()._do_accept_lose(request)
            finally:
                self.gateway.books._by_reference.clear()

        def _read(self, request: HttpRequest) -> HttpResponse:
            if (self.stage.clock() - self.started_at).total_seconds() < absent_s:
                return HttpResponse(404, {}, json.dumps({"code": "RESOURCE_NOT_FOUND"}).encode(), self.stage.clock())
            return super()._read(request)

    def world(stage: Stage) -> World:
        side = Forgets(stage, PostEnd(("accept_lose", "pass")), "answers")
        account = side.account()
        return World(accounts=[replace(account, spec=replace(account.spec, facts=NO_WINDOW))], gateway=side)

    from payments_mtn_momo.spec import SPEC

    NO_WINDOW = replace(SPEC.facts, dedupe_window_s=1200.0)  # half of it is over before absence has lasted
    order = Order("salary/1", Payee.msisdn(GOOD), Money("25.50", "EUR"))
    return Scenario(name="forgetful", orders=[(ACCOUNT, order)], world=world)


def tally_world(post: tuple[str, ...], answers: str, *, dedupes: bool = True, forged: bool = False) -> Scenario:
    """Return a scenario over Tally; a forged answer names another payee."""

    def world(stage: Stage) -> World:
        side = Forging(stage, post, answers) if forged else TallyWorld(stage, post, answers)
        side.gateway.dedupes = dedupes
        side.world = World(accounts=[side.account()], gateway=side)
        return side.world

    order = Order("grant/1", Payee.msisdn("254700000900"), Money("25.50", "KES"))
    return Scenario(name="broken tally", orders=[(ACCOUNT, order)], world=world)


class Forging(TallyWorld):
    """Somebody who knows the path says that a payment nobody took has succeeded, for somebody else."""

    def _deliver(self) -> None:
        super()._deliver()
        assert self.world is not None
        for place, arrival in enumerate(self.world.arrivals):
            told = json.loads(arrival.callback.body)
            lie = {"txn": told["txn"], "result": 0, "to": "254700000111", "cents": 1, "currency": "KES"}
            body = json.dumps(lie).encode()
            self.world.arrivals[place] = Arrival(arrival.at, arrival.token, replace(arrival.callback, body=body))


# --- how to break it -----------------------------------------------------------------------------------------------


def new_reference_each_try(patch: Patch) -> None:
    drafted = flows.draft_of

    def draft_of(row: PayoutRow) -> Draft:
        draft = drafted(row)
        if row.status is not S.SENDING:
            return draft
        reference = f"{row.tries:08x}-0000-4000-8000-{row.id[3:15].encode().hex()[:12]}"
        request = replace(draft.request, headers={**draft.request.headers, "X-Reference-Id": reference})
        return replace(draft, request=request)

    patch.setattr(flows, "draft_of", draft_of)


def without_commit(event: str) -> Callable[[Patch], None]:
    def broken(patch: Patch) -> None:
        def skipping(entry: Move) -> Flow[Moved | Stale | Held]:
            if entry.event.name == event:
                return Moved(entry.after)
            return (yield from move(entry))

        patch.setattr(flows, "move", skipping)

    return broken


def failing_on(outcome_is: Callable[[Any], bool], name: str = "after_submit") -> Callable[[Patch], None]:
    """Break a rule by calling an outcome a failure."""

    def broken(patch: Patch) -> None:
        decided = getattr(decide, name)

        def wrong(row: PayoutRow, account: Any, outcome: Any, at: Any, **more: Any) -> decide.Decision:
            if outcome_is(outcome):
                return decide._fail(row, Reason(ReasonCode.REJECTED), "submit", at, {})
            decision: decide.Decision = decided(row, account, outcome, at, **more)
            return decision

        patch.setattr(decide, name, wrong)

    return broken


def resend_at_first_absence(patch: Patch) -> None:
    patch.setattr(decide, "LEAST_ABSENCES", 1)
    absent = decide._absent

    def hasty(row: PayoutRow, account: Any, outcome: NotFound, at: Any) -> decide.Decision:
        eager = replace(account.spec, facts=replace(account.spec.facts, visible_after_s=0.0))
        return absent(row, replace(account, spec=eager), outcome, at)

    patch.setattr(decide, "_absent", hasty)


def resend_whatever_the_provider_promises(patch: Patch) -> None:
    begun = decide.begin

    def begin(row: PayoutRow, account: Any, **more: Any) -> decide.Decision:
        decision = begun(replace(row, ambiguous=False), account, **more)
        return replace(decision, after=replace(decision.after, ambiguous=row.ambiguous))

    patch.setattr(decide, "begin", begin)


def doubt_is_cleared(patch: Patch) -> None:
    arrived = decide._maybe_arrived

    def maybe(row: PayoutRow, **more: Any) -> PayoutRow:
        return replace(arrived(row, **more), ambiguous=False)

    patch.setattr(decide, "_maybe_arrived", maybe)


def adopts_blindly(patch: Patch) -> None:
    patch.setattr(decide, "differs", lambda row, seen, whole: "")


def ends_are_overwritten(patch: Patch) -> None:
    """A read after the end moves the row, and the journal lets it."""

    def contradicted(row: PayoutRow, outcome: object, at: Any) -> Flow[PayoutRow]:
        if not isinstance(outcome, Final):
            return row
        decision = decide.after_check(row, _ANY_ACCOUNT, outcome, at)
        return (yield from flows._settle(row, decision))

    patch.setattr(flows, "_contradiction", contradicted)
    patch.setattr(changes, "_refuse_forbidden", lambda *_: None)


_ANY_ACCOUNT: Any = None  # a final answer needs no schedule


def event_outside_the_commit(patch: Patch) -> None:
    """The outbox is written when the change is announced, in a commit of its own."""
    patch.setattr(changes, "_publish", lambda *_: None)
    announced = Office.announce

    def announce(self: Office, entry: Any, reply: Any) -> None:
        announced(self, entry, reply)
        if isinstance(entry, Move) and isinstance(reply, Moved) and entry.publish:
            row, history = reply.row, self.journal.history(reply.row.id)
            journal: Any = self.journal
            with sqlite3.connect(journal._path) as connection:
                connection.execute(
                    "INSERT INTO outbox (event_id, payout_id, key, account, status, attempt, seq, at)"
                    " VALUES (?, ?, ?, ?, ?, 1, ?, 0)",
                    (f"{row.id}.{len(history)}", row.id, row.key, row.account, str(row.status), len(history)),
                )
            connection.close()

    patch.setattr(Office, "announce", announce)


def schedule_end_means_failed(patch: Patch) -> None:
    reviewed = decide.review

    def review(row: PayoutRow, code: ReasonCode, why: str, at: Any, *more: Any) -> decide.Decision:
        if code in {ReasonCode.NO_FINAL_ANSWER, ReasonCode.NEVER_APPEARED}:
            return decide._fail(row, Reason(code, text=why), "read", at, {})
        return reviewed(row, code, why, at, *more)

    patch.setattr(decide, "review", review)


def lapsed_lease_means_not_sent(patch: Patch) -> None:
    def lapsed(row: PayoutRow, at: Any) -> decide.Decision:
        decision = decide.waiting(row, _CALM_ACCOUNT, "lease over", at)
        return replace(decision, after=replace(decision.after, tries=row.tries, next_at=at))

    patch.setattr(decide, "lapsed", lapsed)


class _Calm:
    class settings:
        retry_schedule_s = (1.0,)


_CALM_ACCOUNT: Any = _Calm()


# --- the cases -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A rule, how it is broken, where to look, and what must be among the findings."""

    broken: Callable[[Patch], None]
    scenario: Callable[[], Scenario]
    finding: str


LOST = PostEnd(("accept_lose",))
LOST_THEN_400 = PostEnd(("accept_lose", "refuse_400"))
CASES = {
    "a new reference for each try": Case(
        new_reference_each_try, lambda: momo(PostEnd(("accept_lose",)), "404 for a while"), "paid 2 times"
    ),
    "C2 is not committed before the send": Case(
        without_commit("payout.sending"), lambda: momo(PostEnd()), "left while the journal said"
    ),
    "a time-out means failed": Case(
        failing_on(lambda o: isinstance(o, NoAnswer)), lambda: momo(LOST), "FAILED although it was paid"
    ),
    "HTTP 500 means failed": Case(
        failing_on(lambda o: isinstance(o, Unknown)),
        lambda: momo(PostEnd(("accept_say_500",))),
        "FAILED although it was paid",
    ),
    "not found means failed": Case(
        failing_on(lambda o: isinstance(o, NotFound), "after_check"),
        lambda: momo(PostEnd(invisible_s=200.0)),
        "FAILED although it was paid",
    ),
    "sent again at the first absence": Case(
        resend_at_first_absence, lambda: momo(PostEnd(("lose",))), "sent again after 1 absences"
    ),
    "sent again although it is not safe": Case(
        resend_whatever_the_provider_promises,
        lambda: tally_world(("accept_lose",), "absent", dedupes=False),
        "paid 2 times",
    ),
    "sent again outside the window": Case(
        resend_whatever_the_provider_promises, lambda: forgetful(5000.0), "paid 2 times"
    ),
    "doubt is cleared": Case(
        doubt_is_cleared, lambda: momo(LOST_THEN_400, "404 for a while"), "FAILED although it was paid"
    ),
    "a duplicate is adopted blindly": Case(
        adopts_blindly, lambda: momo(PostEnd(seeded=OTHER)), "SUCCEEDED with 0 credits"
    ),
    "an answer to a path is believed blindly": Case(
        adopts_blindly, lambda: tally_world(("lose",), "arrive", forged=True), "SUCCEEDED with 0 credits"
    ),
    "the event is outside the commit": Case(event_outside_the_commit, lambda: momo(PostEnd()), "the outbox holds"),
    "the end of the schedule means failed": Case(
        schedule_end_means_failed, lambda: tally_world(("accept_lose",), "never"), "FAILED although it was paid"
    ),
    "a lapsed lease means not sent": Case(
        lapsed_lease_means_not_sent, lambda: momo(PostEnd(("accept_lose", "refuse_400"))), "FAILED although it was paid"
    ),
}


def search(scenario: Scenario, folder: Path) -> list[str]:
    """Play a scenario without and with a crash at every point; return what does not hold anywhere."""
    simulator = Simulator(scenario, folder)
    visible_s = 60.0 if "tally" in scenario.name else VISIBLE_AFTER_S
    found: dict[str, None] = {}

    def play(*points: int) -> End | None:
        try:
            end = simulator.crash_at(*points)
        except Restless:
            found["never comes to rest"] = None
            return None
        found.update(dict.fromkeys(broken_promises(end, visible_after_s=visible_s)))
        return end

    end = play()
    for point in end.points if end else ():
        play(point.number)
    return list(found)


@pytest.mark.parametrize("name", CASES)
def test_a_broken_rule_is_found(name: str, folder: Path, monkeypatch: Patch, lines: list[str]) -> None:
    """The unbroken code passes the search, and the code with the rule broken does not."""
    case = CASES[name]
    assert search(case.scenario(), folder) == []
    with monkeypatch.context() as patch:
        case.broken(patch)
        found = search(case.scenario(), folder)
    assert any(case.finding in finding for finding in found), found
    lines.append(f"broken rule: {name}: {next(finding for finding in found if case.finding in finding)}")


# --- two workers, and ends ------------------------------------------------------------------------------------------


class Pair:
    """Two workers on one journal file, stepped by hand, in a world that would pay twice."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(VirtualClock(datetime(2026, 1, 5, 8, tzinfo=UTC)), folder / "pair.db")
        self.side = TallyWorld(self.stage, (), "arrive")
        self.side.gateway.dedupes = False
        self.world = World(accounts=[self.side.account()], gateway=self.side)
        self.side.world = self.world
        self.account = self.world.accounts[0]
        opened = [open_journal("sqlite:///pair.db", namespace=NAME, root=folder, clock=self.stage.clock) for _ in "ab"]
        self.journals = dict(zip("ab", opened, strict=True))
        order = Order("grant/1", Payee.msisdn("254700000900"), Money("25.50", "KES"))
        self.row = run(flows.accept(self.account, order, self.moment("a")), self.performer("a")).row

    def moment(self, owner: str, token: str = "path") -> flows.Moment:
        return flows.Moment(self.stage.clock(), owner, token, NAME)

    def performer(self, owner: str) -> Callable[[Command], Reply]:
        def perform(command: Command) -> Reply:
            if isinstance(command, AskLeave):
                return Go(self.stage.clock())
            return self.side(command) if isinstance(command, HttpRequest) else self.journals[owner].perform(command)

        return perform

    def advance(self, owner: str, row: PayoutRow, *, early: bool = False) -> PayoutRow:
        return run(flows.advance(self.account, row, self.moment(owner), early=early), self.performer(owner))

    def until(self, event: str, owner: str, row: PayoutRow) -> Callable[[], PayoutRow]:
        """Let a worker go on until it is about to commit this; return what lets it finish."""
        flow, perform = flows.advance(self.account, row, self.moment(owner)), self.performer(owner)
        command: Command = next(flow)
        while not (isinstance(command, Move) and command.event.name == event):
            command = flow.send(perform(command))
        held: list[Command] = [command]

        def finish() -> PayoutRow:
            command = held.pop()
            try:
                while True:
                    command = flow.send(perform(command))
            except StopIteration as end:
                row: PayoutRow = end.value
                return row

        return finish

    def end(self) -> list[str]:
        row = self.journals["a"].get(self.row.id)
        assert row is not None
        payout = row.view(self.journals["a"].history(row.id))
        for journal in self.journals.values():
            journal.close()
        end = End(payouts={row.key: payout}, world=self.world, lives=[], lost=frozenset(), journal=self.stage.journal)
        return broken_promises(end, visible_after_s=60.0)


def two_send_at_once(folder: Path) -> list[str]:
    """Both workers have the row in hand; one is about to write C2 when the other goes all the way."""
    pair = Pair(folder)
    finish = pair.until("payout.sending", "a", pair.row)
    pair.advance("b", pair.row)
    finish()
    return pair.end()


def one_looks_while_the_other_sends(folder: Path) -> list[str]:
    """One worker has sent and is about to write what became of it; the other comes by within the lease."""
    pair = Pair(folder)
    finish = pair.until("payout.succeeded", "a", pair.row)
    stored = pair.journals["b"].get(pair.row.id)
    assert stored is not None
    pair.advance("b", stored)
    finish()
    return pair.end()


def an_end_is_contradicted(folder: Path) -> list[str]:
    """The payout has succeeded; somebody asks again and is told that it failed."""
    pair = Pair(folder)
    row = pair.advance("a", pair.advance("a", pair.row), early=True)
    told = {"txn": row.references["txn"], "result": 17}
    callback = Callback("POST", {}, json.dumps(told).encode(), pair.stage.clock())
    run(flows.deliver(pair.account, row, callback, token="path"), pair.performer("a"))
    return pair.end()


def fence_is_not_compared(patch: Patch) -> None:
    moved = changes._move

    def blind(connection: sqlite3.Connection, entry: Move) -> Any:
        (fence,) = connection.execute("SELECT fence FROM payouts WHERE id = ?", (entry.before.id,)).fetchone()
        return moved(connection, replace(entry, before=replace(entry.before, fence=fence)))

    patch.setattr(changes, "_move", blind)
    patch.setattr(changes, "_refuse_forbidden", lambda *_: None)


def lease_is_ignored(patch: Patch) -> None:
    advanced = flows.advance

    def advance(account: Any, row: PayoutRow, moment: flows.Moment, *, early: bool = False) -> Flow[PayoutRow]:
        return advanced(account, replace(row, lease_until=None), moment, early=early)

    patch.setattr(flows, "advance", advance)


TWO: dict[str, tuple[Callable[[Patch], None], Callable[[Path], list[str]], str]] = {
    "the fence is not compared": (fence_is_not_compared, two_send_at_once, "paid 2 times"),
    "a lease is ignored": (lease_is_ignored, one_looks_while_the_other_sends, "a send was taken for dead"),
    "an end is overwritten": (ends_are_overwritten, an_end_is_contradicted, "SUCCEEDED was followed by FAILED"),
}


@pytest.mark.parametrize("name", TWO)
def test_a_rule_between_two_workers_is_found(name: str, folder: Path, monkeypatch: Patch, lines: list[str]) -> None:
    """The unbroken code keeps every promise in this interleaving, and the code with the rule broken does not."""
    broken, play, finding = TWO[name]
    (folder / "unbroken").mkdir()
    (folder / "broken").mkdir()
    assert play(folder / "unbroken") == []
    with monkeypatch.context() as patch:
        broken(patch)
        found = play(folder / "broken")
    assert any(finding in one for one in found), found
    lines.append(f"broken rule: {name}: {next(one for one in found if finding in one)}")
