"""Amounts for people."""

from __future__ import annotations

from decimal import Decimal

import pytest

from payments_core.domain.amounts import amount_text


@pytest.mark.parametrize(
    ("amount", "currency", "text", "grouped"),
    [
        ("25000", "UGX", "25000 UGX", "25,000 UGX"),
        ("25000.00", "UGX", "25000 UGX", "25,000 UGX"),
        ("12.5", "EUR", "12.50 EUR", "12.50 EUR"),
        ("-1000", "EUR", "-1000.00 EUR", "-1,000.00 EUR"),
        ("0", "ZMW", "0.00 ZMW", "0.00 ZMW"),
        ("7.5", "TND", "7.500 TND", "7.500 TND"),
    ],
)
def test_amount_text_has_the_decimals_of_its_currency(amount: str, currency: str, text: str, grouped: str) -> None:
    assert amount_text(Decimal(amount), currency) == text
    assert amount_text(Decimal(amount), currency, grouped=True) == grouped


def test_amount_text_rounds_nothing() -> None:
    assert amount_text(Decimal("7.555"), "EUR") == "7.555 EUR"
    assert amount_text(Decimal("0.5"), "UGX") == "0.5 UGX"
