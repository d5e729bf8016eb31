"""Every call of the native clients against the emulated gateway, over a real socket."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from payments_mtn_momo import MtnMomoSettings, new_reference
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.native import (
    AlreadyUsedError,
    MomoError,
    ReadNotFound,
    ReadRefused,
    RefusedError,
)

if TYPE_CHECKING:
    from providers.mtn_momo.tests.native.conftest import Face

NUMBER = "46733123499"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator() as emulator:
        yield emulator


@pytest.fixture
def client(make_client: Callable[..., Face], sandbox: MtnMomoEmulator) -> Face:
    held = sandbox.credentials
    return make_client(
        base_url=sandbox.url, api_user=held.api_user, api_key=held.api_key, subscription_key=held.subscription_key
    )


def test_token_is_issued(client: Face) -> None:
    token = client.create_access_token()

    assert (token.token_type, token.expires_in_s) == ("access_token", 3600)


def test_transfer_is_accepted_once_and_read(client: Face) -> None:
    reference = new_reference()
    with pytest.raises(ReadNotFound):
        client.get_transfer_status(reference)
    taken = client.transfer(reference=reference, payee=f"+{NUMBER}", amount="12.50", payer_message="November")
    with pytest.raises(AlreadyUsedError):
        client.transfer(reference=reference, payee=f"+{NUMBER}", amount="12.50")
    found = client.get_transfer_status(reference)

    assert (taken.reference, taken.operation) == (reference, "transfer")
    assert found.succeeded
    assert (found.amount, found.currency, found.external_id) == (Decimal("12.5"), "EUR", reference)
    assert (found.payee.value, found.payer_message) == (NUMBER, "November")
    assert found.financial_transaction_id.isdigit()


@pytest.mark.parametrize("version", [1, 2])
def test_deposit_is_accepted_and_read(client: Face, version: int) -> None:
    reference = new_reference()
    taken = client.deposit(reference=reference, payee=f"+{NUMBER}", amount=5, version=version)
    found = client.get_deposit_status(reference)

    assert taken.operation == f"deposit_v{version}"
    assert found.succeeded
    assert found.financial_transaction_id == ""


@pytest.mark.parametrize("version", [1, 2])
def test_refund_is_accepted_and_read(client: Face, sandbox: MtnMomoEmulator, version: int) -> None:
    collected = sandbox.add_collection(amount="20", currency="EUR", payer=NUMBER)
    reference = new_reference()
    taken = client.refund(reference=reference, reference_id_to_refund=collected, amount="5", version=version)
    found = client.get_refund_status(reference)

    assert taken.operation == f"refund_v{version}"
    assert found.succeeded
    assert found.payee.value == NUMBER


def test_balance_is_read(client: Face) -> None:
    assert client.get_account_balance().available_balance == 1000
    assert client.get_account_balance_in("EUR").currency == "EUR"


def test_name_is_read(client: Face) -> None:
    assert client.get_basic_user_info(NUMBER).given_name == "Sand"


@pytest.mark.parametrize("auth", ["bearer", "basic"])
def test_consent_is_requested_given_and_refreshed(
    make_client: Callable[..., Face], sandbox: MtnMomoEmulator, auth: str
) -> None:
    held = sandbox.credentials
    client = make_client(
        base_url=sandbox.url, api_user=held.api_user, api_key=held.api_key, subscription_key=held.subscription_key,
        consent_auth=auth,
    )  # fmt: skip
    consent = client.authorize_consent(f"+{NUMBER}", scope="all_info", access_type="offline")
    token = client.create_oauth2_token(consent)
    info = client.ask_user_info(client.refresh_oauth2_token(token))

    assert (consent.interval_s, consent.expires_in_s) == (5, 300)
    assert (info.given_name, info.credit_score, info.address.locality) == ("Sand", 123, "Karlskrona")
    assert info.extra == {}
    with pytest.raises(RefusedError):
        client.refresh_oauth2_token(token)
    with pytest.raises(ReadRefused, match="consent"):
        client.ask_user_info("made-up")


def test_consent_for_an_unknown_holder_or_scope_is_refused(client: Face) -> None:
    with pytest.raises(RefusedError, match="did not ask"):
        client.authorize_consent("46733123450")
    with pytest.raises(MomoError):
        client.authorize_consent(NUMBER, scope="everything")


def test_notification_is_accepted_once(client: Face, sandbox: MtnMomoEmulator) -> None:
    collected = sandbox.add_collection(amount="20", currency="EUR", payer=NUMBER)
    client.send_delivery_notification(collected, "Merci d'été", language="fr")

    with pytest.raises(RefusedError, match="notified already"):
        client.send_delivery_notification(collected, "Again")
    with pytest.raises(RefusedError, match="no such collection"):
        client.send_delivery_notification(new_reference(), "To nobody")
    pending = sandbox.add_collection(amount="20", currency="EUR", payer=NUMBER, state="PENDING")
    with pytest.raises(RefusedError, match="not been completed"):
        client.send_delivery_notification(pending, "Too early")


def test_user_provisioned_in_the_sandbox_can_pay(
    make_client: Callable[..., Face], provision: Face, sandbox: MtnMomoEmulator
) -> None:
    """From a subscription key to a payment: a user, a key, a client, a transfer with its callback's host checked."""
    user = provision.create_api_user("pay.example.org")
    with pytest.raises(AlreadyUsedError):
        provision.create_api_user("pay.example.org", api_user=user.api_user)
    key = provision.create_api_key(user.api_user)
    found = provision.get_api_user(user.api_user)
    client = make_client(
        base_url=sandbox.url, api_user=user.api_user, api_key=key.api_key,
        subscription_key=sandbox.credentials.subscription_key,
    )  # fmt: skip
    reference = new_reference()
    with pytest.raises(RefusedError, match="callback's host"):
        client.transfer(reference=reference, payee=f"+{NUMBER}", amount="5", callback_url="http://other.example.org/x")
    with pytest.raises(ReadNotFound):
        client.get_transfer_status(reference)
    client.transfer(reference=reference, payee=f"+{NUMBER}", amount="5")

    assert (found.provider_callback_host, found.target_environment) == ("pay.example.org", "sandbox")
    assert client.get_transfer_status(reference).succeeded
    with pytest.raises(ReadNotFound):
        provision.get_api_user(uuid.UUID(new_reference()))
    with pytest.raises(RefusedError, match="no such API user"):
        provision.create_api_key(new_reference())


@pytest.fixture
def provision(provisioning: Face, sandbox: MtnMomoEmulator) -> Iterator[Face]:
    kind = type(provisioning.client)
    face = type(provisioning)(kind(sandbox.credentials.subscription_key, base_url=sandbox.url), provisioning.runner)
    yield face
    face.close() if face.runner is None else face.aclose()


def test_new_platform_accepts_payments(make_client: Callable[..., Face]) -> None:
    """Opaque credentials, the target on every call and a neutral User-Agent are what the newer platform asks for."""
    with MtnMomoEmulator(target="mtnuganda", platform="momo_africa") as emulator:
        held = emulator.credentials
        plain = MtnMomoSettings.model_validate({
            "target_environment": "mtnuganda", "api_user": str(uuid.uuid4()), "api_key": held.api_key,
            "subscription_key": held.subscription_key, "base_url": emulator.url,
        })  # fmt: skip
        face = make_client()
        face.client = type(face.client)(plain.model_copy(update={"api_user": held.api_user}))
        reference = new_reference()
        face.transfer(reference=reference, payee="+256772123456", amount=25_000)

        assert face.get_transfer_status(reference).succeeded
        face.close() if face.runner is None else face.aclose()
