"""What a second worker brings: payments a second from one and from two, over a gateway that takes its time.

Each worker is a process with a few payouts in flight, the gateway an emulator in this one, the journal a file. Rounds
in turn, so that a busy machine slows all of them alike; what counts is the ratio. The clock starts when a fifth is
sent, so that starting is not measured. Prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from payments_core import Money, Payee, PayoutClient
from payments_mtn_momo.emulator import MtnMomoEmulator

ROUNDS = 3
PAYOUTS = 200
IN_FLIGHT = 4  # of one worker: more hide the wait for the gateway by themselves
LATENCIES_S = (0.0, 0.2)  # before the answer to a payment


def rate(workers: int, latency_s: float) -> float:
    """Return how many payments a second so many workers send."""
    with (
        MtnMomoEmulator(faults={"slow_s": latency_s} if latency_s else {}) as gateway,
        tempfile.TemporaryDirectory() as at,
    ):
        config = Path(at, "payouts.toml")
        gateway.write_config(config)
        lines = [line for line in config.read_text("utf-8").splitlines() if not line.startswith("max_in_flight")]
        config.write_text("\n".join([*lines, f"max_in_flight = {IN_FLIGHT}", ""]), "utf-8")
        with PayoutClient.from_config(config) as client:
            for number in range(PAYOUTS):
                client.accept(key=f"pay/{number}", payee=Payee.msisdn(f"46733{number:06}"), amount=Money(5, "EUR"))
            quiet = subprocess.DEVNULL
            command = [sys.executable, "-P", "-m", "payments_core", "worker"]
            started = [subprocess.Popen(command, cwd=at, stdout=quiet, stderr=quiet) for _ in range(workers)]
            try:
                before, begun = taken(gateway, PAYOUTS // 5, started), time.perf_counter()
                return (taken(gateway, PAYOUTS, started) - before) / (time.perf_counter() - begun)
            finally:
                for worker in started:
                    worker.terminate()
                for worker in started:
                    worker.wait()


def taken(gateway: MtnMomoEmulator, count: int, workers: list[subprocess.Popen[bytes]]) -> int:
    """Wait until the gateway has taken so many payments; return how many it has."""
    while (there := len(gateway.ledger())) < count:
        if ended := [worker.returncode for worker in workers if worker.poll() is not None]:
            raise SystemExit(f"A worker ended with {ended[0]} after {there} of {count} payments: nothing is measured.")
        time.sleep(0.02)
    return there


def main() -> None:
    """Measure and print."""
    told: dict[str, dict[str, float]] = {}
    for latency_s in LATENCIES_S:
        rates: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(ROUNDS):
            for workers, seen in rates.items():
                seen.append(rate(workers, latency_s))
        one, two = (median(seen) for seen in rates.values())
        told[f"{latency_s:g} s latency"] = {
            "one": round(one, 1),
            "two": round(two, 1),
            "two to one": round(two / one, 2),
        }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
