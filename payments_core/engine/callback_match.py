"""What a callback is about: pure, and never what became of the payout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from payments_core.domain.records import AttemptRecord, EndedAttempt
from payments_core.provider import Account, Callback, Callbacks, ParsedCallback

__all__ = ["CallbackMatch", "about", "differs_from", "match_callback"]

_OUR_ID = re.compile(r"po_[a-z2-7]{24}")  # as made by ``references.payout_id``; a provider may add to it


class CallbackMatch(NamedTuple):
    """What a provider made of a callback.

    Args:
        proven: Whether it is proven to come from the provider; None where nothing proves it.
        parsed: What the callback claims; None when it is unusable.
        why: Why it is unusable.

    """

    proven: bool | None
    parsed: ParsedCallback | None
    why: str = ""


def match_callback(account: Account, callback: Callback) -> CallbackMatch:
    """Have the account's provider verify and parse a callback; a bug of the provider is a result as well."""
    provider = account.provider
    if not isinstance(provider, Callbacks):
        return CallbackMatch(None, None, "the provider takes none")
    proven: bool | None = None
    try:
        proven = provider.verify(callback)
        parsed = None if proven is False else provider.parse(callback)
    except Exception as bug:  # noqa: BLE001 an unreadable callback matches nothing
        return CallbackMatch(proven, None, f"provider bug: {type(bug).__name__}")
    if proven is False:
        return CallbackMatch(proven, None, "forged")
    if not isinstance(parsed, ParsedCallback):
        return CallbackMatch(proven, None, "makes no sense")
    return CallbackMatch(proven, parsed)


def about(parsed: ParsedCallback) -> Iterator[str]:
    """Yield the ids of payouts that it names: of most, our own id is in what we call a payment by."""
    yield from dict.fromkeys(found[0] for value in parsed.references.values() if (found := _OUR_ID.match(value)))


def differs_from(parsed: ParsedCallback, attempt: AttemptRecord | EndedAttempt, account: str) -> str:
    """Say why a callback that names a payout is not about it; empty when account and reference agree.

    Args:
        parsed: What the callback claims.
        attempt: The current attempt of the payout it names, or one that ended.
        account: To whose path it came.

    """
    if attempt.account != account:
        return "names a payout of another account"
    # What the provider calls it by may differ from what we have learned: that is a reason to ask, and not to be deaf.
    ours = {name: value for name, value in parsed.references.items() if _OUR_ID.match(value)} or parsed.references
    agrees = any(attempt.references.get(name) == value for name, value in ours.items())
    return "" if agrees else "names a payout by another reference"
