"""The country of a telephone number, and a hint of its operator. The only import of phonenumbers."""

from __future__ import annotations

from dataclasses import dataclass

from payments_core.domain.errors import SettingsError
from payments_core.routing.operators import BRANDS, PORTABLE

__all__ = ["NumberFacts", "is_country", "parse_number", "require"]


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """Facts that a number gives by itself.

    Args:
        country: ISO 3166 alpha-2, by its country code; empty when that is not enough.
        operator: The operator that the number was assigned to, as one of our keys; empty when that is not known.
        is_portable: It may be with another operator by now, as far as is known.

    """

    country: str = ""
    operator: str = ""
    is_portable: bool = True


def require() -> None:
    """Make sure that numbers can be read.

    Raises:
        SettingsError: The extra is not installed.

    """
    try:
        import phonenumbers.carrier  # noqa: F401 - the lite build has none
    except ImportError:
        raise SettingsError(
            "Routes by country or operator need the package phonenumbers, which is not installed.",
            hint='Install the extra: pip install "payments-core[routing]".',
        ) from None


def is_country(code: str) -> bool:
    """Whether a country of this code has telephone numbers."""
    import phonenumbers

    return code in phonenumbers.SUPPORTED_REGIONS


def parse_number(number: str) -> NumberFacts:
    """Return the facts of a number.

    Args:
        number: Country code and number, digits only.

    """
    import phonenumbers
    from phonenumbers import carrier

    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return NumberFacts()
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(parsed.country_code or 0, ())
    country = regions[0] if len(regions) == 1 else phonenumbers.region_code_for_number(parsed) or ""
    if not country.isalpha():  # 001: a code that belongs to no country
        return NumberFacts()
    brand = carrier.name_for_number(parsed, "en")  # empty for what is no mobile number
    is_portable = phonenumbers.is_mobile_number_portable_region(country) or country in PORTABLE
    return NumberFacts(country, BRANDS.get(country, {}).get(brand, ""), is_portable)
