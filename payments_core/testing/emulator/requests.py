"""A request as it came in, and which call of the provider's API it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias
from urllib.parse import unquote

__all__ = ["Call", "Kind", "Request", "Routes"]

Kind: TypeAlias = Literal["post", "get", "token", "other"]


@dataclass(frozen=True, slots=True)
class Call:
    """Which call of the API a request is.

    Args:
        operation: Its name.
        kind: What faults call it: a payment (``post``), a read of one (``get``), a token, or anything else.
        parts: What its address names.

    """

    operation: str
    kind: Kind
    parts: Mapping[str, str] = field(default_factory=dict)


class Routes:
    """The calls an API has.

    Args:
        rows: Of each its name, HTTP method, path with ``{parts}`` and without its query, and kind.

    """

    def __init__(self, *rows: tuple[str, str, str, Kind]) -> None:
        self.operations = tuple(row[0] for row in rows)
        self._routes = [(method, _pattern(path), operation, kind) for operation, method, path, kind in rows]

    def find(self, method: str, path: str) -> Call | None:
        """Return which call a request line is; None when there is no such call."""
        for known, pattern, operation, kind in self._routes:
            if known == method and (found := pattern.fullmatch(path)):
                return Call(operation, kind, {name: unquote(value) for name, value in found.groupdict().items()})
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in, and what a fault may have decided about it; an emulator's own names its routes.

    Args:
        method: HTTP method.
        path: With its query, if any.
        headers: Lower-case names.
        body: Raw bytes.
        at: When.
        stuck: A payment taken from it never ends.
        invisible_s: A payment taken from it is not found by reads for that long.

    """

    routes: ClassVar[Routes] = Routes()

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    stuck: bool = False
    invisible_s: float = 0.0
    call: Call | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "call", self.routes.find(self.method, self.path.partition("?")[0]))

    @property
    def kind(self) -> Kind:
        """What faults call it."""
        return self.call.kind if self.call else "other"

    @property
    def operation(self) -> str:
        """Which call it is; empty when it is none."""
        return self.call.operation if self.call else ""

    @property
    def authorization(self) -> str:
        """Its Authorization; empty when there is none."""
        return self.headers.get("authorization", "")

    def part(self, name: str) -> str:
        """Return what its address names; empty when it names none of that."""
        return self.call.parts.get(name, "") if self.call else ""
