"""Every public name, used the way a program or a provider uses it: for two type checkers, and never run.

Each value goes into a variable with its type written out, so that a name that becomes ``Any`` or changes its type is
found here before a user finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal, assert_type

from pydantic import SecretStr

from payments_core import (
    AsyncPayoutClient,
    Contradiction,
    Currency,
    Money,
    Operation,
    Order,
    Payee,
    PaymentsError,
    Payout,
    PayoutClient,
    PayoutEvent,
    PayoutOrder,
    PayoutStatus,
    Reason,
    ReasonCode,
    hookimpl,
)
from payments_core.callbacks import CallbackApp, Limits, app
from payments_core.client import (
    AccountInfo,
    AsyncEvents,
    DeliverySummary,
    Events,
    PayoutPage,
    ResumeResult,
    Validation,
)
from payments_core.domain.budgets import AboveBudget
from payments_core.domain.deliveries import Waiting
from payments_core.domain.errors import (
    InvalidPayout,
    JournalIsBackup,
    KeyReused,
    LookupFailed,
    NoRoute,
    NotSupported,
    OverRefund,
    PayoutInterrupted,
    ProviderBug,
    SettingsError,
)
from payments_core.domain.records import EndedAttempt, ErasureResult, Event, Pause, PayoutRecord, Query
from payments_core.engine.commands import (
    AccountPaused,
    AcknowledgeContradictions,
    AppendHistory,
    ApplyTransition,
    CheckFirst,
    Contradicted,
    CreateAttempt,
    CreatePayout,
    CreateResult,
    GapOpen,
    HistoryAppended,
    LoadedAttempts,
    NotApproved,
    OnStatement,
    OverRefunded,
    RecordAccountQuery,
    Stale,
    TransitionApplied,
)
from payments_core.engine.flow import (
    Command,
    CredentialRefused,
    EngineFlow,
    NeedsApproval,
    Postponed,
    PreflightAtOnce,
    PreflightResult,
    Proceed,
    ReadAs,
    RefusedByGuard,
    Reply,
    RunPreflight,
    append_history,
    apply_transition,
    create_attempt,
    load_attempts,
    read_as,
    run_preflight,
)
from payments_core.http.flow import HttpFlow, arun_flow, exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, fill, slot, slots_in, stored_hash
from payments_core.journal import backup_journal, init_journal, open_audit
from payments_core.journal.maintenance.verify import Audit, Flaw
from payments_core.plugins.hookspecs import GROUP, PREFIX, hookspec
from payments_core.provider import (
    Account,
    AccountHolders,
    AccountRefused,
    Acknowledgement,
    ApiKeyProvider,
    Attempt,
    Authenticates,
    Balance,
    BalanceResultCallbacks,
    Balances,
    Callback,
    Callbacks,
    CancelAnswer,
    Cancels,
    Capability,
    CheckOutcome,
    Consent,
    Credential,
    Deferred,
    Diagnoses,
    Draft,
    Duplicate,
    Emulator,
    Entropy,
    Facts,
    Final,
    Finding,
    HolderStatus,
    LookupRefused,
    NameLookup,
    NotAccepted,
    NotFound,
    Operator,
    OperatorLookup,
    ParsedCallback,
    PayoutProvider,
    Pending,
    Person,
    ProviderSpec,
    Redacts,
    ReportedDetails,
    ResultCallbacks,
    RetryPolicy,
    SubmitOutcome,
    SupportsProviderConfig,
    Unknown,
    UnsignedCallbacks,
    UserInfo,
    Validates,
    findings_of,
    overridden,
)
from payments_core.routing import Choice
from payments_core.settings import AccountSettings, Configuration, WorkerSettings, load, read_account, read_secret
from payments_core.testing.conformance import ExpectedOutcome, Harness, ProviderConformance, reply
from payments_core.webhooks import WebhookSettings
from payments_core.worker import Worked, run_worker, stop_on_signals, work

# --- An application ---------------------------------------------------------------------------------------------------


def pay(at: datetime) -> Payout:
    amount = Money("25000", "UGX")
    other = Money(Decimal("12.50"), Currency("EUR"))
    assert_type(amount.amount, Decimal)
    assert_type(other.currency, Currency)
    assert_type(amount.text, str)
    assert_type(amount.is_multiple_of(Decimal(500)), bool)
    payee = Payee.msisdn("+256 772 123 456")
    assert_type(payee, Payee)
    assert_type(payee.masked, str)
    order = Order("key", payee, amount, operation=Operation.DEPOSIT, note="n", options={"a": "b"}, expires_at=at)
    assert_type(order.fingerprint, str)
    with PayoutClient.from_config("payouts.toml") as client:
        assert_type(client, PayoutClient)
        payout = client.send(
            key=order.key,
            payee=payee,
            amount=amount,
            account="main",
            operation="transfer",
            note="November",
            options={"a": "b"},
            not_before=at,
            expires_at=None,
            metadata={"run": 11, "final": True, "branch": None},
        )
        payout = client.refund(
            key="k",
            collection="c",
            amount=amount,
            original_amount=amount,
            account="main",
            note="",
            options={"a": "b"},
            not_before=at,
            expires_at=None,
        )
        payout = client.wait(payout.id, timeout_s=60)
        payout = client.refresh(payout.key)
        assert_type(client.account("main"), AccountInfo)
        assert_type(payout.provider_reference, str | None)
        resumed = client.resume(timeout_s=0.0, on_change=show)
        assert_type(resumed, ResumeResult)
        left: tuple[int, int, int, int, datetime | None] = (
            resumed.steps,
            resumed.open,
            resumed.held,
            resumed.review,
            resumed.next_at,
        )
        listed: Iterator[Payout] = client.payouts(status=PayoutStatus.UNKNOWN, account="main")
        several = [PayoutStatus.FAILED, PayoutStatus.REVIEW]
        page = client.payouts_page(status=several, payee="256772123456", created_from=at, cursor=None, limit=10)
        assert_type(page, PayoutPage)
        cursor: str | None = page.next_cursor
        client.pause(account="main", reason=str((left, cursor)))
        assert_type(client.pauses(), tuple[Pause, ...])
        assert_type(client.unpause(account=None), bool)
        assert_type(client.accounts(), tuple[str, ...])
        assert_type(client.check_account("main"), str)
        assert_type(client.deliver("token", Callback("POST", {}, b"", at)), Payout | None)
        return next(listed, client.get(payout.id))


def look(client: PayoutClient, payee: Payee) -> Mapping[str, Decimal]:
    assert_type(client.account_holder("main", payee), HolderStatus)
    choice = client.route(payee=payee, amount=Money(5, "UGX"), operation="deposit", ask=False)
    assert_type(choice, Choice)
    assert_type([str(one.verdict) for one in choice.tried], list[str])
    assert_type(client.name("main", payee).full_name, str)
    operator: tuple[str, str] = (client.operator("main", payee).code, client.operator("main", payee).country)
    assert_type(client.cancel_at_provider("key"), CancelAnswer)
    assert_type(client.cancel("key", actor="Ann", reason="the wrong month"), Payout)
    assert_type(client.ask("main", ask_it), str)
    client.refresh_provider_config("main")
    order = PayoutOrder(key="k", payee="+46733123450", amount="5", currency="EUR", operator="mtn", options={"a": "b"})
    found = client.validate([order, PayoutOrder(key="k", payee=payee, amount=Money(5, "EUR"))], balances=True)
    assert_type(found, Validation)
    assert_type(client.send(**order.arguments()), Payout)
    first, ready = found.orders[0], (found.is_ready, found.totals[0].is_covered)
    assert_type(ready, tuple[bool, bool | None])
    told: list[tuple[str, str, str, str, str]] = [
        (one.field, one.value, one.code, one.reason, one.hint) for one in first.findings
    ]
    assert_type(
        (first.status, len(told), found.repeated_payees[0].numbers), tuple[PayoutStatus | None, int, tuple[int, ...]]
    )
    consent = client.ask_consent("main", payee, scopes=["profile"])
    waits: tuple[str, float, float | None] = (consent.request_id, consent.poll_every_s, consent.expires_in_s)
    assert_type(client.user_info("main", consent), Person)
    for finding in client.diagnose("main"):
        result: tuple[str, str, str, str] = (finding.level, finding.what, finding.says, finding.hint)
        assert_type(finding, Finding)
    return {
        f"{balance.currency} {balance.label}": balance.amount for balance in client.balances("main", currency="EUR")
    }


def ask_it(provider: PayoutProvider) -> HttpFlow[str | LookupRefused]:
    answer = yield from exchange(HttpRequest("GET", "https://api.example.org/limits", "limits"))
    return f"{type(provider).__name__}: {answer.text}"


async def pay_on_a_loop() -> Payout:
    async with AsyncPayoutClient.from_config(Path("payouts.toml")) as client:
        assert_type(client, AsyncPayoutClient)
        payout = await client.send(key="k", payee=Payee("email", "a@example.org"), amount=Money(5, "EUR"))
        assert_type(await client.wait(payout.id, timeout_s=1.5), Payout)
        assert_type(await client.resume(), ResumeResult)
        assert_type(
            await client.refund(key="r", collection="c", amount=Money(5, "EUR"), original_amount=Money(5, "EUR")),
            Payout,
        )
        assert_type(await client.balances("main", wait_s=5.0), tuple[Balance, ...])
        assert_type(await client.account_holder("main", Payee.payer_of("c")), HolderStatus)
        assert_type(await client.name("main", Payee.msisdn("46733123450")), Person)
        consent = await client.ask_consent("main", Payee.msisdn("46733123450"), scopes=())
        assert_type(await client.user_info("main", consent), Person)
        assert_type(await client.diagnose("main"), tuple[Finding, ...])
        assert_type(await client.operator("main", Payee.msisdn("46733123450")), Operator)
        assert_type(
            await client.route(payee=Payee.msisdn("46733123450", operator="mtn"), amount=Money(5, "UGX")), Choice
        )
        assert_type(await client.cancel_at_provider("key"), CancelAnswer)
        assert_type(await client.cancel("key", actor="Ann", reason="the wrong month"), Payout)
        assert_type(await client.ask("main", ask_it), str)
        await client.refresh_provider_config("main")
        assert_type(await client.validate(iter([PayoutOrder(key="k", payee="1", amount=5)])), Validation)
        assert_type(await client.unpause(), bool)
        assert_type(await client.pauses(), tuple[Pause, ...])
        assert_type([one.status async for one in client.payouts(account="main")], list[PayoutStatus])
        assert_type([one.since async for one in client.review()], list[datetime])
        assert_type(payout.is_new, bool)
        assert_type(await client.check_account("main"), str)
        return await client.get(payout.id)


def look_after(client: PayoutClient, at: datetime) -> Iterator[Flaw]:
    forgot = client.erase(payee=Payee.msisdn("46733123450"), actor="Ann", reason="asked", dry_run=True)
    gone: tuple[tuple[str, ...], Mapping[str, str], bool] = (forgot.erased, forgot.kept, forgot.vacuumed)
    assert_type(client.erase("key", actor="Ann", reason="asked", vacuum=False), ErasureResult)
    root = Path()
    init_journal("sqlite:///p.db", namespace="n", root=root, at=at)
    moment = backup_journal("sqlite:///p.db", root / "b.db", namespace="n", root=root, clock=lambda: at)
    assert_type(moment, datetime)
    try:
        audit: Audit = open_audit("sqlite:///b.db", namespace="n", root=root)
    except JournalIsBackup as error:
        raise SystemExit(error.code) from error
    result: tuple[str, int, Mapping[str, str]] = (audit.name, audit.payouts, audit.meta)
    for flaw in audit.flaws():
        seen: tuple[str, str, str] = (flaw.rule, flaw.payout, flaw.text)
        yield flaw
    audit.close()


async def forget_on_a_loop(client: AsyncPayoutClient, at: datetime) -> None:
    assert_type(await client.erase(before=at, actor="Ann", reason="the years are over"), ErasureResult)


async def keep_working(client: AsyncPayoutClient) -> None:
    settings = WorkerSettings(poll_s=1, claim_s=20, grace_s=10)
    with stop_on_signals() as stop:
        worked = await run_worker(client, accounts=["main"], settings=settings, stop=stop)
    assert_type(worked, Worked)
    assert_type(worked.ended, Mapping[PayoutStatus, int])
    assert_type(work("payouts.toml", once=True, on_change=print), Worked)


def hear(client: PayoutClient, later: Callable[[], AsyncPayoutClient]) -> Mapping[str, str]:
    called_back = app(
        client, limits=Limits(body_bytes=1024), allowed=["192.0.2.0/24"], address_header="X-Forwarded-For"
    )
    assert_type(called_back, CallbackApp)
    assert_type(app(later).counts["received"], int)
    assert_type(client.inbox.handle(), int)
    entries: list[tuple[str, str, int, datetime]] = [
        (count.account, count.outcome, count.count, count.last_at) for count in client.inbox.counts()
    ]
    return client.inbox.tokens


def listen(client: PayoutClient, since: datetime, settings: WebhookSettings) -> int:
    events = client.events(consumer="books", since=since, follow=False, poll_s=0.5)
    assert_type(events, Events)
    for event in events:
        assert_type(event, PayoutEvent)
        result: tuple[str, str, str, str, PayoutStatus, Reason | None, int, int, datetime] = (
            event.id,
            event.payout_id,
            event.key,
            event.account,
            event.status,
            event.reason,
            event.attempt,
            event.seq,
            event.at,
        )
        events.ack()
    for one in client.pending_events("webhook/erp", limit=5):
        assert_type(one, Waiting)
        put_off: tuple[PayoutEvent, int, datetime | None, str, bool] = (
            one.event,
            one.attempts,
            one.next_at,
            one.result,
            one.is_given_up,
        )
        client.acknowledge_event("webhook/erp", put_off[0].id)
    sent = client.send_events()
    assert_type(sent, DeliverySummary)
    assert_type(settings.secret, SecretStr)
    return client.resume_events("erp") + sent.delivered + sent.failed


async def listen_on_a_loop(client: AsyncPayoutClient) -> None:
    events = client.events(consumer="books")
    assert_type(events, AsyncEvents)
    async for event in events:
        assert_type(event, PayoutEvent)
        await events.ack()
    await client.acknowledge_event("books", "po_1.2")
    assert_type(await client.send_events(), DeliverySummary)
    assert_type(await client.resume_events("erp"), int)


def show(payout: Payout) -> None:
    reason: Reason | None = payout.reason
    code: ReasonCode | None = reason.code if reason else None
    result: tuple[str, str, float] = (reason.provider_code, reason.text, reason.settling_h) if reason else ("", "", 0.0)
    references: Mapping[str, str] = payout.references
    flags: tuple[bool, bool] = (payout.is_final, payout.may_have_been_sent)
    counts: tuple[int, int] = (payout.attempt, payout.submissions)
    moments: tuple[datetime, datetime, datetime | None] = (payout.created_at, payout.updated_at, payout.next_at)
    for entry in payout.history:
        assert_type(entry.status, PayoutStatus)
        assert_type(entry.at, datetime)
    assert_type(payout.contradictions, tuple[Contradiction, ...])
    assert_type(payout.has_open_contradiction, bool)
    assert_type(payout.status, PayoutStatus)
    assert_type(payout.amount, Money)
    assert_type(payout.operation, Operation)


def mind(error: PaymentsError) -> str:
    match error:
        case PayoutInterrupted(payout_id=payout_id, key=key, may_have_been_sent=True):
            return f"{payout_id} {key}"
        case LookupFailed(reason=reason, retry_after_s=retry_after_s):
            return f"{reason} {retry_after_s}"
        case KeyReused() | SettingsError() | ProviderBug() | OverRefund() | NoRoute() | NotSupported():
            return error.hint
        case _:
            assert_type(error.code, str)
            return error.message


# --- A plugin ---------------------------------------------------------------------------------------------------------


@hookimpl
def payments_providers() -> Sequence[ProviderSpec]:
    return [SPEC]


@hookimpl
def payments_choose_account(order: Order, accounts: Sequence[str]) -> str | None:
    return accounts[0] if order.note else None


@hookimpl
def payments_resolve_secret(reference: str) -> SecretStr | None:
    return SecretStr(reference)


@hookimpl
def payments_before_submit(payout: Payout) -> str | None:
    return "too much" if payout.amount.amount > 10 else None


@hookimpl
def payments_payout_changed(payout: Payout, event: Event) -> None:
    result: tuple[str, datetime, Mapping[str, object]] = (event.name, event.at, event.evidence)
    show(payout)


@hookspec
def payments_of_another_host() -> str:
    return GROUP + PREFIX


# --- A provider -------------------------------------------------------------------------------------------------------


class CarrierSettings(AccountSettings):
    """An account of this provider."""

    api_key: SecretStr
    environment: Literal["sandbox", "live"] = "sandbox"

    @property
    def is_test_mode(self) -> bool:
        return self.environment == "sandbox"


class Carrier:
    """A provider that can do all there is."""

    def __init__(self, settings: CarrierSettings) -> None:
        self._settings = settings

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        seed: tuple[int, bytes, str] = (attempt.number, attempt.seed, attempt.payout_id)
        request = HttpRequest(
            method="POST",
            url="https://carrier.example/transfers",
            operation="transfer",
            headers={"Authorization": slot("token")},
            body=order.amount.text,
            timeout_s=30.0,
            repeatable=False,
            moves_money=True,
            send_before=None,
            credential=True,
        )
        return Draft(references={"reference": attempt.payout_id}, request=request, order=order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        try:
            answer = yield from exchange(draft.request)
        except NotSent as ended:
            return NotAccepted(text=ended.why, retry_after_s=1.0, blocks_if_repeated=None)
        except NoAnswer as ended:
            return Unknown(text=ended.why)
        return self.read(answer)

    def read(self, answer: HttpResponse) -> SubmitOutcome:
        reason = Reason(ReasonCode.CREDENTIALS, provider_code="401", text="refused", settling_h=0.0)
        seen = ReportedDetails(amount=Decimal(5), currency="EUR", payee="x", external_id="y", fee=Decimal(0))
        assert_type(answer.json(), object)
        assert_type(answer.text, str)
        match answer.status:
            case 200:
                return Final(code="OK", text="", http_status=200, references={"id": "1"}, seen=seen)
            case 202:
                return Pending(http_status=202)
            case 401:
                return AccountRefused(reason, http_status=401)
            case 409:
                return Duplicate(code="DUPLICATE")
            case 422:
                return Final(reason=reason)
            case _:
                return Unknown(http_status=answer.status)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", "status", repeatable=True))
        if draft.answer_token is not None:
            return Deferred()
        return NotFound(http_status=404) if answer.status == 404 else Pending()

    def binding(self, operation: Operation) -> Mapping[str, str]:
        return {"host": "carrier.example", "operation": operation}

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        answer = yield from exchange(HttpRequest("POST", "https://carrier.example/token", "token", credential=False))
        return Credential({"token": answer.text}, expires_at=answer.at)

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        names: frozenset[str] = slots_in(request)
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        return response.status == 401

    def validate(self, order: Order) -> Sequence[InvalidPayout]:
        return findings_of()

    def read_answer(self, draft: Draft, callback: Callback) -> CheckOutcome:
        result: tuple[str, Mapping[str, str], bytes, datetime] = (
            callback.method,
            callback.headers,
            callback.body,
            callback.at,
        )
        return Final()

    def verify(self, callback: Callback) -> bool | None:
        return None

    def parse(self, callback: Callback) -> ParsedCallback | None:
        return ParsedCallback(references={"reference": callback.method}, status="DONE")

    def redact(self, callback: Callback) -> Callback:
        return callback

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        return Acknowledgement(status=200, headers={}, body=b"")

    def balances(self, currency: str | None = None) -> HttpFlow[tuple[Balance, ...] | LookupRefused]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", "balance", repeatable=True))
        if answer.status != 200:
            return LookupRefused(reason=Reason(ReasonCode.PROVIDER_ERROR), http_status=answer.status, retry_after_s=1.0)
        return (Balance(Decimal(answer.text), currency or "EUR"),)

    def query_balances(self) -> HttpFlow[Deferred | LookupRefused]:
        yield from exchange(HttpRequest("POST", "https://carrier.example", "balance", body=slot("answer_token")))
        return Deferred()

    def read_balances(self, callback: Callback) -> tuple[Balance, ...] | LookupRefused | None:
        return (Balance(Decimal(1), callback.method),) if callback.body else None

    def account_holder(self, payee: Payee) -> HttpFlow[HolderStatus | LookupRefused]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", payee.value, repeatable=True))
        return HolderStatus.ACTIVE if answer.status == 200 else HolderStatus.NOT_FOUND

    def refresh_provider_config(self, at: datetime) -> HttpFlow[None]:
        yield from exchange(HttpRequest("GET", f"https://carrier.example/{at.year}", "limits", repeatable=True))

    def cancel(self, draft: Draft) -> HttpFlow[CancelAnswer | LookupRefused]:
        answer = yield from exchange(HttpRequest("POST", "https://carrier.example", draft.references["reference"]))
        return CancelAnswer.TAKEN if answer.status == 202 else CancelAnswer.TOO_LATE

    def operator(self, payee: Payee) -> HttpFlow[Operator | LookupRefused]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", payee.value, repeatable=True))
        return Operator(answer.text, country="UG")

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", payee.value, repeatable=True))
        return Person(name=answer.text, given_name="", family_name="", details={})

    def ask_consent(self, payee: Payee, scopes: Sequence[str]) -> HttpFlow[Consent | LookupRefused]:
        answer = yield from exchange(HttpRequest("POST", "https://carrier.example", scopes[0]))
        return Consent(request_id=answer.text, poll_every_s=5.0, expires_in_s=None)

    def user_info(self, consent: Consent) -> HttpFlow[Person | LookupRefused]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", consent.request_id))
        return Person(details={"said": answer.text})

    def diagnose(self) -> HttpFlow[Sequence[Finding]]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", "status", repeatable=True))
        return [Finding("ok" if answer.status == 200 else "wrong", "gateway", str(answer.status), "")]


class Keyed(ApiKeyProvider, UnsignedCallbacks):
    def secrets(self) -> Mapping[str, str]:
        return {"key": "k"}

    def parse(self, callback: Callback) -> ParsedCallback | None: ...


SIGNS_IN: Authenticates = Keyed()
CALLS: Callbacks = Keyed()
SPEC = ProviderSpec(
    name="carrier",
    title="Carrier",
    settings=CarrierSettings,
    build=Carrier,
    operations=frozenset(Operation),
    options={Operation.TRANSFER: frozenset({"metadata.*"})},
    facts=Facts(
        resend="safe",
        dedupe_window_s=86_400.0,
        visible_after_s=300.0,
        not_found_conclusive_after_s=None,
        status_by="result_callback",
        result_by="submission",
        token_scope="shared",
        sources={"resend": "https://carrier.example/docs"},
    ),
    retry={
        "status": RetryPolicy(
            attempts=3,
            first_wait_s=0.2,
            longest_wait_s=2.0,
            jitter_s=0.2,
            timeout_s=10.0,
            deadline_s=30.0,
            statuses=frozenset({503}),
        )
    },
    emulator="carrier.emulator:CarrierEmulator",
    conformance="carrier.conformance:CarrierConformance",
    docs="https://carrier.example/docs",
)


class CarrierEmulator:
    """A server that stands in for the carrier's."""

    url = "http://127.0.0.1:1"
    example: ClassVar[str] = "--to +254700000000 --amount 5"

    @classmethod
    def options(cls, written: Mapping[str, str]) -> Mapping[str, Any]:
        return dict(written)

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def write_config(self, path: Path, *, target: str = "") -> Sequence[str]:
        return [str(path), target]

    def ledger(self) -> Sequence[Mapping[str, object]]:
        return []

    def set_faults(self, faults: Mapping[str, object]) -> None: ...
    def advance(self, seconds: float) -> None: ...


