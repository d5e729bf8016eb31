"""Metadata: a small JSON object of the caller's, stored with a payout and sent to nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.masking import quote

__all__ = ["MetadataValue", "check_metadata", "encode_metadata"]

MetadataValue: TypeAlias = str | int | bool | None

_MOST_NAMES, _LONGEST_NAME, _MOST_BYTES = 50, 100, 4096
_INTEGERS = range(-(2**63), 2**63)
# Sorted: two objects that hold the same are the same text.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode


def check_metadata(metadata: Any) -> None:
    """Refuse metadata that cannot be stored, or is larger than it may be; no value stands in a message.

    Raises:
        InvalidPayout: It is no such object.

    """
    if not isinstance(metadata, Mapping):
        raise _refusal(f"cannot be of type {type(metadata).__name__}")
    if len(metadata) > _MOST_NAMES:
        raise _refusal(f"has {len(metadata)} names, and may have {_MOST_NAMES}")
    for name, value in metadata.items():
        if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME:
            raise _refusal(f"has a name that is no text of 1 to {_LONGEST_NAME} characters")
        if value is not None and not isinstance(value, str | int):
            raise _refusal(f"{quote(name)} is of type {type(value).__name__}")
        if isinstance(value, int) and value not in _INTEGERS:
            raise _refusal(f"{quote(name)} is a number of more than 64 bits")
    try:
        size = len(encode_metadata(metadata).encode())
    except UnicodeEncodeError:
        size = None  # outside of the except block: the error holds the text
    if size is None:
        raise _refusal("holds half of a character and cannot be written down")
    if size > _MOST_BYTES:
        raise _refusal(f"is {size} bytes of JSON, and may be {_MOST_BYTES}")


def encode_metadata(metadata: Mapping[str, MetadataValue]) -> str:
    """Return metadata as compact JSON, in one form for the same content; empty when there is none."""
    return _encode(dict(metadata)) if metadata else ""


def _refusal(what: str) -> InvalidPayout:
    hint = "It is a small object of names with text, whole numbers, true, false or null. Write decimals as text."
    return InvalidPayout(f"The metadata {what}.", hint=hint, field="metadata")
