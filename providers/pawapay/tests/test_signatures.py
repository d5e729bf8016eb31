"""Signatures, before foreign judges: what we send is verified by the library as it is, and by cryptography alone."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

pytest.importorskip("http_message_signatures", reason="the extra `signatures` is not installed")

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver, algorithms

from payments_core.domain.errors import SettingsError
from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.http.flow import run_flow
from payments_core.http.messages import HttpRequest
from payments_core.provider import Attempt, Callback, Credential
from payments_core.testing.conformance import reply
from payments_core.testing.conformance.malformed import answered
from payments_pawapay.emulator.signing import KeyRing
from payments_pawapay.provider import PawapayProvider
from payments_pawapay.signatures import ALGORITHMS, COVERED

NOW = datetime.now(UTC).replace(microsecond=0)
ORDER = Order(key="k", payee=Payee.msisdn("+260999700789"), amount=Money("15.2", "ZMW"), note="Größe")
ATTEMPT = Attempt(1, bytes(range(32)), "po_" + "a" * 24)
URL = "https://pay.example.org/callbacks/a-token"


def key_for(name: str) -> Any:
    if name.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1() if "p256" in name else ec.SECP384R1())


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signing(settle: Any, key: Any, name: str, **more: Any) -> PawapayProvider:
    fields = {"signing_key": SecretStr(pem(key)), "signing_key_id": "OURS:1", "signing_algorithm": name}
    return PawapayProvider(settle(operator="MTN_MOMO_ZMB", **fields, **more))


def sent(provider: PawapayProvider, at: datetime = NOW) -> HttpRequest:
    request = provider.draft(ORDER, ATTEMPT).request
    return provider.apply(request, Credential({"api_token": "token-of-somebody"}), at=at, entropy=bytes)


class Message:
    """A request as the library wants to see it."""

    def __init__(self, request: HttpRequest) -> None:
        self.method, self.url, self.headers = request.method, request.url, dict(request.headers)


def signature_of(request: HttpRequest) -> bytes:
    found = re.fullmatch(r"sig-pp=:([A-Za-z0-9+/=]+):", request.headers["Signature"])
    assert found
    return base64.b64decode(found[1])


def base_of(request: HttpRequest) -> bytes:
    """Return what RFC 9421 says is signed, written here once more by hand."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    parameters = headers["signature-input"].removeprefix("sig-pp=")
    address = urlsplit(request.url)
    derived = {"@method": request.method, "@authority": address.netloc, "@path": address.path}
    names = re.findall(r'"([^"]+)"', parameters.partition(")")[0])
    lines = [f'"{name}": {derived.get(name) or headers[name]}' for name in names]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_signature_of_a_request_is_verified_by_the_library(settle: Any, name: str) -> None:
    """With raw ECDSA, as RFC 9421 says; body, method, address, path, date and type are covered."""
    key = key_for(name)
    now = datetime.now(UTC)  # this judge has a clock of its own
    request = sent(signing(settle, key, name, ecdsa_encoding="raw"), now)
    resolver = MappingKeyResolver(public_keys={"OURS:1": public(key).encode()}, private_keys={})
    judge = HTTPMessageVerifier(signature_algorithm=getattr(algorithms, ALGORITHMS[name]), key_resolver=resolver)
    [found] = judge.verify(Message(request), body=(request.body or "").encode())

    covered = {name.strip('"') for name in found.covered_components}
    assert covered >= {"@method", "@authority", "@path", "signature-date", "content-digest", "content-type"}
    assert found.label == "sig-pp"
    assert (found.parameters["alg"], found.parameters["keyid"]) == (name, "OURS:1")
    assert found.parameters["created"] == int(now.timestamp())
    assert found.parameters["expires"] == int(now.timestamp()) + 60


