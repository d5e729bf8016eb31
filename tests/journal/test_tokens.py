"""A token that all processes share, on either store: one fetches, all use it, and nobody can read it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pytest
from flat_records import START, later
from pydantic import SecretStr

from payments_core.domain.payout import Operation, Order
from payments_core.domain.shared_tokens import AskToken, KeepToken, SharedToken
from payments_core.engine.journal_protocol import Journal
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, fill, slot
from payments_core.plugins.manager import Plugins
from payments_core.provider import (
    Account,
    AccountRefused,
    Attempt,
    CheckOutcome,
    Credential,
    Draft,
    Entropy,
    Facts,
    ProviderSpec,
    SubmitOutcome,
)
from payments_core.runtime import AccountSession, AsyncAccountSession, Runtime
from payments_core.runtime.token_encryption import CredentialCipher
from payments_core.settings import AccountSettings

Ask = Callable[[str], list[tuple[Any, ...]]]


def asked(journal: Journal, owner: str, seconds: float = 0, *, spent: str = "") -> SharedToken:
    question = AskToken(name="till", owner=owner, at=later(seconds), until=later(seconds + 60), spent=spent)
    return journal.token(question).result()


def kept(journal: Journal, owner: str, sealed: str = "SEALED", *, good_s: float = 3600) -> None:
    journal.token(KeepToken(name="till", owner=owner, encrypted=sealed, mark="m1", good_until=later(good_s))).result()


def test_token_is_fetched_by_one_process_and_the_others_wait(journal: Journal, open_one: Callable[[], Journal]) -> None:
    other = open_one()

    assert asked(journal, "a").may_fetch
    assert asked(other, "b") == SharedToken()
    kept(journal, "a")
    assert asked(other, "b") == SharedToken("SEALED")
    assert asked(journal, "a") == SharedToken("SEALED")


def test_token_fetch_is_open_again_after_its_lease(journal: Journal) -> None:
    """His lease ends, and what he brings after that is not kept."""
    assert asked(journal, "a").may_fetch
    assert not asked(journal, "b", 59).may_fetch
    assert asked(journal, "b", 60).may_fetch
    kept(journal, "a", "LATE")
    assert asked(journal, "c", 61) == SharedToken()
    kept(journal, "b", "SEALED")
    assert asked(journal, "c", 62) == SharedToken("SEALED")


def test_token_that_was_refused_or_expired_is_fetched_anew(journal: Journal) -> None:
    asked(journal, "a")
    kept(journal, "a", good_s=100)

    assert asked(journal, "b", 99, spent="m0") == SharedToken("SEALED")
    assert asked(journal, "b", 100).may_fetch
    kept(journal, "b", good_s=300)
    assert asked(journal, "c", 101, spent="m1").may_fetch


def test_token_fetch_that_failed_lets_the_next_process_try(journal: Journal) -> None:
    asked(journal, "a")
    journal.token(KeepToken(name="till", owner="a")).result()

    assert asked(journal, "b").may_fetch


def test_token_is_fetched_by_one_of_many_callers(journal: Journal) -> None:
    with ThreadPoolExecutor(16) as pool:
        result = list(pool.map(lambda number: asked(journal, f"worker-{number}"), range(64)))

    assert sum(one.may_fetch for one in result) == 1


# --- lines ---


class FakeProviderSettings(AccountSettings):
    provider: Literal["till"] = "till"
    currency: str = "KES"
    key: SecretStr = SecretStr("the-key-of-the-till")


@dataclass
class Server:
    """Gives out tokens of which the last alone is good."""

    given: list[str] = field(default_factory=list)
    refused: int = 0

    def answer(self, request: HttpRequest) -> HttpResponse:
        if request.operation == "token":
            self.given.append(f"token-number-{len(self.given)}")
            return HttpResponse(200, {}, self.given[-1].encode(), START)
        good = request.headers["Authorization"] == self.given[-1]
        self.refused += not good
        return HttpResponse(200 if good else 401, {}, b"", START)


class FakeProvider:
    """A provider with tokens, and nothing else that is used here."""

    def __init__(self, settings: FakeProviderSettings) -> None:
        self._settings = settings

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        raise NotImplementedError

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        raise NotImplementedError

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        raise NotImplementedError

    def binding(self, operation: Operation) -> Mapping[str, str]:
        return {"provider": "till"}

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        answer = yield from exchange(HttpRequest("GET", "https://till.example", "token", credential=False))
        return Credential({"token": answer.text}, expires_at=later(3600))

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        return response.status == 401


@dataclass
class Wire:
    """Carries requests to the server of this process."""

    server: Server

    def send(self, request: HttpRequest) -> HttpResponse:
        return self.server.answer(request)

    def close(self) -> None: ...


@dataclass
class AsyncWire:
    """The same for an event loop."""

    server: Server

    async def send(self, request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return self.server.answer(request)

    async def aclose(self) -> None: ...


READ = HttpRequest("GET", "https://till.example", "read", headers={"Authorization": slot("token")}, repeatable=True)


def account(scope: Literal["process", "shared"] = "shared", **settings: Any) -> Account:
    spec = ProviderSpec(
        "till", "FakeProvider", FakeProviderSettings, FakeProvider, frozenset(Operation), facts=Facts(token_scope=scope)
    )
    held = FakeProviderSettings(**settings)
    return Account("till", spec, held, FakeProvider(held))


def runtime(journal: Journal, one: Account) -> Runtime:
    return Runtime(
        namespace="test-namespace", journal=journal, plugins=Plugins(()), accounts={"till": one}, clock=lambda: START
    )


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_shared_token_is_used_and_renewed_by_every_process(
    journal: Journal, open_one: Callable[[], Journal], ask: Ask, kind: str
) -> None:
    """Whoever finds it refused takes the one that another has fetched, and nobody ends another's."""
    server, one = Server(), account()
    runtimes = [runtime(journal, one), runtime(open_one(), one)]
    sessions = [AccountSession(one, Wire(server), where) for where in runtimes]
    async_sessions = [AsyncAccountSession(one, AsyncWire(server), where) for where in runtimes]
    with asyncio.Runner() as loop:

        def read(number: int) -> int:
            if kind == "async":
                return loop.run(async_sessions[number].exchange(READ)).status
            return sessions[number].exchange(READ).status

        assert [read(number) for number in (0, 1, 0, 1)] == [200] * 4
        server.given.append("somebody-elses")
        assert [read(number) for number in (0, 1, 0, 1)] == [200] * 4

    assert server.given == ["token-number-0", "somebody-elses", "token-number-2"]
    assert server.refused == 2  # each has noticed once
    stored = str(ask("SELECT value FROM meta"))
    assert "token-number" not in stored


