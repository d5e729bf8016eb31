"""MoMo's gateway on a real socket; when a payment arrives, the journal is read over a connection of its own."""

from __future__ import annotations

import json
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crash_points import CrashFile, CrashStore
from serving import Handler, served

from payments_mtn_momo.emulator.gateway import Gateway
from payments_mtn_momo.emulator.tokens import Credentials

HELD = Credentials("6f1a2b3c-0000-4000-8000-00000000c0de", "k" * 32, "s" * 32)
MONEY = ("/disbursement/v1_0/transfer", "/disbursement/v1_0/deposit", "/disbursement/v2_0/deposit")
FAULTS = ("pass", "pass", "accept_lose", "lose", "500", "accept_500")  # drawn for each arrival
_ROW = 'SELECT id, status, submissions, version, lease_owner, lease_until FROM payouts WHERE "references" LIKE ?'
_LAST = (
    "SELECT event, h.submissions FROM history h JOIN payouts ON no = payout_no WHERE id = ? ORDER BY seq DESC LIMIT 1"
)


CONFIG = """
[installation]
namespace = "on-the-wire"
[journal]
url = "sqlite:///payouts.db"
[accounts.till]
provider = "mtn_momo"
target_environment = "sandbox"
base_url = "{url}"
api_user = "{held.api_user}"
api_key = "env:TILL_KEY"
subscription_key = "env:TILL_SUBSCRIPTION"
timeout_s = 20
visible_after_s = 0.2
poll_schedule_s = [{polls}]
retry_schedule_s = [0.1]
reads_per_s = 0
"""


class WireGateway:
    """What arrived, and what the journal said at that moment.

    Args:
        ask: Asks the journal's database, over a connection of its own.

    """

    def __init__(self, ask: Callable[..., list[tuple[Any, ...]]]) -> None:
        self.gateway = Gateway(HELD)
        self.arrived: dict[str, list[tuple[str, bytes]]] = defaultdict(list)  # by reference: path and body
        self.unwritten: list[str] = []
        self._ask = ask
        self._seen: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def arrive(self, path: str, reference: str, body: bytes) -> str:
        """Note a payment before it is even looked at; return what becomes of it."""
        with self._lock:
            self.arrived[reference].append((path, body))
            number = len(self.arrived[reference])
            if why := self._not_written(reference, number):
                self.unwritten.append(f"payment {number} under {reference} arrived while {why}")
        return FAULTS[zlib.crc32(f"{reference} {number}".encode()) % len(FAULTS)] if number < 3 else "pass"

    def _not_written(self, reference: str, number: int) -> str:
        rows = self._ask(_ROW, (f"%{reference}%",))
        if len(rows) != 1:
            return f"the journal held {len(rows)} such payouts"
        payout_id, status, submissions, version, owner, until = rows[0]
        last, lease_expired = self._ask(_LAST, (payout_id,))[0], until and until < datetime.now(UTC).timestamp() * 1e6
        if status != "SENDING" or last != ("payout.sending", submissions) or not owner or not until or lease_expired:
            return f"the journal said {rows[0]} and {last}"
        before, self._seen[reference] = self._seen.get(reference, (0, 0)), (submissions, version)
        if submissions < number or submissions <= before[0] or version <= before[1]:
            return f"the journal said {rows[0]} as for the payment before"
        return ""

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it; yield its address."""
        side = self

        class Answering(Handler):
            def _any(self) -> None:
                body = self.read_body()
                fault = "pass"
                if self.command == "POST" and self.path in MONEY:
                    fault = side.arrive(self.path, self.headers["X-Reference-Id"], body)
                answer = None
                if fault in {"pass", "accept_lose", "accept_500"}:
                    with side._lock:
                        answer = side.gateway.handle(
                            self.command, self.path, dict(self.headers), body, datetime.now(UTC)
                        )
                if fault in {"lose", "accept_lose"}:
                    self.close_connection = True
                elif answer is None or fault == "accept_500":
                    fields = {"code": "INTERNAL_PROCESSING_ERROR", "message": "oops"}
                    self.reply(500, {"Content-Type": "application/json"}, json.dumps(fields).encode())
                else:
                    self.reply(answer.status, answer.headers, answer.body)

            do_GET = do_POST = _any

        with served(Answering) as url:
            yield url


class FakeProvider:
    """A payouts.toml that pays over a socket, and what watches its journal."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "payouts.toml"
        self.store: CrashStore = CrashFile(folder / "payouts.db")
        self.side = WireGateway(lambda *asked: self.store.ask(*asked))

    def write(self, url: str) -> None:
        polls = ", ".join(["0.1"] * 20 + ["0.5"] * 400)  # longer than a slow machine needs
        self.config.write_text(CONFIG.format(url=url, held=HELD, polls=polls), "utf-8")
