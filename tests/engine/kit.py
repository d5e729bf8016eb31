"""A made-up account, rows in any state, and a stage on which a flow meets a real journal and scripted answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from flat_records import make_record

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event, PayoutRecord
from payments_core.domain.references import payout_id
from payments_core.engine import (
    OperatorDecision,
    StepContext,
    accept,
    advance,
    answer,
    approve,
    cancel,
    reissue,
    reopen,
    resolve,
    send,
    token_hash,
)
from payments_core.engine.commands import CreatePayout, CreateResult
from payments_core.engine.flow import (
    Command,
    EngineFlow,
    PreflightAtOnce,
    PreflightResult,
    Proceed,
    ReadAs,
    Reply,
    RunPreflight,
)
from payments_core.engine.journal_protocol import Journal
from payments_core.http.flow import exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.journal import open_journal
from payments_core.provider import (
    Account,
    Attempt,
    Callback,
    CheckOutcome,
    Draft,
    Facts,
    Final,
    Pending,
    ProviderSpec,
    ReportedDetails,
    SubmitOutcome,
    Unknown,
)
from payments_core.settings import AccountSettings

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
NAMESPACE = "engine-tests"
STORE = "sqlite:///payouts.db"
ACCOUNT = "till"
OURS = ReportedDetails(amount=Decimal(25), currency="EUR", payee="46733123499", external_id="x-1")
MakeStage = Callable[..., Any]  # the fixture ``stage``
SAFE: dict[str, Any] = {"resend": "safe", "dedupe_window_s": 86_400.0, "visible_after_s": 300.0}


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


class FakeSettings(AccountSettings):
    """Nothing of its own."""

    provider: Literal["fake"] = "fake"
    currency: str = "EUR"


@dataclass
class Fake:
    """A provider whose flows are given by the test."""

    submitting: Callable[[Draft], EngineFlow[SubmitOutcome]] | None = None
    checking: Callable[[Draft], EngineFlow[CheckOutcome]] | None = None
    answer: CheckOutcome = field(default_factory=Unknown)
    host: str = "fake.invalid"
    marks: Mapping[str, Any] = field(default_factory=lambda: {"moves_money": True})
    drafts: Callable[[Order], None] = lambda _: None
    drafts_read: list[Draft] = field(default_factory=list)

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        assert (type(order), type(attempt.number), type(attempt.payout_id)) == (Order, int, str)
        self.drafts(order)
        reference = hashlib.sha256(attempt.seed).hexdigest()[:8]
        request = HttpRequest("POST", f"http://{self.host}/pay/{reference}", "pay", body="{}", **self.marks)
        return Draft({"reference": reference, "external_id": "x-1"}, request, order)

    def submit(self, draft: Draft) -> EngineFlow[SubmitOutcome]:
        assert isinstance(draft.order, Order)
        assert draft.references
        return self.submitting(draft) if self.submitting else plain_submit(draft)

    def check(self, draft: Draft) -> EngineFlow[CheckOutcome]:
        assert isinstance(draft.order, Order)
        assert draft.references
        return self.checking(draft) if self.checking else plain_check(draft)

    def read_answer(self, draft: Draft, callback: Callback) -> CheckOutcome:
        assert (type(draft), type(callback)) == (Draft, Callback)
        self.drafts_read.append(draft)
        return self.answer

    def binding(self, operation: Operation) -> Mapping[str, str]:
        Operation(operation)  # a provider may pay each of them as somebody else
        return {"host": self.host}


def plain_submit(draft: Draft) -> EngineFlow[SubmitOutcome]:
    yield from exchange(draft.request)
    return Pending()


def plain_check(draft: Draft) -> EngineFlow[CheckOutcome]:
    yield from exchange(read_request(draft))
    return Unknown()


def read_request(draft: Draft) -> HttpRequest:
    return HttpRequest("GET", draft.request.url, "status", repeatable=True)


def account_of(
    provider: Fake | None = None, *, name: str = ACCOUNT, settings: Mapping[str, Any] | None = None, **facts: Any
) -> Account:
    """Return an account; safe to send again unless told otherwise."""
    spec = ProviderSpec(
        name="fake",
        title="Fake",
        settings=FakeSettings,
        build=type(provider) if provider else Fake,
        operations=frozenset(Operation),
        options=dict.fromkeys(Operation, frozenset({"*"})),
        facts=Facts(**{**SAFE, **facts}),
    )
    values = FakeSettings.model_validate(settings or {})
    return Account(name, spec, values, provider or Fake())


def order_of(**changes: Any) -> Order:
    return replace(Order("k/1", Payee("msisdn", "46733123499"), Money("25", "EUR")), **changes)


def row_of(status: PayoutStatus = PayoutStatus.SENDING, **changes: Any) -> PayoutRecord:
    """Return a row of one try, as it stands after C2 unless told otherwise."""
    order = order_of()
    given: dict[str, Any] = {
        "id": "po_x",
        "key": order.key,
        "fingerprint": order.fingerprint,
        "account": ACCOUNT,
        "operation": Operation.TRANSFER,
        "payee_kind": "msisdn",
        "payee_value": order.payee.value,
        "amount": order.amount.amount,
        "currency": "EUR",
        "binding": {"host": "fake.invalid"},
        "references": {"reference": "r", "external_id": "x-1"},
        "request": "{}",
        "request_hash": "h",
        "status": status,
        "submissions": 1,
        "guards_passed": True,
        "sent_at": T0,
        "created_at": T0,
        "updated_at": T0,
    }
    if status is PayoutStatus.SENDING:
        given |= {"lease_owner": "me", "lease_until": after(90), "next_at": after(90)}
    if status in {PayoutStatus.PENDING, PayoutStatus.UNKNOWN}:
        given |= {"first_sent_at": T0, "next_at": after(5), "ambiguous": status is PayoutStatus.UNKNOWN}
    if status is PayoutStatus.CREATED:
        given |= {"submissions": 0, "guards_passed": False, "sent_at": None, "next_at": T0}
    return make_record(**{**given, **changes})


def _untouched_journal() -> bytes:
    with TemporaryDirectory() as folder:
        open_journal(STORE, namespace=NAMESPACE, root=Path(folder), clock=lambda: T0, make=True).close()
        return Path(folder, "payouts.db").read_bytes()


# To make one is most of what a test costs; each has a copy of this one.
UNTOUCHED = _untouched_journal()

Answer = int | NotSent | NoAnswer | BaseException


@dataclass
class Stage:
    """A journal on a real file, scripted answers, and everything that was asked for.

    Args:
        folder: For the journal.
        account: Who pays.
        answers: What the provider's end gives to each request: an HTTP status, or an exception to raise.
        preflight: What is answered to a preflight; ``Proceed`` when None.
        accounts: The other ones that are configured, by name.
        at_once: Whether nothing makes a new payout wait.

    """

    folder: Path
    account: Account
    answers: list[Answer] = field(default_factory=list)
    preflight: Callable[[RunPreflight], PreflightResult] | None = None
    at: datetime = T0
    accounts: Mapping[str, Account] = field(default_factory=dict)
    asked: list[Command] = field(default_factory=list)
    at_once: bool = True
    _meanwhile: tuple[type, Callable[[], object]] | None = None

    def __post_init__(self) -> None:
        file = self.folder / "payouts.db"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_bytes(UNTOUCHED)
        self.journal: Journal = open_journal(STORE, namespace=NAMESPACE, root=self.folder, clock=lambda: self.at)

    def meanwhile(self, kind: type, act: Callable[[], object]) -> None:
        """Let this happen once, just before the next command of a kind is carried out."""
        self._meanwhile = kind, act

    def execute(self, command: Command) -> Reply:
        if self._meanwhile is not None and isinstance(command, self._meanwhile[0]):
            (_, act), self._meanwhile = self._meanwhile, None
            act()
        self.asked.append(command)
        if isinstance(command, PreflightAtOnce):
            return Proceed(self.at) if self.at_once else None
        if isinstance(command, RunPreflight):
            return self.preflight(command) if self.preflight else Proceed(self.at)
        if isinstance(command, ReadAs):
            asked = self.accounts.get(command.account, self.account)
            assert (command.account, Operation(command.operation)) == (asked.name, command.operation)
            assert asked.identity(command.operation, command.binding) is not None
            command = command.request
        if not isinstance(command, HttpRequest):
            return self.journal.execute(command)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, BaseException):
            raise answer
        return HttpResponse(answer, {}, b"", self.at)

    def moment(self, owner: str = "me", token: str = "") -> StepContext:
        return StepContext(self.at, owner, lambda: token or f"token-{len(self.asked)}", NAMESPACE, self.accounts)

    def accept(self, **changes: Any) -> PayoutRecord:
        return run_flow(accept(self.account, order_of(**changes), self.moment()), self.execute).row

    def send(self, **changes: Any) -> CreateResult:
        order = order_of(**changes)
        return run_flow(send(self.account, order, self.moment(), payout_id(NAMESPACE, order.key)), self.execute)

    def advance(self, row: PayoutRecord, *, early: bool = False, owner: str = "me", token: str = "") -> PayoutRecord:
        return run_flow(advance(self.account, row, self.moment(owner, token), early=early), self.execute)

    def deliver(self, row: PayoutRecord, token: str) -> PayoutRecord:
        callback = Callback("POST", {}, b"", self.at)
        return run_flow(answer(self.account, row, callback, query=token_hash(token)), self.execute).row

    def put(self, status: PayoutStatus, **changes: Any) -> PayoutRecord:
        """Write a payout that stands somewhere already."""
        request = HttpRequest("POST", "http://fake.invalid/pay/r", "pay", body="{}", moves_money=True)
        fields = {"request": request.to_json(), "request_hash": request.hash, **changes}
        reply = self.journal.execute(CreatePayout(row_of(status, **fields), Event("payout.created", T0)))
        assert isinstance(reply, CreateResult)
        return reply.row

    def resolve(self, row: PayoutRecord, *, paid: bool, evidence: str = "line 7", token: str = "") -> PayoutRecord:
        person = OperatorDecision("Ann", "statement of 2 March", evidence)
        return run_flow(
            resolve(self.account, row, paid=paid, person=person, moment=self.moment(token=token)), self.execute
        )

    def reopen(self, row: PayoutRecord, active: Account | None = None) -> PayoutRecord:
        flow = reopen(
            self.account, active or self.account, row, person=OperatorDecision("Ann", "asked"), moment=self.moment()
        )
        return run_flow(flow, self.execute)

    def reissue(self, row: PayoutRecord, account: Account | None = None) -> PayoutRecord:
        flow = reissue(
            account or self.account, row, person=OperatorDecision("Ann", "top up done"), moment=self.moment()
        )
        return run_flow(flow, self.execute)

    def approve(self, row: PayoutRecord, actor: str = "Ben") -> PayoutRecord:
        return run_flow(approve(row, person=OperatorDecision(actor, "checked"), at=self.at), self.execute)

    def cancel(self, row: PayoutRecord, actor: str = "Ben") -> PayoutRecord:
        person = OperatorDecision(actor, "wrong month")
        return run_flow(cancel(self.account, row, person=person, moment=self.moment()), self.execute)

    def events(self, row: PayoutRecord) -> list[str]:
        return [entry.event.removeprefix("payout.") for entry in self.journal.history(row.id)]

    def posts(self) -> list[HttpRequest]:
        return [command for command in self.asked if isinstance(command, HttpRequest) and command.moves_money]

    def reads(self) -> list[HttpRequest]:
        return [command for command in self.asked if isinstance(command, HttpRequest) and not command.moves_money]


def last(one: Any, row: PayoutRecord) -> tuple[str, dict[str, Any]]:
    """Return the newest entry of a history."""
    entry = one.journal.history(row.id)[-1]
    return entry.event.removeprefix("payout."), dict(entry.evidence)


def lost(at: datetime = T0) -> NoAnswer:
    return NoAnswer("timed out", at=at)


def unsent(at: datetime = T0) -> NotSent:
    return NotSent("refused", at=at)


def saying(outcome: Any) -> Callable[[Draft], EngineFlow[Any]]:
    """Return a flow that sends the draft's request or a read, and then says this."""

    def flow(draft: Draft) -> EngineFlow[Any]:
        yield from exchange(draft.request)
        return outcome

    return flow


