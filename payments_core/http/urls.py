"""Addresses of gateways in settings: HTTPS, or plain HTTP to this machine, where an emulator answers."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

__all__ = ["BaseUrl", "check_base_url", "is_loopback", "is_on_this_machine"]


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_on_this_machine(url: str) -> bool:
    """Say whether an address leads nowhere but to this machine: no money moves there."""
    return is_loopback(urlsplit(url).hostname or "")


def check_base_url(value: str) -> str:
    """Return a gateway's address without a slash at its end, its host in small letters.

    Args:
        value: As somebody wrote it.

    Raises:
        ValueError: It is no address, has more than a host and a port, or would send secrets in the clear.

    """
    parts = None
    if re.fullmatch(r"[!-\[\]-~]+", value):  # visible ASCII, no backslash
        try:
            parts = urlsplit(value)
            _ = parts.port  # raises for a port that is no number
        except ValueError:
            parts = None
    if parts is None or not parts.hostname:
        raise ValueError("is no address; write it like https://api.example.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; secrets have settings of their own")
    if parts.path.strip("/") or "?" in value or "#" in value:
        raise ValueError("must end after the host; paths are added by the provider")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must start with https://; plain http:// is for a server on this machine")
    return f"{parts.scheme}://{parts.netloc.lower()}"


#: The type of a setting that is checked so, such as ``base_url``.
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
