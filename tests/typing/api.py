"""Every public name, used the way a program or a provider uses it: for two type checkers, and never run.

Each value goes into a variable with its type written out, so that a name that becomes ``Any`` or changes its type is
found here before anybody else finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, assert_type

from pydantic import SecretStr

from payments_core import (
    AsyncPayoutClient,
    Currency,
    Money,
    Operation,
    Order,
    Payee,
    PaymentsError,
    Payout,
    PayoutClient,
    PayoutStatus,
    Reason,
    ReasonCode,
    hookimpl,
)
from payments_core.client import Resumed
from payments_core.entries import Event, Held, Move, Moved, Note, Noted, Open, Opened, Pause, PayoutRow, Stale
from payments_core.errors import KeyReused, PayoutInterrupted, ProviderBug, SettingsError
from payments_core.flow import (
    AskLeave,
    Command,
    Flow,
    Go,
    Leave,
    NotNow,
    Refused,
    Reply,
    arun,
    ask_leave,
    exchange,
    move,
    note,
    open_payout,
    run,
)
from payments_core.hookspecs import GROUP, PREFIX, hookspec
from payments_core.provider import (
    Account,
    AnswersLater,
    Attempt,
    Authenticates,
    Blocked,
    Callback,
    Capability,
    Checked,
    Credential,
    Deferred,
    Draft,
    Duplicate,
    Emulator,
    Facts,
    Final,
    NotAccepted,
    NotFound,
    PayoutProvider,
    Pending,
    ProviderSpec,
    RetryPolicy,
    Seen,
    Submitted,
    Unknown,
    Validates,
)
from payments_core.settings import AccountSettings, Configuration, load, read_account
from payments_core.wire import HttpRequest, HttpResponse, NoAnswer, NotSent, fill, slot, slots_in

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
    order = Order("key", payee, amount, operation=Operation.REFUND, note="n", options={"a": "b"}, expires_at=at)
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
        )
        payout = client.wait(payout.id, timeout_s=60)
        payout = client.refresh(payout.key)
        resumed = client.resume(timeout_s=0.0, on_change=show)
        assert_type(resumed, Resumed)
        left: tuple[int, int, int, int, datetime | None] = (
            resumed.steps,
            resumed.open,
            resumed.held,
            resumed.review,
            resumed.next_at,
        )
        listed: Iterator[Payout] = client.payouts(status=PayoutStatus.UNKNOWN, account="main")
        client.pause(account="main", why=str(left))
        assert_type(client.pauses(), tuple[Pause, ...])
        assert_type(client.unpause(account=None), bool)
        assert_type(client.accounts(), tuple[str, ...])
        assert_type(client.check_account("main"), str)
        assert_type(client.deliver("token", Callback("POST", {}, b"", at)), Payout | None)
        return next(listed, client.get(payout.id))


async def pay_on_a_loop() -> Payout:
    async with AsyncPayoutClient.from_config(Path("payouts.toml")) as client:
        assert_type(client, AsyncPayoutClient)
        payout = await client.send(key="k", payee=Payee("email", "a@example.org"), amount=Money(5, "EUR"))
        assert_type(await client.wait(payout.id, timeout_s=1.5), Payout)
        assert_type(await client.resume(), Resumed)
        assert_type(await client.unpause(), bool)
        assert_type(await client.check_account("main"), str)
        return await client.get(payout.id)


def show(payout: Payout) -> None:
    reason: Reason | None = payout.reason
    code: ReasonCode | None = reason.code if reason else None
    told: tuple[str, str, float] = (reason.provider_code, reason.text, reason.settling_h) if reason else ("", "", 0.0)
    references: Mapping[str, str] = payout.references
    flags: tuple[bool, bool] = (payout.is_final, payout.may_have_been_sent)
    counts: tuple[int, int] = (payout.attempt, payout.tries)
    moments: tuple[datetime, datetime, datetime | None] = (payout.created_at, payout.updated_at, payout.next_at)
    for entry in payout.history:
        assert_type(entry.status, PayoutStatus)
        assert_type(entry.at, datetime)
    assert_type(payout.status, PayoutStatus)
    assert_type(payout.amount, Money)
    assert_type(payout.operation, Operation)
    del code, told, references, flags, counts, moments


def mind(error: PaymentsError) -> str:
    match error:
        case PayoutInterrupted(payout_id=payout_id, key=key, may_have_been_sent=True):
            return f"{payout_id} {key}"
        case KeyReused() | SettingsError() | ProviderBug():
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
    told: tuple[str, datetime, Mapping[str, object]] = (event.name, event.at, event.evidence)
    show(payout)
    del told


@hookspec
def payments_of_another_host() -> str:
    return GROUP + PREFIX


# --- A provider -------------------------------------------------------------------------------------------------------


class CarrierSettings(AccountSettings):
    """An account of this provider."""

    api_key: SecretStr
    environment: Literal["sandbox", "live"] = "sandbox"

    @property
    def is_rehearsal(self) -> bool:
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
        del seed
        return Draft(references={"reference": attempt.payout_id}, request=request, order=order)

    def submit(self, draft: Draft) -> Flow[Submitted]:
        try:
            answer = yield from exchange(draft.request)
        except NotSent as ended:
            return NotAccepted(text=ended.why, retry_after_s=1.0, blocks_if_repeated=None)
        except NoAnswer as ended:
            return Unknown(text=ended.why)
        return self.read(answer)

    def read(self, answer: HttpResponse) -> Submitted:
        reason = Reason(ReasonCode.CREDENTIALS, provider_code="401", text="refused", settling_h=0.0)
        seen = Seen(amount=Decimal(5), currency="EUR", payee="x", external_id="y", fee=Decimal(0))
        assert_type(answer.json(), object)
        assert_type(answer.text, str)
        match answer.status:
            case 200:
                return Final(code="OK", text="", http_status=200, references={"id": "1"}, seen=seen)
            case 202:
                return Pending(http_status=202)
            case 401:
                return Blocked(reason, http_status=401, at=answer.at)
            case 409:
                return Duplicate(code="DUPLICATE")
            case 422:
                return Final(reason=reason)
            case _:
                return Unknown(http_status=answer.status)

    def check(self, draft: Draft) -> Flow[Checked]:
        answer = yield from exchange(HttpRequest("GET", "https://carrier.example", "status", repeatable=True))
        if draft.answer_token is not None:
            return Deferred()
        return NotFound(http_status=404) if answer.status == 404 else Pending()

    def binding(self, operation: Operation) -> Mapping[str, str]:
        return {"host": "carrier.example", "operation": operation}

    def authenticate(self) -> Flow[Credential | Blocked]:
        answer = yield from exchange(HttpRequest("POST", "https://carrier.example/token", "token", credential=False))
        return Credential({"token": answer.text}, expires_at=answer.at)

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: bytes) -> HttpRequest:
        names: frozenset[str] = slots_in(request)
        del at, entropy, names
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        return response.status == 401

    def validate(self, order: Order) -> None:
        del order

    def read_answer(self, draft: Draft, callback: Callback) -> Checked:
        told: tuple[str, Mapping[str, str], bytes, datetime] = (
            callback.method,
            callback.headers,
            callback.body,
            callback.at,
        )
        del draft, told
        return Final()


def build(settings: CarrierSettings) -> PayoutProvider:
    return Carrier(settings)


SPEC = ProviderSpec(
    name="carrier",
    title="Carrier",
    settings=CarrierSettings,
    build=build,
    operations=frozenset(Operation),
    capabilities=frozenset({Capability.CREDENTIALS, Capability.VALIDATION, Capability.DEFERRED_ANSWERS}),
    facts=Facts(
        resend="safe",
        dedupe_window_s=86_400.0,
        visible_after_s=300.0,
        not_found_conclusive_after_s=None,
        status_by="deferred",
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
    docs="https://carrier.example/docs",
)


class CarrierEmulator:
    """A server that stands in for the carrier's."""

    url = "http://127.0.0.1:1"

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
    later: AnswersLater = carrier
    server: Emulator = CarrierEmulator()
    del required, signs_in, checks, later, server


