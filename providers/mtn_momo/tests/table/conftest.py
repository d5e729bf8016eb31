"""One emulator with scripted answers, and both kinds of client in both forms, on one clock of our own.

The clock is set by hand, so that accounts keep the schedules of real ones and no test waits.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, Payout, PayoutClient
from payments_core.client import assemble
from payments_core.settings import load
from payments_core.testing.emulator import Answer
from payments_core.testing.emulator.fault_injection import Outcome
from payments_mtn_momo import AsyncDisbursementsClient, DisbursementsClient, MtnMomoSettings, new_reference
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.gateway import Request

for _name in ("momo_rows", "momo_ends"):  # importable by name, without a test folder on sys.path
    _spec = spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules[_name] = module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_name])

GOOD = "46733123499"
ACCOUNT = "mtn-sandbox"
READS = (
    *("transfer_status", "deposit_status", "refund_status", "balance", "balance_in", "account_active"),
    *("basic_user_info", "user_info"),
)
# Asked once, so that what the gateway says comes out; a row about repetitions asks for more.
ONCE = {"attempts": 1, "first_wait_s": 0.001, "longest_wait_s": 0.002, "jitter_s": 0.0}
LIVE = ("timeout_s", "lease_s", "visible_after_s", "poll_schedule_s", "retry_schedule_s", "probe_after_s")


class InvariantChecker:
    """The clients' clock."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def to(self, moment: datetime | None) -> None:
        """Set it to when something is due."""
        assert moment is not None
        self.ahead += max(moment - self(), timedelta())

    def on(self, seconds: float) -> None:
        """Move it on."""
        self.ahead += timedelta(seconds=seconds)


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as the gateway saw it, and the status it answered with (None for none)."""

    kind: str
    operation: str
    reference: str
    token: str
    status: int | None
    body: bytes


class Gate:
    """Stands in the emulator's door: counts what comes in, and answers verbatim what is scripted."""

    def __init__(self, emulator: MtnMomoEmulator) -> None:
        self.emulator = emulator
        self._through = emulator._gateway.exchange
        emulator._gateway.exchange = self._exchange  # type: ignore[method-assign]
        self.clear()

    def clear(self) -> None:
        """Forget everything, and let the emulator speak for itself again."""
        self.requests: list[ReceivedRequest] = []
        self.emulator.set_faults({})
        self.truth()

    def truth(self) -> None:
        """Let the emulator speak for itself again."""
        self._answers: dict[str, tuple[Any, int]] = {}
        self._changed: Mapping[str, Any] = {}

    def say(self, kind: str, says: Any, times: int = 10_000, *, done: bool = False) -> None:
        """Answer the next requests of a kind (post, get, token or a call's name) verbatim.

        Args:
            kind: Which.
            says: The answer.
            times: How many of them.
            done: Carry the request out all the same.

        """
        self._answers[kind] = (replace(says, done=done), times)

    def change(self, **fields: Any) -> None:
        """Answer statuses with these fields instead of the true ones; ``...`` leaves one out."""
        self._changed = fields

    def posts(self) -> list[str]:
        """Return the reference of each payment that came in."""
        return [entry.reference for entry in self.requests if entry.kind == "post"]

    def reads(self) -> list[ReceivedRequest]:
        """Return each read of a status that came in."""
        return [entry for entry in self.requests if entry.kind == "get"]

    def order(self) -> str:
        """Return payments and reads as they came: ``PGGGP``."""
        return "".join({"post": "P", "get": "G"}.get(entry.kind, "") for entry in self.requests)

    def credits(self, reference: str) -> int:
        """Return how often a payment was made."""
        return sum(row["credits"] for row in self.emulator.ledger() if row["reference"] == reference)

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Outcome:
        request = Request(method, path, {name.lower(): value for name, value in headers.items()}, body, at)
        outcome = self._outcome(request, lambda: self._through(method, path, headers, body, at))
        answer = outcome.answer if outcome.arrives == "whole" else None
        self.requests.append(
            ReceivedRequest(
                request.kind,
                request.operation,
                request.reference,
                request.authorization,
                answer.status if answer else None,
                answer.body if answer else b"",
            )
        )
        return outcome

    def _outcome(self, request: Request, through: Callable[[], Outcome]) -> Outcome:
        for name in (request.operation, request.kind):
            says, left = self._answers.get(name, (None, 0))
            if left > 0:
                self._answers[name] = (says, left - 1)
                if says.done:
                    through()
                return Outcome(_written(says))
        outcome = through()
        if self._changed and request.kind == "get" and outcome.answer and outcome.answer.status == 200:
            details = json.loads(outcome.answer.body) | self._changed
            body = json.dumps({name: value for name, value in details.items() if value is not ...}).encode()
            headers = dict(outcome.answer.headers) | {"content-length": str(len(body))}
            return replace(outcome, answer=replace(outcome.answer, body=body, headers=headers))
        return outcome


def _written(says: Any) -> Answer:
    raw = says.raw
    kind = "text/html" if raw.startswith(b"<") else "application/json"
    headers = {"content-length": str(len(raw))} | ({"content-type": kind} if raw else {})
    return Answer(says.status, headers, raw)


