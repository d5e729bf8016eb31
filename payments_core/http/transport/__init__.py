"""Transports carry one HTTP request to a server, once, and say honestly how it ended.

A transport follows no redirect, repeats nothing, keeps no cookie and reads no proxy or password from the
environment. The libraries stand in modules of their own, which are imported only where they are used.
"""

from __future__ import annotations

from typing import Protocol

from payments_core.http.messages import HttpRequest, HttpResponse

__all__ = ["AsyncTransport", "Transport"]


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
