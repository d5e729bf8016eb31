"""JSON that may reach a terminal, with control characters escaped: some values come from outside."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["to_json"]

_OBEYED = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON with every control character escaped, including those that JSON allows."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    return _OBEYED.sub(lambda mark: f"\\u{ord(mark[0]):04x}", written)
