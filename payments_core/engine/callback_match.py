"""What a callback is about: pure, and never what became of the payout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from payments_core.domain.records import EndedAttempt, PayoutRecord
from payments_core.provider import Account, Callback, Callbacks, ParsedCallback

__all__ = ["CallbackMatch", "about", "differs_from", "match_callback"]

_OUR_ID = re.compile(r"po_[a-z2-7]{24}")  # as made by ``references.payout_id``; a provider may add to it


class CallbackMatch(NamedTuple):
    """What a provider made of a callback.

    Args:
        proven: Whether it is proven to come from the provider; None where nothing proves it.
        heard: What it claims; None when it is of no use.
        why: Why it is of no use.

    """

    proven: bool | None
    heard: ParsedCallback | None
    why: str = ""


def match_callback(account: Account, callback: Callback) -> CallbackMatch:
    """Have a callback checked and read by the account's provider; whatever the provider does, this is an answer."""
    provider = account.provider
    if not isinstance(provider, Callbacks):
        return CallbackMatch(None, None, "the provider takes none")
    proven: bool | None = None
    try:
        proven = provider.verify(callback)
        heard = None if proven is False else provider.parse(callback)
    except Exception as bug:  # noqa: BLE001 a provider that cannot read it has heard nothing
        return CallbackMatch(proven, None, f"provider bug: {type(bug).__name__}")
    if proven is False:
        return CallbackMatch(proven, None, "forged")
    if not isinstance(heard, ParsedCallback):
        return CallbackMatch(proven, None, "makes no sense")
    return CallbackMatch(proven, heard)


def about(heard: ParsedCallback) -> Iterator[str]:
    """Yield the ids of payouts that it names: of most, our own id is in what we call a payment by."""
    yield from dict.fromkeys(found[0] for value in heard.references.values() if (found := _OUR_ID.match(value)))


def differs_from(heard: ParsedCallback, row: PayoutRecord | EndedAttempt, account: str) -> str:
    """Say why a callback that names a payout is not about it; empty when account and reference agree.

    Args:
        heard: What it claims.
        row: The payout it names, or an attempt of it that ended.
        account: To whose path it came.

    """
    if row.account != account:
        return "names a payout of another account"
    # What the provider calls it by may differ from what we have learned: that is a reason to ask, and not to be deaf.
    ours = {name: value for name, value in heard.references.items() if _OUR_ID.match(value)} or heard.references
    agrees = any(row.references.get(name) == value for name, value in ours.items())
    return "" if agrees else "names a payout by another reference"
