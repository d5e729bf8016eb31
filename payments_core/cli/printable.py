"""What may reach a terminal: it obeys control characters, and some of what we print came from outside."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["clean", "clean_lines", "to_json"]

_OBEYED = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    """Return a text of one line with control characters, line breaks and what is not seen replaced."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def clean_lines(text: str) -> str:
    """Return a text of several lines, each clean."""
    return "\n".join(map(clean, text.split("\n")))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in which every control character is escaped, those that JSON itself allows as well."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    return _OBEYED.sub(lambda mark: f"\\u{ord(mark[0]):04x}", written)
