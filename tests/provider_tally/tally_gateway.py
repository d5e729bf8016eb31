"""Tally's other end: a pure function with a memory, and a server on a real socket around it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAILS = {"254700000017": 17, "254700000021": 21}
SLOW = "254700000001"  # taken, and final only when asked twice
HOLDERS = {"254700000900": "active", "254700000017": "not_active"}
NAMES = {"254700000900": "Achieng' Grace Otieno"}


@dataclass
class TallyGateway:
    """Takes payments once a txn, and keeps what it owes: answers to be delivered.

    Args:
        dedupes: Whether it refuses a second payment under one txn.
        held: What the till holds, in cents by currency.
        refusals: By path, the statuses with which it refuses the next questions; used up one by one.

    """

    dedupes: bool = True
    held: dict[str, int] = field(default_factory=lambda: {"KES": 123_456, "UGX": -100})
    refusals: dict[str, list[int]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    credits: list[str] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)

    def handle(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one POST."""
        fields = json.loads(body)
        if path in {"/pay", "/query"}:
            return self._pay(fields) if path == "/pay" else self._query(fields)
        self.questions.append(path)
        if left := self.refusals.get(path):
            return left.pop(0), {"error": "BUSY", "again_s": 5}
        return self._tell(path, fields)

    def _tell(self, path: str, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a question beside payments."""
        answers: dict[str, dict[str, Any]] = {
            "/balance": self.held,
            "/holder": {"is": HOLDERS.get(payload.get("to", ""), "not_found")},
            "/name": {"name": NAMES.get(payload.get("to", ""), "")},
            "/consent": {"id": f"C-{payload.get('to')}"},
            "/person": {"shoe_size": 43},
            "/till": {"is": "open"},
        }
        return 200, answers[path]

    def _pay(self, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.posts.append(json.dumps(payload, sort_keys=True))
        if self.dedupes and self._known(payload["txn"]):
            return 500, {"error": "DUPLICATE_TXN"}
        result = 1 if payload["to"] == SLOW else FAILS.get(payload["to"], 0)
        kept = payload | {"result": result, "receipt": f"R{len(self.ledger) + 1:06}"}
        self.ledger.append(kept)
        if result == 0:
            self.credits.append(payload["txn"])
        return 200, {"result": result, "receipt": kept["receipt"]}

    def _query(self, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        txn = payload["txn"]
        self.asked[txn] = self.asked.get(txn, 0) + 1
        kept = self._known(txn)
        if kept and kept["result"] == 1 and self.asked[txn] > 1:
            kept["result"] = 0
            self.credits.append(txn)
        answer = (
            {name: value for name, value in kept.items() if name != "till"} if kept else {"txn": txn, "result": 404}
        )
        self.answers.append((payload["answer_to"].removeprefix("/answers/"), answer))
        return 202, {"taken": True}

    def _known(self, txn: str) -> dict[str, Any] | None:
        return next((entry for entry in self.ledger if entry["txn"] == txn), None)


@contextmanager
def served(gateway: TallyGateway, *, loses_answers: list[str] | None = None) -> Iterator[str]:
    """Serve a gateway on loopback; the address is yielded.

    Args:
        gateway: What answers.
        loses_answers: Paths whose next answer is lost after the request was carried out; used up one by one.

    """
    lost, lock = loses_answers if loses_answers is not None else [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                status, outcome = gateway.handle(self.path, body)
                if self.path in lost:
                    lost.remove(self.path)
                    self.close_connection = True
                    return
            raw = json.dumps(outcome).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
