"""The words of the domain: what a caller asks for, and what became of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from payments_core.domain.bounds import HOUR_S, LONGEST_S, check_number
from payments_core.domain.characters import UNSTORABLE, clean
from payments_core.domain.contradictions import Contradiction
from payments_core.domain.encoding import closed, written_as
from payments_core.domain.errors import InvalidAmount, InvalidPayee, InvalidPayout
from payments_core.domain.keys import LONGEST_KEY, check_key
from payments_core.domain.masking import mask_number
from payments_core.domain.money import Money
from payments_core.domain.msisdn import is_msisdn, read_msisdn

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = [
    "FORGOTTEN",
    "HistoryEntry",
    "Operation",
    "Order",
    "Payee",
    "Payout",
    "PayoutStatus",
    "Reason",
    "ReasonCode",
]

FORGOTTEN = "forgotten:"  # stands before the hash that takes a forgotten payee's place
_HASHED = re.compile(FORGOTTEN + "[0-9a-f]{32}")
_KIND = re.compile(r"[a-z_]{1,32}")
_SLOT_MARK = "{{slot:"
_SURROGATE = re.compile("[\ud800-\udfff]")


class PayoutStatus(StrEnum):
    """Where a payout stands. ``UNKNOWN``: the machine is finding out. ``REVIEW``: it has stopped; read or decide."""

    CREATED = "CREATED"
    SENDING = "SENDING"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"
    REVIEW = "REVIEW"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REVERSED = "REVERSED"

    @property
    def is_final(self) -> bool:
        """True when nothing but a reversal can follow."""
        return self in _FINAL


_FINAL = frozenset({PayoutStatus.SUCCEEDED, PayoutStatus.FAILED, PayoutStatus.CANCELLED, PayoutStatus.REVERSED})


class Operation(StrEnum):
    """What kind of payment it is; all kinds travel the same road."""

    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    REFUND = "refund"


class ReasonCode(StrEnum):
    """Why a payout failed, waits or is in review: one neutral table for all providers."""

    # the provider refused or failed the payment
    PAYEE_NOT_FOUND = "payee_not_found"
    PAYEE_NOT_ALLOWED = "payee_not_allowed"
    PAYEE_LIMIT_REACHED = "payee_limit_reached"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    PAYER_LIMIT_REACHED = "payer_limit_reached"
    FUNDS_OR_LIMIT = "funds_or_limit"
    AMOUNT_NOT_ALLOWED = "amount_not_allowed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NOT_COMPLETED = "not_completed"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    PROVIDER_ERROR = "provider_error"
    INVALID_REQUEST = "invalid_request"
    UNRECOGNISED = "unrecognised"
    # something about us: the account is blocked, no payout fails
    CREDENTIALS = "credentials"
    NOT_PERMITTED = "not_permitted"
    MISCONFIGURED = "misconfigured"
    # ours
    REFUSED_BY_GUARD = "refused_by_guard"
    NOT_SENT_IN_TIME = "not_sent_in_time"
    MISMATCH = "mismatch"
    BINDING_GONE = "binding_gone"
    NEVER_APPEARED = "never_appeared"
    NO_FINAL_ANSWER = "no_final_answer"
    DUPLICATE_OF_ANOTHER = "duplicate_of_another"
    EARLIER_ATTEMPT_PAID = "earlier_attempt_paid"
    ON_STATEMENT = "on_statement"
    NEEDS_APPROVAL = "needs_approval"
    ABOVE_LARGEST_AMOUNT = "above_largest_amount"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in neutral words, with the provider's own beside them.

    Args:
        code: The neutral code.
        provider_code: The provider's code, verbatim; empty when it gave none.
        text: The provider's or our sentence, scrubbed of numbers.
        settling_h: Hours during which a later read may still contradict it, at most a year of them; 0 for conclusive.

    Raises:
        InvalidArgument: No clock can wait as long.

    """

    code: ReasonCode
    provider_code: str = ""
    text: str = ""
    settling_h: float = 0.0

    def __post_init__(self) -> None:
        if self.settling_h:
            check_number("settling_h", self.settling_h, 0, LONGEST_S / HOUR_S)

    def __str__(self) -> str:
        """``payee_not_found (PAYEE_NOT_FOUND)``."""
        return f"{self.code} ({self.provider_code})" if self.provider_code else str(self.code)


