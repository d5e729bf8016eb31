"""The emulator over real sockets: every fault as a client meets it, the routes that steer it, the files it writes."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import stat
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from payments_core.domain.errors import SettingsError
from payments_core.settings import load, read_account
from payments_core.testing.emulator.faults import FAULTS, BadFaults
from payments_mtn_momo import MtnMomoSettings
from payments_mtn_momo.emulator import MtnMomoEmulator

BODY = {
    "amount": "5",
    "currency": "EUR",
    "externalId": "po_x",
    "payee": {"partyIdType": "MSISDN", "partyId": "46733123499"},
}
NO_TLS = ssl.create_default_context()  # one for all callers: making it is what takes time
TRANSFER = "/disbursement/v1_0/transfer"


class GatewayCaller(httpx.Client):
    """A client with the emulator's credentials."""

    def __init__(self, emulator: MtnMomoEmulator, *, timeout_s: float = 5) -> None:
        super().__init__(base_url=emulator.url, timeout=timeout_s, trust_env=False, verify=NO_TLS)
        self.held = emulator.credentials
        self.headers.update(
            {
                "Ocp-Apim-Subscription-Key": self.held.subscription_key,
                "X-Target-Environment": emulator.target,
            }
        )

    def token(self) -> httpx.Response:
        return self.post("/disbursement/token/", auth=(self.held.api_user, self.held.api_key))

    def login(self) -> None:
        self.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def pay(self, reference: str, payee: str = "46733123499") -> httpx.Response:
        body = BODY | {"payee": {"partyIdType": "MSISDN", "partyId": payee}}
        return self.post(TRANSFER, json=body, headers={"X-Reference-Id": reference})

    def read(self, reference: str) -> httpx.Response:
        return self.get(f"{TRANSFER}/{reference}")


@pytest.fixture
def caller(emulator: MtnMomoEmulator) -> Iterator[GatewayCaller]:
    with GatewayCaller(emulator) as client:
        client.login()
        yield client


@pytest.fixture
def reference() -> str:
    return str(uuid.uuid4())


def entry(emulator: MtnMomoEmulator, reference: str) -> dict[str, Any]:
    [found] = [dict(row) for row in emulator.ledger() if row["reference"] == reference] or [{}]
    return found


def test_payment_is_recorded_in_the_ledger(caller: GatewayCaller, emulator: MtnMomoEmulator, reference: str) -> None:
    taken = caller.pay(reference)
    read = caller.read(reference)

    assert (taken.status_code, taken.content, taken.headers["content-length"]) == (202, b"", "0")
    assert read.json()["status"] == "SUCCESSFUL"
    assert read.headers["content-type"] == "application/json;charset=utf-8"
    assert len(read.headers.get_list("date")) == 1
    assert "server" not in read.headers
    rows = httpx.get(f"{emulator.url}/__emulator/ledger", trust_env=False).json()["entries"]
    [row] = [row for row in rows if row["reference"] == reference]
    assert row["order"]["externalId"] == "po_x"
    assert (
        row
        | {
            "operation": "transfer",
            "payee": "46733123499",
            "amount": "5",
            "currency": "EUR",
            "external_id": "po_x",
            "state": "SUCCESSFUL",
            "reason": None,
            "posts": 1,
            "credits": 1,
        }
        == row
    )
    assert rows == emulator.ledger()


# What a client meets under each fault: the POST's status or the exception, the read's status, the credits.
RESET = httpx.ReadError
MET: list[tuple[str, Any, int | type[Exception], int, int]] = [
    ("answer_lost_after_acceptance", {"next": 1}, RESET, 200, 1),
    ("answer_lost_before_acceptance", {"next": 1}, RESET, 404, 0),
    ("reset_mid_body", {"next": 1}, RESET, 200, 1),
    ("slow_s", 0.3, 202, 200, 1),
    ("status_429", True, 429, 404, 0),
    ("status_503", True, 503, 404, 0),
    ("status_500", {"code": "NOT_ALLOWED"}, 500, 404, 0),
    ("waf_page", True, 403, 404, 0),
    ("invisible_s", 60, 202, 404, 1),
    ("stuck_pending", True, 202, 200, 0),
    ("token_slow_s", 0.3, 202, 200, 1),
    ("token_refused", {"next": 1}, 401, 401, 0),
    ("writes_forbidden", True, 403, 404, 0),
]


