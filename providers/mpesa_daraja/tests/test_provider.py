"""What is asked of M-Pesa, as whom, and what is kept of what it sends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.payout import Order
from payments_core.http.messages import slots_in
from payments_core.provider import Attempt, Callback, Credential, Draft
from payments_mpesa_daraja import MpesaDarajaSettings
from payments_mpesa_daraja.emulator.keys import Keys
from payments_mpesa_daraja.provider import MpesaDarajaProvider

Make = Callable[[object], Callback]
MakeOrder = Callable[..., Order]
MakeSettings = Callable[..., MpesaDarajaSettings]


def test_payment_request_is_the_documented_one(draft: Draft, attempt: Attempt) -> None:
    """Whole shillings, a reference that begins with our id, secrets and the answer's path as slots."""
    fields = json.loads(draft.request.body or "")

    assert draft.request.url == "https://api.safaricom.co.ke/mpesa/b2c/v3/paymentrequest"
    assert fields["OriginatorConversationID"].startswith(attempt.payout_id)
    assert len(fields["OriginatorConversationID"]) == 36
    assert (fields["Amount"], fields["PartyA"], fields["PartyB"]) == ("50", "600997", "254708374149")
    assert (fields["InitiatorName"], fields["CommandID"], fields["Remarks"]) == ("payer", "BusinessPayment", "Payout")
    assert fields["ResultURL"] == "https://pay.example.org/callbacks/{{slot:answer_token}}"
    assert fields["QueueTimeOutURL"].endswith("t" * 32)
    assert slots_in(draft.request) == {"access_token", "answer_token", "security_credential"}


def test_password_is_sent_only_encrypted(provider: MpesaDarajaProvider, draft: Draft, keys: Keys) -> None:
    sent = provider.apply(draft.request, Credential({"access_token": "abc"}), at=datetime.now(UTC), entropy=bytes)
    sealed = json.loads(sent.body or "")["SecurityCredential"]

    assert keys.decrypt(sealed) == "an-initiators-password"
    assert sealed in sent.secrets
    assert Keys().decrypt(sealed) != "an-initiators-password"  # a wrong key opens nothing, or something drawn at random
    assert sent.headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"payee": "+256772123456"}, InvalidPayee),
        ({"payee": "+254208374149"}, InvalidPayee),
        ({"payee": "+25470837414"}, InvalidPayee),
        ({"amount": "9"}, InvalidAmount),
        ({"amount": "250001"}, InvalidAmount),
        ({"amount": "50.5"}, InvalidAmount),
        ({"currency": "UGX"}, InvalidCurrency),
        ({"options": {"command_id": "Bribe"}}, InvalidPayout),
    ],
)
def test_order_that_cannot_be_paid_is_refused(
    provider: MpesaDarajaProvider, make_order: MakeOrder, wrong: dict[str, object], error: type[Exception]
) -> None:
    assert [type(one) for one in provider.validate(make_order(**wrong))] == [error]


@pytest.mark.parametrize("amount", ["10", "250000", "50.00"])
def test_amount_limits_are_inclusive(provider: MpesaDarajaProvider, make_order: MakeOrder, amount: str) -> None:
    assert not list(provider.validate(make_order(amount=amount, payee="+254190000010")))


def test_payment_without_a_callback_address_is_refused(make_settings: MakeSettings, make_order: MakeOrder) -> None:
    [finding] = MpesaDarajaProvider(make_settings(callback_url="")).validate(make_order())

    assert "callback_url" in finding.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("certificate", "no certificate"),
        ("certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ("currency", "UGX"),
        ("shortcode", "6009a7"),
        ("consumer_secret", " "),
        ("environment", "live"),
        ("base_url", "http://api.safaricom.co.ke"),
        ("base_url", "https://sandbox.safaricom.co.ke"),
        ("base_url", "https://api.safaricom.co.ke/mpesa"),
        ("callback_url", "http://pay.example.org/callbacks/" + "t" * 32),
        ("callback_url", "https://pay.example.org/callbacks/short"),
        ("callback_url", "https://pay.example.org/callbacks/" + "t" * 32 + "?a=1"),
        ("command_id", "Bribe"),
    ],
)
def test_settings_mistakes_are_found_at_start(make_settings: MakeSettings, field: str, value: str) -> None:
    with pytest.raises(ValidationError):
        make_settings(**{field: value})


def test_certificate_without_an_rsa_key_is_refused(make_settings: MakeSettings) -> None:
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key, name, now = generate_private_key(SECP256R1()), x509.Name([]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    pem = made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()

    with pytest.raises(ValidationError, match="RSA"):
        make_settings(certificate=pem)


def test_sandbox_and_this_machine_are_test_mode(make_settings: MakeSettings) -> None:
    assert make_settings(environment="sandbox").is_test_mode
    assert make_settings(base_url="http://127.0.0.1:80").is_test_mode
    assert not make_settings().is_test_mode


# --- callbacks to the account's path ---


def test_queue_timeout_body_is_a_hint(provider: MpesaDarajaProvider, draft: Draft, called: Make) -> None:
    """The request itself comes back; of a question under another name."""
    ours = draft.references["originator"]
    for name in ("OriginatorConversationID", "OriginalConversationID"):
        parsed = provider.parse(called({name: ours, "SecurityCredential": "abc"}))
        assert parsed is not None
        assert (parsed.references, parsed.status) == ({"originator": ours}, "queue_timeout")


def test_callbacks_are_acknowledged_in_the_documented_form(provider: MpesaDarajaProvider, called: Make) -> None:
    assert json.loads(provider.acknowledge(called(b"")).body) == {"ResultCode": 0, "ResultDesc": "Accepted"}


@pytest.mark.parametrize(
    "expected",
    [
        {"SecurityCredential": "SEALED", "PartyB": "254708374149"},
        {"Request": [{"securitycredential": "SEALED"}]},
        b"SecurityCredential=SEALED&PartyB=254708374149",
        b'{"SecurityCredential": "SEALED", "cut": ',
        b"[" * 100_000 + b"SecurityCredential: SEALED",
    ],
)
def test_security_credential_is_redacted_from_callbacks(
    provider: MpesaDarajaProvider, called: Make, expected: object
) -> None:
    assert b"SEALED" not in provider.redact(called(expected)).body


def test_callback_without_secrets_is_stored_unchanged(provider: MpesaDarajaProvider, called: Make) -> None:
    for entry in (b"", b"no JSON", {"Result": {"ResultCode": 0}}, b' {"a" : 1.10}'):
        callback = called(entry)
        assert provider.redact(callback) is callback


def test_plugin_loading_imports_no_cryptography() -> None:
    code = "import sys, payments_mpesa_daraja.plugin; sys.exit('cryptography' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
