"""A native client's session with the gateway: it sends, repeats what may be repeated, keeps one token for all calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from payments_core.domain.errors import ProviderBug
from payments_core.domain.events import EventName
from payments_core.http.flow import HttpFlow, arun_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, fill
from payments_core.http.retry import asend_with_retry
from payments_core.http.transport import AsyncTransport
from payments_core.logs import log
from payments_core.waiting import tasks as waiting
from payments_mtn_momo.api.access_token import is_token_refused
from payments_mtn_momo.api.models import AccessToken
from payments_mtn_momo.native.calls import Retry, read_policies
from payments_mtn_momo.native.errors import ReadError
from payments_mtn_momo.native.failures import NoToken
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["AsyncNativeSession", "AsyncSessionOwner"]

T = TypeVar("T")
_Fetched: TypeAlias = AccessToken | ReadError | NotSent


class AsyncNativeSession:
    """One connection pool and one token.

    Args:
        label: What the client is called in events.
        settings: The account.
        transport: Sends requests.
        retry: How calls are repeated, where it differs from the settings.
        clock: Tells the time; aware, UTC.
        fetch: Makes the flow that fetches a token; None where no call needs one.

    Raises:
        SettingsError: ``retry`` is wrong.

    """

    def __init__(
        self,
        label: str,
        settings: MtnMomoSettings,
        transport: AsyncTransport,
        *,
        retry: Retry | None,
        clock: Callable[[], datetime],
        fetch: Callable[[], HttpFlow[AccessToken]] | None = None,
    ) -> None:
        self._label = label
        self._settings = settings
        self._transport = transport
        self._policies = read_policies(settings.retry, retry)
        self._clock = clock
        self._fetch_token = fetch
        self._token = waiting.SingleFlight[_Fetched](
            self._fetch, is_fresh=self._is_usable, interrupted=self._interrupted
        )
        self._pid = os.getpid()
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
        if self._closed:
            raise NotSent("the client is closed", at=self._clock())
        if os.getpid() != self._pid:
            raise NotSent("the client was made in another process, before a fork; make one in each", at=self._clock())
        if request.moves_money or not request.repeatable:
            return await self._send(request, self._settings.timeout_s)
        policy = self._policies[request.operation]
        if request.credential:  # outside the policy: a token has a policy of its own
            await self._bearer()

        def note(number: int, why: str, wait_s: float) -> None:
            self._log(EventName.HTTP_REPEATED, request, number=number, why=why, wait_s=round(wait_s, 3))

        async def by_policy() -> HttpResponse:
            return await asend_with_retry(policy, lambda: self._send(request, policy.timeout_s), on_retry=note)

        response = await by_policy()
        return await by_policy() if request.credential and is_token_refused(response) else response

    async def _send(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        token = await self._bearer() if request.credential else None
        ready = replace(self._filled(request, token) if token else request, timeout_s=timeout_s)
        start = perf_counter()
        try:
            response = await self._transport.send(ready)
        except (NotSent, NoAnswer) as ended:
            self._note(request, ended, start)
            raise
        self._note(request, response, start)
        if token and is_token_refused(response):
            self._token.drop(token)
        return response

    def _filled(self, request: HttpRequest, token: AccessToken) -> HttpRequest:
        """Return the request with token and subscription key in their slots."""
        secrets = {"access_token": token.access_token, "subscription_key": self._settings.subscription_key}
        return fill(request, {name: secret.get_secret_value() for name, secret in secrets.items()})

    # --- the token ---

    async def _bearer(self) -> AccessToken:
        """Return the token; without one nothing can leave."""
        fetched = await self._token.get()
        if isinstance(fetched, ReadError):
            raise NoToken(fetched, at=self._clock())
        if isinstance(fetched, NotSent):
            raise NotSent(fetched.why, at=fetched.at)
        return fetched

    async def _fetch(self) -> _Fetched:
        if self._fetch_token is None:
            raise ProviderBug("This client has no token.")
        fetched: AccessToken | ReadError
        try:
            fetched = await self.run(self._fetch_token())
        except ReadError as error:
            fetched = error
        if isinstance(fetched, AccessToken):
            log(EventName.CREDENTIAL_OBTAINED, account=self._label, good_until=f"{fetched.renew_at:%H:%M:%SZ}")
        else:
            log(EventName.CREDENTIAL_REFUSED, account=self._label, why=fetched.code)
        return fetched

    def _is_usable(self, token: _Fetched) -> bool:
        return isinstance(token, AccessToken) and token.renew_at > self._clock()

    def _interrupted(self) -> NotSent:
        return NotSent("the client was closed, or the fetch of a token was interrupted", at=self._clock())

    # --- events: never an address, which may hold a number ---

    def _note(self, request: HttpRequest, ended: HttpResponse | NotSent | NoAnswer, start: float) -> None:
        ms = round((perf_counter() - start) * 1000, 1)
        if isinstance(ended, HttpResponse):
            self._log(EventName.HTTP_ANSWERED, request, ms=ms, http_status=ended.status)
        else:
            self._log(EventName.HTTP_UNANSWERED, request, ms=ms, ended=type(ended).__name__, why=ended.why)

    def _log(self, event: EventName, request: HttpRequest, **details: Any) -> None:
        log(event, account=self._label, operation=request.operation, **details)


class AsyncSessionOwner:
    """A client with a session, to be closed when done."""

    _session: AsyncNativeSession

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()
