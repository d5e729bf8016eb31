"""A native client's session, for threads: it sends, repeats what may be repeated, keeps one token for all.

``async_session`` is its twin; nothing is decided in either.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from time import perf_counter
from typing import TypeVar

from payments_core.http.flow import HttpFlow, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.http.retry import send_with_retry
from payments_core.http.transport import Transport
from payments_mtn_momo.api.access_token import is_token_refused
from payments_mtn_momo.api.models import AccessToken
from payments_mtn_momo.native.errors import ReadError
from payments_mtn_momo.native.session_config import NativeSessionConfig

__all__ = ["NativeSession"]

T = TypeVar("T")


class NativeSession:
    """For threads: one connection pool and one token."""

    def __init__(self, config: NativeSessionConfig, transport: Transport) -> None:
        self._config = config
        self._transport = transport
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._fetching: Future[AccessToken | ReadError] | None = None
        self._closed = False

    def run(self, flow: HttpFlow[T]) -> T:
        """Drive a flow to its end."""
        return run_flow(flow, self._execute)

    def keep(self, token: AccessToken) -> None:
        """Use this token from now on."""
        with self._lock:
            self._token = token

    def close(self) -> None:
        """Close the connections."""
        self._closed = True
        self._transport.close()

    def _execute(self, request: HttpRequest) -> HttpResponse:
        config = self._config
        config.check_usable(closed=self._closed)
        if request.moves_money or not request.repeatable:
            return self._send(request, config.timeout_s)
        policy = config.policies[request.operation]
        if request.credential:  # outside the policy: a token has a policy of its own
            self._ready_token()

        def by_policy() -> HttpResponse:
            return send_with_retry(
                policy, lambda: self._send(request, policy.timeout_s), on_retry=config.noting(request)
            )

        response = by_policy()
        return by_policy() if request.credential and is_token_refused(response) else response

    def _send(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        used = self._ready_token() if request.credential else None
        ready = replace(self._config.filled(request, used) if used else request, timeout_s=timeout_s)
        start = perf_counter()
        try:
            response = self._transport.send(ready)
        except (NotSent, NoAnswer) as ended:
            self._config.note(request, ended, start)
            raise
        self._config.note(request, response, start)
        if used and is_token_refused(response):
            with self._lock:
                if self._token is used:  # a newer one stays
                    self._token = None
        return response

    def _ready_token(self) -> AccessToken:
        """Return the token, fetching it once however many ask."""
        with self._lock:
            if self._token is not None and self._config.is_usable(self._token):
                return self._token
            fetching, mine = self._fetching, self._fetching is None
            if fetching is None:
                fetching = self._fetching = Future()
        if mine:
            try:
                fetched = self._fetch()
                if isinstance(fetched, AccessToken):
                    self.keep(fetched)
                fetching.set_result(fetched)
            except BaseException as broken:
                fetching.set_exception(_Interrupted() if not isinstance(broken, Exception) else broken)
                raise
            finally:
                with self._lock:
                    self._fetching = None
        try:
            fetched = fetching.result()
        except _Interrupted:
            raise NotSent("the fetch of a token was interrupted", at=self._config.clock()) from None
        return self._config.token_or_raise(fetched)

    def _fetch(self) -> AccessToken | ReadError:
        fetched: AccessToken | ReadError
        try:
            fetched = self.run(self._config.fetch_token())
        except ReadError as problem:
            fetched = problem
        self._config.note_token(fetched)
        return fetched


class _Interrupted(Exception):
    """The fetch of the token was interrupted; its waiters have none."""