def test_faults_are_all_tested_here() -> None:
    """Those of callbacks are met by who is called back, in emulator/test_callbacks.py."""
    assert {row[0] for row in MET} | {"outage_s"} == {name for name in FAULTS if not name.startswith("callback_")}


@pytest.mark.parametrize(("name", "form", "post", "read", "credited"), MET, ids=[row[0] for row in MET])
def test_fault_acts_over_a_socket(
    caller: GatewayCaller,
    emulator: MtnMomoEmulator,
    reference: str,
    name: str,
    form: Any,
    post: int | type[Exception],
    read: int,
    credited: int,
) -> None:
    set_over_http = caller.post("/__emulator/faults", json={name: form})
    assert set_over_http.json() == {"faults": {name: form}}

    started = time.monotonic()
    if isinstance(post, int):
        assert caller.pay(reference).status_code == post
    else:
        with pytest.raises(post):
            caller.pay(reference)
    took_s = time.monotonic() - started

    assert took_s >= (0.3 if name == "slow_s" else 0)
    assert caller.read(reference).status_code == read
    assert entry(emulator, reference).get("credits", 0) == credited


def test_token_may_come_late(caller: GatewayCaller, emulator: MtnMomoEmulator) -> None:
    emulator.set_faults({"token_slow_s": 0.3})
    started = time.monotonic()

    assert caller.token().status_code == 200
    assert time.monotonic() - started >= 0.3


def test_outage_ends_when_the_clock_says_so(caller: GatewayCaller, emulator: MtnMomoEmulator, reference: str) -> None:
    emulator.set_faults({"outage_s": 600})
    with pytest.raises(RESET):
        caller.pay(reference)
    with pytest.raises(RESET):
        caller.read(reference)
    with pytest.raises(RESET):
        caller.token()
    advanced = httpx.post(f"{emulator.url}/__emulator/clock", json={"advance_s": 600}, trust_env=False)

    assert advanced.status_code == 200  # the steering routes work on through an outage
    assert caller.pay(reference).status_code == 202


def raw_request(emulator: MtnMomoEmulator, reference: str, token: str, *, missing: int = 0) -> bytes:
    """Write a payment's request by hand; ``missing`` bytes are promised and not there."""
    body = json.dumps(BODY)
    head = (
        f"POST {TRANSFER} HTTP/1.1\r\nHost: emulator\r\n"
        f"Authorization: Bearer {token}\r\nX-Reference-Id: {reference}\r\n"
        f"Ocp-Apim-Subscription-Key: {emulator.credentials.subscription_key}\r\nX-Target-Environment: sandbox\r\n"
        f"Content-Length: {len(body) + missing}\r\n\r\n"
    )
    return (head + body).encode()


