"""What the tests of this provider share: an account, an order, and a gateway to pay through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from payments_core.client import AsyncPayoutClient, PayoutClient
from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.domain.references import derive, payout_id
from payments_core.provider import Attempt
from payments_mtn_momo import MtnMomoSettings
from payments_mtn_momo.api.operations import retry_policies
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.tokens import Credentials

NAMESPACE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def at() -> datetime:
    return datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def held() -> Credentials:
    return Credentials.new()


@pytest.fixture(scope="session")
def make_settings(held: Credentials) -> Callable[..., MtnMomoSettings]:
    def make(**changed: Any) -> MtnMomoSettings:
        table = {
            "target_environment": "sandbox",
            "api_user": held.api_user,
            "api_key": held.api_key,
            "subscription_key": held.subscription_key,
        }
        return MtnMomoSettings.model_validate(table | changed)

    return make


@pytest.fixture(scope="session")
def make_order() -> Callable[..., Order]:
    def make(payee: Payee | str = "+46733123499", amount: str = "12.50", currency: str = "EUR", **more: Any) -> Order:
        who = Payee.msisdn(payee) if isinstance(payee, str) else payee
        given: dict[str, Any] = {"key": "salary-2026-11/0042", "payee": who, "amount": Money(amount, currency)}
        return Order(**(given | {"note": "November salary"} | more))

    return make


@pytest.fixture(scope="session")
def make_attempt() -> Callable[..., Attempt]:
    def make(key: str = "salary-2026-11/0042", number: int = 1) -> Attempt:
        return Attempt(number, derive(NAMESPACE, key, number), payout_id(NAMESPACE, key))

    return make


@pytest.fixture(scope="module")
def running() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(delayed_s=2) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: MtnMomoEmulator) -> Iterator[MtnMomoEmulator]:
    running.set_faults({})
    yield running
    running.set_faults({})


class Asking:
    """A client of the core in either form, driven alike; what it is asked goes to its one account first."""

    def __init__(self, client: Any, runner: asyncio.Runner | None) -> None:
        self.client, self.runner = client, runner
        self.account = client.accounts()[0]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            found = getattr(self.client, name)(self.account, *args, **named)
            return found if self.runner is None else self.runner.run(found)

        return call

    def close(self) -> None:
        if self.runner is None:
            self.client.close()
            return
        self.runner.run(self.client.close())
        self.runner.close()


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Asking]]:
    """Makes clients that pay through an emulator and ask each question once; lines are added to their account."""
    made: list[Asking] = []

    def make(emulator: MtnMomoEmulator, *lines: str) -> Asking:
        config = tmp_path / str(len(made)) / "payouts.toml"
        config.parent.mkdir()
        [account] = emulator.write_config(config)
        provider = 'provider = "mtn_momo"\n'
        text = config.read_text("utf-8").replace(provider, provider + "".join(f"{line}\n" for line in lines))
        once = (f"\n[accounts.{account}.retry.{name}]\nattempts = 1\n" for name in retry_policies())
        config.write_text(text + "".join(once), "utf-8")
        if request.param == "sync":
            client = Asking(PayoutClient.from_config(config), None)
        else:
            client = Asking(AsyncPayoutClient.from_config(config), asyncio.Runner())
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