def what_a_provider_implements(carrier: Carrier) -> None:
    required: PayoutProvider = carrier
    signs_in: Authenticates = carrier
    checks: Validates = carrier
    later: ResultCallbacks = carrier
    calls: Callbacks = carrier
    hides: Redacts = carrier
    counts: Balances = carrier
    waits: BalanceResultCallbacks = carrier
    knows: AccountHolders = carrier
    names: NameLookup = carrier
    asks: UserInfo = carrier
    looks: Diagnoses = carrier
    learns: SupportsProviderConfig = carrier
    drops: Cancels = carrier
    sorts: OperatorLookup = carrier
    can: frozenset[Capability] = SPEC.capabilities
    server: Emulator = CarrierEmulator()


class CarrierConformance(ProviderConformance):
    """The sheet of a provider's author."""

    spec = SPEC
    payee = Payee.msisdn("+999700000010")
    amount = Money("5", "EUR")
    answers: Mapping[str, ExpectedOutcome] = {
        "taken": ExpectedOutcome(Pending, lambda _: reply(201, {"status": "taken"}, retry_after="1"))
    }
    acknowledgement = Acknowledgement(body=b"{}")

    def test_a_promise_of_its_own(self, harness: Harness) -> None:
        self.builds_on(harness, self.test_a_draft_is_pure_and_stable)
        payout: Payout = harness.pay(harness.key("own"))
        counted: tuple[int, int] = (harness.credits(payout), harness.posts(payout))


