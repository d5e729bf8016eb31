"""Masks for what identifies a person, and a scrubber for text that came from outside."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["LEAST_DIGITS", "mask_in", "mask_key", "mask_number", "mask_numbers", "quote", "scrub", "scrub_code"]

# Seven digits or more, with what people put between groups of them: a phone number, an account, a card.
_BETWEEN = r"[ .,/_()\-\u2010-\u2015]{0,3}"
_ANY_BETWEEN = r"[^0-9A-Za-z]{0,3}"  # where it is known which number is looked for
_LONG_NUMBER = re.compile(rf"\+?\d(?:{_BETWEEN}\d){{6,}}")
LEAST_DIGITS = 7  # of what may be a payee's address
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_JWT = re.compile(r"\beyJ[\w-]{10,}(?:\.[\w-]+)*")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\b[\s:=\"']+[\w.~+/=-]+")
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z| ?[+-](?:[01]\d|2[0-3]):?[0-5]\d)?"
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"(?<![\w+.-])(?:{_YEAR}-{_MONTH}-{_DAY}|{_DAY}([./]){_MONTH}\1{_YEAR})(?:[T ]{_CLOCK})?(?![\w-]|[.,/]?\d)"
)
# Control characters, which a terminal obeys, what is not seen at all, and half characters, which no journal can hold.
_IN_PLACE_OF = {"Cc": " ", "Cf": "", "Cs": " "}
# Forms of providers' codes in which a long number is no telephone number: DP00800001001, 500.001.1001. A bare word of
# capital letters holds no number and no credential at all.
_CODE = re.compile(r"[A-Z]{1,4}\d{1,14}|\d{3}\.\d{3}\.\d{2,4}|[A-Z_]{1,80}", re.ASCII)


def mask_number(value: str) -> str:
    """Keep the first and the last three characters of a payee's address, at most half of it.

    >>> mask_number("256772123456")
    '256******456'
    """
    keep = min(3, len(value) // 4)
    return value[:keep] + "*" * (len(value) - 2 * keep) + (value[-keep:] if keep else "")


def mask_numbers(text: str) -> str:
    """Mask whatever in a text is long enough to be a payee's address.

    >>> mask_numbers("salary/+256 772 123456/November")
    'salary/+25*********456/November'
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
    if len(digits) < LEAST_DIGITS:
        return text.replace(number, mask_number(number)) if number else text
    # The last seven digits are those that every form of a number has.
    inside = _ANY_BETWEEN.join(digits[-LEAST_DIGITS:])
    return re.sub(rf"\+?(?:\d{_ANY_BETWEEN})*{inside}", lambda match: mask_number(match[0]), text)


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

    # Blanks first: neither a line break nor what is not seen at all may hide a number.
    cut = text[: limit * 4]
    if not cut.isprintable():
        cut = "".join(_IN_PLACE_OF.get(unicodedata.category(mark), mark) for mark in cut)
    cut = " ".join(cut.split())
    cut = _JWT.sub("***", _BEARER.sub(r"\1 ***", cut))
    cut = _EMAIL.sub("***@***", cut)
    cut = _UUID.sub(set_aside, cut)  # a reference is ours and no secret; one that is a credential is gone by now
    cut = _DATE.sub(set_aside, cut)
    cut = mask_numbers(cut)
    if references:
        cut = re.sub("\0(\\d+)\0", lambda match: references[int(match[1])], cut)
    return cut if len(cut) <= limit else cut[: limit - 1] + "…"


def quote(text: str | None) -> str:
    """Return what a caller wrote as a message may repeat it: in quotes, scrubbed and cut.

    >>> quote("main"), quote("256772123456")
    ("'main'", "'256******456'")
    """
    return repr(scrub(text or "", limit=64))


def scrub_code(code: str) -> str:
    """Return a provider's code as it is, where it has the form of one; anything else is scrubbed as free text.

    >>> scrub_code("DP00800001001"), scrub_code("256772123456")
    ('DP00800001001', '256******456')
    """
    return code if _CODE.fullmatch(code) else scrub(code, limit=80)