def raw_post(emulator: MtnMomoEmulator, reference: str, token: str) -> tuple[bytes, str]:
    """Send a payment by hand; return what came back and how the connection ended."""
    port = int(emulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(raw_request(emulator, reference, token))
        got = b""
        while True:
            try:
                part = sock.recv(4096)
            except ConnectionResetError:
                return got, "reset"
            if not part:
                return got, "end"
            got += part


@pytest.mark.parametrize("name", ["answer_lost_after_acceptance", "answer_lost_before_acceptance"])
def test_lost_answer_is_a_reset_without_a_byte_and_without_a_log(
    caller: GatewayCaller, emulator: MtnMomoEmulator, reference: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.set_faults({name: True})

    assert raw_post(emulator, reference, caller.headers["Authorization"].split()[1]) == (b"", "reset")
    caller.get("/__emulator/")  # by now the server is done with the other request
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_empty_answer_is_cut_in_its_head(caller: GatewayCaller, emulator: MtnMomoEmulator, reference: str) -> None:
    emulator.set_faults({"reset_mid_body": True})

    got, ended = raw_post(emulator, reference, caller.headers["Authorization"].split()[1])
    assert got.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert b"\r\n\r\n" not in got
    assert ended == "reset"


def test_answer_with_a_body_is_cut_in_its_body(
    caller: GatewayCaller, emulator: MtnMomoEmulator, reference: str
) -> None:
    caller.pay(reference)
    emulator.set_faults({"reset_mid_body": {"on": "get"}})

    with caller.stream("GET", f"{TRANSFER}/{reference}") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.ReadError):
            response.read()


def test_unknown_fault_is_a_400_with_the_names(caller: GatewayCaller) -> None:
    refused = caller.post("/__emulator/faults", json={"anser_lost": 1})

    assert refused.status_code == 400
    assert "anser_lost" in refused.json()["error"]
    assert refused.json()["names"] == list(FAULTS)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7"])
@pytest.mark.parametrize("route", ["faults", "clock"])
def test_fault_body_that_is_no_object_is_a_400(caller: GatewayCaller, route: str, body: bytes) -> None:
    assert caller.post(f"/__emulator/{route}", content=body).status_code == 400


@pytest.mark.parametrize(
    "expected", [{}, {"advance_s": -1}, {"advance_s": "1"}, {"advance_s": True}, {"advance_s": 1, "x": 1}]
)
def test_clock_moves_forward_only(caller: GatewayCaller, expected: dict[str, Any]) -> None:
    assert caller.post("/__emulator/clock", json=expected).status_code == 400


def test_clock_moves_tokens_and_delayed_payments(
    caller: GatewayCaller, emulator: MtnMomoEmulator, reference: str
) -> None:
    caller.pay(reference, "46733123454")
    before = emulator.now
    assert (caller.read(reference).json()["status"], entry(emulator, reference)["credits"]) == ("CREATED", 0)

    fields = caller.post("/__emulator/clock", json={"advance_s": 2}).json()
    assert timedelta(seconds=2) <= datetime.fromisoformat(fields["now"]) - before < timedelta(seconds=4)
    assert (caller.read(reference).json()["status"], entry(emulator, reference)["credits"]) == ("SUCCESSFUL", 1)
    emulator.advance(3600)
    assert caller.read(reference).status_code == 401


def test_emulator_describes_itself(caller: GatewayCaller) -> None:
    fields = caller.get("/__emulator/").json()

    assert "No money moves" in fields["what"]
    assert list(fields["fault_names"]) == list(FAULTS)


def test_reference_used_by_a_hundred_callers_is_paid_once(emulator: MtnMomoEmulator, reference: str) -> None:
    """A hundred connections at once: one is taken, the others are duplicates, one credit."""
    together = threading.Barrier(100)

    def pay(caller: GatewayCaller) -> int:
        together.wait(10)
        return caller.pay(reference).status_code

    callers = [GatewayCaller(emulator, timeout_s=10) for _ in range(100)]
    callers[0].login()
    for caller in callers:
        caller.headers["Authorization"] = callers[0].headers["Authorization"]
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(pay, callers))
    for caller in callers:
        caller.close()

    assert sorted(answers) == [202, *[409] * 99]
    assert (entry(emulator, reference)["posts"], entry(emulator, reference)["credits"]) == (100, 1)


def test_callers_are_served_side_by_side(emulator: MtnMomoEmulator, caller: GatewayCaller) -> None:
    """A slow answer to one keeps no other caller waiting."""
    emulator.set_faults({"slow_s": {"payee": "46733123498", "value": 0.5}})
    slow, quick = str(uuid.uuid4()), str(uuid.uuid4())
    with GatewayCaller(emulator) as other, ThreadPoolExecutor(1) as pool:
        other.headers["Authorization"] = caller.headers["Authorization"]
        waiting = pool.submit(other.pay, slow, "46733123498")
        while not entry(emulator, slow):
            time.sleep(0.005)
        assert caller.pay(quick).status_code == 202
        assert not waiting.done()
        assert waiting.result().status_code == 202


