"""An order as a file or a form has it: checked by ``validate``, and read into what ``send`` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from payments_core.domain.characters import clean
from payments_core.domain.errors import InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.masking import mask_key, mask_number, scrub
from payments_core.domain.money import Money
from payments_core.domain.payout import MetadataValue, Operation, Payee

__all__ = ["PayoutOrder", "SendArguments"]


class SendArguments(TypedDict):
    """The arguments of ``send``."""

    key: str
    payee: Payee
    amount: Money
    account: str | None
    operation: Operation | str | None
    note: str
    options: Mapping[str, str] | None
    not_before: datetime | None
    expires_at: datetime | None
    metadata: Mapping[str, MetadataValue] | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PayoutOrder:
    """What ``send`` takes, and nothing of it checked yet: ``client.validate`` tells what is wrong.

    Args:
        key: The caller's business key: one key, at most one payment.
        payee: The receiver, or a telephone number as people write it.
        amount: How much: ``Money``, or digits as :class:`Money` takes them, beside ``currency``.
        currency: ISO 4217; of an amount that is no ``Money``.
        account: The account's name; may be left out when plugins, routes or a default choose, or there is only one.
        operation: Which kind of payment; the account's ``default_operation`` when left out.
        note: Text for the payee.
        operator: Whose customer the payee is, where that is known; of a payee that is given as a number.
        options: The provider's options.
        not_before: Not sent earlier; aware.
        expires_at: Not sent later; aware.
        metadata: Names and values of your own, stored with the payout and never sent.

    """

    key: str
    payee: Payee | str
    amount: Money | Decimal | int | str
    currency: str = ""
    account: str | None = None
    operation: Operation | str | None = None
    note: str = ""
    operator: str = ""
    options: Mapping[str, str] | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    metadata: Mapping[str, MetadataValue] | None = None

    def arguments(self) -> SendArguments:
        """Return the arguments of ``send``: ``client.send(**order.arguments())``.

        Raises:
            InvalidPayout: The payee or the amount cannot be read.

        """
        read = self.read()
        if isinstance(read, dict):
            return read
        raise read[0]

    def read(self) -> SendArguments | Sequence[InvalidPayout]:
        """Return the arguments of ``send``, or all that keeps payee and amount from being read."""
        problems: list[InvalidPayout] = []
        payee = amount = None
        try:
            payee = self._payee()
        except InvalidPayout as problem:
            problems.append(problem.with_traceback(None))  # its frames hold the order
        try:
            amount = self._amount()
        except InvalidPayout as problem:
            problems.append(problem.with_traceback(None))
        if payee is None or amount is None:
            return problems
        return {
            "key": self.key,
            "payee": payee,
            "amount": amount,
            "account": self.account,
            "operation": self.operation,
            "note": self.note,
            "options": self.options,
            "not_before": self.not_before,
            "expires_at": self.expires_at,
            "metadata": self.metadata,
        }

    @property
    def masked_payee(self) -> str:
        """The payee with its middle hidden, also where it cannot be read."""
        if isinstance(self.payee, Payee):
            return self.payee.masked
        return clean(mask_number(str(self.payee)))

    def shown(self, name: str) -> str:
        """Return a field as a message may show it: payee and key masked; empty for note, metadata and no field.

        Args:
            name: Of the field.

        """
        if name == "payee":
            return self.masked_payee
        if name == "key":
            return mask_key(self.key)
        if name == "operator":
            given = self.payee.details.get(name, "") if isinstance(self.payee, Payee) else self.operator
            return scrub(given, limit=40)
        if name == "options":  # names only
            return scrub(", ".join(self.options or ()), limit=80)
        if name == "amount":
            return self._shown_amount()
        if name in {"currency", "account", "operation", "not_before", "expires_at"}:
            value = self.amount.currency if name == "currency" and isinstance(self.amount, Money) else None
            given = value or getattr(self, name)
            return "" if given is None else scrub(str(given), limit=40)
        return ""

    def __repr__(self) -> str:
        """Show the key masked, and nothing else."""
        return f"PayoutOrder({mask_key(self.key)!r})"

    def _shown_amount(self) -> str:
        try:
            return str(self._amount())
        except InvalidPayout:
            return scrub(f"{self.amount} {self.currency}".strip(), limit=40)

    def _payee(self) -> Payee:
        if not isinstance(self.payee, Payee):
            return Payee.msisdn(self.payee, operator=self.operator)
        if self.operator:
            raise InvalidPayee(
                "The operator is given beside a payee that is read already.",
                hint="Give it with the payee: Payee.msisdn(number, operator=…).",
            )
        return self.payee

    def _amount(self) -> Money:
        if not isinstance(self.amount, Money):
            return Money(self.amount, self.currency)
        if self.currency not in {"", self.amount.currency}:
            raise InvalidCurrency(
                f"The amount is in {self.amount.currency}, and the currency beside it is another one.",
                hint="Leave the currency out: Money has it.",
            )
        return self.amount
