"""A proxy on loopback between clients and a gateway, which spoils exchanges as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# What may become of an exchange. The first two spoil it before the gateway has all of the request.
SPOILS = {
    "cut_before": "the request is read and goes nowhere, then a reset",
    "cut_within": "half of the request reaches the gateway, then a reset on both sides",
    "cut_after": "the gateway answers, the client gets a reset",
    "half_close": "the gateway answers, the client's connection is ended without a byte, and its own end stays open",
    "drip": "the answer arrives byte by byte",
    "twice": "the answer arrives, and with it a second copy",
    "hold": "the answer is kept back until it is let go",
}
Choose = Callable[[str], str | None]


def dice(seed: int, shares: Mapping[str, float]) -> Choose:
    """Return a choice by chance: of each exchange, these shares are spoilt in these ways."""
    unknown = set(shares) - set(SPOILS)
    assert not unknown, unknown
    drawn = Random(seed)  # noqa: S311 - a play, not a secret
    ways, weights = [*shares, None], [*shares.values(), 1 - sum(shares.values())]
    return lambda _request: drawn.choices(ways, weights)[0]


@dataclass
class Proxy:
    """Spoils what ``choose`` says, asked with each request: its method, its path, and its reference where it has one.

    It speaks HTTP/1.1 with bodies of a stated length, and opens a connection to the gateway for each request.

    Args:
        gateway: Its address.
        choose: Returns a name of ``SPOILS``, or None to leave the exchange alone.
        drip_s: Between two bytes of an answer that drips.

    """

    gateway: str
    choose: Choose = lambda _request: None
    drip_s: float = 0.02
    spoilt: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)  # payments of which a byte went on, by their reference
    arrivals: list[tuple[float, str]] = field(default_factory=list)  # monotonic, and the first line
    _port: int = 0

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._let_go = asyncio.Event()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def listen(self) -> None:
        """Take connections, always at the same address."""

        async def start() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

        self._run(start())

    def refuse(self) -> None:
        """Take no connection more; those there are go on."""
        self._loop.call_soon_threadsafe(self._server.close)
        while self._server.is_serving() or self._server.sockets:
            threading.Event().wait(0.01)

    def hang_up(self) -> None:
        """End the connections there are."""
        self._run(self._end())

    def let_go(self) -> None:
        """Hand over the answers that are held, and hold no more."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(await _message(reader), reader, writer):
                pass
        writer.close()

    async def _exchange(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Carry out one exchange; say whether the connection is still good."""
        found = re.search(rb"\r\nx-reference-id: *(\S+)", request, re.IGNORECASE)
        reference = found[1].decode() if found else ""
        line = request.split(b" HTTP/")[0].decode()
        self.arrivals.append((time.monotonic(), line))
        how = self.choose(f"{line} {reference}".rstrip())
        if how:
            self.spoilt[how] += 1
        if how == "cut_before":
            return _reset(writer)
        split = urlsplit(self.gateway)
        answering, asking = await asyncio.open_connection(split.hostname, split.port)
        try:
            if reference and request.startswith(b"POST"):
                self.reached[reference] += 1
            asking.write(request[: len(request) // 2] if how == "cut_within" else request)
            await asking.drain()
            if how == "cut_within":
                _reset(asking)
                return _reset(writer)
            answer = await _message(answering)
        except (OSError, asyncio.IncompleteReadError):
            return _reset(writer)
        finally:
            asking.close()
        return await self._answer(answer, how, reader, writer)

    async def _answer(
        self, answer: bytes, how: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if how == "cut_after":
            return _reset(writer)
        if how == "half_close":
            writer.write_eof()
            await reader.read()  # until the client goes
            return False
        if how == "drip":
            for byte in answer:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(self.drip_s)
            return True
        if how == "hold":
            await self._let_go.wait()
        writer.write(answer * 2 if how == "twice" else answer)
        await writer.drain()
        return True


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower(), head
    found = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    return head + await reader.readexactly(int(found[1]) if found else 0)


def _reset(writer: asyncio.StreamWriter) -> bool:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
