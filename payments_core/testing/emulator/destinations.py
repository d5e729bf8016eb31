"""Where a callback is sent: this machine or nowhere. No name is resolved, so no resolver is asked either.

``localhost`` and names under it are this machine by definition (RFC 6761); any other name is not, whatever a hosts file
contains.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

__all__ = ["Destination", "destination_of"]

_AS_WRITTEN = "!#$%&'()*+,/:;=?@[]~"  # everything else would break the request's first line


@dataclass(frozen=True, slots=True)
class Destination:
    """An address of this machine, with port and request target."""

    addresses: tuple[str, ...]  #: IP addresses, tried in turn.
    port: int  #: The port of each.
    host: str  #: The Host header: always that of the requested address.
    target: str  #: Path and query.


def destination_of(url: str, via: str = "") -> Destination | str:
    """Return the destination of a callback, or why it is not sent.

    Args:
        url: The requested address.
        via: An address to call instead; path, query and Host stay those of ``url``.

    """
    try:
        asked, called = urlsplit(url), urlsplit(via or url)
        port = called.port or 80
    except ValueError:
        return "no address"
    if asked.scheme not in {"http", "https"} or not asked.hostname or not called.hostname:
        return "no address"
    addresses = _loopback(called.hostname)
    if not addresses:
        return "not on this machine"
    if called.scheme != "http":
        return "no TLS is spoken"
    target = (asked.path or "/") + (f"?{asked.query}" if asked.query else "")
    return Destination(addresses, port, asked.netloc.rpartition("@")[2], quote(target, safe=_AS_WRITTEN))


def _loopback(host: str) -> tuple[str, ...]:
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1", "::1"
    try:
        return (host,) if ipaddress.ip_address(host).is_loopback else ()
    except ValueError:
        return ()
