"""The order: what the caller asks for, before an account or a provider is involved."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from payments_core.domain.characters import UNSTORABLE
from payments_core.domain.errors import InvalidAmount, InvalidPayee, InvalidPayout
from payments_core.domain.money import Money
from payments_core.domain.payout.metadata import MetadataValue, check_metadata
from payments_core.domain.payout.payee import Payee
from payments_core.domain.payout.status import Operation
from payments_core.domain.references import LONGEST_KEY, check_key

__all__ = ["Order"]

_SLOT_MARK = "{{slot:"
_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps would make one for every call
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller wants paid, before an account or a provider is involved.

    Args:
        key: The caller's business key, unique in the journal, 1 to 200 characters.
        payee: The receiver of the money.
        amount: The amount.
        operation: The kind of payment.
        note: Text for the payee's and the payer's history; not part of the fingerprint.
        options: Options of the provider, by its own names. The core knows none of them: the account's provider refuses
            what it does not have, before anything is recorded.
        not_before: Not sent earlier than this; aware.
        expires_at: Not sent later than this; aware.
        original_amount: Of a refund: what was collected. All refunds of one collection together stay within it.
        metadata: The caller's own names and values, stored and never sent; not part of the fingerprint.
        batch: The id of the batch that it is a row of; not part of what makes it this payment.

    Raises:
        InvalidPayout: A key, note, time, option or metadata that cannot be used.

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
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict, repr=False)
    batch: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be stored or distinguished later."""
        if not isinstance(self.payee, Payee):
            raise InvalidPayee(
                f"The payee cannot be of type {type(self.payee).__name__}.", hint="Make it: Payee.msisdn(number)."
            )
        if not isinstance(self.amount, Money):
            raise InvalidAmount(
                f"The amount cannot be of type {type(self.amount).__name__}.", hint='Make it: Money("5", "EUR").'
            )
        if not 1 <= len(self.key) <= LONGEST_KEY or UNSTORABLE.search(self.key):
            check_key(self.key)  # no journal has it; what else a new payout may not have, `check_new` refuses
        for name in ("not_before", "expires_at"):
            moment: datetime | None = getattr(self, name)
            if moment is None:
                continue
            if moment.tzinfo is None:
                hint = "Use datetime.now(UTC)."
                raise InvalidPayout("not_before and expires_at need a time zone.", hint=hint, field=name)
            if not 2000 <= moment.year < 3000:  # what is further away no clock can count on from
                raise InvalidPayout("not_before and expires_at lie between the years 2000 and 2999.", field=name)
        if self.operation is Operation.REFUND or self.payee.kind == "collection" or self.original_amount is not None:
            self._check_refund()
        if self.metadata != {}:
            check_metadata(self.metadata)
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
        """Every text in it that is the caller's own, and may be sent."""
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
                f"The original amount cannot be of type {type(original).__name__}.", hint='Make it: Money("5", "EUR").'
            )
        if original.currency != self.amount.currency or original.amount < self.amount.amount:
            raise InvalidAmount(
                f"{self.amount} cannot be refunded of {original}.",
                hint="A refund is in the currency of what was collected, and at most as much.",
            )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that makes it this payment and no other: neither key nor note, metadata or times."""
        fields: dict[str, Any] = {
            "payee": [self.payee.kind, self.payee.value, sorted(self.payee.details.items())],
            "amount": [self.amount.text, str(self.amount.currency)],
            "operation": str(self.operation),
            "options": sorted(self.options.items()),
        }
        if self.original_amount is not None:  # only then: fingerprints are compared with those of earlier versions
            fields["original_amount"] = self.original_amount.text
        return hashlib.sha256(_encode(fields).encode()).hexdigest()
