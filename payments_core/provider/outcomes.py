"""The closed set of things a provider can answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.payout import Reason


def check_wait(retry_after_s: float | None) -> None:
    """Refuse a wait that no clock can add to a moment: it would fail once the request has left.

    Raises:
        InvalidArgument: It is no number of seconds from 0 to a year.

    """
    if retry_after_s is not None:
        check_number("retry_after_s", retry_after_s, 0, LONGEST_S)


@dataclass(frozen=True, slots=True)
class ReportedDetails:
    """What an answer says about the payment, as far as it tells; None where it is silent.

    Args:
        amount: How much.
        currency: ISO 4217.
        payee: The address it went to, written as in the order.
        external_id: The reference of ours that the provider shows to people; compared with the draft's reference of
            that name, where there is one.
        fee: What it cost, in the same currency.

    """

    amount: Decimal | None = None
    currency: str | None = None
    payee: str | None = field(default=None, repr=False)
    external_id: str | None = None
    fee: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What every answer carries.

    Args:
        code: The provider's own code, verbatim.
        text: The provider's own words.
        http_status: Of the answer, if one came.
        references: References learned from it.
        seen: The payment as the provider sees it.

    """

    code: str = ""
    text: str = ""
    http_status: int | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    seen: ReportedDetails | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Final(_Answer):
    """The provider says it is over: succeeded, or failed with a reason.

    Args:
        reason: Why it failed; None when it succeeded.

    """

    reason: Reason | None = None

    @property
    def succeeded(self) -> bool:
        """True when the money is there."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending(_Answer):
    """The provider has it and has not finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(_Answer):
    """The provider already has a payment under our reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccepted(_Answer):
    """Proven not taken; the same request may be sent later.

    Args:
        retry_after_s: The provider's own wait, in seconds, at most a year; None for ours.
        blocks_if_repeated: A second one in a row means something is wrong with *us* (a fresh token refused).

    Raises:
        InvalidArgument: No clock can wait as long.

    """

    retry_after_s: float | None = None
    blocks_if_repeated: Reason | None = None

    def __post_init__(self) -> None:
        check_wait(self.retry_after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(_Answer):
    """A response that does not say what became of the payment, or one that no table lists.

    Args:
        retry_after_s: In answer to a read that came too soon (429): the provider's own wait, in seconds, at most a
            year.
        taken_back: It was paid, and the money went back (a reversal). An open payout goes on being asked about, and
            stops in REVIEW; one that had succeeded keeps its end, contradicted.

    Raises:
        InvalidArgument: No clock can wait as long.

    """

    retry_after_s: float | None = None
    taken_back: bool = False

    def __post_init__(self) -> None:
        check_wait(self.retry_after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound(_Answer):
    """The provider knows no payment under our reference. Never a failure by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred(_Answer):
    """The question was taken; the answer will come to the path minted for it."""


@dataclass(frozen=True, slots=True)
class AccountRefused:
    """The provider refuses *us*: credentials, address, role, float. The account pauses; no payout fails.

    Args:
        reason: What is wrong with us.
        http_status: Of the response, if one came.

    """

    reason: Reason
    http_status: int | None = None


SubmitOutcome: TypeAlias = Final | Pending | Duplicate | NotAccepted | AccountRefused | Unknown
CheckOutcome: TypeAlias = Final | Pending | NotFound | Unknown | Deferred
