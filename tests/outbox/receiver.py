"""A receiver of webhooks: ``receiver.py PORT LOG SECRET FAULTS``.

It verifies the signature with the published library, writes the event down and answers 204. A share of the requests
(FAULTS) ends otherwise: refused, dropped before or after it was written down, or answered too late.
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

from standardwebhooks import Webhook, WebhookVerificationError

PORT, LOG, SECRET, FAULTS = sys.argv[1:]
RANDOM = Random()  # noqa: S311 - no secret
FILE = os.open(LOG, os.O_WRONLY | os.O_APPEND)
TOO_LATE_S = 0.6


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            result = Webhook(SECRET).verify(body, dict(self.headers.items()))
        except WebhookVerificationError:
            self.answer(401)
            return
        assert result["data"]["event"] == self.headers["webhook-id"]
        fault = RANDOM.choice(("500", "503", "302", "drop", "late", "cut")) if RANDOM.random() < float(FAULTS) else ""
        if fault == "drop":
            self.close_connection = True
            return
        if fault.isdigit():
            self.answer(int(fault))
            return
        line = json.dumps({"id": result["data"]["event"], "payout": result["data"]["payout"], "body": result})
        os.write(FILE, f"{line}\n".encode())
        if fault == "late":
            time.sleep(TOO_LATE_S)
        if fault == "cut":
            self.close_connection = True
            return
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"http://127.0.0.1:{PORT}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(PORT)), Handler).serve_forever()
