"""Parses responses of servers that may send anything: never raises, never reads more than is there.

For providers' codecs; which word means what is theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

from payments_core.domain.bounds import LONGEST_S
from payments_core.domain.characters import UNSTORABLE
from payments_core.http.messages import HttpResponse

__all__ = [
    "gist",
    "number",
    "object_of",
    "parse_json",
    "parse_object",
    "reported_amount",
    "reported_text",
    "text_of",
    "wait_asked_s",
]

_LONGEST = 300  # characters kept of a stranger's text


def parse_json(body: bytes) -> object:
    """Return what a body of JSON says, numbers exactly; None when it is none, or gives one name two values."""
    if not body:  # of every payment that is taken
        return None
    try:
        # Decimal, not float: amounts are compared digit by digit.
        return _decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError, InvalidOperation):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # which of two values is meant is unknown
        raise ValueError("a name stands twice")
    return found


# Made once: json.loads would make a decoder for every call.
_decode = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda _: "NaN", object_pairs_hook=_object).decode


def parse_object(body: bytes) -> Mapping[str, Any]:
    """Return the object that a body of JSON is, numbers exactly; empty when it is none."""
    return object_of(parse_json(body))


def object_of(value: object) -> Mapping[str, Any]:
    """Return an object inside of one; anything else is empty."""
    return value if isinstance(value, dict) else {}


def text_of(value: object, *, limit: int = _LONGEST) -> str:
    """Return text or a number as text that can be stored; anything else is empty.

    Args:
        value: What stood there.
        limit: Characters that are kept, 300 unless told: what has to arrive whole, such as a token, needs more.

    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return UNSTORABLE.sub("?", str(value)[:limit])  # JSON may spell out any of it


def number(value: object) -> Decimal | None:
    """Return a number, or text that is one, exactly; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        found = Decimal(value if not isinstance(value, str) or len(value) <= 64 else "NaN")
    except InvalidOperation:
        return None
    # An exponent in the thousands is no amount, and writing it out would fill the memory.
    return found if found.is_finite() and abs(found.adjusted()) <= 40 else None


def reported_amount(value: object) -> Decimal | None:
    """Return the amount that an answer shows of a payment; None where it shows none.

    What stands there and is no number is NaN, which agrees with no amount: it is never taken for silence.
    """
    if value is None:
        return None
    found = number(value)
    return Decimal("NaN") if found is None else found


def reported_text(value: object) -> str | None:
    """Return a text that an answer shows of a payment; None where it shows none, ``?`` for what is no text."""
    if value is None or value == "":
        return None
    return text_of(value) or "?"


def wait_asked_s(response: HttpResponse) -> float | None:
    """Return how long Retry-After asks to wait, in seconds, given as a number or a date; None when it says nothing.

    At most a year: to a date at the end of the calendar nothing can be added.
    """
    header = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", header):
        return min(float(header), LONGEST_S)
    try:
        until = parsedate_to_datetime(header)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return min(max(0.0, (until - response.at).total_seconds()), LONGEST_S)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def gist(page: str) -> str:
    """Return the title of a page of HTML, or its first words."""
    title = re.search(r"(?is)<title[^<>]*>([^<]*)", page)
    words = unescape(title[1] if title and title[1].strip() else re.sub(r"<[^<>]*>", " ", page)).split()
    return " ".join(words[:12])[:_LONGEST]
