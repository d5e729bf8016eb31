"""`payouts doctor`, and the first payment, with a token that pawaPay refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from payments_pawapay.emulator import PawapayEmulator


def payouts(folder: Path, *words: str) -> Any:
    """Call the command line in a process of its own, and return what it printed."""
    command = [sys.executable, "-P", "-m", "payments_core", *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)


def test_doctor_accepts_a_token_only_after_a_request_carried_it(tmp_path: Path) -> None:
    """No token is fetched, so the doctor has checked none: the diagnosis, which sends it, finds what is wrong."""
    with PawapayEmulator() as emulator:
        emulator.write_config(tmp_path / "payouts.toml")
        next((tmp_path / "secrets").iterdir()).write_text("a wrong token", "utf-8")
        found = {check["what"]: check for check in payouts(tmp_path, "doctor")["checks"]}
        [credentials] = [found[what] for what in found if what.startswith("credentials of ")]
        [configuration] = [found[what] for what in found if what.startswith("configuration of ")]
    unreached = {check["what"]: check["level"] for check in payouts(tmp_path, "doctor")["checks"]}

    assert (credentials["level"], configuration["level"]) == ("note", "wrong")
    assert credentials["says"] == "not checked: nothing is fetched, and the key is sent with each request"
    assert unreached[credentials["what"]] == "note"


def test_doctor_does_not_call_a_refused_payment_unsent(tmp_path: Path) -> None:
    """It was sent once, and pawaPay refused the token: nothing was accepted, and the account is paused."""
    with PawapayEmulator() as emulator:
        emulator.write_config(tmp_path / "payouts.toml")
        next((tmp_path / "secrets").iterdir()).write_text("a wrong token", "utf-8")
        sent = payouts(tmp_path, "send", "--key", "k/1", *emulator.example.split())
        shown = subprocess.run(
            [sys.executable, "-P", "-m", "payments_core", "show", "k/1"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout

    assert (sent["status"], sent["submissions"]) == ("CREATED", 1)
    assert "Nothing was sent" not in shown
    assert "what next   Nothing was accepted: the account " in shown
