"""Processes that really end in the middle, over real sockets, and others that go on with their file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import crash_points
import pytest
from promises import history_faults
from serving import Handler, served

from payments_core.domain.payout import PayoutStatus
from payments_core.journal import open_journal
from payments_mtn_momo.emulator.gateway import Gateway
from payments_mtn_momo.emulator.tokens import Credentials

SHARED = os.environ | {"PYTHONPATH": str(Path(str(crash_points.__file__)).parents[1])}
DIE_AT = Path(__file__).with_name("die_at.py")
DIED = 9
HELD = Credentials("6f1a2b3c-0000-4000-8000-00000000c0de", "k" * 32, "s" * 32)
# Points of a life that sends a deposit and a transfer whose first answer is lost; later lives pass fewer.
POINTS = (2, 4, 5, 8, 13, 19)
TWICE = (4, 13)
FEW = (4, 8)  # the proof plays all


@contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """Serve MoMo's gateway on loopback; the answer to the first payment is lost after it was taken."""
    lock, losing = threading.Lock(), [True]

    class Answering(Handler):
        def _any(self) -> None:
            body = self.read_body()
            with lock:
                answer = gateway.handle(self.command, self.path, dict(self.headers), body, datetime.now(UTC))
                if answer.status == 202 and losing:
                    losing.clear()
                    self.close_connection = True
                    return
            self.reply(answer.status, answer.headers, answer.body)

        do_GET = do_POST = _any

    with served(Answering) as url:
        yield url


def live_and_die(journal: Path, url: str, *, hours: int, point: int) -> int:
    """Run a paying process; return its exit status."""
    held = {"api_user": HELD.api_user, "api_key": HELD.api_key, "subscription_key": HELD.subscription_key}
    command = [sys.executable, str(DIE_AT), str(journal), url, json.dumps(held), str(hours), str(point)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=SHARED)
    assert done.returncode in {0, DIED}, done.stderr
    return done.returncode


def killed_and_resumed(folder: Path, point: int) -> list[str]:
    """Kill a process at a point, sometimes the next one too, let another go on; return what does not hold."""
    gateway, journal = Gateway(HELD), folder / f"{point}.db"
    found: list[str] = []
    with serving(gateway) as url:
        if live_and_die(journal, url, hours=0, point=point) != DIED:
            found.append(f"point {point} was not reached")
        if point in TWICE:
            live_and_die(journal, url, hours=1, point=3)
        if live_and_die(journal, url, hours=2, point=0) != 0:
            found.append("the last process died by itself")
    ledger = Counter(credit.payee for credit in gateway.books.credits)
    if ledger != Counter(("46733123498", "46733123499")):
        found.append(f"the ledger holds {ledger}")
    opened = open_journal(
        f"sqlite:///{journal.name}", namespace="simulated-installation", root=folder, clock=lambda: datetime.now(UTC)
    )
    try:
        for row in opened.rows():
            history = opened.history(row.id)
            found += history_faults(history, row.status, visible_after_s=300.0)
            if row.status is not PayoutStatus.SUCCEEDED:
                found.append(f"{row.order.key} ended in {row.status}")
        if sum(opened.counts().values()) != 2:
            found.append("a payout is lost")
    finally:
        opened.close()
    return found


@pytest.mark.parametrize("point", [pytest.param(one, marks=[] if one in FEW else pytest.mark.proof) for one in POINTS])
def test_killed_process_is_taken_over(point: int, tmp_path: Path, counts: Counter[str]) -> None:
    """After ``os._exit`` at a point, sometimes twice, another process pays both people exactly once."""
    assert killed_and_resumed(tmp_path, point) == []
    counts["processes killed"] += 1 + (point in TWICE)
