"""The simulation itself: who takes the next step, and when time goes on."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from crash_points.scenario import Stopped

from payments_core.domain.references import payout_id
from payments_core.http.messages import HttpRequest
from payout_simulation.batches import SimulatedBatches
from payout_simulation.callback_traffic import CallbackTraffic, Messenger
from payout_simulation.gateway import Gateway
from payout_simulation.guards import plugins_of
from payout_simulation.identities import Identities
from payout_simulation.invariant_checker import InvariantChecker
from payout_simulation.ledger import BANKS, Counts, Ledger, RequestFields
from payout_simulation.operators import ACTS, People
from payout_simulation.outcome import Outcome
from payout_simulation.plan import TROUBLES, Plan
from payout_simulation.process import NAMESPACE, Process, World
from payout_simulation.seeded_random import SeededRandom, stream
from payout_simulation.simulated_time import MINUTE, SECOND, Time
from payout_simulation.store import SqliteStore, Store
from payout_simulation.task import advancing, paying
from payout_simulation.workload import PlannedOrder, fate_of, planned_orders

__all__ = ["simulate"]

_NAMES = ("till-1", "till-2")
_LARGEST_BATCH = 12
_SHARE_OF_RACES = 0.1
_SHARE_OF_LOOKS_SPARED = 0.6
_STEPS_EACH, _STEPS_MORE = 3000, 50_000
_FARTHEST_US = 5 * MINUTE  # how wrong the clock is set
_PUT_OFF_US = 10 * MINUTE  # until what a stopped batch has refused is sent again
_FOR_EVER_US = 1000 * 3600 * SECOND


def simulate(plan: Plan, store: Store | None = None) -> Outcome:
    """Play a plan to its end, or to the first breach.

    Args:
        plan: What to simulate.
        store: Where the journal is; a SQLite file when not given. It is used up.

    """
    kept = store or SqliteStore()
    try:
        simulation = _Simulation(plan, kept)
        try:
            return simulation.play()
        finally:
            simulation.close()
    finally:
        kept.close()


class _Simulation:
    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan = plan
        self.store = store
        self.chance = stream(plan.seed, "steps")
        self.time = Time()
        self.troubles: Counter[str] = Counter()
        self.steps = 0
        self._lot = SeededRandom(plan.kept(TROUBLES))
        self._lives = 0
        self._stirred = True  # something may be due that nobody is at
        self._left_alone = False  # something was due, but others were at it
        desk = self._desk = store.open(NAMESPACE, self.time)  # where people pause, and the watch looks
        kinds = [kind for kind in BANKS if kind != "deferred" or plan.has("deferred")]
        facts = {name: BANKS[self.chance.choice(kinds)] for name in _NAMES}
        self.batches = SimulatedBatches(plan, planned_orders(plan, _NAMES), desk, self.time)
        planned_payouts = self.batches.planned
        ids = [payout_id(NAMESPACE, planned.order.key) for planned in planned_payouts]
        self.identities = Identities(plan, facts)
        accounts, mail, gateways, counts = self.identities.accounts(), CallbackTraffic(), {}, Counts()
        for name in _NAMES:
            others = tuple(other for other in _NAMES if other != name)
            messenger = Messenger((name, *others), self.time, plan, mail)
            bank = Ledger(facts[name], functools.partial(fate_of, plan), messenger.taken, counts)
            arrived: Callable[[HttpRequest, RequestFields], None] = lambda *payload: self.watch.arrived(*payload)  # noqa: E731 - made below
            gateways[name] = Gateway(name, bank, self.time, plan, arrived, messenger.answer)
            messenger.gateway = gateways[name]
        by_id = dict(zip(ids, planned_payouts, strict=True))
        self.watch = InvariantChecker(self.time, accounts, gateways, by_id, desk, self.batches)
        guarded = plan.has("guards") and self.chance.random() < 0.2
        plugins = plugins_of(plan.seed, guarded=guarded)
        self.world = World(plan, self.time, accounts, gateways, mail, plugins, self.watch)
        self.people = People(self.world, stream(plan.seed, "people"), desk, ids, self.batches)
        self.planned_payouts = planned_payouts
        self.to_send = [(planned.at_us, number, planned) for number, planned in enumerate(planned_payouts)]
        heapify(self.to_send)
        self._resent = len(planned_payouts)
        self.in_hand: dict[str, PlannedOrder] = {}  # given to the application's process, which has not answered yet
        self.processes = [self._born("application"), *(self._born(f"worker-{n + 1}") for n in range(plan.workers))]

    # --- the loop ---

    def play(self) -> Outcome:
        """Take steps until nothing is left to do."""
        watch = self.watch
        most = self.plan.payouts * _STEPS_EACH + _STEPS_MORE
        while not watch.breaches:
            self.steps += 1
            if self.steps > most:
                watch.broken("never comes to rest", "", f"still at work after {most} steps")
                break
            if self.chance.random() < self.plan.trouble and self._lot:
                self._disturb(self._lot.draw(self.chance))
            may = self._possible()
            if may:
                self._step(*may[self.chance.randrange(len(may))])
                watch.money()
                if watch.news:
                    self.people.hear(watch.news)
                    watch.news.clear()
            elif not self._let_time_pass():
                self._settle_all()
                break
        return self._outcome()

    def _possible(self) -> list[tuple[Process, Callable[[], None]]]:
        """Return every step that somebody could take at this moment."""
        now_us, found = self.time.passed_us, []
        arrives_us, wants = self.world.mail.next_us, self.people.wants
        arrives, hands = arrives_us is not None and arrives_us <= now_us, self.plan.hands
        for process in self.processes:
            if process.frozen_until_us > now_us:
                continue
            tasks = process.tasks
            found += [(process, task.step) for task in tasks if task.ready_us <= now_us]
            if process is self.processes[0]:
                if len(tasks) < hands and self.to_send and self.to_send[0][0] <= now_us:
                    found.append((process, self._send_next))
                continue
            if len(tasks) < hands and (wants or process.batch or self._stirred):
                found.append((process, functools.partial(self._take_up_due, process)))
            if arrives:
                found.append((process, functools.partial(self._receive, process)))
            if self.world.unhandled:
                found.append((process, process.handle))
        return found

    def _step(self, process: Process, step: Callable[[], None]) -> None:
        at_work = len(process.tasks)
        try:
            step()
        except Stopped:
            self._discard(process)
        except Exception as error:  # noqa: BLE001 - a flow that breaks is a finding, not the end of the search
            self.watch.broken("a flow broke", payout_id(NAMESPACE, process.about), f"{type(error).__name__}: {error}")
        for planned in self.batches.put_off:
            self._resent += 1
            heappush(self.to_send, (self.time.passed_us + _PUT_OFF_US, self._resent, planned))
        self.batches.put_off.clear()
        self._stirred |= self.watch.made_due() or (self._left_alone and len(process.tasks) < at_work)

    def _send_next(self) -> None:
        process = self.processes[0]
        _, _, planned = heappop(self.to_send)
        self.in_hand[planned.order.key] = planned
        process.about = planned.order.key
        process.take_up(planned.order.key, paying(process, planned))

    def _take_up_due(self, process: Process) -> None:
        if self.people.wants:
            wanted = self.people.act(process)
            if wanted is not None:
                row, work = wanted
                process.about = row.order.key
                process.take_up(row.order.key, work)
            return
        if not process.batch:
            limit = self.chance.randint(2, _LARGEST_BATCH)
            due = process.journal.due(self.time(), accounts=_NAMES, limit=limit)
            process.batch = [row for row in due if self._is_taken_up(process, row.order.key)]
            self.chance.shuffle(process.batch)
            if not process.batch:
                self._stirred, self._left_alone = False, bool(due)
                return
            if len(due) < limit and self.chance.random() < _SHARE_OF_LOOKS_SPARED:
                self._stirred, self._left_alone = False, True  # that was all there is, until somebody is done
        row = process.batch.pop()
        process.about = row.order.key
        process.take_up(row.order.key, advancing(process, row))

    def _receive(self, process: Process) -> None:
        """Take in a letter; who hears nothing of it sends it once more."""
        letter = self.world.mail.take()
        try:
            process.receive(letter)
        except Stopped:
            self.world.mail.post(self.time.passed_us + self.chance.randrange(10 * MINUTE), letter)
            raise

    def _is_taken_up(self, process: Process, key: str) -> bool:
        """Say whether a process takes up what is due: seldom what another is at, as two seldom look at one moment."""
        if any(task.about == key for task in process.tasks):
            return False
        taken = any(task.about == key for other in self.processes for task in other.tasks)
        return not taken or self.chance.random() < _SHARE_OF_RACES

    def _let_time_pass(self) -> bool:
        """Let time pass until somebody can go on; False when nobody will ever."""
        now_us = self.time.passed_us
        moments = [frozen for process in self.processes if (frozen := process.frozen_until_us) > now_us]
        for process in self.processes:
            if process.frozen_until_us <= now_us:
                moments += [task.ready_us for task in process.tasks]
        moments += [self.to_send[0][0]] if self.to_send else []
        moments += self.people.next_us
        if (arrives_us := self.world.mail.next_us) is not None:
            moments.append(arrives_us)
        due_at = self._desk.next_due(accounts=_NAMES)
        due_us = _FOR_EVER_US if due_at is None else self.time.passed_at(due_at)
        later = [moment for moment in (*moments, due_us) if now_us < moment < _FOR_EVER_US]
        if not later:
            guards_passed = self.people.clear_up()
            self._stirred |= guards_passed
            return guards_passed
        self.time.reach(min(later))
        self._stirred |= self.people.lift_due() or due_us <= self.time.passed_us
        return True

    def _settle_all(self) -> None:
        for process in self.processes:
            self._discard(process)
        for gateway in self.world.gateways.values():
            gateway.bank.tick(_FOR_EVER_US)
        self.watch.ended(self.store.published())

    # --- what befalls us ---

    def _disturb(self, what: str) -> None:
        # Most often somebody who is in the middle of something: there it hurts.
        busy = [process for process in self.processes if process.tasks and self.chance.random() < 0.9]
        process = self.chance.choice(busy or self.processes)
        planned = self.chance.choice(self.planned_payouts)
        self.troubles[what] += 1
        match what:
            case "kill":
                self._discard(process)
            case "kill-inside":
                process.doomed = True
            case "power-cut":
                for one in list(self.processes):
                    self._discard(one)
            case "freeze":
                process.frozen_until_us = self.time.passed_us + self.chance.randrange(5 * MINUTE)
                self.world.note(process.name, "", f"stands still for {process.frozen_until_us / SECOND:.0f} s")
            case "clock":
                self.time.set_clock(self.chance.randrange(-_FARTHEST_US, _FARTHEST_US))
                self.world.note("clock", "", f"is set to {self.time():%d %H:%M:%S}")
                self._stirred = True
            case "pause":
                self.people.pause(_NAMES)
            case "identity" | "identity-gone":
                self._change_identity(self.chance.choice(_NAMES), keeps=what == "identity")
            case _ if what in ACTS:
                self.people.disturb(what)
            case _:
                self._send_again(planned.other_intent if what == "other-intent" else planned)

    def _change_identity(self, name: str, *, keeps: bool) -> None:
        """Another configuration, and whoever does not start anew at once does so at its next step."""
        self.identities.change(name, keeps=keeps)
        self.world.accounts = self.identities.accounts()
        self.world.note("person", "", f"lets {name} pay as somebody else{'' if keeps else ', and forgets as whom'}")
        for process in list(self.processes):
            if self.chance.random() < 0.8:
                self._discard(process)
            else:
                process.doomed = True

    def _send_again(self, planned: PlannedOrder) -> None:
        if self.watch.acknowledged >= {planned.order.key}:
            self._resent += 1
            heappush(self.to_send, (self.time.passed_us, self._resent, planned))

    # --- lives ---

    def _born(self, role: str) -> Process:
        self._lives += 1
        on_loop = self.plan.has("async") and role[-1] in "258"
        return Process(f"{role}/{self._lives}", self.world, self.store.open(NAMESPACE, self.time), on_loop=on_loop)

    def _discard(self, process: Process) -> None:
        """Let a process die with all it knew; another takes its place, at once or after a while."""
        self.world.note(process.name, "", "dies")
        place = self.processes.index(process)
        process.discard()
        self.processes[place] = self._born(process.name.partition("/")[0])
        self._stirred = True  # what it was at may be due
        if self.chance.random() < 0.3:
            self.processes[place].frozen_until_us = self.time.passed_us + self.chance.randrange(3 * MINUTE)
        if place == 0:  # it comes back with its own table, and sends what it has no answer to
            for key, planned in self.in_hand.items():
                forgets = self.chance.random() < 0.3
                if key not in self.watch.refused and (forgets or key not in self.watch.acknowledged):
                    self._resent += 1
                    heappush(self.to_send, (self.time.passed_us, self._resent, planned))
            self.in_hand.clear()

    def close(self) -> None:
        """Give every connection back."""
        for process in self.processes:
            process.discard()
        self._desk.close()
        self.world.close()

    def _outcome(self) -> Outcome:
        rows = self.watch.rows.values()
        calls = sum((gateway.calls for gateway in self.world.gateways.values()), Counter[str]())
        return Outcome(
            plan=self.plan,
            breaches=tuple(self.watch.breaches),
            statuses=Counter(str(row.status) for row in rows),
            calls=calls,
            troubles=self.troubles,
            callbacks=self.world.mail.counts,
            refusals=self.world.refusals,
            figures=self.watch.figures,
            longest_doubt_s=self.watch.longest_doubt_s,
            steps=self.steps,
            simulated_s=self.time.passed_us / SECOND,
            trace=self.world.trace,
        )
