"""What a person may decide about a payout in REVIEW: one table of why it stopped and what the provider says now."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from payments_core.domain.payout import ReasonCode

__all__ = ["SAFE", "STOPS", "ProviderSays", "ReviewAction", "allowed"]


class ReviewAction(StrEnum):
    """What a person may do."""

    PAID = "paid"
    NOT_PAID = "not_paid"
    REOPEN = "reopen"


class ProviderSays(StrEnum):
    """What the provider says before a decision, unless it ends the payout by itself."""

    SILENT = "silent"  # it could not be reached, or did not answer
    UNCLEAR = "unclear"  # an answer that says nothing we know
    LATER = "later"  # the answer comes to a path
    GONE = "gone"  # no configured account can ask
    NOT_FOUND = "not_found"
    PENDING = "pending"
    ANOTHER = "another"  # under our reference, and not what was sent


_ACTS = {"p": ReviewAction.PAID, "n": ReviewAction.NOT_PAID, "N": ReviewAction.NOT_PAID, "r": ReviewAction.REOPEN}

# `p`: "paid" moves nothing and can pay nobody twice. `n`: "not paid" lets the debt be paid again, so it is never safe
# against anything that still stands under our reference. `N`: only with evidence named, as the provider says nothing.
# `r`: the engine reads and, where it is proven safe, sends again: never where something else was seen under our
# reference, or an earlier attempt was paid. Where the provider is silent, the operator asks again.
#
#  reason                            silent unclear later gone   absent pending another
_TABLE: Mapping[ReasonCode, str] = {
    ReasonCode.MISMATCH: "            -      p       pN    p      p      p       p",
    ReasonCode.BINDING_GONE: "        r      pr      pNr   pNr    pnr    pr      p",
    ReasonCode.NEVER_APPEARED: "      r      pr      pNr   pN     pnr    pr      p",
    ReasonCode.NO_FINAL_ANSWER: "     r      pr      pNr   pN     pnr    pr      p",
    ReasonCode.DUPLICATE_OF_ANOTHER: "-      p       pN    pN     pn     p       p",
    ReasonCode.EARLIER_ATTEMPT_PAID: "-      p       p     p      p      p       p",
    ReasonCode.ON_STATEMENT: "        -      p       pN    pN     pN     p       p",
}

# Why a payout can stop in REVIEW, and what is safe then: `True` where evidence must be named.
STOPS = frozenset(_TABLE)
SAFE: Mapping[ReasonCode, Mapping[ProviderSays, Mapping[ReviewAction, bool]]] = {
    code: {
        says: {_ACTS[mark]: mark == "N" for mark in marks if mark != "-"}
        for says, marks in zip(ProviderSays, cells.split(), strict=True)
    }
    for code, cells in _TABLE.items()
}


def allowed(code: ReasonCode, act: ReviewAction) -> tuple[ProviderSays, ...]:
    """Return the answers of the provider on which a person may do this about a payout that stopped for this reason."""
    return tuple(says for says, acts in SAFE.get(code, {}).items() if act in acts)
