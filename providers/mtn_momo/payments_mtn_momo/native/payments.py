"""What the caller of a native client gives for a payment, read and checked before anything leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from payments_core.domain.errors import InvalidAmount
from payments_core.domain.money import Money
from payments_core.settings.amount_limits import above_largest_amount
from payments_mtn_momo.api.checks import check_amount, check_text
from payments_mtn_momo.api.payment_body import encode_payment
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["Amount", "Payment"]

Amount: TypeAlias = Money | Decimal | int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What transfers, deposits and refunds have in common.

    Args:
        amount: How much; a bare number is in the account's currency.
        external_id: Shown in MTN's records; the reference when empty.
        payer_message: For the payer's history.
        payee_note: For the payee's history; ``payer_message`` when empty.
        callback_url: Where MTN reports the end; the account's when None, nowhere when empty.

    """

    amount: Amount
    external_id: str = ""
    payer_message: str = ""
    payee_note: str = ""
    callback_url: str | None = None

    def encode(self, settings: MtnMomoSettings, *, external_id: str, to: Mapping[str, object]) -> str:
        """Return the body.

        Args:
            settings: The account.
            external_id: This payment's, or its reference.
            to: Who is paid.

        Raises:
            InvalidAmount: Not positive and exact, with more decimals than the currency takes here, or above the
                account's ``largest_amount``.
            InvalidCurrency: Not the account's.
            InvalidPayout: An external id that cannot be sent.

        """
        return encode_payment(
            _read_amount(self.amount, settings),
            external_id=check_text(external_id, "external_id"),
            to=to,
            payer_message=self.payer_message,
            payee_note=self.payee_note or self.payer_message,
        )


def _read_amount(amount: Amount, settings: MtnMomoSettings) -> Money:
    money = amount if isinstance(amount, Money) else Money(amount, settings.target.currency)
    check_amount(money, settings.target)
    if problem := above_largest_amount(
        settings.largest_amount, money.amount, money.currency, account=settings.target_environment
    ):
        raise InvalidAmount(problem, hint="Correct the amount; where it is meant, change the setting first.")
    return money
