"""A native client's session with the gateway: it sends, repeats what may be repeated, keeps one token for all calls."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TypeVar

from payments_core.http.flow import HttpFlow, arun_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.http.retry import asend_with_retry
from payments_core.http.transport import AsyncTransport
from payments_core.waiting import tasks as waiting
from payments_mtn_momo.api.access_token import is_token_refused
from payments_mtn_momo.api.models import AccessToken
from payments_mtn_momo.native.errors import ReadError
from payments_mtn_momo.native.session_config import FetchedToken, NativeSessionConfig

__all__ = ["AsyncNativeSession"]

T = TypeVar("T")


class AsyncNativeSession:
    """One connection pool and one token; nothing is decided here."""

    def __init__(self, config: NativeSessionConfig, transport: AsyncTransport) -> None:
        self._config = config
        self._transport = transport
        self._token = waiting.SingleFlight[FetchedToken](
            self._fetch, is_fresh=config.is_usable, interrupted=config.interrupted
        )
        self._closed = False

    async def run(self, flow: HttpFlow[T]) -> T:
        """Drive a flow to its end."""
        return await arun_flow(flow, self._execute)

    def keep(self, token: AccessToken) -> None:
        """Use this token from now on."""
        self._token.put(token)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        await self._token.close()
        await self._transport.aclose()

    async def _execute(self, request: HttpRequest) -> HttpResponse:
        config = self._config
        config.check_usable(closed=self._closed)
        if request.moves_money or not request.repeatable:
            return await self._send(request, config.timeout_s)
        policy = config.policies[request.operation]
        if request.credential:  # outside the policy: a token has a policy of its own
            config.token_or_raise(await self._token.get())

        async def by_policy() -> HttpResponse:
            return await asend_with_retry(
                policy, lambda: self._send(request, policy.timeout_s), on_retry=config.noting(request)
            )

        response = await by_policy()
        return await by_policy() if request.credential and is_token_refused(response) else response

    async def _send(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        token = self._config.token_or_raise(await self._token.get()) if request.credential else None
        ready = replace(self._config.filled(request, token) if token else request, timeout_s=timeout_s)
        start = perf_counter()
        try:
            response = await self._transport.send(ready)
        except (NotSent, NoAnswer) as ended:
            self._config.note(request, ended, start)
            raise
        self._config.note(request, response, start)
        if token and is_token_refused(response):
            self._token.drop(token)
        return response

    async def _fetch(self) -> FetchedToken:
        fetched: FetchedToken
        try:
            fetched = await self.run(self._config.fetch_token())
        except ReadError as error:
            fetched = error
        self._config.note_token(fetched)
        return fetched
