"""Reads untrusted requests with limits of size, time and origin."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "Limits",
    "Message",
    "Receive",
    "Refused",
    "Scope",
    "Send",
    "fields_of",
    "is_allowed",
    "path_of",
    "read_body",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refused(Exception):
    """The request is not a callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a request.

    Args:
        body_bytes: Size of the body; a payment's status has a few hundred bytes.
        header_bytes: Size of all header fields together.
        header_fields: Number of header fields.
        body_s: Seconds until the whole body must have arrived.
        keep_s: Seconds for the look-up of the path, and again for the durable insert; later the answer is 503, and the
            provider may repeat the callback.

    """

    body_bytes: int = 64 * 1024
    header_bytes: int = 16 * 1024
    header_fields: int = 100
    body_s: float = 5.0
    keep_s: float = 1.5


def is_allowed(scope: Scope, headers: Mapping[str, str], networks: Collection[Network], address_header: str) -> bool:
    """Whether a request comes from one of these networks, or there are none; see :class:`CallbackApp`."""
    if not networks:
        return True
    client = (scope.get("client") or ("",))[0]
    peer = headers.get(address_header, "").rpartition(",")[2].strip() if address_header else client
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in networks)


def path_of(scope: Scope) -> str:
    """Return the path below where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path") or "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def fields_of(raw: Iterable[tuple[bytes, bytes]], limits: Limits) -> Mapping[str, str]:
    """Return header fields by lower-case name, repeated ones joined.

    Raises:
        Refused: Too many, or too long.

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
    """Return the whole body; None when the sender has disconnected.

    Raises:
        Refused: It is too long, or arrives too slowly.

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
