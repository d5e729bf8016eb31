"""Payouts of every kind, two workers and a hostile provider in any order hypothesis can think of; all holds throughout.

The machine steps real flows over a real journal file, so a worker can stand still in the middle of a send while the
other goes on, the clock jumps, or a process dies. Each worker's commands are carried out one by one.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from promises import history_faults

from payments_core.domain.errors import DailyLimitReached, DecisionRefused, OverRefund
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Pause, PayoutRecord
from payments_core.domain.references import payout_id, uuid4_shaped
from payments_core.engine import OperatorDecision, StepContext, accept, advance, cancel, reissue, reopen, resolve, send
from payments_core.engine.commands import (
    AppendHistory,
    ApplyTransition,
    CreateAttempt,
    CreatePayout,
    DelayPayout,
    LoadAttempts,
)
from payments_core.engine.flow import Command, EngineFlow, PreflightAtOnce, Proceed, Reply, RunPreflight
from payments_core.engine.journal_protocol import Journal
from payments_core.http.flow import exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.journal import open_journal
from payments_core.provider import (
    Account,
    AccountRefused,
    Attempt,
    CheckOutcome,
    Draft,
    Duplicate,
    Facts,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    ProviderSpec,
    ReportedDetails,
    SubmitOutcome,
    Unknown,
)
from payments_core.settings import AccountSettings

S = PayoutStatus
NAMESPACE = "state-machine"
START = datetime(2026, 2, 2, 6, tzinfo=UTC)
VISIBLE_AFTER_S = 300.0
SETTLE_S = 3600.0
POLLS_S = (5.0, 15.0, 300.0, 300.0, 600.0, 1800.0)  # short enough for people to be asked
ANN = OperatorDecision("Ann", "the statement")
NO = Reason(ReasonCode.REJECTED)
KEYS = ("k/0", "k/1", "k/2", "k/3")
AMOUNT = Money("25", "EUR")
DAILY_LIMIT = Decimal(60)  # two of the four keys fit into a day
COLLECTED = Money("60", "EUR")  # of one collection, whose refunds all refunds are: two fit
COLLECTION = "collected-1"
FAULTS = ("pass", "lose", "accept_lose", "not_sent", "500", "accept_500", "429", "403", "refuse")


@dataclass
class Ledger:
    """The provider's side: takes a reference once, shows it after a while, settles it when told to.

    Its clock is its own: ours may jump, and a payment does not become visible sooner for that.
    """

    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    credited: Counter[str] = field(default_factory=Counter)
    posts: list[HttpRequest] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    reads_fail: bool = False

    def answer(self, request: HttpRequest, at: datetime, passed_s: float) -> HttpResponse:
        reference = request.url.rsplit("/", 1)[1]
        if request.moves_money:
            return HttpResponse(self._post(reference, request, at, passed_s), {}, b"", at)
        if self.reads_fail:
            raise NoAnswer("timed out", at=at)
        kept = self.taken.get(reference)
        if kept is None or passed_s < kept["visible_s"]:
            return HttpResponse(404, {}, b"", at)
        return HttpResponse(200, {}, str(kept["state"]).encode(), at)

    def _post(self, reference: str, request: HttpRequest, at: datetime, passed_s: float) -> int:
        fault = self.faults.pop(0) if self.faults else "pass"
        if fault == "not_sent":
            raise NotSent("refused", at=at)
        self.posts.append(request)
        if fault in {"pass", "accept_lose", "accept_500"}:
            status = 409 if reference in self.taken else 202
            self.taken.setdefault(reference, {"state": "PENDING", "visible_s": passed_s + 200})
            if fault == "pass":
                return status
        if fault.endswith("lose"):
            raise NoAnswer("timed out", at=at)
        return {"500": 500, "accept_500": 500, "429": 429, "403": 403, "refuse": 400}[fault]

    def settle(self, reference: str, *, good: bool) -> None:
        kept = self.taken[reference]
        if kept["state"] == "PENDING":
            kept["state"] = "SUCCESSFUL" if good else "FAILED"
            self.credited[reference] += good


class BankSettings(AccountSettings):
    """Nothing of its own."""

    currency: str = "EUR"


class BankProvider:
    """Speaks with the bank."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        reference = uuid4_shaped(attempt.seed)
        request = HttpRequest("POST", f"http://bank.invalid/{reference}", "pay", moves_money=True, credential=False)
        return Draft({"reference": reference}, request, order)

    def submit(self, draft: Draft) -> EngineFlow[SubmitOutcome]:
        answer = yield from exchange(draft.request)
        return SUBMITTED.get(answer.status, Unknown(http_status=answer.status))

    def check(self, draft: Draft) -> EngineFlow[CheckOutcome]:
        answer = yield from exchange(HttpRequest("GET", draft.request.url, "status", repeatable=True, credential=False))
        seen = ReportedDetails(amount=Decimal(25), currency="EUR", payee=draft.order.payee.value)
        if answer.status == 404:
            return NotFound()
        if answer.text == "PENDING":
            return Pending(seen=seen)
        return Final(reason=NO if answer.text == "FAILED" else None, seen=seen)

    def binding(self, operation: Operation) -> Mapping[str, str]:
        return {"bank": "one"}