def test_token_of_scope_process_is_not_shared(journal: Journal, ask: Ask) -> None:
    server, one = Server(), account("process")
    for _ in range(2):
        assert AccountSession(one, Wire(server), runtime(journal, one)).exchange(READ).status == 200

    assert len(server.given) == 2


# --- the cipher ---


def test_encrypted_token_opens_only_with_the_same_secrets() -> None:
    credential = Credential({"token": "abc" * 500, "and": "é"}, expires_at=START)
    cipher = CredentialCipher(account())
    sealed = cipher.encrypt(credential)

    assert CredentialCipher(account()).decrypt(sealed) == credential
    assert CredentialCipher(account(key="another")).decrypt(sealed) is None
    assert CredentialCipher(account(key="another")).name != cipher.name
    assert sealed != cipher.encrypt(credential)
    assert cipher.mark(credential) != cipher.mark(Credential({"token": "xyz"}))


def test_encrypted_token_that_was_changed_does_not_open() -> None:
    cipher = CredentialCipher(account())
    sealed = cipher.encrypt(Credential({"token": "abc"}))

    for place in range(len(sealed.rstrip("=")) - 1):  # the last digit has bits that stand for nothing
        other = "A" if sealed[place] != "A" else "B"
        assert cipher.decrypt(sealed[:place] + other + sealed[place + 1 :]) is None
    assert cipher.decrypt("") is None
    assert cipher.decrypt("no base64!") is None


def test_token_waited_for_in_vain_is_no_answer(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payments_core.runtime.synchronous.session.LOOK_AGAIN_S", 0.0)
    one = account()
    name = CredentialCipher(one).name
    journal.token(AskToken(name=name, owner="another", at=START, until=later(60))).result()

    assert isinstance(AccountSession(one, Wire(Server()), runtime(journal, one)).credential(), NoAnswer)


def test_token_that_cannot_be_decrypted_is_fetched_anew(journal: Journal) -> None:
    one, server = account(), Server()
    name = CredentialCipher(one).name
    journal.token(AskToken(name=name, owner="another", at=START, until=later(60))).result()
    journal.token(KeepToken(name=name, owner="another", encrypted="garbage", mark="m", good_until=later(60))).result()

    assert AccountSession(one, Wire(server), runtime(journal, one)).exchange(READ).status == 200