@dataclass
class Face:
    """One client in either form, driven alike."""

    client: Any
    runner: asyncio.Runner | None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(*args: Any, **named: Any) -> Any:
            if self.runner is None:
                return method(*args, **named)

            async def inside() -> Any:
                found = method(*args, **named)
                return await found if inspect.isawaitable(found) else found

            return self.runner.run(inside())

        return call


@dataclass
class Payer:
    """Pays through the neutral client, always under keys of its own."""

    face: Face
    watch: InvariantChecker
    forgetful: Face
    drawn: int = 0

    def key(self) -> str:
        """Draw a key."""
        self.drawn += 1
        return f"row-{self.drawn}"

    def start(self) -> str:
        """Draw a key; the account is not blocked any more."""
        self.face.unpause(account=ACCOUNT)
        return self.key()

    def pay(self, operation: str, key: str, to: str = GOOD) -> Payout:
        """Pay, or ask for the same payment again."""
        return _paid(self.face, operation, key, to)

    def elsewhere(self, operation: str, key: str) -> Payout:
        """Pay from the same installation with another journal, as if this one's had been lost."""
        return _paid(self.forgetful, operation, key, GOOD)

    def when_due(self, payout: Payout) -> Payout:
        """Wait until it is due, and go on with it; return it with its history."""
        self.watch.to(payout.next_at)
        return _with_history(self.face, self.face.refresh(payout.id))

    def blocked(self) -> str:
        """Return why the provider stopped the account; empty when it did not."""
        return next((pause.why for pause in self.face.pauses() if pause.by == "account_refused"), "")


def _paid(face: Face, operation: str, key: str, to: str) -> Payout:
    amount = Money("5", "EUR")
    if operation == "refund":
        collection = f"00000000-0000-4000-8000-{int(key.partition('-')[2]):012}"
        found = face.refund(key=key, collection=collection, amount=amount, original_amount=amount)
    else:
        found = face.send(key=key, payee=Payee.msisdn(to), amount=amount, operation=operation)
    return _with_history(face, found)


def _with_history(face: Face, payout: Payout) -> Payout:
    found = face.get(payout.id)
    assert isinstance(found, Payout)
    assert found == payout  # in all but its history
    return found


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with MtnMomoEmulator(balance="flapping", refund_scenario="externalId") as emulator:
        yield Gate(emulator)


@pytest.fixture(autouse=True)
def _afresh(gate: Gate) -> None:
    gate.clear()


@pytest.fixture(scope="module")
def watch() -> InvariantChecker:
    return InvariantChecker()


@pytest.fixture(scope="module", params=["sync", "async"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner | None]:
    if request.param == "sync":
        yield None
        return
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def native(runner: asyncio.Runner | None, gate: Gate, watch: InvariantChecker) -> Iterator[Face]:
    held = gate.emulator.credentials
    settings = MtnMomoSettings.model_validate({
        "target_environment": "sandbox", "api_user": held.api_user, "api_key": held.api_key,
        "subscription_key": held.subscription_key, "base_url": gate.emulator.url,
    })  # fmt: skip
    kind: Any = AsyncDisbursementsClient if runner else DisbursementsClient
    face = Face(kind(settings, retry=dict.fromkeys((*READS, "token"), ONCE), clock=watch), runner)
    yield face
    face.aclose() if runner else face.close()


@pytest.fixture(scope="module")
def config(gate: Gate, tmp_path_factory: pytest.TempPathFactory, runner: asyncio.Runner | None) -> Path:
    """A configuration with a journal of its own and the schedules of a live account."""
    path = tmp_path_factory.mktemp("table") / "payouts.toml"
    gate.emulator.write_config(path)
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith(LIVE)) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def payer(config: Path, runner: asyncio.Runner | None, watch: InvariantChecker) -> Iterator[Payer]:
    read = load(config)
    patient = dict.fromkeys(("token", *READS), ONCE) | {"transfer_status": ONCE | {"attempts": 2}}
    accounts = {ACCOUNT: dict(read.accounts[ACCOUNT]) | {"retry": patient}}
    faces = []
    for journal in (read.journal, "sqlite:///lost.db"):
        runtime = assemble(replace(read, accounts=accounts, journal=journal), clock=watch)
        faces.append(Face(AsyncPayoutClient(runtime) if runner else PayoutClient(runtime), runner))
    yield Payer(faces[0], watch, faces[1])
    for face in faces:
        face.close()


@pytest.fixture(scope="session")
def calls() -> Mapping[str, Callable[[Any, str], Any]]:
    """The native payments, each under a given reference."""
    return {
        "transfer": lambda client, reference: client.transfer(reference=reference, payee=GOOD, amount="5"),
        "deposit_v1": lambda client, reference: client.deposit(reference=reference, payee=GOOD, amount="5", version=1),
        "deposit_v2": lambda client, reference: client.deposit(reference=reference, payee=GOOD, amount="5"),
        "refund_v1": lambda client, reference: client.refund(
            reference=reference, reference_id_to_refund=new_reference(), amount="5", version=1
        ),
        "refund_v2": lambda client, reference: client.refund(
            reference=reference, reference_id_to_refund=new_reference(), amount="5"
        ),
    }
