"""What the tests of this provider share: an emulated portal, an account, an order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.domain.references import derive, payout_id
from payments_core.provider import Attempt, Callback, Draft
from payments_core.testing.conformance import Harness
from payments_core.testing.conformance.harness import CallbackReceiver
from payments_mpesa_daraja import MpesaDarajaSettings
from payments_mpesa_daraja.conformance import MpesaDarajaConformance
from payments_mpesa_daraja.emulator import MpesaDarajaEmulator
from payments_mpesa_daraja.emulator.keys import Keys
from payments_mpesa_daraja.provider import MpesaDarajaProvider

NAMESPACE, KEY = "0123456789abcdef0123456789abcdef", "salary-2026-11/0042"
CALLBACK_URL = f"https://pay.example.org/callbacks/{'t' * 32}"


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys()


@pytest.fixture(scope="session")
def make_settings(keys: Keys) -> Callable[..., MpesaDarajaSettings]:
    def make(**changed: Any) -> MpesaDarajaSettings:
        table = {
            "environment": "production",
            "consumer_key": "a-consumer-key",
            "consumer_secret": "a-consumer-secret",
            "shortcode": "600997",
            "initiator": "payer",
            "initiator_password": "an-initiators-password",
            "certificate": keys.certificate,
            "callback_url": CALLBACK_URL,
        }
        return MpesaDarajaSettings.model_validate(table | changed)

    return make


@pytest.fixture(scope="session")
def make_order() -> Callable[..., Order]:
    def make(payee: str = "+254708374149", amount: str = "50", currency: str = "KES", **more: Any) -> Order:
        return Order(key=KEY, payee=Payee.msisdn(payee), amount=Money(amount, currency), **more)

    return make


@pytest.fixture
def provider(make_settings: Callable[..., MpesaDarajaSettings]) -> MpesaDarajaProvider:
    return MpesaDarajaProvider(make_settings())


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(1, derive(NAMESPACE, KEY, 1), payout_id(NAMESPACE, KEY))


@pytest.fixture
def draft(provider: MpesaDarajaProvider, make_order: Callable[..., Order], attempt: Attempt) -> Draft:
    return provider.draft(make_order(), attempt)


@pytest.fixture(scope="session")
def called() -> Callable[..., Callback]:
    def make(payload: object) -> Callback:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return Callback("POST", {"content-type": "application/json"}, body, datetime.now(UTC))

    return make


@pytest.fixture(params=["sync", "async"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Harness]]:
    """Start an emulator in a mood, and an installation that pays through it and is called back."""
    playing: list[Any] = []

    def start(**switches: Any) -> Harness:
        emulator = MpesaDarajaEmulator(**switches)
        emulator.start()
        playing.append(emulator)
        harness = Harness(MpesaDarajaConformance(), emulator, tmp_path, request.param, receiver)
        playing.append(harness)
        return harness

    with CallbackReceiver() as receiver:
        yield start
    for one in reversed(playing):
        one.close() if isinstance(one, Harness) else one.stop()
