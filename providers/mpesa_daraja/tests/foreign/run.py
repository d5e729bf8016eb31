"""Runs published clients of other people against the emulator: `python run.py daraja_v3=/path/to/python`.

The interpreter has its client installed, unchanged, in the version its text file names. What is seen is compared with
what is written down here, the client's own faults included: a difference means that the emulator has changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from payments_mpesa_daraja.credential import encrypt
from payments_mpesa_daraja.emulator import MpesaDarajaEmulator

HERE = Path(__file__).parent

# What each client makes of each step: the beginning of its result or of its exception.
EXPECTED = {
    "daraja_v3": {
        "payment": "True",
        "duplicate": "MpesaError: API error 500: Duplicate OriginatorConversationID.",
        "amount": "MpesaError: API error 400: Bad Request - Invalid Amount",
        "wrong secret": "AuthenticationError: Token request failed (400)",
        "another client": "MpesaError: API error 400: Bad Request - Invalid Amount",
        "token killed": "MpesaError: API error 404: Invalid Access Token",  # it keeps a token that is dead
    }
}


def drive(name: str, python: str) -> tuple[dict[str, str], list[str]]:
    """Return what a client made of the emulator, and what is wrong with its books afterwards."""
    with MpesaDarajaEmulator() as emulator:
        held = emulator.gateway.credentials
        fields = {
            "url": emulator.url,
            "consumer_key": held.consumer_key,
            "consumer_secret": held.consumer_secret,
            "shortcode": held.shortcode,
            "initiator": held.initiator,
            "security_credential": encrypt(held.initiator_password, emulator.certificate),
            "callback_url": "http://localhost:9/callbacks/nobody",
        }
        # Nothing of ours in its path, and no proxy between it and this machine.
        clean = {key: value for key, value in os.environ.items() if not key.upper().startswith("PYTHON")}
        ran = subprocess.run(
            [python, str(HERE / f"drive_{name}.py")],
            input=json.dumps(fields),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean | {"NO_PROXY": "*", "no_proxy": "*"},
        )
        rows = emulator.ledger()
    if ran.returncode:
        return {}, [ran.stderr]
    wrong = [] if [row["credits"] for row in rows] == [1] else [f"not paid once: {rows}"]
    return json.loads(ran.stdout), wrong


def main(arguments: list[str]) -> int:
    """Drive each client and say what is not as written down."""
    wrong = 0
    for argument in arguments:
        name, _, python = argument.partition("=")
        seen, problems = drive(name, python)
        print(f"{name}:")
        for step, expected in EXPECTED[name].items():
            found = seen.get(step, "not reached")
            fits = found.startswith(expected)
            wrong += not fits
            print(f"  {'ok  ' if fits else 'DIFF'} {step}: {found}" + ("" if fits else f" (expected: {expected})"))
        for problem in problems:
            wrong += 1
            print(f"  DIFF {problem}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
