"""The emulated pawaPay's answers, in its form."""

from __future__ import annotations

import json
from typing import Any

from payments_core.testing.emulator import Answer

__all__ = ["answer", "json_answer", "refused", "rejection"]


def rejection(reference: Any, code: str, message: str) -> dict[str, Any]:
    """Return the body that refuses a payment."""
    return {
        "payoutId": reference,
        "status": "REJECTED",
        "failureReason": {"failureCode": code, "failureMessage": message},
    }


def refused(http_status: int, code: str, message: str, *, status: str = "REJECTED") -> Answer:
    """Return an answer that refuses a request."""
    fields = {"failureReason": {"failureCode": code, "failureMessage": message}}
    return json_answer(http_status, {"status": status, **fields} if status else fields)


def json_answer(status: int, content: object, **headers: str) -> Answer:
    """Return an answer in JSON."""
    return answer(status, json.dumps(content).encode(), "application/json", **headers)


def answer(status: int, body: bytes, kind: str, **headers: str) -> Answer:
    """Return an answer."""
    return Answer(status, {"content-length": str(len(body)), "content-type": kind, **headers}, body)