def test_stop_waits_for_no_client_and_logs_nothing(caplog: pytest.LogCaptureFixture, reference: str) -> None:
    caplog.set_level(logging.WARNING)
    emulator = MtnMomoEmulator(faults={"slow_s": 60})
    emulator.start()
    with GatewayCaller(emulator) as caller, ThreadPoolExecutor(1) as pool:
        caller.login()
        waiting = pool.submit(caller.pay, reference)
        while not emulator.ledger():
            time.sleep(0.005)
        started = time.monotonic()
        emulator.stop()
        assert time.monotonic() - started < 20
        with pytest.raises(httpx.TransportError):
            waiting.result()
    emulator.stop()

    assert [row["credits"] for row in emulator.ledger()] == [1]
    assert [record for record in caplog.records if record.name != "asyncio" or record.levelno > logging.WARNING] == []


def test_half_a_request_is_not_executed(caller: GatewayCaller, emulator: MtnMomoEmulator, reference: str) -> None:
    port = int(emulator.url.rpartition(":")[2])
    token = caller.headers["Authorization"].split()[1]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(raw_request(emulator, reference, token, missing=1))
    for _ in range(5):
        assert caller.read(reference).status_code == 404


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its sockets in a file")
def test_emulator_listens_on_this_machine_only(emulator: MtnMomoEmulator) -> None:
    """Nothing but the loopback address is bound, and no argument changes that."""
    port = int(emulator.url.rpartition(":")[2])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text("utf-8").splitlines() if " 0A " in line]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
    assert emulator.url == f"http://127.0.0.1:{port}"


def test_wrong_argument_is_refused() -> None:
    with pytest.raises(ValueError, match="no target"):
        MtnMomoEmulator(target="mtnatlantis")
    with pytest.raises(BadFaults):
        MtnMomoEmulator(faults={"x": 1})


def test_port_in_use_is_an_error_at_once(emulator: MtnMomoEmulator) -> None:
    with pytest.raises(OSError, match="in use"):
        MtnMomoEmulator(port=int(emulator.url.rpartition(":")[2])).start()


# --- the configuration it writes ----------------------------------------------------------------------------------


def resolver(folder: Path) -> Callable[[str], SecretStr]:
    def resolve(reference: str) -> SecretStr:
        assert reference.startswith("file:")
        return SecretStr((folder / reference.removeprefix("file:")).read_text("utf-8"))

    return resolve


def account(path: Path, name: str) -> MtnMomoSettings:
    return read_account(MtnMomoSettings, name, load(path).accounts[name], resolve_secret=resolver(path.parent))


@pytest.mark.parametrize(("target", "name"), [("", "mtn-sandbox"), ("mtnuganda", "mtn-uganda")])
def test_written_configuration_pays_through_the_emulator(
    emulator: MtnMomoEmulator, tmp_path: Path, reference: str, target: str, name: str
) -> None:
    path = tmp_path / "payouts.toml"

    assert emulator.write_config(path, target=target) == (name,)
    settings = account(path, name)
    assert settings.is_test_mode
    assert settings.base_url == emulator.url
    assert settings.target_environment == (target or "sandbox")
    assert not emulator.config_reused
    body = BODY | {"currency": settings.currency}
    with GatewayCaller(emulator) as caller:
        caller.login()
        headers = {"X-Reference-Id": reference, "X-Target-Environment": settings.target_environment}
        assert caller.post(TRANSFER, json=body, headers=headers).status_code == 202
    assert len(load(path).namespace) == 32
    assert load(path).journal == "sqlite:///payouts.db"


