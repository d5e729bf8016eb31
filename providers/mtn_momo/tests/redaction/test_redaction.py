"""Promise 4: whatever a paying process gives off holds no secret, no complete number and no account holder's name."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from payments_core.testing.leaks import CapturedText, Forbidden, LogCapture

if TYPE_CHECKING:
    from providers.mtn_momo.tests.redaction.conftest import Stage

OURS = ("payments_core", "payments_mtn_momo")
PAYING = Path(__file__).with_name("paying.py")


def _stored(folder: Path) -> Iterable[CapturedText]:
    """Yield what the journals tell beside the payouts' own rows."""
    for journal in sorted(folder.glob("*/payouts.db")):
        with closing(sqlite3.connect(journal)) as connection:
            for table in ("history", "inbox", "outbox", "pauses", "queries", "meta"):
                for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    yield CapturedText("stored", f"{journal.parent.name}, {table}", repr(row))


def _files(folder: Path) -> Iterable[CapturedText]:
    """Yield every byte of every journal; payees stand in them, secrets may not."""
    for file in sorted(folder.glob("*/payouts.db*")):
        yield CapturedText("file", f"{file.parent.name}/{file.name}", file.read_bytes().decode("latin-1"))


def _check(stage: Stage, message: Iterable[CapturedText], ended: Mapping[str, str]) -> None:
    forbidden, folder = stage.forbidden, Path(stage.harness.folder)
    secrets_alone = Forbidden(forbidden.secrets)
    message = [*message, *_stored(folder)]

    _everything_happened(ended, message)
    assert forbidden.leaks(message) == []
    assert secrets_alone.leaks(_files(folder)) == []


def _everything_happened(ended: Mapping[str, str], message: Iterable[CapturedText]) -> None:
    """A process that did nothing would leak nothing."""
    for form in ("sync", "async"):
        seen = {name.partition(" ")[2]: end for name, end in ended.items() if name.startswith(f"{form} ")}
        expected = {
            "good, the end": "SUCCEEDED",
            "failed, the end": "FAILED",
            "slow": "PENDING",
            "lost": "UNKNOWN",
            "found": "SUCCEEDED",
            "duplicate": "SUCCEEDED",
            "refused": "CREATED",
            "waf_page": "CREATED",
            "unreachable": "CREATED",
            "key reused": "KeyReused",
            "no country": "InvalidPayee",
            "use after closing": "JournalClosed",
            "main 0: active, plus": "bool",
            "main 0: name": "UserInfo",
            "main 0: user info": "UserInfo",
            "main 0: refreshed": "Oauth2Token",
            "main 0: transfer again": "AlreadyUsedError",
            "main: key": "ApiKey",
        }
        assert {name: seen.get(name) for name in expected} == expected
        kinds = {"NotSentError", "RefusedError", "UnknownOutcomeError", "ReadRefused", "ReadNotFound", "ReadUnanswered"}
        assert kinds <= set(seen.values())
    parsed = {where for channel, where, _ in message if channel == "log"}
    assert {"payments_core", "httpcore.http11", "httpcore.connection", "asyncio"} <= parsed
    assert {"0", "1", "3"} <= {end for name, end in ended.items() if name.startswith("payouts ")}


@pytest.mark.proof
def test_paying_in_the_process_of_the_application_leaks_nothing(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the application's own process, every logger at DEBUG."""
    with LogCapture(*OURS) as capture:
        ended = sys.modules["paying"].everything(stage.harness, capture)
    out, err = capfd.readouterr()

    _check(
        stage,
        [*capture.captured, CapturedText("output", "stdout", out), CapturedText("output", "stderr", err)],
        ended,
    )


def test_paying_in_a_fresh_process_leaks_nothing(stage: Stage, tmp_path: Path) -> None:
    """The same where nothing else is set up: also what is printed without being asked."""
    harness, result = tmp_path / "scene.json", tmp_path / "result.json"
    harness.write_text(json.dumps(stage.harness._asdict()), "utf-8")
    command = [sys.executable, "-P", "-X", "dev", str(PAYING), str(harness), str(result)]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    fields = json.loads(result.read_text("utf-8"))
    entries = [CapturedText(*one) for one in fields["said"]]

    _check(
        stage,
        [*entries, CapturedText("output", "stdout", ran.stdout), CapturedText("output", "stderr", ran.stderr)],
        fields["ended"],
    )


def test_application_keeps_its_own_logs_of_httpx(stage: Stage) -> None:
    """Only our requests are silent: no logger is switched off, and what the application asks is logged in full."""
    number = "46733123499"
    with LogCapture() as capture, httpx.Client() as client:
        client.get(f"{stage.harness.url}/__emulator/", params={"who": number})
    entries = [(where, text) for channel, where, text in capture.captured if channel == "log"]

    assert any(where == "httpx" and number in text for where, text in entries)
    assert any(where == "httpcore.http11" and "return_value=(b'HTTP/1.1', 200" in text for where, text in entries)
