"""Messages between flows and transports, and the three ways an exchange can end.

An exchange ends with an :class:`HttpResponse`, with :class:`NotSent` (proven: no server read the request) or with
:class:`NoAnswer` (everything else). The last two stay apart all the way up: only the first may be called harmless.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

__all__ = ["HttpRequest", "HttpResponse", "NoAnswer", "NotSent", "fill", "slot", "slots_in", "stored_hash"]

_MARK = "{{slot:"  # looked for first: most texts hold no slot
_SLOT = re.compile(r"\{\{slot:([a-z0-9_]+)\}\}")
_ANY = r"(?:\{\{slot:[a-z0-9_]+\}\}|[!#-\[\]-~]+)"  # no blank, quote or backslash: a value cannot become a field


def slot(name: str) -> str:
    """Return the mark that stands for a secret in a stored request until the moment of sending.

    No order can hold one: whatever a caller writes, it is refused in key, note, payee and options.
    """
    return _MARK + name + "}}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, without secrets until :func:`fill` has put them into their slots.

    Args:
        method: ``"GET"``, ``"POST"``, ``"PUT"``.
        url: Absolute address.
        operation: The provider's name for the call; picks its row of the retry table and is logged, not the address.
        headers: Field names and values; values may hold slots.
        body: Text of the body, or None for none; may hold slots.
        timeout_s: Longest wait for the answer before it counts as lost, in seconds; set by the sender, not stored.
        repeatable: True only when sending it twice is proven harmless (reads, token calls).
        moves_money: True for the one request of a flow that pays.
        send_before: A money request is not written after this moment; None for no limit.
        credential: Whether the provider's credential is applied to it.
        secrets: What :func:`fill` has put in; a transport takes it out of the answer, which may repeat what was sent.

    """

    method: str
    url: str = field(repr=False)  # may hold a number, and once filled a secret
    operation: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    repeatable: bool = False
    moves_money: bool = False
    send_before: datetime | None = None
    credential: bool = True
    secrets: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def to_json(self) -> str:
        """Return the request as stored in the journal: what will be sent, slots unfilled, no times."""
        kept = {name: getattr(self, name) for name in _STORED} | {"headers": dict(self.headers)}
        return _encode(kept)

    @classmethod
    def from_json(cls, text: str) -> HttpRequest:
        """Read a stored request back."""
        return cls(**json.loads(text))

    @property
    def hash(self) -> str:
        """SHA-256 of the stored form: equal for every submission of an attempt."""
        return stored_hash(self.to_json())


def stored_hash(text: str) -> str:
    """Return the SHA-256 of a stored request."""
    return hashlib.sha256(text.encode()).hexdigest()


# Made once: json.dumps would make an encoder for every call.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_STORED = ("method", "url", "operation", "headers", "body", "repeatable", "moves_money", "credential")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete answer.

    Args:
        status: HTTP status code.
        headers: Lower-case field names to values.
        body: Raw bytes.
        at: When the answer was complete; aware, UTC.

    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime

    @property
    def text(self) -> str:
        """The body as text, undecodable bytes replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> object:
        """Return the parsed body, or None when it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class _Ended(Exception):
    """How an exchange ended without an answer.

    Args:
        why: In words that hold no address and no secret.
        at: When; aware, UTC.

    """

    def __init__(self, why: str, *, at: datetime) -> None:
        super().__init__(why)
        self.why = why
        self.at = at


class NotSent(_Ended):
    """Proven: no server can have read the request (refused, no such host, no free connection, past its deadline)."""


class NoPermit(NotSent):
    """No permit: the rate allows no further request soon enough.

    Args:
        why: In words.
        at: When; aware, UTC.
        after_s: Seconds until a permit can be granted; 0 when the wait for one timed out.

    """

    def __init__(self, why: str, *, at: datetime, after_s: float) -> None:
        super().__init__(why, at=at)
        self.after_s = after_s


class NoAnswer(_Ended):
    """The request may have been read; what became of it is not known."""


def slots_in(request: HttpRequest) -> frozenset[str]:
    """Return the names of the slots that are still unfilled."""
    text = "\n".join((request.url, *request.headers.values(), request.body or ""))
    return frozenset(_SLOT.findall(text)) if _MARK in text else frozenset()


def fill(request: HttpRequest, secrets: Mapping[str, str]) -> HttpRequest:
    """Return the request with secrets put into their slots; slots without a secret stay.

    A slot in the address or the body takes its value as it is: the provider sees to escaping. Nothing of it is kept
    for the next request: what is filled is in no cache.
    """
    used: set[str] = set(request.secrets)

    def secret(mark: re.Match[str]) -> str:
        if (value := secrets.get(mark[1])) is None:
            return mark[0]
        used.add(value)
        return value

    url, headers, body = request.url, dict(request.headers), request.body
    if _MARK in url:
        url = _SLOT.sub(secret, url)  # in one pass: a secret may look like a slot
    for name, text in request.headers.items():
        if _MARK in text:
            headers[name] = _Hidden(_SLOT.sub(secret, text))
    if body is not None and _MARK in body:
        body = _SLOT.sub(secret, body)
    return replace(request, url=url, headers=headers, body=body, secrets=frozenset(used))


class _Hidden(str):
    """A header's value that a repr does not show; it is sent as any other text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def is_filled(request: HttpRequest, drafted: HttpRequest) -> bool:
    """Say whether a request is a drafted one, with values put into some of its slots and nothing else changed.

    Args:
        request: What is to be sent.
        drafted: What was made ready, as it is stored.

    """
    if request is drafted or request == drafted:
        return True
    if replace(request, url=drafted.url, headers=drafted.headers, body=drafted.body) != drafted:
        return False
    if request.headers.keys() != drafted.headers.keys() or request.body is None or drafted.body is None:
        return False
    texts = [(request.url, drafted.url), (request.body, drafted.body)]
    texts += [(value, drafted.headers[name]) for name, value in request.headers.items()]
    return all(re.fullmatch(_ANY.join(map(re.escape, _SLOT.split(then)[::2])), now) for now, then in texts)
