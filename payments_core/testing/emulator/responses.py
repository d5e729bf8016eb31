"""An answer of an emulated gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int  #: HTTP status code.
    headers: Mapping[str, str]  #: Lower-case names to values, content-length included.
    body: bytes  #: Raw bytes.

    @classmethod
    def of(cls, status: int, body: bytes, content_type: str, **headers: str) -> Answer:
        """Return an answer with its length."""
        return cls(status, {"content-length": str(len(body)), "content-type": content_type, **headers}, body)

    @classmethod
    def json(cls, status: int, value: object, **headers: str) -> Answer:
        """Return an answer in JSON."""
        return cls.of(status, json.dumps(value).encode(), "application/json", **headers)
