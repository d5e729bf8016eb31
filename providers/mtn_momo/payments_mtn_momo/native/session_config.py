"""The configuration of a native client's session; settings that are wrong are found here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypeAlias

from pydantic import SecretStr

from payments_core.domain.errors import ProviderBug, SettingsError
from payments_core.domain.events import EventName
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.logs import log
from payments_core.provider import RetryPolicy, overridden
from payments_core.settings.tables import read_table
from payments_mtn_momo.api.models import AccessToken
from payments_mtn_momo.api.operations import retry_policies
from payments_mtn_momo.api.requests import fill_secrets
from payments_mtn_momo.native.errors import ReadError
from payments_mtn_momo.native.failures import NoToken
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["FetchedToken", "NativeSessionConfig", "Retry", "read_policies", "read_settings", "utc_now"]

FetchedToken: TypeAlias = AccessToken | ReadError | NotSent
Retry: TypeAlias = Mapping[str, Mapping[str, Any]]


def utc_now() -> datetime:
    """Return the time: aware, UTC."""
    return datetime.now(UTC)


def read_settings(settings: MtnMomoSettings | None, fields: Mapping[str, Any]) -> MtnMomoSettings:
    """Return the settings given, or made from keyword arguments.

    Raises:
        SettingsError: Each wrong field with its problem, never its value; or both were given.

    """
    if settings is None:
        return read_table(MtnMomoSettings, "The account", fields, resolve_secret=SecretStr)
    if fields:
        raise SettingsError("Give settings or keyword arguments, not both.")
    return settings


def read_policies(*overrides: Retry | None) -> dict[str, RetryPolicy]:
    """Return how each call is repeated.

    Args:
        overrides: What differs from the table of operations; a later one counts more.

    Raises:
        SettingsError: A figure makes no sense.

    """
    table = retry_policies()
    try:
        for override in overrides:
            table = overridden(table, override or {})
    except ValueError as error:
        problem = str(error)
    else:
        return table
    raise SettingsError(f"retry is wrong: {problem}.", hint="See the page reference/operations of the documentation.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeSessionConfig:
    """The configuration of a session, for threads or for an event loop.

    Args:
        label: What the client is called in events.
        subscription_key: Goes with every request.
        timeout_s: Longest wait for the response to what is sent once.
        policies: By call; how it is repeated.
        fetch: Makes the flow that fetches a token; None where no call needs one.
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

    def check_usable(self, *, closed: bool) -> None:
        """Refuse to send.

        Raises:
            NotSent: The client is closed, or was made before a fork.

        """
        if closed:
            raise NotSent("the client is closed", at=self.clock())
        if os.getpid() != self.pid:
            raise NotSent("the client was made in another process, before a fork; make one in each", at=self.clock())

    def filled(self, request: HttpRequest, token: AccessToken) -> HttpRequest:
        """Return the request with token and subscription key in their slots."""
        secret = token.access_token.get_secret_value()
        return fill_secrets(request, {"access_token": secret, "subscription_key": self.subscription_key})

    def is_usable(self, token: FetchedToken) -> bool:
        """Whether it is a token that can still be used."""
        return isinstance(token, AccessToken) and token.renew_at > self.clock()

    def interrupted(self) -> NotSent:
        """Return what the waiters get when the fetch of a token is interrupted."""
        return NotSent("the client was closed, or the fetch of a token was interrupted", at=self.clock())

    def note(self, request: HttpRequest, ended: HttpResponse | NotSent | NoAnswer, start: float) -> None:
        """Emit the event of one exchange; never its address, which may hold a number."""
        details: dict[str, Any] = {
            "account": self.label,
            "operation": request.operation,
            "ms": round((perf_counter() - start) * 1000, 1),
        }
        if isinstance(ended, HttpResponse):
            log(EventName.HTTP_ANSWERED, **details, http_status=ended.status)
        else:
            log(EventName.HTTP_UNANSWERED, **details, ended=type(ended).__name__, why=ended.why)

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

    def note_token(self, fetched: FetchedToken) -> None:
        """Emit the event of a token that came, or did not."""
        if isinstance(fetched, AccessToken):
            log(EventName.CREDENTIAL_OBTAINED, account=self.label, good_until=f"{fetched.renew_at:%H:%M:%SZ}")
        elif isinstance(fetched, ReadError):
            log(EventName.CREDENTIAL_REFUSED, account=self.label, why=fetched.code)

    def token_or_raise(self, fetched: FetchedToken) -> AccessToken:
        """Return the token, or raise ``NoToken``: without one nothing can leave."""
        if isinstance(fetched, ReadError):
            raise NoToken(fetched, at=self.clock())
        if isinstance(fetched, NotSent):
            raise NotSent(fetched.why, at=fetched.at)
        return fetched

    def fetch_token(self) -> HttpFlow[AccessToken]:
        """Return the flow that fetches a token."""
        if self.fetch is None:
            raise ProviderBug("This client has no token.")
        return self.fetch()
