"""Amounts as people read them in tables and totals: with the decimals of their currency."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["amount_text", "decimals_of", "number_text"]

# Currencies with another number of decimals than two. Source: ISO 4217, minor units.
_NO_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def amount_text(amount: Decimal, currency: str, *, grouped: bool = False) -> str:
    """Return an amount and its currency for people: ``25000 UGX``, ``12.50 EUR``; a machine reads :attr:`Money.text`.

    Args:
        amount: May be zero or below.
        currency: An ISO 4217 code.
        grouped: With commas between thousands, as sums have.

    """
    return f"{number_text(amount, currency, grouped=grouped)} {currency}"


def number_text(amount: Decimal, currency: str, *, grouped: bool = False) -> str:
    """Return the number of an amount for people, with at least the decimals of its currency.

    Nothing is rounded: more decimals than the currency has are shown. How many an account takes is a fact of its route,
    and not given here. The arguments are those of ``amount_text``.
    """
    whole, _, fraction = (f"{amount:,f}" if grouped else f"{amount:f}").partition(".")
    fraction = fraction.rstrip("0").ljust(decimals_of(currency), "0")
    return f"{whole}.{fraction}" if fraction else whole


def decimals_of(currency: str) -> int:
    """Return how many decimals a currency has."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2
