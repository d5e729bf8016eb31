"""The number of a cell: as ``Payee.msisdn`` reads it, and a national one where the currency tells the country."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from payments_core.batch.reading.cells import Cell, clean
from payments_core.batch.reading.findings import CellFault, FindingCode
from payments_core.domain.errors import InvalidPayee
from payments_core.domain.masking import mask_number
from payments_core.domain.payout import Payee

__all__ = ["NATIONAL", "read_payee", "unlikely_number"]

# Currencies of one country, whose numbers are dialled with a leading 0 there: calling code, digits after the 0.
# Source: ITU-T E.164 national numbering plans.
NATIONAL: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "CDF": ("243", 9),
        "EGP": ("20", 10),
        "ETB": ("251", 9),
        "GHS": ("233", 9),
        "KES": ("254", 9),
        "MWK": ("265", 9),
        "NGN": ("234", 10),
        "RWF": ("250", 9),
        "TZS": ("255", 9),
        "UGX": ("256", 9),
        "ZMW": ("260", 9),
    }
)
_INTERNATIONAL: Final = re.compile("[1-9][0-9]{10,14}")  # of these lengths no national number is
_GROUPED: Final = re.compile(r"[0-9]+(?:[ \t\u00a0\u202f-][0-9]{2,})*")
_EXPONENT: Final = re.compile(r"[0-9][.,][0-9]*[eE]\+?[0-9]+|[0-9]+[eE]\+[0-9]+")
_SHORTEST: Final = 10  # digits of an international number that is written without plus


def read_payee(cell: Cell, currency: str, operator: str = "") -> Payee:
    """Return the payee whose number a cell holds.

    Args:
        cell: As the file has it.
        currency: Of the row: it tells the country of a national number, where it is the currency of one.
        operator: Whose customer the payee is, where the file says so.

    Raises:
        CellFault: It is no number for certain.

    """
    text = clean(cell)
    if not _INTERNATIONAL.fullmatch(text) and _GROUPED.fullmatch(text):
        text = _with_country(text, currency)
    try:
        return Payee.msisdn(text, operator=operator)
    except InvalidPayee as error:
        code = FindingCode.SCIENTIFIC_NOTATION if _EXPONENT.fullmatch(text) else error.code
        raise CellFault(code, error.message, error.hint) from None


def unlikely_number(number: str, currency: str) -> tuple[FindingCode, str, str] | None:
    """Return the finding about a number that is unlikely beside a currency, its reason and advice; else None.

    Args:
        number: Digits only, country code first.
        currency: Of the row; where it is of several countries, nothing is unlikely.

    """
    code, length = NATIONAL.get(currency, ("", 0))
    if not number.startswith(code):
        why = f"The number is of another country than the currency {currency}."
        hint = "Make sure that its country code is right, and that the account pays there."
        return FindingCode.OTHER_COUNTRY, why, hint
    if code and len(number) != (usual := len(code) + length):
        why = f"The number has {len(number)} digits, and numbers of the country of {currency} have {usual}."
        return FindingCode.UNUSUAL_LENGTH, why, "Ask the payee for the number: a digit is missing, or one is too many."
    return None


def _with_country(text: str, currency: str) -> str:
    """Return a number that is written without plus as an international one."""
    digits = re.sub("[^0-9]", "", text)
    code, length = NATIONAL.get(currency, ("", 0))
    national = digits.removeprefix("0")
    if code and len(national) == length and not national.startswith(("0", code)):
        return f"+{code}{national}"  # also where a spreadsheet dropped the 0
    if digits.startswith("00") or (len(digits) >= _SHORTEST and digits[0] != "0"):
        return text
    why = "has no country code, and its currency tells no country"
    if code:
        why = f"is no number of the country of {currency}"
        if len(national) != length:
            why += f": without its 0 it has {len(national)} digits, and {length} are needed"
    raise CellFault(
        FindingCode.NATIONAL_NUMBER,
        f"The payee's number {mask_number(digits)} {why}.",
        f"Write it with a plus and the country code, such as +{code or 256}{'772123456789'[: length or 9]}.",
    )
