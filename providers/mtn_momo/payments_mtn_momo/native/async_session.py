"""A native client's session, for an event loop: it sends, repeats what may be repeated, keeps one token for all.

``sync_session`` is its twin; nothing is decided in either.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import perf_counter
from typing import TypeVar

from payments_core.http.flow import HttpFlow, arun_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.http.retry import asend_with_retry
from payments_core.http.transport import AsyncTransport
from payments_mtn_momo.api.access_token import is_token_refused
from payments_mtn_momo.api.models import AccessToken
from payments_mtn_momo.native.errors import ReadError
from payments_mtn_momo.native.session_config import NativeSessionConfig

__all__ = ["AsyncNativeSession"]

T = TypeVar("T")


class AsyncNativeSession:
    """For an event loop: one connection pool and one token."""

    def __init__(self, config: NativeSessionConfig, transport: AsyncTransport) -> None:
        self._config = config
        self._transport = transport
        self._token: AccessToken | None = None
        self._fetching: asyncio.Task[AccessToken | ReadError] | None = None
        self._closed = False

    async def run(self, flow: HttpFlow[T]) -> T:
        """Drive a flow to its end."""
        return await arun_flow(flow, self._execute)

    def keep(self, token: AccessToken) -> None:
        """Use this token from now on."""
        self._token = token

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._transport.aclose()

    async def _execute(self, request: HttpRequest) -> HttpResponse:
        config = self._config
        config.check_usable(closed=self._closed)
        if request.moves_money or not request.repeatable:
            return await self._send(request, config.timeout_s)
        policy = config.policies[request.operation]
        if request.credential:  # outside the policy: a token has a policy of its own
            await self._ready_token()

        async def by_policy() -> HttpResponse:
            return await asend_with_retry(
                policy, lambda: self._send(request, policy.timeout_s), on_retry=config.noting(request)
            )

        response = await by_policy()
        return await by_policy() if request.credential and is_token_refused(response) else response

    async def _send(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        used = await self._ready_token() if request.credential else None
        ready = replace(self._config.filled(request, used) if used else request, timeout_s=timeout_s)
        start = perf_counter()
        try:
            response = await self._transport.send(ready)
        except (NotSent, NoAnswer) as ended:
            self._config.note(request, ended, start)
            raise
        self._config.note(request, response, start)
        if used and is_token_refused(response) and self._token is used:  # a newer one stays
            self._token = None
        return response

    async def _ready_token(self) -> AccessToken:
        """Return the token, fetching it once however many ask."""
        if self._token is not None and self._config.is_usable(self._token):
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name=f"token of {self._config.label}")
        fetching = self._fetching
        try:
            fetched = await asyncio.shield(fetching)  # no waiter owns it, so a cancelled one harms no other
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if fetching.cancelled() and (waiter is None or not waiter.cancelling()):  # by close(), not the waiter
                raise NotSent("the client was closed", at=self._config.clock()) from None
            raise
        return self._config.token_or_raise(fetched)

    async def _fetch(self) -> AccessToken | ReadError:
        fetched: AccessToken | ReadError
        try:
            fetched = await self.run(self._config.fetch_token())
            self._token = fetched
        except ReadError as problem:
            fetched = problem
        finally:
            self._fetching = None
        self._config.note_token(fetched)
        return fetched
