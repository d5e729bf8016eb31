"""A gateway for benchmarks: takes every transfer, has paid it by the time it is asked, and costs next to nothing.

Raw bytes on `asyncio.Protocol`, no TLS, no checks: it is there to be outrun by nobody, not to behave like a gateway
(the emulator does that). Runs in a process of its own: `python _gateway.py --latency-ms 50 --core 1` prints its
address.
`GET /__stats` counts connections and requests since the last `GET /__reset`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import Counter

TRANSFER = b"/disbursement/v1_0/transfer"
TOKEN = b"/disbursement/token/"
_TOKEN_BODY = b'{"access_token":"bench-token","token_type":"Bearer","expires_in":3600}'
_PAID = b'{"financialTransactionId":"363440463","status":"SUCCESSFUL",'
_LENGTH = b"content-length:"


def _ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
_ABSENT = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Gateway:
    """What all connections share: the transfers taken, and what is counted."""

    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self.counts: Counter[str] = Counter()
        self.transfers: dict[bytes, bytes] = {}

    def answer(self, method: bytes, path: bytes, head: bytes, body: bytes) -> bytes:
        """Return the bytes of one answer."""
        if method == b"POST" and path == TRANSFER:
            self.counts["transfer"] += 1
            self.transfers[_field(head, b"x-reference-id:")] = body
            return _ACCEPTED
        if method == b"GET" and path.startswith(TRANSFER):
            self.counts["status"] += 1
            taken = self.transfers.get(path[len(TRANSFER) + 1 :])
            return _ABSENT if taken is None else _ok(_PAID + taken[1:])  # every field as it was given
        if method == b"POST" and path == TOKEN:
            self.counts["token"] += 1
            return _ok(_TOKEN_BODY)
        if path == b"/__stats":
            return _ok(json.dumps(self.counts).encode())
        if path == b"/__reset":
            self.counts.clear()
            self.transfers.clear()
            return _ok(b"{}")
        return _ABSENT


class Connection(asyncio.Protocol):
    """One keep-alive connection; a request may come in pieces."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._transport: asyncio.Transport | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._gateway.counts["connections"] += 1

    def data_received(self, data: bytes) -> None:
        """Answer what is complete, in order."""
        assert self._transport is not None
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end]
            whole = end + 4 + int(_field(head, _LENGTH) or 0)
            if len(self._got) < whole:
                return
            body, self._got = self._got[end + 4 : whole], self._got[whole:]
            method, path, _ = head.split(b" ", 2)
            answer = self._gateway.answer(method, path, head, body)
            if self._gateway.latency_s and not path.startswith(b"/__"):
                asyncio.get_running_loop().call_later(self._gateway.latency_s, self._transport.write, answer)
            else:
                self._transport.write(answer)


def _field(head: bytes, name: bytes) -> bytes:
    at = head.lower().find(b"\r\n" + name)
    if at < 0:
        return b""
    start = at + 2 + len(name)
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


async def serve(latency_s: float) -> None:
    """Listen on a free port of loopback, print the address, and answer until killed."""
    gateway = Gateway(latency_s)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(gateway), "127.0.0.1", 0, backlog=2048)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--latency-ms", type=float, default=0.0, help="wait before each answer, in milliseconds")
    arguments.add_argument("--core", type=int, help="the core to stay on")
    given = arguments.parse_args()
    if given.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {given.core})
    asyncio.run(serve(given.latency_ms / 1000))


if __name__ == "__main__":
    main()
