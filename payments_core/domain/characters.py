"""Characters that are invisible, control a terminal, or are written in two ways: found, named, and replaced."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["UNSTORABLE", "clean", "clean_lines", "describe", "find_unclear", "is_blank", "is_storable"]

UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL has no NUL in a text, and nothing has half a character

# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt (the same from 12.1 to 16.0): drawn as nothing.
_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
# By their names blank, filler, null or replacement: drawn as an empty place though no property says so. FFFD stands
# for a character that was lost: two texts may have become one.
_EMPTY = frozenset("\u2800\ufffc\ufffd\U00013441\U00013442\U00016fe4\U0001d159")
_CATEGORIES = {
    "Cc": "is a control character",
    "Cf": "cannot be seen",
    "Cn": "is no character that this Python knows",
    "Co": "is for private use and looks different everywhere",
    "Cs": "is half of a character",
    "Zl": "is a line break",
    "Zp": "is a line break",
    "Zs": "is a blank, but no plain space",
}


def clean(text: str) -> str:
    """Return a text of one line with control characters, line breaks and what is not seen replaced."""
    if text.isprintable():  # nearly every text: a list of 200,000 payouts has two million
        return text
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def clean_lines(text: str) -> str:
    """Return a text of several lines, each clean."""
    return "\n".join(map(clean, text.split("\n")))


def describe(character: str) -> str:
    """Return a character's code point and name: ``U+200B (ZERO WIDTH SPACE)``."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' ({name})' if name else ''}"


def find_unclear(text: str) -> str:
    """Return what makes a text look like another one: its first such character and why; empty when there is none.

    Unassigned characters are among them: a later Unicode may give them another spelling.
    """
    if text.isascii() and text.isprintable() and text == text.strip(" "):
        return ""
    for index, character in enumerate(text):
        if why := _why_unclear(character):
            return f"{describe(character)} at position {index + 1}, which {why}"
    if text != text.strip(" "):
        return "a space at its beginning" if text.startswith(" ") else "a space at its end"
    if not unicodedata.is_normalized("NFC", text):
        index = next(end for end in range(len(text)) if not unicodedata.is_normalized("NFC", text[: end + 1]))
        return f"{describe(text[index])} at position {index + 1}, which the normal form NFC writes in another way"
    return ""


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen."""
    return all(character == " " or _why_unclear(character) for character in text)


def _why_unclear(character: str) -> str:
    code = ord(character)
    if code < 0x7F:
        return _CATEGORIES["Cc"] if code < 0x20 else ""
    if any(first <= code <= last for first, last in _IGNORABLE):
        return _CATEGORIES["Cf"]
    if character in _EMPTY:
        return "stands for a character that was lost" if character == "\ufffd" else "looks like an empty place"
    return _CATEGORIES.get(unicodedata.category(character), "")


def is_storable(text: str) -> bool:
    """Whether every journal can store a text unchanged."""
    return UNSTORABLE.search(text) is None
