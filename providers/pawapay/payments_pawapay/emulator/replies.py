"""The emulated pawaPay's answers, in its form."""

from __future__ import annotations

from typing import Any

from payments_core.testing.emulator import Answer

__all__ = ["refused", "rejection"]


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
    return Answer.json(http_status, {"status": status, **fields} if status else fields)
