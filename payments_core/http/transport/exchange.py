"""One exchange: what may be sent, until when, and how its end is reported. Knows no HTTP library."""

from __future__ import annotations

import functools
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib import metadata
from urllib.parse import urlsplit

from payments_core.domain.errors import ProviderBug, SettingsError
from payments_core.domain.masking import scrub
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, slots_in

__all__ = ["KEEP_ALIVE_S", "Exchange", "TooLate", "default_tls"]

# Shorter than the 5 s after which common servers hang up: a payment written while the server hangs up is ambiguous.
KEEP_ALIVE_S = 4.0
_BODY_LIMIT = 1024 * 1024
_URL_LIMIT = 8000
_SHORTEST_SECRET = 8  # a PIN of four digits may stand in an amount
_URL = re.compile(r"[A-Za-z0-9:/?\[\]@!$&'()*+,;=._~%-]+", re.ASCII)  # RFC 3986 without a fragment
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.ASCII)
# An address in which nothing needs a closer look: no user, no brackets, no strange port, no segment that is dots.
_ORDINARY = re.compile(
    r"https?://([a-z0-9.-]+)(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
    r"(?:/(?!\.)[A-Za-z0-9!$&'()*+,;=:@._~%-]*)*(?:\?[A-Za-z0-9!$&'()*+,;=:@/?._~%-]*)?",
    re.ASCII,
)
_METHOD = re.compile(r"[A-Z]+", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OURS = frozenset({"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"})


class TooLate(Exception):
    """The last moment for writing has passed, and nothing was written."""


class _Refused(Exception):
    """A rule of ours ended the exchange."""


class Exchange:
    """One request on its way; knows whether a byte of it may have left.

    Args:
        request: What to send.
        clock: Returns the present moment; aware, UTC.

    Raises:
        ProviderBug: The request cannot be sent as it stands.

    """

    __slots__ = ("_body", "_clock", "_end", "_written", "connected", "host", "request")

    def __init__(self, request: HttpRequest, clock: Callable[[], datetime]) -> None:
        self.host = _checked(request)
        self.request = request
        self._clock = clock
        self._end = time.monotonic() + request.timeout_s
        self._written = False
        self._body = bytearray()
        self.connected = False  # on a connection whose time-outs are bounded; set by the transport

    def headers(self) -> dict[str, str]:
        """Return what is sent: the request's own fields and two of ours where it has none."""
        given = {name.lower() for name in self.request.headers}
        # identity: what arrives is what was meant, and nothing small unpacks to something huge.
        ours = {"User-Agent": _user_agent(), "Accept-Encoding": "identity"}
        return {name: value for name, value in ours.items() if name.lower() not in given} | dict(self.request.headers)

    def message(self, host: str, target: str) -> bytes:
        """Return the request as HTTP/1.1 writes it; each part of it was checked.

        Args:
            host: Value of the field ``Host``.
            target: Path and query.

        """
        method, body = self.request.method, (self.request.body or "").encode()
        fields = {"Host": host, **self.headers()}
        if body or method in _WITH_BODY:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in fields.items()], "\r\n"]
        return "\r\n".join(lines).encode("ascii") + body

    def left_s(self) -> float:
        """Return the seconds until the answer counts as lost."""
        return self._end - time.monotonic()

    def left_to_write_s(self) -> float:
        """Return the seconds until writing is no longer allowed."""
        left_s, before = self._end - time.monotonic(), self.request.send_before
        return left_s if before is None else min(left_s, (before - self._clock()).total_seconds())

    def still_in_time(self) -> float:
        """Return the seconds until writing is no longer allowed; raise ``TooLate`` when it is not."""
        left_s = self.left_to_write_s()
        if left_s <= 0:
            raise TooLate("its last moment for sending had passed")
        return left_s

    def about_to_write(self) -> None:
        """Note that the next step writes the first byte; raise to prevent it.

        Everything rests on this call: what ends before it was not sent, and a library that wants to send again
        on its own account comes here a second time.
        """
        if self._written:
            raise _Refused("the connection broke, and a request is never written twice")
        self.still_in_time()
        self._written = True

    def take(self, chunk: bytes) -> None:
        """Add a piece of the body."""
        if len(self._body) + len(chunk) > _BODY_LIMIT:
            raise _Refused("the answer is longer than 1 MiB")
        self._body += chunk

    def complete(self, status: int, fields: Iterable[tuple[str, str]]) -> HttpResponse:
        """Return the answer, now that all of it is here; secrets of the request that it repeats are taken out."""
        headers: dict[str, str] = {}
        for name, value in fields:
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        body = bytes(self._body)
        for secret in self.request.secrets:
            if len(secret) >= _SHORTEST_SECRET:
                body = body.replace(secret.encode(), b"***")
        return HttpResponse(status, headers, body, self._clock())

    def ended(self, error: Exception, *, unsent: tuple[type[Exception], ...]) -> NotSent | NoAnswer:
        """Return how an exchange without a response ended.

        Two things have to agree before it is called not sent: nothing was about to be written, and the error is one
        that the library raises while it waits for a connection or makes one. Classes alone lie.

        Args:
            error: The native error; its text may hold the address, so only its kind and its cause are reported.
            unsent: The library's errors of making a connection.

        """
        why = scrub(f"{self.host}: {_described(error)}", limit=160)
        proven = not self._written and isinstance(error, (TooLate, *unsent))
        return NotSent(why, at=self._clock()) if proven else NoAnswer(why, at=self._clock())

    def check_seam(self) -> None:
        """Raise when a response came although the library never reported a connection or a write: it has changed."""
        if not (self._written and self.connected):
            raise RuntimeError("The HTTP library no longer tells when it writes; this version of it cannot be used.")


