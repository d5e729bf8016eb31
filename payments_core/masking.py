"""Masks for what identifies a person, and a scrubber for text that came from outside."""

from __future__ import annotations

import re

__all__ = ["mask_in", "mask_key", "mask_number", "mask_numbers", "scrub"]

# Seven digits or more in a row, spaces, dots and dashes allowed inside: a phone number, an account, a card.
_LONG_NUMBER = re.compile(r"\+?\d(?:[ .-]?\d){6,}")
_LEAST_DIGITS = 7
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_JWT = re.compile(r"\beyJ[\w-]{10,}(?:\.[\w-]+)*")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+")
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def mask_number(value: str) -> str:
    """Keep the first and the last three characters of a payee's address, at most half of it.

    >>> mask_number("256772123456")
    '256******456'
    """
    keep = min(3, len(value) // 4)
    return value[:keep] + "*" * (len(value) - 2 * keep) + (value[-keep:] if keep else "")


def mask_numbers(text: str) -> str:
    """Mask whatever in a text is long enough to be a payee's address.

    >>> mask_numbers("salary/+256 772 123456/11")
    'salary/+25*********456/11'
    """
    return _LONG_NUMBER.sub(lambda match: mask_number(match[0]), text)


def mask_key(key: str) -> str:
    """Keep enough of a caller's key to recognise it, not enough to hold a phone number or a name.

    >>> mask_key("salary-2026-11/0042")
    'sal…0042'
    """
    if len(key) < 12:
        return f"{key[:1]}…{key[-2:]}" if len(key) > 4 else "…"
    return f"{key[:3]}…{key[-4:]}"


def mask_in(text: str, number: str) -> str:
    """Mask a payee's address wherever it stands in a text, a phone number also in its local form.

    >>> mask_in("salary/+256 772 123456/11", "256772123456")
    'salary/+25*********456/11'
    """
    digits = re.sub(r"\D", "", number)
    if len(digits) < _LEAST_DIGITS:
        return text.replace(number, mask_number(number)) if number else text
    # The last seven digits are those that every form of a number has.
    inside = "[ .-]?".join(digits[-_LEAST_DIGITS:])
    return re.sub(rf"\+?(?:\d[ .-]?)*{inside}", lambda match: mask_number(match[0]), text)


def scrub(text: str, *, limit: int = 300) -> str:
    """Return text that came from outside with numbers, e-mail addresses and credentials masked, and cut to length.

    Args:
        text: Anything a provider, a library or a plugin said.
        limit: Characters kept.

    """
    if not text:
        return ""
    references: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        references.append(match[0])
        return f"\0{len(references) - 1}\0"

    # Blanks first: a line break inside a number must not hide it.
    cut = " ".join(text[: limit * 4].replace("\0", " ").split())
    cut = _JWT.sub("***", _BEARER.sub(r"\1 ***", cut))
    cut = _EMAIL.sub("***@***", cut)
    cut = _UUID.sub(set_aside, cut)  # a reference is ours and no secret; one that is a credential is gone by now
    cut = mask_numbers(cut)
    if references:
        cut = re.sub("\0(\\d+)\0", lambda match: references[int(match[1])], cut)
    return cut if len(cut) <= limit else cut[: limit - 1] + "…"
