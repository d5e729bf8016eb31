"""The form of a response, whatever it is: who wrote it, which code and text it has. Parsing never raises.

Two machines answer: the API gateway in front and MoMo behind it, each with its own error shape; before both stands a
firewall that answers with HTML (API description and Common Error Codes of the developer portal).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from payments_core.domain.bounds import LONGEST_S
from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import gist, parse_json, text_of, wait_asked_s

__all__ = ["Body", "Shape", "read_body", "retry_after_s"]

_LONGEST = 300  # characters kept of a stranger's text


class Shape(StrEnum):
    """Who wrote the response, by its form."""

    MOMO = "momo"  # {"code": "…", "message": "…"}, either order
    GATEWAY = "gateway"  # {"statusCode": 404, "message": "…"}; one note saw the number as text
    KEY_REFUSED = "key_refused"  # the gateway's 401 about the subscription key
    TOKEN = "token"  # noqa: S105 - {"error": "login_failed"}, from the token endpoint
    HTML = "html"
    EMPTY = "empty"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Body:
    """A response's body, understood as far as it goes."""

    shape: Shape  #: Who wrote it.
    code: str  #: The writer's own code, verbatim; empty when there is none.
    text: str  #: Its text; of a page of HTML the title or the first words.
    fields: dict[str, Any]  #: The JSON object, if it was one.

    @property
    def momo_code(self) -> str:
        """MoMo's own code; empty when another wrote the response."""
        return self.code if self.shape is Shape.MOMO else ""

    def says_not_found(self, status: int) -> bool:
        """Whether MoMo, and not the gateway, knows no such resource."""
        return status == 404 and self.momo_code == "RESOURCE_NOT_FOUND"


def read_body(response: HttpResponse) -> Body:
    """Return who wrote the response and what it holds."""
    parsed = parse_json(response.body)
    if isinstance(parsed, dict):
        return _from_object(response.status, parsed)
    plain = text_of(response.body.decode("utf-8", "replace"), limit=4096).strip()
    if not plain:
        return Body(Shape.EMPTY, "", "", {})
    if plain.startswith("<") or "html" in response.headers.get("content-type", "").lower():
        return Body(Shape.HTML, "", gist(plain), {})
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


def retry_after_s(response: HttpResponse, body: Body) -> float | None:
    """Return how long the gateway asks to wait: its header (seconds or a date), else "in N seconds" in its text."""
    if (header_s := wait_asked_s(response)) is not None or "retry-after" in response.headers:
        return header_s
    match = re.search(r"in ([0-9]{1,9}) seconds", body.text)
    return min(float(match[1]), LONGEST_S) if match else None