def unusable(*distributions: str, why: str) -> SettingsError:
    """Return the error for versions of HTTP libraries that lack what a transport needs.

    Args:
        distributions: Names of the distributions.
        why: What is missing.

    """
    installed = ", ".join(f"{name} {metadata.version(name)}" for name in distributions)
    return SettingsError(
        f"The HTTP libraries that are installed cannot be used ({installed}): {why}.",
        hint="Install versions within the bounds that payments-core declares; `pip check` names what is outside.",
    )


@functools.cache
def default_tls() -> ssl.SSLContext:
    """Return the context that trusts what the operating system trusts, made once."""
    return ssl.create_default_context()


def _checked(request: HttpRequest) -> str:
    """Return the host, or raise ``ProviderBug``, which names the place and not the value."""
    host, problem = "", ""
    if unfilled := slots_in(request):
        problem = f"unfilled slots: {', '.join(sorted(unfilled))}"
    elif not _METHOD.fullmatch(request.method):
        problem = "the method is not a word in capital letters"
    elif request.send_before is not None and request.send_before.tzinfo is None:
        problem = "send_before has no time zone"
    elif not (host := _plain_host(request.url)):
        problem = "the address is not a plain http or https address"
    for name, value in request.headers.items():
        if not _is_settable(name):
            problem = problem or f"header {name!r} is not for a provider to set"
        elif not value.isascii() or not value.isprintable() or value != value.strip():
            problem = problem or f"the value of header {name!r} cannot be written"
    if problem:
        raise ProviderBug(f"Request {request.operation!r} cannot be sent: {problem}.")
    return host


@functools.lru_cache(maxsize=256)  # names are few, and hold no secret
def _is_settable(name: str) -> bool:
    """Whether a header of this name is for a provider to set."""
    return _TOKEN.fullmatch(name) is not None and name.lower() not in _OURS


def _plain_host(url: str) -> str:
    """Return the host of an address both libraries send as it stands; empty for any other."""
    if len(url) <= _URL_LIMIT and (ordinary := _ORDINARY.fullmatch(url)):
        return ordinary[1]
    return _host_of(url)


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    plain = parts.scheme in {"http", "https"} and parts.username is None and port != 0
    plain = plain and not {".", ".."}.intersection(parts.path.split("/"))  # httpx would resolve them, aiohttp not
    return host if plain and len(url) <= _URL_LIMIT and _URL.fullmatch(url) and _HOST.fullmatch(host) else ""


def _described(error: Exception) -> str:
    """Describe a native error without its text, which may hold the address and with it a phone number."""
    if isinstance(error, TooLate | _Refused):
        return str(error)
    name = type(error).__name__
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"{name} (no such host)"
    for cause in causes:
        detail = getattr(cause, "verify_message", "") or getattr(cause, "reason", "")
        if isinstance(cause, ssl.SSLError) and detail:
            return f"{name} ({detail})"
        if isinstance(cause, OSError) and isinstance(cause.errno, int) and not isinstance(cause, ssl.SSLError):
            return f"{name} ({os.strerror(cause.errno)})"
    return name


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


@functools.cache
def _user_agent() -> str:
    try:
        version = metadata.version("payments-core")
    except metadata.PackageNotFoundError:  # run from a source tree
        version = "0"
    return f"payments-core/{version}"
