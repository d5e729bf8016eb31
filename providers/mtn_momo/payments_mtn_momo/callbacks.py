"""MTN's callbacks: hints to read a status, never proof. MTN signs nothing, so nothing in a callback is believed.

The body is that of a status read; it names no reference of ours but ``externalId`` (the portal's page Callback, and
callbacks recorded by a client of the sandbox). Sources disagree on repetitions: none, or dozens.
"""

from __future__ import annotations

from payments_core.http.parsing import parse_object, text_of
from payments_core.provider import Callback, ParsedCallback

__all__ = ["parse"]

_LONGEST = 64 * 1024  # bytes; a status has a few hundred
_REFERENCES = {"external_id": "externalId", "provider_reference": "financialTransactionId"}


def parse(callback: Callback) -> ParsedCallback | None:
    """Return which payment it is about; None when it names none. Never raises."""
    fields = parse_object(callback.body) if len(callback.body) <= _LONGEST else {}
    named = {ours: text_of(fields.get(theirs)) for ours, theirs in _REFERENCES.items()}
    references = {name: value for name, value in named.items() if value}
    return ParsedCallback(references=references, status=text_of(fields.get("status"))) if references else None
