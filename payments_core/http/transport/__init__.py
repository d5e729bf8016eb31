"""Transports carry one HTTP request to a server, once, and say honestly how it ended.

A transport follows no redirect, repeats nothing, keeps no cookie and reads no proxy or password from the
environment. The libraries stand in modules of their own, which are imported only where they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from payments_core.http.messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    import ssl

__all__ = ["AsyncTransport", "Transport", "TransportSettings", "make_async_transport", "make_transport"]


class TransportSettings(Protocol):
    """What an account's settings say about its transports; see ``AccountSettings``."""

    @property
    def max_in_flight(self) -> int:
        """Connections at once."""

    @property
    def sync_transport(self) -> str:
        """Library of the synchronous one: ``h11`` or ``httpx``."""

    @property
    def async_transport(self) -> str:
        """Library of the asynchronous one: ``h11`` or ``aiohttp``."""


class Transport(Protocol):
    """Sends requests; may be used from many threads."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request at most once and return the complete answer, whatever its status.

        Args:
            request: Filled; written only before its ``send_before``, waited for no longer than its ``timeout_s``.

        Raises:
            NotSent: Proven: no byte of the request left.
            NoAnswer: Anything else that is not a complete answer.
            ProviderBug: The request is not one that can be sent, such as one with an unfilled slot; nothing left.

        """
        ...

    def close(self) -> None:
        """Close every connection; one with a request in flight is closed when that has ended."""
        ...


class AsyncTransport(Protocol):
    """Sends requests; belongs to one event loop."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send the request at most once and return the complete answer, whatever its status.

        A cancellation goes through, and the request may then have been read.

        Args:
            request: Filled; written only before its ``send_before``, waited for no longer than its ``timeout_s``.

        Raises:
            NotSent: Proven: no byte of the request left.
            NoAnswer: Anything else that is not a complete answer.
            ProviderBug: The request is not one that can be sent, such as one with an unfilled slot; nothing left.

        """
        ...

    async def aclose(self) -> None:
        """Close every connection; a request in flight ends with ``NoAnswer``."""
        ...


def make_transport(
    settings: TransportSettings, *, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None
) -> Transport:
    """Return the synchronous transport that an account's settings choose; only its library is loaded.

    Args:
        settings: The account's.
        clock: Returns the present moment; aware, UTC.
        tls: For servers with certificates of their own; by default what the operating system trusts.

    """
    if settings.sync_transport == "httpx":
        from payments_core.http.transport.httpx_sync import HttpxTransport

        return HttpxTransport(max_connections=settings.max_in_flight, clock=clock, tls=tls)
    from payments_core.http.transport.h11_sync import H11Transport

    return H11Transport(max_connections=settings.max_in_flight, clock=clock, tls=tls)


def make_async_transport(
    settings: TransportSettings, *, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None
) -> AsyncTransport:
    """Return the asynchronous transport that an account's settings choose; only its library is loaded.

    Args:
        settings: The account's.
        clock: Returns the present moment; aware, UTC.
        tls: For servers with certificates of their own; by default what the operating system trusts.

    """
    if settings.async_transport == "aiohttp":
        from payments_core.http.transport.aiohttp_async import AiohttpTransport

        return AiohttpTransport(max_connections=settings.max_in_flight, clock=clock, tls=tls)
    from payments_core.http.transport.h11_async import AsyncH11Transport

    return AsyncH11Transport(max_connections=settings.max_in_flight, clock=clock, tls=tls)
