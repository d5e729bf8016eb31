"""Reading what a gateway sends back, whatever it is: never raises, always says what was there.

Two machines answer: the API gateway in front and MoMo behind it, each with its own error shape; before both stands a
firewall that answers with HTML (API description and Common Error Codes of the developer portal).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from enum import StrEnum
from html import unescape
from typing import Any

from payments_core.wire import HttpResponse

__all__ = ["Body", "Shape", "number", "read_body", "retry_after_s", "text_of"]

_LONGEST = 300  # characters kept of a stranger's text


class Shape(StrEnum):
    """Who wrote the answer, told from its form."""

    MOMO = "momo"  # {"code": "…", "message": "…"}, either order
    GATEWAY = "gateway"  # {"statusCode": 404, "message": "…"}; one note saw the number as text
    KEY_REFUSED = "key_refused"  # the gateway's 401 about the subscription key
    TOKEN = "token"  # noqa: S105 - {"error": "login_failed"}, from the token endpoint
    HTML = "html"
    EMPTY = "empty"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's body, understood as far as it goes.

    Args:
        shape: Who wrote it.
        code: The writer's own code, verbatim; empty when there is none.
        text: Its words; of a page of HTML the title or the first words.
        fields: The JSON object, if it was one.

    """

    shape: Shape
    code: str
    text: str
    fields: dict[str, Any]


def read_body(response: HttpResponse) -> Body:
    """Tell who wrote the answer and what it says."""
    parsed = _parse(response.body)
    if isinstance(parsed, dict):
        return _from_object(response.status, parsed)
    plain = text_of(response.body.decode("utf-8", "replace"), limit=4096).strip()
    if not plain:
        return Body(Shape.EMPTY, "", "", {})
    if plain.startswith("<") or "html" in response.headers.get("content-type", "").lower():
        return Body(Shape.HTML, "", _gist(plain), {})
    return Body(Shape.OTHER, "", plain[:_LONGEST], {})


def _from_object(status: int, fields: dict[str, Any]) -> Body:
    message = text_of(fields.get("message"))
    if "statusCode" in fields:
        refused = status == 401 and "subscription key" in message.lower()
        return Body(Shape.KEY_REFUSED if refused else Shape.GATEWAY, text_of(fields["statusCode"]), message, fields)
    if code := text_of(fields.get("code")):
        return Body(Shape.MOMO, code, message, fields)
    if code := text_of(fields.get("error")):
        return Body(Shape.TOKEN, code, text_of(fields.get("error_description")) or message, fields)
    return Body(Shape.OTHER, "", message, fields)


def text_of(value: object, *, limit: int = _LONGEST) -> str:
    """Return text or a number as text that can be stored; anything else is empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    # A lone surrogate, which JSON may spell out, cannot be written to a file or a database.
    return str(value)[:limit].encode("utf-8", "replace").decode("utf-8")


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


def retry_after_s(response: HttpResponse, body: Body) -> float | None:
    """Return how long the gateway asks to wait: its header (seconds or a date), else "in N seconds" in its text."""
    header = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", header):
        return float(header)
    if header:
        try:
            until = parsedate_to_datetime(header)
            until = until if until.tzinfo else until.replace(tzinfo=UTC)
            return max(0.0, (until - response.at).total_seconds())
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    said = re.search(r"in ([0-9]{1,9}) seconds", body.text)
    return float(said[1]) if said else None


def _parse(body: bytes) -> object:
    try:
        # Decimal, not float: amounts are compared digit by digit.
        return json.loads(body, parse_float=Decimal, parse_constant=lambda _: None)
    except (ValueError, RecursionError, InvalidOperation):
        return None


def _gist(page: str) -> str:
    title = re.search(r"(?is)<title[^<>]*>([^<]*)", page)
    words = unescape(title[1] if title and title[1].strip() else re.sub(r"<[^<>]*>", " ", page)).split()
    return " ".join(words[:12])[:_LONGEST]
