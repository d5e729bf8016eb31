"""An answer of an emulated gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Args:
        status: HTTP status code.
        headers: Lower-case names to values, content-length included.
        body: Raw bytes.

    """

    status: int
    headers: Mapping[str, str]
    body: bytes
