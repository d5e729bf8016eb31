"""What a provider can tell beside payments: balances, account holders, what is wrong. No money moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from payments_core.domain.masking import scrub
from payments_core.domain.payout import Reason
from payments_core.provider.outcomes import check_wait

__all__ = [
    "Acknowledgement",
    "Balance",
    "CancelAnswer",
    "Consent",
    "Finding",
    "HolderStatus",
    "LookupRefused",
    "Operator",
    "ParsedCallback",
    "Person",
]


_LONGEST_LABEL = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupRefused:
    """The question was not answered; it says nothing about what was asked.

    For what the provider refuses to tell, and for what it cannot be asked, such as about a payee of another kind
    (``ReasonCode.INVALID_REQUEST``). The caller gets it as ``LookupFailed``. An answer that was lost is none of these:
    let ``NotSent`` and ``NoAnswer`` through.

    Args:
        reason: Why, in neutral words.
        http_status: Of the answer, if one came.
        retry_after_s: When asking again is worth it, in seconds, at most a year; None when it is not known.

    Raises:
        InvalidArgument: No clock can wait as long.

    """

    reason: Reason
    http_status: int | None = None
    retry_after_s: float | None = None

    def __post_init__(self) -> None:
        check_wait(self.retry_after_s)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds.

    Args:
        amount: Exact, and what can be paid out, where the provider tells it apart from what it holds back; it can be
            negative.
        currency: ISO 4217.
        label: Which of several pots it is, in the provider's words, scrubbed and cut; empty where there is one. Nobody
            adds them up.

    """

    amount: Decimal
    currency: str
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", scrub(self.label, limit=_LONGEST_LABEL))


@dataclass(frozen=True, slots=True)
class Operator:
    """Whose customer a payee is, as far as the provider can tell: an answer, never a choice.

    Args:
        code: The operator, in the provider's own code.
        country: In the provider's own code; empty when it does not say.
        key: The operator in the core's words (``payments_core.routing.OPERATORS``); empty where the
            provider's code has none. Routes go by it.

    """

    code: str
    country: str = ""
    key: str = ""


class CancelAnswer(StrEnum):
    """The provider's response to a cancellation; the next read shows what became of the payment."""

    TAKEN = "taken"
    TOO_LATE = "too_late"
    NOT_FOUND = "not_found"


class HolderStatus(StrEnum):
    """Whether a wallet can be paid, as far as its provider says."""

    ACTIVE = "active"
    NOT_ACTIVE = "not_active"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The holder of a wallet; ``repr`` shows nothing of it.

    Args:
        name: The whole name; empty where the provider gives parts only.
        given_name: First names.
        family_name: Last name.
        details: Every field the provider returned, by its own names.

    """

    name: str = field(default="", repr=False)
    given_name: str = field(default="", repr=False)
    family_name: str = field(default="", repr=False)
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def full_name(self) -> str:
        """The name, put together where it came in parts."""
        return self.name or " ".join(part for part in (self.given_name, self.family_name) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A request for an account holder's consent that is under way.

    Args:
        request_id: What its answer is asked for by; whoever holds it can read what was consented to.
        poll_every_s: The shortest wait between two questions, in seconds.
        expires_in_s: How long the account holder has, in seconds; None when the provider does not say.

    """

    request_id: str = field(repr=False)
    poll_every_s: float
    expires_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCallback:
    """What a callback claims: a hint which payment to ask about, never a state.

    Args:
        references: By the names that the draft gave them, or the answer from which they were learned. Our own id
            (``po_…``) at the head of one finds the payment, which must have that very reference; where no reference of
            the payment holds our id, any of them finds it.
        status: The provider's own word.

    """

    references: Mapping[str, str]
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The answer a provider wants to its callback.

    Args:
        status: HTTP status.
        headers: Header fields.
        body: Raw bytes.

    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at in an account.

    Args:
        level: ``"ok"``, ``"note"`` (look at it) or ``"wrong"``.
        what: What was looked at.
        says: What was found.
        hint: What to do.

    """

    level: Literal["ok", "note", "wrong"]
    what: str
    says: str
    hint: str = ""
