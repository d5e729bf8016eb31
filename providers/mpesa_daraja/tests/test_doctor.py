"""`payouts doctor` about an account of M-Pesa's, which tells nothing but by callback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from payments_mpesa_daraja.emulator import MpesaDarajaEmulator

ELSEWHERE = f"https://pay.example.org/callbacks/{'a' * 32}"


def checked(folder: Path) -> dict[str, tuple[str, str]]:
    """Return what was looked at, each with its level and what to do."""
    command = [sys.executable, "-P", "-m", "payments_core", "doctor", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return {check["what"]: (check["level"], check["hint"]) for check in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize(("payload", "level"), [("", "wrong"), (ELSEWHERE, "note")])
def test_doctor_reports_an_account_without_a_callback_address(tmp_path: Path, payload: str, level: str) -> None:
    """It is found before the first payment is refused for it, with what to do."""
    config = tmp_path / "payouts.toml"
    with MpesaDarajaEmulator() as emulator:
        emulator.write_config(config)
        if payload:
            setting = f'"mpesa_daraja"\ncallback_url = "{payload}"'
            config.write_text(config.read_text("utf-8").replace('"mpesa_daraja"', setting, 1), "utf-8")
        found, hint = checked(tmp_path)["callbacks of mpesa"]

    assert found == level
    assert "`payouts callbacks --url ADDRESS --reveal`" in hint
