"""Runs published clients of other people against the emulator: `python run.py momo_openapi=/path/to/python …`.

Each interpreter has its client installed, unchanged, in the version its text file names. What is seen is compared
with what is written down here, the clients' own faults included: a difference means that the emulator has changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from payments_mtn_momo.emulator import MtnMomoEmulator

HERE = Path(__file__).parent

# What each client makes of each step: the beginning of its result or of its exception.
EXPECTED = {
    "momo_openapi": {
        "token": "True",
        "transfer": "True",
        "status": "SUCCESSFUL",
        "duplicate": "MomoAPIError: POST http://127.0.0.1",
        "reason": "NOT_ENOUGH_FUNDS",
        "balance": "1000",
        "token revoked": "MomoAPIError: GET http://127.0.0.1",
        "answer lost": "ConnectionError: ",
        "newer platform: token": "True",
        "newer platform: transfer": "SUCCESSFUL",
    },
    "mtn_momo_client": {
        "token": "True",
        "transfer": "True",
        "status": "SUCCESSFUL",
        "duplicate": "ConflictException: Duplicated reference id.",
        "reason": "NOT_ENOUGH_FUNDS",
        "balance": "1000",
        "active": "True",
        "deposit": "BadRequestException: ",
        "refund": "True",
        "currency": "EUR",
        "token revoked": "InvalidSubscriptionKeyException: ",
        "answer lost": "ReadError: ",
        "newer platform: token": "BadRequestException: ",
        "newer platform: transfer": "BadRequestException: ",
    },
    "mtnmomo_py": {
        "token": "True",
        "transfer": "True",
        "status": "SUCCESSFUL",
        "duplicate": "MoMoConflictError: ",
        "reason": "AttributeError: 'str' object has no attribute 'get'",
        "balance": "1000",
        "active": "True",
        "deposit": "SUCCESSFUL",
        "refund": "SUCCESSFUL",
        "name": "Sand",
        "consent": "Box",
        "provisioning": "32",
        "token revoked": "MoMoAuthenticationError: ",
        "answer lost": "MoMoTransportError: ",
        "newer platform: token": "MoMoValidationError: ",
        "newer platform: transfer": "MoMoValidationError: ",
    },
}


def where(emulator: MtnMomoEmulator, currency: str) -> dict[str, str]:
    held = emulator.credentials
    return {
        "url": emulator.url,
        "target": emulator.target,
        "currency": currency,
        "api_user": held.api_user,
        "api_key": held.api_key,
        "subscription_key": held.subscription_key,
    }


def drive(name: str, python: str) -> tuple[dict[str, str], list[str]]:
    """Return what a client made of the emulators, and what is wrong with their books afterwards."""
    with MtnMomoEmulator() as sandbox, MtnMomoEmulator(target="mtnuganda", platform="momo_africa") as moved:
        fields = json.dumps({"sandbox": where(sandbox, "EUR"), "moved": where(moved, "UGX")})
        # Nothing of ours in its path, and no proxy between it and this machine.
        clean = {name: value for name, value in os.environ.items() if not name.upper().startswith("PYTHON")}
        ran = subprocess.run(
            [python, str(HERE / f"drive_{name}.py")],
            input=fields,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean | {"PYTHONPATH": str(HERE), "NO_PROXY": "*", "no_proxy": "*"},
        )
        rows = [*sandbox.ledger(), *moved.ledger()]
    if ran.returncode:
        return {}, [ran.stderr]
    wrong = [f"paid more than once: {row}" for row in rows if row["credits"] > 1]
    if not any(row["credits"] for row in rows):
        wrong.append("nothing was paid")
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