def reading(*outcomes: Any) -> Callable[[Draft], EngineFlow[Any]]:
    """Return a check that says these in turn, the last one for ever."""
    left = list(outcomes)

    def flow(draft: Draft) -> EngineFlow[Any]:
        yield from exchange(read_request(draft))
        return left.pop(0) if len(left) > 1 else left[0]

    return flow


LIMIT = Reason(ReasonCode.PAYEE_LIMIT_REACHED, "LIMIT")
FAILED = Final(reason=LIMIT)
SETTLE_S, LEASE_S = 1000.0, 90.0
SETTLED = after(LEASE_S + SETTLE_S)


def failed(stage: MakeStage, *parsed: Any, settings: Any = None, **facts: Any) -> tuple[Any, PayoutRecord]:
    """Set a stage on which a payout failed when it was read, and the provider now says these, one after the other."""
    fields = {"dedupe_settle_s": SETTLE_S, **facts}
    one = stage(Fake(checking=reading(FAILED, *(parsed or (FAILED,)))), settings=settings, **fields)
    row = one.advance(one.accept())
    one.at = after(5)
    row = one.advance(row)
    assert (row.status, row.decided_by, row.attempt.account) == (PayoutStatus.FAILED, "read", ACCOUNT)
    one.at = SETTLED
    return one, row


def names(rows: Sequence[Any]) -> list[str]:
    return [type(row).__name__ for row in rows]


def at_once(*outcomes: Any) -> Callable[[Draft], EngineFlow[Any]]:
    """Return a check that asks nobody."""
    left = list(outcomes)

    def flow(_: Draft) -> EngineFlow[Any]:
        return left.pop(0) if len(left) > 1 else left[0]
        yield

    return flow
