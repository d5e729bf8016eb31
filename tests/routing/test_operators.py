"""Our map of brands, held against the data it is about."""

from __future__ import annotations

import phonenumbers
import pytest
from phonenumbers.carrierdata import CARRIER_DATA

from payments_core.routing import BRANDS, IGNORED, OPERATORS, PORTABLE
from payments_core.routing.numbers import parse_number


def brands_of(country: str) -> set[str]:
    code = str(phonenumbers.country_code_for_region(country))
    return {names["en"] for prefix, names in CARRIER_DATA.items() if prefix.startswith(code)}


@pytest.mark.parametrize("country", sorted(BRANDS))
def test_brands_of_the_data_are_all_mapped_or_ignored(country: str) -> None:
    """A release of the data that renames an operator is noticed here, and not by a payee."""
    mapped, ignored = set(BRANDS[country]), IGNORED.get(country, frozenset())

    assert mapped & ignored == set()
    assert brands_of(country) == mapped | ignored


def test_ignored_brands_are_of_countries_with_brands() -> None:
    assert set(IGNORED) <= set(BRANDS)


def test_country_code_with_operators_belongs_to_one_country() -> None:
    """Otherwise the brands of two countries would be looked for under one."""
    shared = [one for one in BRANDS if len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code_of(one)]) > 1]

    assert shared == []


def code_of(country: str) -> int:
    return int(phonenumbers.country_code_for_region(country))


@pytest.mark.parametrize(
    ("number", "country", "operator", "is_portable"),
    [
        ("256772123456", "UG", "mtn", False),
        ("256752123456", "UG", "airtel", False),
        ("254722123456", "KE", "safaricom", True),  # flagged by the data
        ("255754123456", "TZ", "vodacom", True),  # not flagged by the data, and portable
        ("255712123456", "TZ", "yas", True),
        ("233241234567", "GH", "mtn", True),
        ("233271234567", "GH", "at", True),
        ("224661234567", "GN", "mtn", False),  # under the brand it had before
        ("2290197123456", "BJ", "mtn", True),  # ten digits since November 2024
        ("22997123456", "BJ", "", True),  # as it was before: no number any more, so no hint
        ("22790123456", "NE", "", False),  # a brand of doubtful owner says nothing
        ("46733123450", "SE", "", True),
        ("12025550123", "US", "", True),  # one code of many countries
        ("80012345678", "", "", True),  # a code of no country
        ("99912345678", "", "", True),
    ],
)
def test_number_reports_its_country_and_operator(number: str, country: str, operator: str, is_portable: bool) -> None:
    result = parse_number(number)

    assert (result.country, result.operator) == (country, operator)
    if country in BRANDS:
        assert result.is_portable is is_portable


def test_portable_countries_include_those_flagged_by_the_data() -> None:
    """And the countries we add are not flagged: one that is by now can leave the list."""
    flagged = {one for one in BRANDS if phonenumbers.is_mobile_number_portable_region(one)}

    assert flagged == {"BJ", "CM", "GH", "KE", "NG", "ZA"}
    assert flagged & PORTABLE == set()
    assert set(BRANDS) >= PORTABLE


def test_operator_names_are_plain_keys() -> None:
    assert [key for key in OPERATORS if not key.replace("_", "").isalnum() or key != key.lower()] == []