def configure(resolve: Callable[[str], SecretStr]) -> Account:
    read: Configuration = load("payouts.toml")
    result: tuple[Path, str, str] = (read.path, read.namespace, read.journal)
    settings = read_account(CarrierSettings, "main", read.accounts["main"], resolve_secret=resolve)
    assert_type(settings, CarrierSettings)
    assert_type(read_secret("env:JOURNAL_URL", root=Path()), SecretStr | None)
    by_hand = CarrierSettings(provider="carrier", currency="EUR", api_key=SecretStr("x"), timeout_s=10.0)
    times: tuple[float, float, tuple[float, ...]] = (by_hand.timeout_s, by_hand.lease_s, by_hand.poll_schedule_s)
    account = Account("main", SPEC, settings, Carrier(settings))
    assert_type(account.facts, Facts)
    assert_type(account.identity(Operation.TRANSFER, {}), Account | None)
    table: Mapping[str, RetryPolicy] = overridden(SPEC.retry, {"status": {"attempts": 2}})
    known: tuple[bool, tuple[Account, ...], Mapping[str, RetryPolicy]] = (account.is_retired, account.retired, table)
    return account


# --- Flows ------------------------------------------------------------------------------------------------------------


def every_question(row: PayoutRecord, event: Event) -> EngineFlow[str]:
    opened: CreateResult | OverRefunded = yield CreatePayout(row, event)
    assert_type(opened, CreateResult | OverRefunded)
    if isinstance(opened, OverRefunded):
        return str(opened.original_amount)
    preflight = yield from run_preflight(opened.row)
    match preflight:
        case Proceed(at=at):
            assert_type(at, datetime)
        case RefusedByGuard(reason=reason):
            return str(reason)
        case NeedsApproval(why=why):
            return why
        case Postponed(why=why, after_s=after_s):
            return f"{why} {after_s}"
        case CredentialRefused(reason=reason, http_status=http_status):
            return f"{reason} {http_status}"
    moved = yield from apply_transition(ApplyTransition(row, row, event, publish=True))
    match moved:
        case TransitionApplied(row=after) | Stale(row=after):
            assert_type(after, PayoutRecord)
        case AccountPaused(pause=pause):
            return pause.why
        case NotApproved() | CheckFirst() | OnStatement() | Contradicted() | AboveBudget():
            return "not now"
    again = yield from create_attempt(CreateAttempt(row, row, event))
    assert_type(again, TransitionApplied | Stale | Contradicted | OverRefunded | GapOpen)
    recalled = yield from load_attempts(row.id)
    assert_type(recalled, LoadedAttempts)
    assert_type(recalled.attempts, tuple[EndedAttempt, ...])
    read = yield from read_as(
        ReadAs(row.attempt.account, row.order.operation, row.attempt.binding, HttpRequest("GET", "http://x", "status"))
    )
    assert_type(read, HttpResponse)
    noted = yield from append_history(AppendHistory(row.id, event, due_at=None))
    assert_type(noted, HistoryAppended)
    acknowledged = yield from append_history(AcknowledgeContradictions(row.id, event, "Ann", "compared"))
    assert_type(acknowledged, HistoryAppended)
    asked = yield from append_history(RecordAccountQuery(row.attempt.account, Query("0" * 64, event.at)))
    assert_type(asked, HistoryAppended)
    return "done"


def execute(command: Command) -> Reply:
    if isinstance(command, PreflightAtOnce):
        proceed: Proceed | None = None
        return proceed
    if isinstance(command, RunPreflight):
        preflight: PreflightResult = Proceed(datetime.now(UTC))
        return preflight
    return HistoryAppended()


async def aexecute(command: Command) -> Reply:
    return execute(command)


def exchanged(request: HttpRequest) -> HttpFlow[HttpResponse]:
    return (yield request)


async def drive(make: Callable[[], EngineFlow[str]]) -> None:
    plain: Generator[Command, Reply, str] = make()
    assert_type(run_flow(plain, execute), str)
    assert_type(await arun_flow(make(), aexecute), str)


def stored(request: HttpRequest) -> HttpRequest:
    written: tuple[str, str] = (request.to_json(), request.hash)
    assert_type(stored_hash(written[0]), str)
    return HttpRequest.from_json(written[0])