@closed
@dataclass(frozen=True, slots=True, repr=False)
class Payee:
    """Who receives the money.

    Args:
        kind: ``"msisdn"``, ``"email"``, ``"party_code"``, ``"collection"`` (whoever paid it), or another kind a
            provider declares.
        value: The address, normalised (an msisdn: country code and number, digits only).
        details: What some providers need beside it, such as ``{"operator": "…"}``.

    """

    kind: str
    value: str
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def msisdn(cls, number: str, *, operator: str = "") -> Self:
        """Return the payee with this international telephone number.

        Args:
            number: ``+256 772 123 456`` or ``256772123456``: country code first; a plus or 00 before it, and blanks,
                hyphens and parentheses between groups of digits, are dropped.
            operator: Whose customer the payee is, where that is known; routes go by it.

        Raises:
            InvalidPayee: It cannot be read as one number for certain: see the page reference/numbers-and-keys. Nothing
                is dropped that a spreadsheet may have added, and no digit is guessed.

        """
        return cls("msisdn", read_msisdn(number), {"operator": operator} if operator else {})

    @classmethod
    def payer_of(cls, collection: str) -> Self:
        """Return whoever paid a collection: the payee of its refund.

        Args:
            collection: The reference under which the money was collected, as its provider knows it.

        Raises:
            InvalidPayee: It is empty, longer than 200 characters, or holds blanks or characters other than ASCII.

        """
        if not 1 <= len(collection) <= 200 or not re.fullmatch(r"[!-~]+", collection):
            raise InvalidPayee(
                "The collection's reference is empty, longer than 200 characters, or holds blanks or other than ASCII.",
                hint="Give the reference under which the money was collected.",
            )
        return cls("collection", collection)

    @property
    def is_msisdn(self) -> bool:
        """Whether it is a telephone number in its one form, as :meth:`msisdn` makes it."""
        return self.kind == "msisdn" and is_msisdn(self.value)

    def check(self) -> None:
        """Refuse a telephone number that is not in its one form: another program might read another number in it.

        Raises:
            InvalidPayee: It was not made with :meth:`msisdn`.

        """
        if self.kind == "msisdn" and not self.is_msisdn:
            raise InvalidPayee(
                "The payee's number is not in its one form: country code and number, digits only.",
                hint="Make it with Payee.msisdn(…), which reads what people write.",
            )

    @property
    def masked(self) -> str:
        """The address with its middle hidden; a collection's reference is nobody's, nor is a forgotten one's hash."""
        is_nobodys = self.kind == "collection" or _HASHED.fullmatch(self.value)
        return clean(self.value if is_nobodys else mask_number(self.value))

    def __repr__(self) -> str:
        """Show the kind and the masked address only; what has not the form of a kind may be the address."""
        kind = self.kind if _KIND.fullmatch(self.kind) else "?"
        return f"Payee({kind}:{self.masked})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, Mapping[str, str]]]:
        """Be copied and pickled by what it was made of."""
        return type(self), (self.kind, self.value, self.details)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        """Be written masked in an application's models."""
        return written_as(cls, lambda payee: payee.masked)


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller wants: the intent, before any account or provider is involved.

    Args:
        key: The caller's business key, unique in the journal, 1 to 200 characters.
        payee: Who receives it.
        amount: How much.
        operation: Which kind of payment.
        note: Text for the payee's and the payer's history.
        options: Options of the provider, by its own names. The core knows none of them: the account's provider refuses
            what it does not have, before anything is recorded.
        not_before: Not sent earlier than this; aware.
        expires_at: Not sent later than this; aware.
        original_amount: Of a refund: what was collected. All refunds of one collection together stay within it.

    Raises:
        InvalidPayout: A key, note, time or option that cannot be used.

    """

    key: str = field(repr=False)
    payee: Payee
    amount: Money
    operation: Operation = Operation.TRANSFER
    note: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    not_before: datetime | None = None
    expires_at: datetime | None = None
    original_amount: Money | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be stored or told apart later."""
        if not isinstance(self.payee, Payee):
            raise InvalidPayee(
                f"The payee cannot be a {type(self.payee).__name__}.", hint="Make it: Payee.msisdn(number)."
            )
        if not isinstance(self.amount, Money):
            raise InvalidAmount(
                f"The amount cannot be a {type(self.amount).__name__}.", hint='Make it: Money("5", "EUR").'
            )
        if not 1 <= len(self.key) <= LONGEST_KEY or UNSTORABLE.search(self.key):
            check_key(self.key)  # no journal has it; what else a new payout may not have, `check_new` refuses
        for moment in (self.not_before, self.expires_at):
            if moment is None:
                continue
            if moment.tzinfo is None:
                raise InvalidPayout("not_before and expires_at need a time zone.", hint="Use datetime.now(UTC).")
            if not 2000 <= moment.year < 3000:  # what is further away no clock can count on from
                raise InvalidPayout("not_before and expires_at lie between the years 2000 and 2999.")
        if self.operation is Operation.REFUND or self.payee.kind == "collection" or self.original_amount is not None:
            self._check_refund()
        text = "\n".join(self.texts)
        # A slot mark is where a secret goes: the caller's text must never become one.
        if _SLOT_MARK in text:
            raise InvalidPayout(f"{_SLOT_MARK!r} cannot stand in a key, note, payee or option.")
        if _SURROGATE.search(text):
            raise InvalidPayout("A note, payee or option holds half of a character and cannot be written down.")

    def check_new(self) -> None:
        """Refuse what a new payout may not have; a journal that took it before goes on with it.

        Raises:
            InvalidPayout: A key that may be mistaken for another one, or text that not every journal can hold.
            InvalidPayee: A telephone number that is not in its one form.

        """
        check_key(self.key)
        self.payee.check()
        if UNSTORABLE.search("\n".join(self.texts)):
            raise InvalidPayout(
                "A note, payee or option holds NUL, which not every journal can hold.",
                hint="Leave it out; nothing was recorded and nothing was sent.",
            )

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text in it that is the caller's own."""
        details, options = self.payee.details, self.options
        return self.key, self.note, self.payee.value, *details, *details.values(), *options, *options.values()

    def _check_refund(self) -> None:
        is_refund, original = self.operation is Operation.REFUND, self.original_amount
        if is_refund != (self.payee.kind == "collection") or is_refund != (original is not None):
            raise InvalidPayout(
                "A refund, and nothing else, goes to the payer of a collection and says what was collected.",
                hint="Refund with payee=Payee.payer_of(reference) and original_amount=Money(…), or with refund(…).",
            )
        if original is None:
            return
        if not isinstance(original, Money):
            raise InvalidAmount(
                f"The original amount cannot be a {type(original).__name__}.", hint='Make it: Money("5", "EUR").'
            )
        if original.currency != self.amount.currency or original.amount < self.amount.amount:
            raise InvalidAmount(
                f"{self.amount} cannot be refunded of {original}.",
                hint="A refund is in the currency of what was collected, and at most as much.",
            )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that makes it this payment and no other; the key is not part of it."""
        told: dict[str, Any] = {
            "payee": [self.payee.kind, self.payee.value, sorted(self.payee.details.items())],
            "amount": [self.amount.text, str(self.amount.currency)],
            "operation": str(self.operation),
            "note": self.note,
            "options": sorted(self.options.items()),
        }
        if self.original_amount is not None:  # only then: fingerprints are compared with those of earlier versions
            told["original_amount"] = self.original_amount.text
        return hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One row of a payout's history; rows are only ever added.

    Args:
        seq: 1, 2, 3 … within the payout.
        at: When; aware, UTC.
        event: What happened, such as ``payout.pending``.
        status: The status after it.
        attempt: Which attempt it belongs to.
        tries: Sends of that attempt so far.
        decided_by: Who decided a final state: submit, read, deferred, guard, expiry, person; empty otherwise.
        evidence: What the decision rests on: HTTP status, code, scrubbed text.

    """

    seq: int
    at: datetime
    event: str
    status: PayoutStatus
    attempt: int
    submissions: int
    decided_by: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as it stands now: a snapshot, never changed in place.

    Args:
        id: Ours, derived from namespace and key.
        key: The caller's.
        account: The account it is paid from.
        operation: Which kind of payment.
        payee: Who receives it.
        amount: How much.
        status: Where it stands.
        reason: Why it failed, waits or is in review; None when there is nothing to explain.
        references: Every reference by name: what we sent and what the provider gave.
        attempt: 1 unless it was paid again.
        tries: How often the payment of this attempt was sent.
        may_have_been_sent: False only when no payment can be under way or done.
        created_at: When it was accepted.
        updated_at: When it last changed.
        next_at: When the machine will look at it again; None when it will not.
        history: Every change, oldest first.
        original_amount: Of a refund: what was collected.
        is_new: True where the call that returned it has recorded it; False for a repeated key, and where it is read.
        contradictions: What its provider has said against the end of an attempt, oldest first; the status stands.

    """

    id: str
    key: str = field(repr=False)
    account: str
    operation: Operation
    payee: Payee
    amount: Money
    status: PayoutStatus
    reason: Reason | None
    references: Mapping[str, str]
    attempt: int
    submissions: int
    may_have_been_sent: bool
    created_at: datetime
    updated_at: datetime
    next_at: datetime | None = None
    history: tuple[HistoryEntry, ...] = ()
    original_amount: Money | None = None
    is_new: bool = field(default=False, compare=False)
    contradictions: tuple[Contradiction, ...] = ()

    @property
    def is_final(self) -> bool:
        """True when the payout has come to an end."""
        return self.status.is_final

    @property
    def has_open_contradiction(self) -> bool:
        """Whether its provider contradicts an end and no person has acknowledged that: nobody knows what is true."""
        return any(one.is_open for one in self.contradictions)
