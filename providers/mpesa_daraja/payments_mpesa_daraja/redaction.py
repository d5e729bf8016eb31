"""Removes the security credential from callbacks before they are stored."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from payments_core.provider import Callback

__all__ = ["redacted"]

_NAME = "securitycredential"


def redacted(callback: Callback) -> Callback:
    """Return a callback without a security credential; an unreadable body that names one is emptied."""
    try:
        payload = json.loads(callback.body)
        redacted_payload = _without(payload)
    except (ValueError, RecursionError):
        return replace(callback, body=b"") if _NAME.encode() in callback.body.lower() else callback
    return callback if redacted_payload == payload else replace(callback, body=json.dumps(redacted_payload).encode())


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "***" if name.lower() == _NAME else _without(part) for name, part in value.items()}
    return [_without(one) for one in value] if isinstance(value, list) else value
