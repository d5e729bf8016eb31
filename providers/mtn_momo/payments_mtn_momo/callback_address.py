"""Where MTN may call back: rules that are checked before anything leaves, since breaking one stops the payment.

A callback's host that is not the one registered for the API user is answered 500 ``INVALID_CALLBACK_URL_HOST``, and
nothing is created (measured by a client of the sandbox; Common Error Codes of the developer portal).
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

__all__ = ["check_callback_host", "check_callback_url"]

_ADDRESS = re.compile(r"https?://[A-Za-z0-9:/?@!$&'()*+,;=._~%-]+", re.ASCII)
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.ASCII)


def check_callback_host(host: str) -> None:
    """Refuse what cannot be a registered callback host.

    Raises:
        ValueError: It is no bare name; a scheme, path or port is stored as it is, and then no callback matches it.

    """
    if not _HOST.fullmatch(host):
        raise ValueError("is no bare host name; write it like pay.example.org, without scheme, port and path")
    if _is_ip(host):
        raise ValueError("is an address; MTN wants a name")


def check_callback_url(url: str, *, is_live: bool, registered_host: str = "") -> None:
    """Refuse an address that MTN would refuse, or never call.

    Args:
        url: The whole address.
        is_live: Whether real money moves: MTN then calls over https only.
        registered_host: The one registered for the API user; not compared when empty.

    Raises:
        ValueError: What is wrong with it.

    """
    host = (urlsplit(url).hostname or "") if _ADDRESS.fullmatch(url) else ""
    if not host or "@" in urlsplit(url).netloc:
        raise ValueError("is no plain address; write it like https://pay.example.org/momo/abc")
    if _is_ip(host):
        raise ValueError("has an address as its host; MTN wants the name that is registered for the API user")
    if is_live and not url.startswith("https://"):
        raise ValueError("must start with https:// where money is real")
    if registered_host and host != registered_host:
        raise ValueError(f"has the host {host}, registered is {registered_host}; MTN would refuse every payment")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