SUBMITTED: Mapping[int, SubmitOutcome] = {
    202: Pending(),
    409: Duplicate(),
    429: NotAccepted(http_status=429),
    403: AccountRefused(NO, 403),
    400: Final(reason=NO, http_status=400),
}


def bank_account(*, is_limited: bool = False) -> Account:
    spec = ProviderSpec(
        name="bank",
        title="Ledger",
        settings=BankSettings,
        build=BankProvider,
        operations=frozenset(Operation),
        facts=Facts(resend="safe", dedupe_window_s=86_400.0, visible_after_s=VISIBLE_AFTER_S, dedupe_settle_s=SETTLE_S),
    )
    limit = {"daily_limit": {"EUR": DAILY_LIMIT}} if is_limited else {}
    values = BankSettings.model_validate({"provider": "bank", "poll_schedule_s": POLLS_S, **limit})
    return Account("till", spec, values, BankProvider())


def order_of(key: str, operation: Operation) -> Order:
    if operation is Operation.REFUND:
        return Order(key, Payee.payer_of(COLLECTION), AMOUNT, operation, original_amount=COLLECTED)
    return Order(key, Payee("msisdn", f"4673312349{key[-1]}"), AMOUNT, operation)


def may_have_refunded(row: PayoutRecord) -> bool:
    return row.order.operation is Operation.REFUND and row.status not in {S.FAILED, S.CANCELLED}


@dataclass
class Worker:
    """One process: its own connection, and at most one flow it is in the middle of."""

    owner: str
    journal: Journal
    flow: Generator[Command, Reply, PayoutRecord] | None = None
    command: Command | None = None


