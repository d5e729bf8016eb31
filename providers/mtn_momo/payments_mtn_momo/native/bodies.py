"""What is sent: checked here, before anything leaves, so that a mistake is never an answer to wait for."""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.masking import quote
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.settings.amount_limits import above_largest_amount
from payments_mtn_momo import codec
from payments_mtn_momo.callback_address import check_callback_url
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = [
    "Amount",
    "Payment",
    "any_reference",
    "callback_url",
    "header_text",
    "new_reference",
    "party_of",
    "payee_fields",
    "payment_body",
    "payment_reference",
    "plain",
]

Amount: TypeAlias = Money | Decimal | int | str

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def new_reference() -> str:
    """Draw the reference of a new payment: a UUID of version 4. Write it down before you pay with it."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What transfers, deposits and refunds have in common.

    Args:
        amount: How much; a bare number is in the account's currency.
        external_id: Shown in MTN's records; the reference when empty.
        payer_message: For the payer's history.
        payee_note: For the payee's history.
        callback_url: Where MTN tells the end; the account's when None, nowhere when empty.

    """

    amount: Amount
    external_id: str = ""
    payer_message: str = ""
    payee_note: str = ""
    callback_url: str | None = None


def payment_reference(reference: object) -> str:
    """Return the reference of a payment as it is sent.

    Raises:
        InvalidPayout: It is no UUID of version 4; MTN answers 400 to any other (Common Error Codes).

    """
    found = _uuid(reference)
    if found is None or found.version != 4 or found.variant != uuid.RFC_4122:
        raise InvalidPayout(
            "The reference is not a UUID of version 4.", hint="Draw one with new_reference() and write it down first."
        )
    return str(found)


def any_reference(reference: object) -> str:
    """Return the reference to read by.

    Raises:
        InvalidPayout: It is no UUID.

    """
    found = _uuid(reference)
    if found is None:
        raise InvalidPayout("The reference is no UUID.", hint="Give the one the request was sent with.")
    return str(found)


def _uuid(reference: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(reference)) if len(str(reference)) == 36 else None
    except ValueError:
        return None


def party_of(payee: Payee | str) -> Payee:
    """Return who is paid or asked about; a text is a telephone number.

    Raises:
        InvalidPayee: It cannot be addressed.

    """
    found = Payee.msisdn(payee) if isinstance(payee, str) else payee
    if not isinstance(found, Payee):
        raise InvalidPayee("The account holder is neither a text nor a Payee.")
    good = {
        "msisdn": found.is_msisdn,
        "email": bool(_EMAIL.fullmatch(found.value)),
        "party_code": _uuid(found.value) is not None,
    }
    if not good.get(found.kind, False):
        raise InvalidPayee(
            f"The account holder cannot be addressed as {quote(found.kind)} in this form.",
            hint="Use a number of digits, an e-mail address or a party code (a UUID): msisdn, email, party_code.",
        )
    plain(found.value, "payee")
    return found


def payee_fields(payee: Payee | str) -> dict[str, object]:
    """Return who is paid, as a body wants it."""
    found = party_of(payee)
    return {"payee": {"partyIdType": codec.PARTY_KINDS[found.kind], "partyId": found.value}}


def header_text(text: str) -> str:
    """Return text as far as a header field can carry it: ASCII, accents dropped."""
    folded = unicodedata.normalize("NFKD", text)
    kept = "".join(mark for mark in folded if mark.isascii() and mark.isprintable())
    if not kept.strip():
        raise InvalidPayout(
            "The message holds nothing that a header field can carry.", hint="Write it in Latin letters."
        )
    return plain(kept.strip(), "message")


def callback_url(url: str | None, settings: MtnMomoSettings) -> str:
    """Return the callback's address: the account's when None is given.

    Raises:
        InvalidPayout: MTN would refuse it, or never call it (Common Error Codes, the portal's page Callback).

    """
    if url is None:
        return settings.callback_url
    if not url:
        return ""
    try:
        check_callback_url(url, is_live=not settings.is_test_mode, registered_host=settings.callback_host)
    except ValueError as problem:
        raise InvalidPayout(
            f"The callback's address {problem}.", hint="Leave it out, or use the host registered for the API user."
        ) from None
    return url


def payment_body(
    payment: Payment, settings: MtnMomoSettings, *, reference: str, more: Mapping[str, object]
) -> tuple[str, str]:
    """Return the body of a payment and its external id.

    Args:
        payment: What is paid.
        settings: The account.
        reference: Of the payment.
        more: What only this kind of payment has.

    Raises:
        InvalidAmount: Not positive and exact, with more decimals than the currency takes here, or above the account's
            ``largest_amount``.
        InvalidCurrency: Not the account's.
        InvalidPayout: An external id that cannot be sent.

    """
    money = _money(payment.amount, settings)
    external_id = plain(payment.external_id or reference, "external_id")
    body = {
        "amount": money.text,
        "currency": str(money.currency),
        "externalId": external_id,
        **more,
        "payerMessage": codec.reduce_note(payment.payer_message),
        "payeeNote": codec.reduce_note(payment.payee_note or payment.payer_message),
    }
    return json.dumps(body, separators=(",", ":")), external_id


def _money(amount: Amount, settings: MtnMomoSettings) -> Money:
    target = settings.target
    money = amount if isinstance(amount, Money) else Money(amount, target.currency)
    if money.currency != target.currency:
        raise InvalidCurrency(
            f"This account pays in {target.currency}, not in {money.currency}.",
            hint=f"Give the amount in {target.currency}.",
        )
    if not money.is_multiple_of(target.quantum):
        digits = -int(target.quantum.as_tuple().exponent)
        allowed = f"at most {digits} decimals" if digits else "whole numbers only"
        raise InvalidAmount(
            f"{money} has too many decimals.",
            hint=f"{target.currency} takes {allowed} here; amounts are never rounded for you.",
        )
    if why := above_largest_amount(
        settings.largest_amount, money.amount, money.currency, account=settings.target_environment
    ):
        raise InvalidAmount(why, hint="Correct the amount; where it is meant, change the setting first.")
    return money


def plain(text: str, what: str) -> str:
    """Return text of the caller's that can be sent as it is.

    Raises:
        InvalidPayout: It holds control characters, half a character, or a mark that stands for a secret.

    """
    if not text.isprintable() or "{{slot:" in text or len(text) > 512:
        raise InvalidPayout(f"{what} cannot be sent: it is too long, or holds characters that cannot be printed.")
    return text
