"""Reading a request that anybody may have sent: how much, for how long, and from where."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Gates", "Limits", "Message", "Receive", "Refused", "Scope", "Send", "fields_of", "path_of", "read_body"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Refused(Exception):
    """It is no callback, whatever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may cost.

    Args:
        body_bytes: Longest body; a status of a payment has a few hundred bytes.
        header_bytes: All header fields together.
        header_fields: How many.
        body_s: Longest wait for the whole body, in seconds.
        keep_s: Longest wait until the path is looked up, and again until it is durable, in seconds; then it is answered
            503, and may come again.

    """

    body_bytes: int = 64 * 1024
    header_bytes: int = 16 * 1024
    header_fields: int = 100
    body_s: float = 5.0
    keep_s: float = 1.5


class Gates:
    """Whose requests are let in.

    Args:
        allowed: Addresses and networks; everybody when empty.
        address_header: The header field whose last value is the client's address, as the proxy in front of us writes
            it; empty: the other end of the connection is the client.

    Raises:
        ValueError: An address or network that is none.

    """

    def __init__(self, allowed: Collection[str], address_header: str) -> None:
        self._allowed = [ipaddress.ip_network(one) for one in allowed]
        self._header = address_header.lower()

    def let_in(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Say whether a request comes from where it may."""
        if not self._allowed:
            return True
        client = (scope.get("client") or ("",))[0]
        peer = headers.get(self._header, "").rpartition(",")[2].strip() if self._header else client
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._allowed)


def path_of(scope: Scope) -> str:
    """Return the path below where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path") or "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def fields_of(raw: Iterable[tuple[bytes, bytes]], limits: Limits) -> Mapping[str, str]:
    """Return header fields by lower-case name, repeated ones joined.

    Raises:
        Refused: There are too many, or they are too long.

    """
    found: dict[str, str] = {}
    length = 0
    for count, (name, value) in enumerate(raw, 1):
        length += len(name) + len(value)
        if count > limits.header_fields or length > limits.header_bytes:
            raise Refused("its header is too big")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


async def read_body(receive: Receive, headers: Mapping[str, str], limits: Limits) -> bytes | None:
    """Return the whole body; None when the sender has gone.

    Raises:
        Refused: It is too long, or takes too long.

    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limits.body_bytes:
        raise Refused("its body is too big")
    parts: list[bytes] = []
    length, more = 0, True
    try:
        async with asyncio.timeout(limits.body_s):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    return None  # half a request is no request
                parts.append(message.get("body", b""))
                length, more = length + len(parts[-1]), message.get("more_body", False)
                if length > limits.body_bytes:
                    raise Refused("its body is too big")
    except TimeoutError:
        raise Refused("its body takes too long") from None
    return b"".join(parts)