class Payouts(RuleBasedStateMachine):
    """The machine."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.now, self.passed_s = START, 0.0
        self.bank, self.account = Ledger(), bank_account()
        self.lives = itertools.count()
        self.acknowledged: set[str] = set()
        self.orders: dict[str, Order] = {}
        self.ends: dict[str, tuple[S, int]] = {}
        self.days: set[str] = set()
        self.copies = itertools.count()
        self.file = "0.db"
        self.workers: dict[str, Worker] = {}

    @initialize(is_limited=st.booleans())
    def open(self, is_limited: bool) -> None:
        self.account = bank_account(is_limited=is_limited)
        self.workers = {name: self._born(name) for name in "ab"}

    def _born(self, name: str) -> Worker:
        fields = {"namespace": NAMESPACE, "root": self.folder, "make": True}
        journal = open_journal(f"sqlite:///{self.file}", **fields, clock=lambda: self.now)
        return Worker(f"{name}{next(self.lives)}", journal)

    def _moment(self, worker: Worker) -> StepContext:
        return StepContext(self.now, worker.owner, lambda: f"token{next(self.lives)}", NAMESPACE)

    def _execute(self, worker: Worker, command: Command) -> Reply:
        if isinstance(command, PreflightAtOnce):
            return Proceed(self.now)
        if isinstance(command, RunPreflight):
            return Proceed(self.now)
        if isinstance(command, HttpRequest):
            if command.send_before is not None and self.now >= command.send_before:
                raise NotSent("too late", at=self.now)
            return self.bank.answer(command, self.now, self.passed_s)
        kinds = CreatePayout | ApplyTransition | AppendHistory | DelayPayout | CreateAttempt | LoadAttempts
        assert isinstance(command, kinds)
        return worker.journal.execute(command)

    # --- what may happen ---

    @rule(
        key=st.sampled_from(KEYS),
        operation=st.sampled_from((*Operation, Operation.REFUND)),  # twice: refunds stand in each other's way
        name=st.sampled_from("ab"),
        expires=st.booleans(),
        fault=st.sampled_from(FAULTS),
        steps=st.integers(0, 12),
        at_once=st.booleans(),
    )
    def send(
        self, key: str, operation: Operation, name: str, expires: bool, fault: str, steps: int, at_once: bool
    ) -> None:
        """The application sends a key, perhaps not for the first time; a payment on the wire will end so."""
        worker = self.workers[name]
        self.finish(worker)
        order = self.orders.get(key) or order_of(key, operation)
        if expires:
            order = replace(order, expires_at=START + timedelta(hours=2))
        if at_once and operation is not Operation.REFUND and order.original_amount is None:
            self.orders[key] = order
            self.bank.faults.append(fault)
            self._begin(worker, self._sending(worker, order), steps)
            self.acknowledged |= {key} if worker.journal.by_key(key) is not None else set()
            return
        flow = accept(self.account, order, self._moment(worker))
        try:
            row = run_flow(flow, lambda command: self._execute(worker, command)).row
        except OverRefund:
            left = COLLECTED.amount - sum(
                row.order.amount.amount for row in worker.journal.rows() if may_have_refunded(row)
            )
            assert left < AMOUNT.amount, f"refused although {left} is left"
            assert worker.journal.by_key(key) is None, "refused and written down all the same"
            return
        except DailyLimitReached:
            assert worker.journal.by_key(key) is None, "refused and written down all the same"
            return
        self.orders[key] = order
        self.acknowledged.add(key)
        self.bank.faults.append(fault)
        self._take_up(worker, row, steps)

    def _sending(self, worker: Worker, order: Order) -> EngineFlow[PayoutRecord]:
        """Write a payout down and send it in the same breath, or go on with the one that is there."""
        created = yield from send(self.account, order, self._moment(worker), payout_id(NAMESPACE, order.key))
        if created.created and created.row.status is not S.CREATED:
            return created.row
        return (yield from advance(self.account, created.row, self._moment(worker)))

    @rule(name=st.sampled_from("ab"), pick=st.integers(0, 3), early=st.booleans(), steps=st.integers(1, 12))
    def work(self, name: str, pick: int, early: bool, steps: int) -> None:
        """A worker goes on with what it is in, or takes up a payout, for a few commands."""
        worker = self.workers[name]
        rows = list(worker.journal.rows())
        if worker.flow is not None:
            self._go_on(worker, steps)
        elif rows:
            row = rows[pick % len(rows)]
            self._take_up(worker, row, steps, early=early and row.status is not S.CREATED)

    @rule(name=st.sampled_from("ab"), steps=st.integers(1, 12), fault=st.sampled_from(FAULTS))
    def work_when_due(self, name: str, steps: int, fault: str) -> None:
        """Time passes until something is due, and a worker takes it up; a payment on the wire will end so."""
        worker = self.workers[name]
        self.finish(worker)
        moment = worker.journal.next_due(accounts=["till"])
        if moment is not None:
            self._pass(max((moment - self.now).total_seconds(), 0.0))
            self.bank.faults[:] = [fault]
            for row in worker.journal.due(self.now, accounts=["till"], limit=1):
                self._take_up(worker, row, steps)

    def _take_up(self, worker: Worker, row: PayoutRecord, steps: int, *, early: bool = False) -> None:
        self._begin(worker, advance(self.account, row, self._moment(worker), early=early), steps)

    def _begin(self, worker: Worker, flow: EngineFlow[PayoutRecord], steps: int) -> None:
        worker.flow = flow
        self._step(worker, start=True)
        self._go_on(worker, steps)

    def _go_on(self, worker: Worker, steps: int) -> None:
        for _ in range(steps):
            if worker.flow is not None:
                self._step(worker)

    def _step(self, worker: Worker, *, start: bool = False) -> None:
        flow = worker.flow
        assert flow is not None
        try:
            if start:
                worker.command = next(flow)
                return
            assert worker.command is not None
            try:
                reply = self._execute(worker, worker.command)
            except (NotSent, NoAnswer) as ended:
                worker.command = flow.throw(ended)
            else:
                worker.command = flow.send(reply)
        except (StopIteration, DecisionRefused, OverRefund, DailyLimitReached):
            worker.flow = worker.command = None

    def finish(self, worker: Worker) -> None:
        """Let a worker go on to the end of what it is in."""
        while worker.flow is not None:
            self._step(worker)

    @rule(name=st.sampled_from("ab"), pick=st.integers(0, 3), gives_back=st.booleans(), steps=st.integers(1, 12))
    def decide(self, name: str, pick: int, gives_back: bool, steps: int) -> None:
        """A person decides about a payout in review, by the bank's own books once these say something."""
        worker = self.workers[name]
        self.finish(worker)
        self._nothing_is_sent_late()
        rows = list(worker.journal.rows(status=S.REVIEW))
        if not rows:
            return
        row = rows[pick % len(rows)]
        moment, references = self._moment(worker), self._references(row, worker.journal)
        if gives_back:
            self._begin(worker, reopen(self.account, self.account, row, person=ANN, moment=moment), steps)
        elif all(self.bank.taken.get(one, {}).get("state") != "PENDING" for one in references):
            paid = any(self.bank.credited[one] for one in references)
            self._begin(worker, resolve(self.account, row, paid=paid, person=ANN, moment=moment), steps)

    @rule(
        name=st.sampled_from("ab"),
        pick=st.integers(0, 3),
        waits=st.booleans(),
        fault=st.sampled_from(FAULTS),
        steps=st.integers(1, 12),
    )
    def reissue(self, name: str, pick: int, waits: bool, fault: str, steps: int) -> None:
        """A person pays again what failed, too early or in time; a payment on the wire will end so."""
        worker = self.workers[name]
        self.finish(worker)
        self._nothing_is_sent_late()
        rows = list(worker.journal.rows(status=S.FAILED))
        if rows:
            if waits:
                self._pass(SETTLE_S + 90)
            self.bank.faults[:] = [fault]
            row = rows[pick % len(rows)]
            self._begin(worker, reissue(self.account, row, person=ANN, moment=self._moment(worker)), steps)

    @rule(name=st.sampled_from("ab"), pick=st.integers(0, 3), steps=st.integers(1, 12))
    def cancel(self, name: str, pick: int, steps: int) -> None:
        """A person wants a payout cancelled, whatever has become of it, while the other worker may be sending it."""
        worker = self.workers[name]
        self.finish(worker)
        rows = list(worker.journal.rows())
        if rows:
            row = rows[pick % len(rows)]
            self._begin(worker, cancel(self.account, row, person=ANN, moment=self._moment(worker)), steps)

    def _nothing_is_sent_late(self) -> None:
        """Nobody decides about what a sleeper may still send: only a clock set far back would let it, and none helps.

        People decide long after the last moment at which a try can leave, as that clock tells it.
        """
        for worker in self.workers.values():
            if isinstance(worker.command, HttpRequest) and worker.command.moves_money:
                self.finish(worker)

    def _references(self, row: PayoutRecord, journal: Journal) -> list[str]:
        """Return the reference of every attempt, the current one last."""
        ended = [attempt.references["reference"] for attempt in journal.attempts(row.id)]
        return [*ended, row.attempt.references["reference"]]

    @rule(name=st.sampled_from("ab"))
    def crash(self, name: str) -> None:
        """A process dies with all it knew, and another takes its place."""
        self._discard(self.workers[name])
        self.workers[name] = self._born(name)

    @rule()
    def power_cut(self) -> None:
        """Both die at once; the next ones open the bytes that lie on disk."""
        new = f"{next(self.copies) + 1}.db"
        for suffix in ("", "-wal"):
            if (self.folder / (self.file + suffix)).exists():
                shutil.copy(self.folder / (self.file + suffix), self.folder / (new + suffix))
        for worker in self.workers.values():
            self._discard(worker)
        self.file = new
        self.workers = {name: self._born(name) for name in "ab"}

    def _discard(self, worker: Worker) -> None:
        if worker.flow is not None:
            worker.flow.close()
        worker.journal.close()

    @rule(seconds=st.sampled_from([1, 20, 95, 300, 4000]))
    def time_passes(self, seconds: int) -> None:
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.passed_s += seconds

    @rule(what=st.sampled_from(["clock back", "clock far back", "clock forward", "reads", "pause", "unpause"]))
    def something_turns(self, what: str) -> None:
        """Our clock is set though no time passes, reads break or mend, a person pauses or goes on."""
        if what.startswith("clock"):
            self.now += timedelta(seconds={"clock back": -30, "clock far back": -600, "clock forward": 30}[what])
        elif what == "reads":
            self.bank.reads_fail = not self.bank.reads_fail
        elif what == "pause":
            self.workers["a"].journal.set_pause(Pause(None, self.now, "stop"))
        else:
            self.unpause()

    def unpause(self) -> None:
        for account in (None, "till"):
            self.workers["b"].journal.lift_pause(account)

    @precondition(lambda self: self.bank.taken)
    @rule(pick=st.integers(0, 3), good=st.booleans())
    def settle(self, pick: int, good: bool) -> None:
        """The provider ends a payment, late or soon, well or badly."""
        self.bank.settle(sorted(self.bank.taken)[pick % len(self.bank.taken)], good=good)

    # --- what must hold ---

    @invariant()
    def all_promises_hold(self) -> None:
        if not self.workers:
            return
        journal = self.workers["a"].journal
        rows = {row.order.key: row for row in journal.rows()}
        assert self.acknowledged <= rows.keys(), "an acknowledged key is lost"
        for row in rows.values():
            self._holds(row, journal)
        refunds = {
            one
            for row in rows.values()
            if row.order.operation is Operation.REFUND
            for one in self._references(row, journal)
        }
        moved = [one for reference, one in self.bank.taken.items() if reference in refunds and one["state"] != "FAILED"]
        assert len(moved) * AMOUNT.amount <= COLLECTED.amount, "more refunded than collected"
        self._budgets_hold(rows.values(), journal)
        written = sum(row.order.amount.amount for row in rows.values() if may_have_refunded(row))
        assert written <= COLLECTED.amount, "more refunds written down than collected"

    def _budgets_hold(self, rows: Collection[PayoutRecord], journal: Journal) -> None:
        """What is reserved from a day is what payouts hold of it, within the limit; what may be paid holds some."""
        names = {name for row in rows for name in row.attempt.budgets} | self.days
        self.days = names
        for name, state in journal.budgets(names).items():
            held = sum(row.order.amount.amount for row in rows if name in row.attempt.budgets)
            assert state.reserved == held, f"{state.reserved} is reserved, and {held} held"
            assert held <= DAILY_LIMIT, "more in a day than its limit"
        for row in rows:
            kept = self.bank.taken.get(row.attempt.references["reference"])
            if self.account.settings.daily_limit and kept is not None and kept["state"] != "FAILED":
                assert row.attempt.budgets, f"{row.status} without a reservation"

    def _holds(self, row: PayoutRecord, journal: Journal) -> None:
        *earlier, reference = references = self._references(row, journal)
        assert len(set(references)) == row.attempt.number, "two attempts share a reference"
        assert sum(self.bank.credited[one] for one in references) <= 1, "paid twice"
        posts = [post for post in self.bank.posts if post.url.endswith(reference)]
        assert len({(post.url, post.body) for post in posts}) <= 1
        assert len(posts) <= row.attempt.submissions
        if row.status is S.SUCCEEDED:
            assert any(self.bank.credited[one] for one in references)
        for one in earlier:
            kept = self.bank.taken.get(one)
            assert kept is None or kept["state"] == "FAILED", "paid again although it may still be paid"
        if row.status in {S.FAILED, S.CREATED}:
            kept = self.bank.taken.get(reference)
            in_flight = row.status is S.CREATED and any(worker.flow for worker in self.workers.values())
            assert kept is None or kept["state"] == "FAILED" or in_flight, f"{row.status} although it was taken"
        if row.status is S.CANCELLED:
            assert reference not in self.bank.taken, "cancelled although it was taken"
        if row.order.key in self.ends:
            end, attempt = self.ends[row.order.key]
            paid_again = end is S.FAILED and row.attempt.number > attempt
            assert (row.status, row.attempt.number) == (end, attempt) or paid_again, "an end was left"
        if row.status.is_final:
            self.ends[row.order.key] = row.status, row.attempt.number
        assert history_faults(journal.history(row.id), row.status, visible_after_s=VISIBLE_AFTER_S) == []

    def teardown(self) -> None:
        """Mend everything and let time pass: every payout comes to an end or to REVIEW."""
        try:
            if self.workers:
                self._settle_all()
        finally:
            for worker in self.workers.values():
                self._discard(worker)
            shutil.rmtree(self.folder)

    def _settle_all(self) -> None:
        for worker in self.workers.values():
            self.finish(worker)
        self.bank.faults.clear()
        self.bank.reads_fail = False
        self.unpause()
        worker = self.workers["a"]
        for _ in range(400):
            for reference in self.bank.taken:
                self.bank.settle(reference, good=True)
            moment = worker.journal.next_due(accounts=["till"])
            if moment is None:
                break
            self._pass(max((moment - self.now).total_seconds(), 0.0))
            for row in worker.journal.due(self.now, accounts=["till"], limit=10):
                self._take_up(worker, row, 100)
        self.all_promises_hold()
        left = [row.status for row in worker.journal.rows() if not row.status.is_final and row.status is not S.REVIEW]
        assert left == [], "a payout never came to an end"


EXAMPLES = int(os.environ.get("PAYMENTS_CRASH_EXAMPLES", "40"))
TestPayouts = Payouts.TestCase
TestPayouts.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    database=None,
)
