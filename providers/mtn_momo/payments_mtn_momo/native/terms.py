"""What both lines of a native client go by, without waiting for anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from payments_core.domain.errors import ProviderBug
from payments_core.domain.events import EventName
from payments_core.engine.flow import Command
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.logs import log
from payments_core.provider import RetryPolicy
from payments_mtn_momo.native.errors import ReadError
from payments_mtn_momo.native.failures import NoToken
from payments_mtn_momo.native.models import AccessToken
from payments_mtn_momo.requests import sealed

__all__ = ["NativeSessionConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeSessionConfig:
    """What both lines go by.

    Args:
        label: What the client is called in events.
        subscription_key: Goes with every request.
        timeout_s: Longest wait for the answer to what is sent once.
        policies: By call; how it is repeated.
        fetch: Makes the flow that asks for a token.
        clock: Tells the time; aware, UTC.
        pid: The process it was made in; no other may use it.

    """

    label: str
    subscription_key: str = field(repr=False)
    timeout_s: float
    policies: Mapping[str, RetryPolicy]
    fetch: Callable[[], HttpFlow[AccessToken]] | None
    clock: Callable[[], datetime]
    pid: int = field(default_factory=os.getpid)

    def check(self, command: Command, *, closed: bool) -> HttpRequest:
        """Return the request to carry out.

        Raises:
            NotSent: The client is closed, or was made before a fork.

        """
        if not isinstance(command, HttpRequest):
            raise ProviderBug(f"A native client does not carry out {type(command).__name__}.")
        if closed:
            raise NotSent("the client is closed", at=self.clock())
        if os.getpid() != self.pid:
            raise NotSent("the client was made in another process, before a fork; make one in each", at=self.clock())
        return command

    def filled(self, request: HttpRequest, token: AccessToken) -> HttpRequest:
        """Return the request with token and subscription key in their slots."""
        secret = token.access_token.get_secret_value()
        return sealed(request, {"access_token": secret, "subscription_key": self.subscription_key})

    def usable(self, token: AccessToken | None) -> bool:
        """Say whether a token can still be used."""
        return token is not None and token.renew_at > self.clock()

    def note(self, request: HttpRequest, ended: HttpResponse | NotSent | NoAnswer, start: float) -> None:
        """Emit the event of one exchange; never its address, which may hold a number."""
        ms = round((perf_counter() - start) * 1000, 1)
        if isinstance(ended, HttpResponse):
            log(
                EventName.HTTP_ANSWERED,
                account=self.label,
                operation=request.operation,
                ms=ms,
                http_status=ended.status,
            )
        else:
            log(
                EventName.HTTP_UNANSWERED,
                account=self.label,
                operation=request.operation,
                ms=ms,
                ended=type(ended).__name__,
                why=ended.why,
            )

    def noting(self, request: HttpRequest) -> Callable[[int, str, float], None]:
        """Return what emits the event of a repeated request."""

        def note(number: int, why: str, wait_s: float) -> None:
            log(
                EventName.HTTP_REPEATED,
                account=self.label,
                operation=request.operation,
                number=number,
                why=why,
                wait_s=round(wait_s, 3),
            )

        return note

    def note_token(self, fetched: AccessToken | ReadError) -> None:
        """Emit the event of a token that came, or did not."""
        if isinstance(fetched, AccessToken):
            log(EventName.CREDENTIAL_OBTAINED, account=self.label, good_until=f"{fetched.renew_at:%H:%M:%SZ}")
        else:
            log(EventName.CREDENTIAL_REFUSED, account=self.label, why=fetched.code)

    def present(self, told: AccessToken | ReadError) -> AccessToken:
        """Return the token, or raise ``NoToken``: without one nothing can leave."""
        if isinstance(told, ReadError):
            raise NoToken(told, at=self.clock())
        return told

    def fetcher(self) -> HttpFlow[AccessToken]:
        """Return the flow that asks for a token."""
        if self.fetch is None:
            raise ProviderBug("This client has no token.")
        return self.fetch()