@pytest.mark.skipif(sys.platform == "win32", reason="file modes")
def test_written_secrets_are_readable_by_their_owner_alone(emulator: MtnMomoEmulator, tmp_path: Path) -> None:
    """Whatever the umask: the folder is 0700, each file 0600, and no secret stands in the configuration."""
    before = os.umask(0)
    try:
        emulator.write_config(tmp_path / "payouts.toml")
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()}
    mark = load(tmp_path / "payouts.toml").namespace[:8]
    assert modes == {
        f"emulator-mtn-sandbox-{mark}-api-key": 0o600,
        f"emulator-mtn-sandbox-{mark}-subscription-key": 0o600,
    }
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    written = (tmp_path / "payouts.toml").read_text("utf-8")
    assert emulator.credentials.api_key not in written
    assert emulator.credentials.subscription_key not in written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["payouts.toml", "secrets"]


def test_restart_with_its_configuration_keeps_the_credentials(tmp_path: Path, reference: str) -> None:
    """The same journal works on: file and namespace are kept, the new process takes the old credentials."""
    path = tmp_path / "payouts.toml"
    with MtnMomoEmulator() as first:
        first.write_config(path)
        written, port = path.read_text("utf-8"), int(first.url.rpartition(":")[2])
    with MtnMomoEmulator(port) as second:
        assert second.write_config(path) == ("mtn-sandbox",)
        assert second.config_reused
        assert path.read_text("utf-8") == written
        assert second.credentials == first.credentials
        with GatewayCaller(second) as caller:
            caller.login()
            assert caller.pay(reference).status_code == 202


def test_another_configuration_is_never_overwritten(emulator: MtnMomoEmulator, tmp_path: Path) -> None:
    path = tmp_path / "payouts.toml"
    with MtnMomoEmulator() as other:
        other.write_config(path)
    written = path.read_text("utf-8")

    with pytest.raises(SettingsError, match="Start the emulator on that port"):
        emulator.write_config(path)
    with pytest.raises(SettingsError, match="has no account mtn-uganda"):
        emulator.write_config(path, target="mtnuganda")
    (tmp_path / "other.toml").write_text("[installation]\n", "utf-8")
    with pytest.raises(SettingsError):
        emulator.write_config(tmp_path / "other.toml")
    assert path.read_text("utf-8") == written
    emulator.write_config(path, overwrite=True)
    assert account(path, "mtn-sandbox").base_url == emulator.url


def test_configurations_can_share_a_folder(tmp_path: Path) -> None:
    """Each has secrets and a journal of its own, also where one was renamed."""
    with MtnMomoEmulator() as first, MtnMomoEmulator() as second, MtnMomoEmulator() as third:
        first.write_config(tmp_path / "payouts.toml")
        second.write_config(tmp_path / "other.toml")
        (tmp_path / "payouts.toml").rename(tmp_path / "renamed.toml")
        third.write_config(tmp_path / "payouts.toml")
        for name, emulator in (("renamed.toml", first), ("other.toml", second), ("payouts.toml", third)):
            assert account(tmp_path / name, "mtn-sandbox").api_key.get_secret_value() == emulator.credentials.api_key
    journals = [load(tmp_path / name).journal for name in ("other.toml", "payouts.toml")]
    assert journals == ["sqlite:///other.db", "sqlite:///payouts.db"]


def test_lost_secrets_are_reported(emulator: MtnMomoEmulator, tmp_path: Path) -> None:
    path = tmp_path / "payouts.toml"
    emulator.write_config(path)
    next((tmp_path / "secrets").glob("*-api-key")).unlink()

    with pytest.raises(SettingsError, match=r"the api_key of \[accounts.mtn-sandbox\] cannot be read"):
        emulator.write_config(path)


def test_configuration_needs_the_address_of_a_running_emulator(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Start the emulator first"):
        MtnMomoEmulator().write_config(tmp_path / "payouts.toml")
    MtnMomoEmulator(9400).write_config(tmp_path / "payouts.toml")
    assert account(tmp_path / "payouts.toml", "mtn-sandbox").base_url == "http://127.0.0.1:9400"
