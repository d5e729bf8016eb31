"""A received request and its call of the provider's API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeAlias
from urllib.parse import unquote

__all__ = ["Call", "Kind", "Request", "Routes"]

Kind: TypeAlias = Literal["post", "get", "token", "other"]


@dataclass(frozen=True, slots=True)
class Call:
    """The call of the API that a request makes."""

    operation: str  #: Its name.
    kind: Kind  #: Its name in faults: a payment (``post``), its status (``get``), a token, or another call.
    parts: Mapping[str, str] = field(default_factory=dict)  #: The values in its path.


class Routes:
    """The calls of an API.

    Args:
        rows: For each its name, HTTP method, path with ``{parts}`` and without its query, and kind.

    """

    def __init__(self, *rows: tuple[str, str, str, Kind]) -> None:
        self.operations = tuple(row[0] for row in rows)
        self._routes = [(method, _pattern(path), operation, kind) for operation, method, path, kind in rows]

    def find(self, method: str, path: str) -> Call | None:
        """Return the call of a request line; None for an unknown one."""
        for known, pattern, operation, kind in self._routes:
            if known == method and (found := pattern.fullmatch(path)):
                return Call(operation, kind, {name: unquote(value) for name, value in found.groupdict().items()})
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


@dataclass(frozen=True, slots=True)
class Request:
    """One received request and the effects of faults on it; a derived class names the routes and the reference."""

    routes: ClassVar[Routes] = Routes()

    method: str  #: HTTP method.
    path: str  #: With its query, if any.
    headers: Mapping[str, str]  #: Lower-case names.
    body: bytes  #: Raw bytes.
    at: datetime  #: When it arrived.
    stuck: bool = False  #: Whether its payment never ends.
    invisible_s: float = 0.0  #: Seconds during which checks do not find its payment.
    call: Call | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "call", self.routes.find(self.method, self.path.partition("?")[0]))

    @property
    def kind(self) -> Kind:
        """Its kind in faults."""
        return self.call.kind if self.call else "other"

    @property
    def operation(self) -> str:
        """The name of the call; empty for an unknown one."""
        return self.call.operation if self.call else ""

    @property
    def authorization(self) -> str:
        """The Authorization header; empty without one."""
        return self.headers.get("authorization", "")

    @property
    def payload(self) -> Any:
        """The JSON in the body; None when there is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> Mapping[str, Any]:
        """The JSON object in the body; empty when there is none."""
        payload = self.payload
        return payload if isinstance(payload, dict) else {}

    @property
    def reference(self) -> str:
        """The reference of the payment that it is about; empty without one."""
        return ""

    @property
    def references(self) -> Sequence[str]:
        """The references of its payments; several where the API takes them together."""
        return (self.reference,)

    def part(self, name: str) -> str:
        """Return a value of its path; empty without one."""
        return self.call.parts.get(name, "") if self.call else ""
