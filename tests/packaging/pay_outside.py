"""Pays through a provider that is only installed: ``python pay_outside.py FOLDER PROVIDER``; the command line alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

folder, provider = Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True)


def payouts(*words: str) -> dict[str, object]:
    """Run a command and return what it tells."""
    command = [sys.executable, "-m", "payments_core", *words, "--json"]
    ran = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    fields: dict[str, object] = json.loads(ran.stdout)
    return fields


command = [sys.executable, "-m", "payments_core", "emulator", provider, "--port", "0"]
command += ["--write-config", "payouts.toml", "--json"]
gateway = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
try:
    assert gateway.stdout is not None
    expected = json.loads(gateway.stdout.readline())
    order = ("--key", "outside/1", "--to", "+999700000010", "--amount", "5", "--currency", "KES")
    sent = payouts("send", *order, "--wait", "20")
    again = payouts("send", *order)
    assert (sent["status"], again["status"], sent["id"] == again["id"]) == ("SUCCEEDED", "SUCCEEDED", True), (
        sent,
        again,
    )
finally:
    gateway.send_signal(signal.SIGTERM)
    gateway.wait(20)
print(f"{provider}: paid once through {expected['url']}")
