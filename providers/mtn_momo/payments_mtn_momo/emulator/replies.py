"""What the emulated gateway answers with: MoMo's shapes, the gateway's, the firewall's.

Sources: recorded sandbox answers in MTN's own SDK examples (headers, compact JSON, charset), the developer portal's
Common Error Codes (codes and sentences).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from payments_core.testing.emulator.responses import Answer

__all__ = ["MESSAGES", "Answer", "empty", "firewall_page", "from_gateway", "from_momo", "json_answer"]

MESSAGES: Mapping[str, str] = {
    "RESOURCE_NOT_FOUND": "Requested resource was not found.",
    "RESOURCE_ALREADY_EXIST": "Duplicated reference id. Creation of resource failed.",
    "NOT_ALLOWED": "Authorization failed. Insufficient permissions.",
    "NOT_ALLOWED_TARGET_ENVIRONMENT": "Access to target environment is forbidden.",
    "INVALID_CALLBACK_URL_HOST": "Callback URL does not match the configured value.",
    "INVALID_CURRENCY": "Currency not supported.",
    "INTERNAL_PROCESSING_ERROR": "An internal error occurred while processing.",
    "SERVICE_UNAVAILABLE": "Service temporarily unavailable, try again later.",
    "NOT_ENOUGH_FUNDS": "The payer does not have enough funds.",
    "PAYER_LIMIT_REACHED": "The payer's limit has been breached.",
    "NOT_SUCCESSFULLY_COMPLETED": "The transaction is not successfully completed.",
}


def _answer(status: int, body: bytes, at: datetime, headers: Mapping[str, str]) -> Answer:
    return Answer(
        status,
        {
            "content-length": str(len(body)),
            **headers,
            "date": format_datetime(at, usegmt=True),
            "request-context": "appId=cid-v1:5d9f2b1e-0000-4000-8000-000000000000",
            "x-xss-protection": "1; mode=block",
        },
        body,
    )


def json_answer(status: int, value: object, at: datetime, **headers: str) -> Answer:
    """Answer with compact JSON, as MoMo does."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return _answer(status, body, at, {"content-type": "application/json;charset=utf-8", **headers})


def empty(status: int, at: datetime) -> Answer:
    """Answer without a body and without a content type."""
    return _answer(status, b"", at, {})


def from_momo(status: int, code: str, at: datetime) -> Answer:
    """Answer with MoMo's error shape."""
    return json_answer(status, {"code": code, "message": MESSAGES.get(code, code)}, at)


def from_gateway(status: int, message: str, at: datetime, **headers: str) -> Answer:
    """Answer with the API gateway's error shape."""
    body = json.dumps({"statusCode": status, "message": message}).encode()  # the gateway writes spaces
    return _answer(status, body, at, {"content-type": "application/json", **headers})


def firewall_page(status: int, title: str, at: datetime) -> Answer:
    """Answer with a page of HTML from before the gateway."""
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
    return _answer(status, body, at, {"content-type": "text/html"})