def configure(resolve: Callable[[str], SecretStr]) -> Account:
    read: Configuration = load("payouts.toml")
    told: tuple[Path, str, str] = (read.path, read.namespace, read.journal)
    settings = read_account(CarrierSettings, "main", read.accounts["main"], resolve_secret=resolve)
    assert_type(settings, CarrierSettings)
    by_hand = CarrierSettings(provider="carrier", currency="EUR", api_key=SecretStr("x"), timeout_s=10.0)
    times: tuple[float, float, tuple[float, ...]] = (by_hand.timeout_s, by_hand.lease_s, by_hand.poll_schedule_s)
    account = Account("main", SPEC, settings, Carrier(settings))
    assert_type(account.facts, Facts)
    del told, times
    return account


# --- Flows ------------------------------------------------------------------------------------------------------------


def every_question(row: PayoutRow, event: Event) -> Flow[str]:
    opened = yield from open_payout(Open(row, event))
    assert_type(opened, Opened)
    leave = yield from ask_leave(opened.row)
    match leave:
        case Go(at=at):
            assert_type(at, datetime)
        case Refused(reason=reason):
            return str(reason)
        case NotNow(why=why, after_s=after_s):
            return f"{why} {after_s}"
        case Blocked(reason=reason, http_status=http_status):
            return f"{reason} {http_status}"
    moved = yield from move(Move(row, row, event, publish=True))
    match moved:
        case Moved(row=after) | Stale(row=after):
            assert_type(after, PayoutRow)
        case Held(pause=pause):
            return pause.why
    noted = yield from note(Note(row.id, event, due_at=None))
    assert_type(noted, Noted)
    return "done"


def perform(command: Command) -> Reply:
    if isinstance(command, AskLeave):
        leave: Leave = Go(datetime.now(UTC))
        return leave
    return Noted()


async def aperform(command: Command) -> Reply:
    return perform(command)


async def drive(make: Callable[[], Flow[str]]) -> None:
    plain: Generator[Command, Reply, str] = make()
    assert_type(run(plain, perform), str)
    assert_type(await arun(make(), aperform), str)


def stored(request: HttpRequest) -> HttpRequest:
    written: tuple[str, str] = (request.to_json(), request.hash)
    return HttpRequest.from_json(written[0])
