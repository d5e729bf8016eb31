"""Limits by amount: a setting is a table with one amount for each currency. Nothing is compared across currencies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo

from payments_core.domain.money import Money

__all__ = ["Amount", "AmountLimits", "above_largest_amount"]

_CODE = re.compile(r"[A-Z]{3}")
_PLAIN = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")  # as Money reads it; zero is a limit too


def _exact(value: object) -> Decimal:
    """Read an amount written as text: a TOML number would already have lost its digits."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        msg = 'is written as text, in plain digits (at most 18, and 9 decimals), such as "500000" or "12.50"'
        raise ValueError(msg)
    return Decimal(value)


Amount = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, allow_inf_nan=False)]


def _read(value: object, info: ValidationInfo) -> dict[str, Decimal] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        code = info.data.get("currency", "UGX")
        msg = (
            f'is a table with an amount for each currency, such as {info.field_name} = {{ {code} = "500000" }}, or '
            f'[accounts.NAME.{info.field_name}] and below it {code} = "500000"'
        )
        raise ValueError(msg)
    if not value:
        msg = "names no currency; leave it out, or name each one that the account pays in"
        raise ValueError(msg)
    return {_currency(code): _amount(code, amount) for code, amount in value.items()}


def _currency(code: object) -> str:
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        msg = "must name currencies, in three capital letters, such as UGX"
        raise ValueError(msg)
    return code


def _amount(code: str, written: object) -> Decimal:
    """Read an amount: a whole number, or text, as a TOML float has already lost digits."""
    if isinstance(written, Decimal | int) and not isinstance(written, bool):
        written = str(written)
    if not isinstance(written, str) or not _PLAIN.fullmatch(written):
        msg = f'the amount for {code} must be a whole number, or text in plain digits, such as 500000 or "12.50"'
        raise ValueError(msg)
    return Decimal(written)


AmountLimits = Annotated[Mapping[str, Decimal], BeforeValidator(_read)]


def above_largest_amount(
    limits: Mapping[str, Decimal], money: Money, *, account: str, setting: str = "largest_amount"
) -> str:
    """Return why an account does not pay an amount that is not within its limits, naming both and the setting."""
    limit = limits.get(money.currency)
    if limit is None:
        return f"There is no {setting} for {money.currency} in the settings of account {account}."
    return (
        f"{money.amount:,f} {money.currency} is more than the {setting} of account {account}: "
        f"{limit:,f} {money.currency}."
    )
