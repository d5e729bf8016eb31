"""Amounts as people and spreadsheets write them: read when they have one reading only, and refused otherwise.

The table is total. A text is taken apart into groups of digits and the marks between them; each case is here once:

====================================  =====================================================================
groups                                reading
====================================  =====================================================================
``25000``                             the digits
``25 000``, ``1'234'567``             thousands: blanks and apostrophes never come before decimals
``1,234.50``, ``1.234,50``            the last mark comes before decimals, the others are thousands
``1,234,567``, ``1.234.567``          thousands: one mark twice
``412,5``, ``0.50``, ``1234.567``     decimals: what follows are not three digits, or what precedes is no group
``25,000``, ``1.234``                 refused: two readings, unless the caller says what comes before decimals
====================================  =====================================================================

A number cell (of XLSX or JSON) has a point before decimals and nothing else, so ``1.234`` is read there.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from payments_core.batch.reading.cells import Cell, NumberCell, clean
from payments_core.batch.reading.findings import CellFault, FindingCode
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.masking import quote
from payments_core.domain.money import Money

__all__ = ["DecimalMark", "read_amount"]

DecimalMark = Literal["point", "comma", ""]
_MARKS: Final = {"point": ".", "comma": ","}
_PLAIN: Final = re.compile(r"[0-9]{1,18}")
_BLANKS: Final = "\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_MARKED: Final = re.compile(rf"[0-9]{{1,18}}(?:[.,'\u2019{_BLANKS}][0-9]{{1,18}})+")
_BLANK: Final = re.compile(f"[{_BLANKS}\u2019]")
_EXPONENT: Final = re.compile(r"[0-9][.,]?[0-9]*\s*[eE]\s*[+-]?[0-9]+")
_ZERO_MISTAKEN: Final = re.compile("(?<=[0-9])[oO\u039f\u03bf\u041e\u043e]|[oO\u039f\u03bf\u041e\u043e](?=[0-9])")
_CURRENCY: Final = re.compile(rf"([A-Z]{{3}})?[{_BLANKS}]*([-0-9](?:.*[-0-9])?)[{_BLANKS}]*([A-Z]{{3}})?")
_SIGN: Final = re.compile(r"[$\u00a2-\u00a5\u20a0-\u20cf]|[A-Za-z]{1,4}[$\u00a3]?\.?[" + _BLANKS + r"]*(?=[0-9])")
_LONGEST: Final = 64
_WRITE: Final = "Write plain digits, such as 25000 or 12.50."


def read_amount(cell: Cell, currency: str, decimal: DecimalMark = "") -> Money:
    """Return the amount of a cell.

    Args:
        cell: As the file has it.
        currency: Of the row.
        decimal: What comes before decimals in this file, where the caller says so.

    Raises:
        CellFault: It has no reading, or several.

    """
    text = clean(cell)
    try:
        if not _PLAIN.fullmatch(text) and not isinstance(cell, NumberCell):
            text = _plain(text, currency, decimal)
        return Money(text, currency)
    except InvalidPayout as error:
        if text.lstrip("-").strip("0.") == "" and text:
            raise CellFault(FindingCode.NOT_POSITIVE, error.message, error.hint) from None
        if text.startswith("-"):
            raise _not_positive() from None
        raise CellFault(error.code, error.message, error.hint) from None


def _plain(text: str, currency: str, decimal: DecimalMark) -> str:
    """Return a text as plain digits with a point before decimals; what is no amount is left to :class:`Money`."""
    if len(text) > _LONGEST:
        raise CellFault("invalid_amount", f"The amount is longer than {_LONGEST} characters.", _WRITE)
    parts = _CURRENCY.fullmatch(text)
    if parts is not None and (parts[1] or parts[3]):
        if {parts[1], parts[3]} - {None, currency}:
            raise CellFault(
                FindingCode.WRONG_CURRENCY,
                f"The amount {quote(text)} names another currency than the row, which is in {currency or 'none'}.",
                "Write the currency into the column currency, and the digits only into amount.",
            )
        text = parts[2]
    if re.match(r"[-\u2212(]", text) or re.search("[0-9] *-$", text):  # "1500.-" is a way to write a price
        raise _not_positive()
    if _MARKED.fullmatch(text):
        return _without_marks(text, _MARKS.get(decimal, ""))
    if _EXPONENT.fullmatch(text):
        raise CellFault(
            FindingCode.SCIENTIFIC_NOTATION,
            f"The amount {quote(text)} is written with an exponent: its last digits may be lost.",
            "Give the column a number format without an exponent, and export the file again.",
        )
    if _ZERO_MISTAKEN.search(text) and not re.search("[A-Za-z]{2}", text):
        raise CellFault(
            FindingCode.NOT_A_NUMBER, f"The amount {quote(text)} has the letter O.", "A zero is the digit 0."
        )
    if "%" in text:
        raise CellFault(FindingCode.NOT_A_NUMBER, f"The amount {quote(text)} is a percentage.", _WRITE)
    if _SIGN.search(text) and re.search("[0-9]", text):
        raise CellFault(
            FindingCode.WRONG_CURRENCY,
            f"The amount {quote(text)} has a currency beside it, and not by its code in capitals.",
            "Write the currency's code into the column currency, and the digits only into amount.",
        )
    return text


def _without_marks(text: str, decimal: str) -> str:
    """Return digits with marks between them as plain digits, by the table of this module."""
    text = _BLANK.sub(lambda mark: "'" if mark[0] == "\u2019" else " ", text)
    marks = re.findall("[^0-9]", text)
    last, others = marks[-1], set(marks[:-1])
    if last in " '" or last in others:  # no decimals at all
        return _joined(text, decimal)
    if not others and _is_thousands(text):
        if not decimal:
            raise _ambiguous(text)
        if decimal != last:
            return _joined(text, decimal)
    if decimal and last != decimal:
        raise _contradicts(text, decimal)
    whole, _, fraction = text.rpartition(last)
    return f"{_joined(whole, decimal) if others else whole}.{fraction}"


def _joined(text: str, decimal: str) -> str:
    """Return groups of thousands as plain digits."""
    if decimal and decimal in text:
        raise _contradicts(text, decimal)
    if not _is_thousands(text):
        raise CellFault("invalid_amount", f"The amount {quote(text)} has groups that are not of three digits.", _WRITE)
    return re.sub("[^0-9]", "", text)


def _is_thousands(text: str) -> bool:
    """Whether a text is a first group of one to three digits, not 0, and groups of three, with one kind of mark."""
    marks = set(re.findall("[^0-9]", text))
    groups = re.split("[^0-9]", text)
    return len(marks) <= 1 and len(groups[0]) <= 3 and groups[0][0] != "0" and all(len(one) == 3 for one in groups[1:])


def _ambiguous(text: str) -> CellFault:
    whole, fraction = re.split("[.,]", text)
    decimals, marks = fraction.rstrip("0"), "--decimal point or --decimal comma says"
    if not decimals:
        advice = f"Write {whole}{fraction}, or {whole}."
    elif len(decimals) < len(fraction):
        advice = f"Write {whole}{fraction}, or {whole}.{decimals} where the account takes decimals."
    else:  # the account decides how many it takes, and hardly any takes three
        advice = f"Write {whole}{fraction} if that is meant; with decimals, write no more than the account takes."
        marks = f"--decimal {'point' if ',' in text else 'comma'} says"
    return CellFault(
        FindingCode.AMOUNT_AMBIGUOUS,
        f"The amount {quote(text)} can mean {whole}{fraction} or {whole}.{fraction}.",
        f"{advice} For a whole file, {marks} what comes before decimals.",
    )


def _contradicts(text: str, decimal: str) -> CellFault:
    return CellFault(
        FindingCode.AMOUNT_AMBIGUOUS,
        f"The amount {quote(text)} does not have {decimal!r} before its decimals, as it was said for this file.",
        _WRITE,
    )


def _not_positive() -> CellFault:
    return CellFault(FindingCode.NOT_POSITIVE, "The amount is below zero.", "Correct the amount, or leave the row out.")