@pytest.mark.parametrize("encoding", ["der", "raw"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_signature_of_a_request_is_verified_by_cryptography_alone(settle: Any, name: str, encoding: str) -> None:
    key = key_for(name)
    request = sent(signing(settle, key, name, ecdsa_encoding=encoding))
    signature, base, judge = signature_of(request), base_of(request), key.public_key()
    if name.startswith("ecdsa") and encoding == "raw":
        half = len(signature) // 2
        assert half == (32 if "p256" in name else 48)
        signature = encode_dss_signature(
            *(int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        )
    elif name.startswith("ecdsa"):
        assert signature[0] == 0x30
    how: Mapping[str, tuple[Any, ...]] = {
        "ecdsa-p256-sha256": (ec.ECDSA(hashes.SHA256()),),
        "ecdsa-p384-sha384": (ec.ECDSA(hashes.SHA384()),),
        "rsa-v1_5-sha256": (padding.PKCS1v15(), hashes.SHA256()),
        "rsa-pss-sha512": (padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()),
    }
    judge.verify(signature, base, *how[name])
    with pytest.raises(InvalidSignature):
        judge.verify(signature, base + b" ", *how[name])


@pytest.mark.parametrize("digest", ["sha-256", "sha-512"])
def test_digest_is_over_the_bytes_that_are_sent(settle: Any, digest: str) -> None:
    request = sent(signing(settle, key_for("ecdsa-p256"), "ecdsa-p256-sha256", content_digest=digest))
    body = (request.body or "").encode()
    hashed = hashlib.new(digest.replace("-", ""), body).digest()
    assert request.headers["Content-Digest"] == f"{digest}=:{base64.b64encode(hashed).decode()}:"


def test_signature_is_added_at_send_time_to_money_requests_only(settle: Any) -> None:
    """A signature belongs to one moment; only what moves money has one."""
    provider = signing(settle, key_for("ecdsa-p256"), "ecdsa-p256-sha256")
    draft = provider.draft(ORDER, ATTEMPT)
    assert "Signature" not in draft.request.headers
    requests: list[HttpRequest] = []
    answered(provider.check(draft), reply(200, {"status": "NOT_FOUND"}), requests)
    [asked] = requests
    read = provider.apply(asked, Credential({"api_token": "t"}), at=NOW, entropy=bytes)
    assert "Signature" not in read.headers
    assert "Signature" not in sent(PawapayProvider(settle(operator="MTN_MOMO_ZMB"))).headers


@pytest.mark.parametrize("wrong", ["no key at all", "another kind", "another curve"])
def test_key_that_cannot_sign_is_found_at_start(settle: Any, wrong: str) -> None:
    """And nothing of it is shown."""
    keys = {"no key at all": "-----BEGIN TOP SECRET", "another kind": pem(key_for("rsa"))}
    text = keys.get(wrong, pem(key_for("ecdsa-p384")))
    with pytest.raises(SettingsError) as error:
        PawapayProvider(settle(signing_key=SecretStr(text), signing_key_id="OURS:1"))
    assert error.value.__cause__ is None
    for line in text.splitlines():
        assert line not in str(error.value) + error.value.hint


# --- callbacks ---

BODY = b'{"payoutId":"f0000000-0000-4000-8000-000000000001","status":"COMPLETED","metadata":{"payoutsId":"po_x"}}'


def callback(headers: Mapping[str, str], *, body: bytes = BODY, after_s: float = 0.0) -> Callback:
    return Callback("POST", {**headers, "host": "127.0.0.1:8000"}, body, NOW + timedelta(seconds=after_s))


def listening(settle: Any, keys: KeyRing | None = None, **more: Any) -> PawapayProvider:
    made = PawapayProvider(settle(signed_callbacks=True, callback_url=URL, **more))
    if keys is not None:
        refresh_provider_config(made, keys, 0)
    return made


def refresh_provider_config(provider: PawapayProvider, keys: KeyRing, after_s: float) -> int:
    at = NOW + timedelta(seconds=after_s)
    entries = [replace(reply(500), at=at), replace(reply(200, keys.public()), at=at)]
    flow = provider.refresh_provider_config(at)
    asked = 0
    try:
        command: Any = next(flow)
        while True:
            asked += 1
            command = flow.send(entries[command.operation == "keys"])
    except StopIteration:
        return asked


@pytest.mark.parametrize("encoding", ["der", "raw"])
def test_callback_signed_by_pawapay_is_verified(settle: Any, encoding: str) -> None:
    """Whichever way ECDSA is spelt, and whatever Host a proxy has put there."""
    keys = KeyRing(encoding)
    assert listening(settle, keys).verify(callback(keys.sign(URL, BODY, NOW))) is True


@pytest.mark.parametrize("name", ALGORITHMS)
def test_callback_signature_algorithms_are_all_verified(settle: Any, name: str) -> None:
    """Here our own signer plays pawaPay: what is signed is the same."""
    key = key_for(name)
    request = sent(signing(settle, key, name))
    made = PawapayProvider(
        settle(signed_callbacks=True, callback_url=request.url, callback_keys={"OURS:1": public(key)})
    )
    headers = {field.lower(): value for field, value in request.headers.items()}
    body = (request.body or "").encode()
    assert made.verify(callback(headers, body=body)) is True
    assert made.verify(callback(headers, body=body + b" ")) is False


def test_forged_callback_is_rejected(settle: Any) -> None:
    """Another body, key, address, method, time, less covered, or no signature at all."""
    keys = KeyRing("der")
    made, good = listening(settle, keys), keys.sign(URL, BODY, NOW)
    assert made.verify(callback(good)) is True
    forged = {
        "another body": callback(good, body=BODY.replace(b"COMPLETED", b"FAILED")),
        "a body that says the same": callback(good, body=BODY + b"\n"),
        "somebody else's key": callback(keys.sign(URL, BODY, NOW, by_stranger=True)),
        "another address": callback(keys.sign(URL.replace("pay.", "other."), BODY, NOW)),
        "another path": callback(keys.sign(URL + "x", BODY, NOW)),
        "another method": replace(callback(good), method="PUT"),
        "expired": callback(good, after_s=931),
        "to come": callback(good, after_s=-31),
        "another date": callback({**good, "signature-date": "2020-01-01T00:00:00Z"}),
        "no digest": callback({name: value for name, value in good.items() if name != "content-digest"}),
        "no signature": callback({"content-type": "application/json"}),
        "nonsense": callback({**good, "signature": "sig-pp=:é:", "signature-input": "((("}),
        "an empty one": callback({**good, "signature": "sig-pp=::"}),
    }
    believed = [name for name, one in forged.items() if made.verify(one) is not False]
    assert not believed


@pytest.mark.parametrize("left_out", ["@method", "@authority", "@path", "content-digest"])
def test_signature_that_covers_too_little_proves_nothing(
    settle: Any, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    """Signed by the right key, and not over all that matters."""
    keys = KeyRing("raw")
    covered = tuple(name for name in COVERED if name != left_out)
    monkeypatch.setattr("payments_pawapay.emulator.signing.COVERED", covered)
    if left_out == "content-digest":  # the library adds it to whatever has a body
        monkeypatch.setattr("http_message_signatures.signatures._is_content_digest", lambda _: True)
    assert f'"{left_out}"' not in (less := keys.sign(URL, BODY, NOW))["signature-input"]
    assert listening(settle, keys).verify(callback(less)) is False


def test_signing_keys_are_fetched_again_when_they_change(settle: Any) -> None:
    """An unknown key proves nothing and disproves nothing; the next time it is known, and the old one gone."""
    keys = KeyRing("der")
    made = listening(settle, keys)
    old = keys.sign(URL, BODY, NOW + timedelta(seconds=100))
    keys.rotate()
    new = keys.sign(URL, BODY, NOW + timedelta(seconds=100))

    assert made.verify(callback(new, after_s=100)) is None
    assert refresh_provider_config(made, keys, 100) == 2  # the limits, which were not fetched before, and the keys
    assert made.verify(callback(new, after_s=100)) is True
    assert made.verify(callback(old, after_s=100)) is None
    assert refresh_provider_config(made, keys, 130) == 0


def test_check_fetches_new_keys_in_a_process_that_only_checks(settle: Any) -> None:
    keys = KeyRing("der")
    made = listening(settle, operator="MTN_MOMO_ZMB")
    signed = callback(keys.sign(URL, BODY, NOW))
    assert made.verify(signed) is None
    draft = made.draft(ORDER, ATTEMPT)
    answers, asked = {"status": {"status": "NOT_FOUND"}, "keys": keys.public()}, list[str]()

    def execute(request: Any) -> Any:
        asked.append(request.operation)
        return reply(200, answers[request.operation])

    outcome: Any = run_flow(made.check(draft), execute)
    assert asked == ["status", "keys"]
    assert outcome.code == "NOT_FOUND"
    assert made.verify(signed) is True
