"""A scene to pay in: an emulator, a gateway that repeats whatever it was sent, and five installations.

Every secret is of its own making, so that a leak tells which one it was.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import secrets
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from payments_core.testing.leaks import Forbidden
from payments_mtn_momo.emulator import MtnMomoEmulator, consent, holders
from payments_mtn_momo.emulator.tokens import Credentials

PAYING = Path(__file__).with_name("paying.py")
# The person in the emulator here; the sandbox's own person has the sandbox's name.
PERSON = {
    "sub": "holder-sub-7f3a",
    "name": "Akello Quillfeather",
    "given_name": "Akello",
    "family_name": "Quillfeather",
    "birthdate": "1971-02-03",
    "email": "quillfeather@example.org",
    "identification_value": "QX5512907",
}


def _paying() -> ModuleType:
    spec = importlib.util.spec_from_file_location("paying", PAYING)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules["paying"] = module  # dataclasses and NamedTuple look their module up
    spec.loader.exec_module(module)
    return module


paying: Any = _paying()


class Echo(ThreadingHTTPServer):
    """Gives a token, and answers everything else with all that it was sent, in one way after another."""

    daemon_threads = True

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Echoing)
        self.token = token
        self.asked = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Echoing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def _serve(self) -> None:
        assert isinstance(self.server, Echo)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        sent = " ".join([self.path, *(f"{name}: {value}" for name, value in self.headers.items()), body])
        self.server.asked += 1
        if self.path == "/disbursement/token/" and self.server.asked % 5:
            token = {"access_token": self.server.token, "token_type": "access_token", "expires_in": 3600}
            self._answer(200, json.dumps(token), sent)
        else:
            self._answer(*_echoes(sent)[self.server.asked % 8], sent)

    do_GET = do_POST = do_PUT = _serve

    def _answer(self, status: int, text: str, sent: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if text.startswith("<") else "application/json")
        self.send_header("X-Echo", sent[:400].replace("\n", " "))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _echoes(sent: str) -> list[tuple[int, str]]:
    keys = " ".join(
        sorted(sent.split(), key=len, reverse=True)[:6]
    )  # secrets are long; what comes late in a text is cut off
    return [
        (500, json.dumps({"code": "INTERNAL_PROCESSING_ERROR", "message": sent})),
        (500, json.dumps({"code": keys, "message": keys})),
        (400, json.dumps({"code": "VALIDATION_ERROR", "message": keys})),
        (403, f"<html><title>{sent}</title></html>"),
        (401, json.dumps({"statusCode": 401, "message": f"Access denied: {keys}"})),
        (409, json.dumps({"code": "RESOURCE_ALREADY_EXIST", "message": keys})),
        (400, json.dumps({"error": "invalid_grant", "error_description": keys})),
        (200, json.dumps({"status": "FAILED", "reason": keys, "amount": "5", "currency": "EUR"})),
    ]


@dataclass(frozen=True)
class Stage:
    """A scene with its servers, and what may not leave it."""

    harness: Any
    emulator: MtnMomoEmulator
    secrets: Mapping[str, str]

    @property
    def forbidden(self) -> Forbidden:
        """Everything secret that there is by now."""
        return Forbidden(self.secrets, paying.NUMBERS, [*PERSON.values()])


def _remember(emulator: MtnMomoEmulator, given: dict[str, str]) -> None:
    """Keep every secret that the emulator gives out."""
    exchange = emulator._gateway.exchange

    def remembering(*asked: Any) -> Any:
        outcome = exchange(*asked)
        fields = json.loads(outcome.answer.body) if outcome.answer and outcome.answer.body.startswith(b"{") else {}
        for name in ("access_token", "refresh_token", "auth_req_id", "apiKey"):
            if secret := fields.get(name):
                given[f"{name} {len(given)}"] = secret
        return outcome

    emulator._gateway.exchange = remembering  # type: ignore[assignment, method-assign]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for desk in (holders, consent):
        monkeypatch.setattr(desk, "person", lambda at: dict(PERSON) | {"updated_at": int(at.timestamp())})
    monkeypatch.setattr(consent, "_MORE", {"status": "ACTIVE", "phone_number": paying.SLOW})
    echo = Echo(f"echo-access-token-{secrets.token_urlsafe(24)}")
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    with MtnMomoEmulator(delayed_s=60) as emulator, socket.create_server(("127.0.0.1", 0)) as stranger:
        given: dict[str, str] = {}
        _remember(emulator, given)
        port = stranger.getsockname()[1]
        stranger.close()
        addresses = dict.fromkeys(("main", "again", "wrong"), emulator.url)
        addresses |= {"nowhere": f"http://127.0.0.1:{port}", "echo": echo.url, "httpx": echo.url}
        emulator.write_config(tmp_path / "main" / "payouts.toml")
        keys = _install(tmp_path, addresses, emulator.credentials)
        pairs = {
            f"Basic pair {name}": base64.b64encode(f"{emulator.credentials.api_user}:{key}".encode()).decode()
            for name, key in keys.items()
        }
        made_up = {
            "made-up auth_req_id": f"made-up-auth-req-{secrets.token_hex(12)}",
            "made-up consent token": f"made-up-consent-{secrets.token_hex(12)}",
        }
        given |= {f"API key {name}": key for name, key in keys.items()} | pairs | made_up
        given |= {"subscription key": emulator.credentials.subscription_key, "token of the echo": echo.token}
        settings = {
            name: {
                "target_environment": "sandbox",
                "api_user": emulator.credentials.api_user,
                "api_key": keys["wrong" if name == "wrong" else "main"],
                "subscription_key": emulator.credentials.subscription_key,
                "base_url": address,
                "sync_transport": "httpx" if name == "httpx" else "h11",
                "async_transport": "aiohttp" if name == "httpx" else "h11",
            }
            for name, address in addresses.items()
        }
        collection = emulator.add_collection(amount="1000", currency="EUR", payer=paying.GOOD)
        harness = paying.Harness(str(tmp_path), emulator.url, settings, *made_up.values(), collection)
        yield Stage(harness, emulator, given)
    echo.shutdown()
    echo.server_close()


def _install(folder: Path, addresses: Mapping[str, str], credentials: Credentials) -> dict[str, str]:
    """Write the other installations beside ``main``; return the API keys in use."""
    main = folder / "main"
    for name, address in addresses.items():
        if name != "main":
            shutil.copytree(main, folder / name)
            config = folder / name / "payouts.toml"
            config.write_text(config.read_text("utf-8").replace(addresses["main"], address), "utf-8")
    wrong = f"wrong-api-key-{secrets.token_hex(12)}"
    next((folder / "wrong" / "secrets").glob("*-api-key")).write_text(wrong, "utf-8")
    return {"main": credentials.api_key, "wrong": wrong}
