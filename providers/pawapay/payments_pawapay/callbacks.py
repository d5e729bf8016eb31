"""Parses pawaPay's callbacks. A callback changes no payout, signed or not: it makes the next check due."""

from __future__ import annotations

from payments_core.http.parsing import object_of, parse_object, text_of
from payments_core.provider import Callback, ParsedCallback
from payments_pawapay.codec import OUR_ID

__all__ = ["parse"]

_LONGEST = 64 * 1024  # bytes; a status has a few hundred


def parse(callback: Callback) -> ParsedCallback | None:
    """Return the payment that a callback names; None when it names none. Never raises."""
    fields = parse_object(callback.body) if len(callback.body) <= _LONGEST else {}
    ours = text_of(object_of(fields.get("metadata")).get(OUR_ID))
    named = {"reference": text_of(fields.get("payoutId")), "external_id": ours}
    references = {name: value for name, value in named.items() if value}
    return ParsedCallback(references=references, status=text_of(fields.get("status"))) if references else None
