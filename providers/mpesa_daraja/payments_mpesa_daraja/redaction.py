"""Takes the security credential out of what M-Pesa sends back, before anything is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from payments_core.provider import Callback

__all__ = ["redacted"]

_NAME = "securitycredential"


def redacted(callback: Callback) -> Callback:
    """Return a callback without a security credential; of what cannot be read and names one, nothing is left."""
    try:
        told = json.loads(callback.body)
        kept = _without(told)
    except (ValueError, RecursionError):
        return replace(callback, body=b"") if _NAME.encode() in callback.body.lower() else callback
    return callback if kept == told else replace(callback, body=json.dumps(kept).encode())


def _without(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: "***" if name.lower() == _NAME else _without(value) for name, value in told.items()}
    return [_without(one) for one in told] if isinstance(told, list) else told
