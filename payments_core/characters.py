"""Characters by their code points and names."""

from __future__ import annotations

import unicodedata

__all__ = ["describe"]


def describe(character: str) -> str:
    """Return a character's code point and name: ``U+200B (ZERO WIDTH SPACE)``."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' ({name})' if name else ''}"
