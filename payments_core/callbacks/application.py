"""The ASGI application: one durable insert, then the provider's acknowledgement; any other request gets 404.

Every accepted callback gets the same answer, whatever it contains: before the answer only its path is looked up. No
payout changes here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from payments_core.callbacks.requests import (
    Limits,
    Receive,
    Refused,
    Scope,
    Send,
    fields_of,
    is_allowed,
    path_of,
    read_body,
)
from payments_core.client import AsyncPayoutClient, PayoutClient
from payments_core.client.inbox import PATH, Inbox, Place
from payments_core.domain.errors import PaymentsError
from payments_core.domain.events import EventName
from payments_core.domain.inbox_records import MOST_PER_PATH
from payments_core.logs import log
from payments_core.provider import Acknowledgement, Callback

__all__ = ["CallbackApp", "app"]

Client: TypeAlias = PayoutClient | AsyncPayoutClient

_METHODS = frozenset({"POST", "PUT"})
_NOT_FOUND = Acknowledgement(status=404)
_NOT_KEPT = Acknowledgement(status=503)
_READY_S = 1.0  # a readiness probe writes to the journal at most once in this time


class CallbackApp:
    """Serves ``…/callbacks/TOKEN`` by PUT and POST, ``/health`` and ``/ready`` by GET.

    Args:
        client: The client whose accounts receive callbacks, or a function that returns it, called at the first request.
        limits: What a request may cost.
        allowed: Addresses and networks that may send callbacks; all when empty.
        address_header: The header field in which a proxy writes the client's address; its last value counts. Empty:
            the peer of the connection is the client.

    Raises:
        ValueError: An address or network is not valid.

    """

    def __init__(
        self,
        client: Client | Callable[[], Client],
        *,
        limits: Limits | None = None,
        allowed: Collection[str] = (),
        address_header: str = "",
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._client = client
        self._limits = limits or Limits()
        self._allowed = [ipaddress.ip_network(one) for one in allowed]
        self._address_header = address_header.lower()
        self._handling: asyncio.Task[None] | None = None
        self._more = False
        self._ready: tuple[float, bool] = (float("-inf"), False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not None:
                await _send(answer, send)

    async def handle(self) -> None:
        """Handle stored callbacks until none is left; errors are logged, and the rest waits for the next time."""
        await asyncio.shield(self._begin_handling())

    # --- requests ---

    async def _answer(self, scope: Scope, receive: Receive) -> Acknowledgement | None:
        path, method = path_of(scope), scope["method"]
        if method == "GET" and path in {"/health", "/ready"}:
            return _plain({"ok": True}) if path == "/health" else await self._readiness()
        before, _, token = path.rpartition("/")
        if before.rpartition("/")[2] != PATH:
            return _NOT_FOUND
        inbox, place, why = None, None, ""
        try:
            inbox = self._inbox()
            async with asyncio.timeout(self._limits.keep_s):
                place = await asyncio.to_thread(inbox.place, token)
        except Exception as error:  # noqa: BLE001 - any error: nothing can be stored now
            why = _error_text(error)
        if why:
            return self._failed("", why)
        if inbox is None or place is None:
            self.counts["unknown"] += 1
            return _NOT_FOUND
        try:
            callback = await self._read(scope, receive, inbox)
        except Refused as refused:
            self.counts["refused"] += 1
            log(EventName.CALLBACK_REFUSED, account=place.account, why=str(refused))
            return _NOT_FOUND
        return None if callback is None else await self._keep(inbox, place, callback)

    async def _read(self, scope: Scope, receive: Receive, inbox: Inbox) -> Callback | None:
        if scope["method"] not in _METHODS:
            raise Refused("its method is neither PUT nor POST")
        headers = fields_of(scope["headers"], self._limits)
        if not is_allowed(scope, headers, self._allowed, self._address_header):
            raise Refused("it comes from an address that is not allowed")
        body = await read_body(receive, headers, self._limits)
        return None if body is None else Callback(scope["method"], headers, body, inbox.now)

    async def _keep(self, inbox: Inbox, place: Place, callback: Callback) -> Acknowledgement:
        kept, why = False, ""
        try:
            async with asyncio.timeout(self._limits.keep_s):
                kept = await asyncio.wrap_future(inbox.receive(place, callback))
        except (TimeoutError, PaymentsError) as error:
            why = _error_text(error)
        if why:
            return self._failed(place.account, why)
        if kept:
            self.counts["received"] += 1
            size = len(callback.body)
            log(EventName.CALLBACK_RECEIVED, account=place.account, method=callback.method, bytes=size)
            self._begin_handling()
        else:
            self.counts["over_cap"] += 1
            why = f"{MOST_PER_PATH} have come to its path before: it was not kept"
            log(EventName.CALLBACK_IGNORED, account=place.account, payout=None, why=why)
        return inbox.acknowledge(place, callback)

    def _failed(self, account: str, why: str) -> Acknowledgement:
        self.counts["failed"] += 1
        log(EventName.CALLBACK_FAILED, account=account, error=why)
        return _NOT_KEPT

    async def _readiness(self) -> Acknowledgement:
        at, ready = self._ready
        if time.monotonic() - at > _READY_S:
            self._ready = (time.monotonic(), ready)  # concurrent probes get the previous result
            why = ""
            try:
                async with asyncio.timeout(self._limits.keep_s):
                    await asyncio.to_thread(self._inbox().prove_writable)
            except Exception as error:  # noqa: BLE001 - any error: not ready
                why = _error_text(error)
            if why:
                log(EventName.CALLBACK_FAILED, account="", error=f"not ready: {why}")
            ready = not why
            self._ready = (time.monotonic(), ready)
        return _plain({"ok": ready}, status=200 if ready else 503)

    def _inbox(self) -> Inbox:
        client = self._client() if callable(self._client) else self._client
        return client.inbox

    # --- beside requests ---

    def _begin_handling(self) -> asyncio.Task[None]:
        self._more = True
        if self._handling is None or self._handling.done():
            self._handling = asyncio.create_task(self._handle())
        return self._handling

    async def _handle(self) -> None:
        while self._more:
            self._more, why = False, ""
            try:
                await asyncio.to_thread(self._inbox().handle)
            except Exception as error:  # noqa: BLE001 - it is stored: the next callback or a worker handles it
                why = _error_text(error)
            if why:
                log(EventName.CALLBACK_FAILED, account="", error=f"not handled: {why}")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Handle at the start what a crash left, in the background; at the end, wait until all is handled."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begin_handling()
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._handling is not None:
                    await self._handling
                await send({"type": "lifespan.shutdown.complete"})
                return


app = CallbackApp


def _error_text(error: BaseException) -> str:
    """Return the loggable text of an error: of a foreign error its type alone.

    Log it outside the ``except`` block: a log handler that fails there prints the handled error with its text.
    """
    return f"{type(error).__name__}: {error}" if isinstance(error, PaymentsError) else type(error).__name__


def _plain(fields: Mapping[str, object], *, status: int = 200) -> Acknowledgement:
    body = json.dumps(fields).encode()
    return Acknowledgement(status=status, headers={"content-type": "application/json"}, body=body)


async def _send(answer: Acknowledgement, send: Send) -> None:
    headers = {
        **{name.lower(): value for name, value in answer.headers.items()},
        "content-length": str(len(answer.body)),
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})
