"""One cell as a file has it: text, or a number that the file itself marks as one; and what is dropped around it."""

from __future__ import annotations

import re
from typing import Final

from payments_core.batch.reading.findings import CellFault, FindingCode

__all__ = ["BadCell", "Cell", "NumberCell", "as_text", "clean"]

_DIGITS: Final = {0x0660 + n: str(n) for n in range(10)} | {0x06F0 + n: str(n) for n in range(10)}
_ARABIC: Final = _DIGITS | {0x066B: ".", 0x066C: "'"}  # decimal separator, thousands separator
_UNSEEN: Final = dict.fromkeys((0x00AD, 0x061C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF))
_NUMERIC: Final = _ARABIC | _UNSEEN
_MARKED_AS_TEXT: Final = re.compile(r"'(?=[=+\-@0-9\u0660-\u0669\u06f0-\u06f9])")
_ERROR: Final = re.compile(r"#(?:(?:REF|VALUE|DIV/0|NUM|NULL|SPILL|CALC|FORMULA)!|N/A|NAME\?|#+$)")
_EXACT_DIGITS: Final = 15  # of a double


class NumberCell(str):
    """A number that the file marks as one, not as text: plain digits, a point before decimals, no exponent."""

    __slots__ = ()

    @classmethod
    def of_double(cls, written: str) -> NumberCell | BadCell:
        """Return a spreadsheet's number, stored with binary rounding, as the shortest decimal with its value.

        Args:
            written: The stored text, such as ``25000``, ``0.10000000000000001`` or ``2.56772123456E11``.

        """
        try:
            value = float(written)
        except ValueError:
            return BadCell(FindingCode.CELL_ERROR, "The cell holds no number.", written)
        shown = format(value, ".17g") if value != value or abs(value) > 1e18 else repr(value)
        if "e" in shown or "n" in shown:  # above 1e16, tiny, infinite or none
            return BadCell(FindingCode.AMOUNT_INEXACT, "The number is too large or too small to be exact.", written)
        shown = shown.removesuffix(".0")
        if sum(map(str.isdigit, shown.lstrip("-0."))) > _EXACT_DIGITS:
            return BadCell(
                FindingCode.AMOUNT_INEXACT,
                "The number has more than 15 digits: a spreadsheet does not keep them.",
                shown,
                "Round an amount in the sheet, such as =ROUND(C2,2); make a column of long numbers text.",
            )
        return cls(shown)


class BadCell(str):
    """A cell that no column can use.

    Args:
        code: Of the finding.
        reason: What is wrong.
        shown: What stands there.
        hint: What to do.

    """

    __slots__ = ("code", "hint", "reason")

    def __new__(cls, code: str, reason: str, shown: str = "", hint: str = "") -> BadCell:
        """Keep what is found beside what is shown."""
        made = super().__new__(cls, shown)
        made.code, made.reason, made.hint = str(code), reason, hint  # type: ignore[attr-defined]
        return made

    def fault(self) -> CellFault:
        """Return what is wrong with it."""
        return CellFault(self.code, self.reason, self.hint)  # type: ignore[attr-defined]


Cell = str  # plain text, a NumberCell or a BadCell


def as_text(cell: Cell) -> str:
    """Return a cell as plain text, without blanks around it and without the apostrophe that marks text.

    Raises:
        CellFault: The cell holds an error, or a formula.

    """
    if isinstance(cell, BadCell):
        raise cell.fault()
    text = cell.strip()
    if not text or text[0] not in "'=#":
        return text
    if _MARKED_AS_TEXT.match(text):
        return text[1:]
    if _ERROR.match(text):
        raise CellFault(
            FindingCode.CELL_ERROR, "The cell holds an error of a spreadsheet.", "Correct the cell in the sheet."
        )
    if text[0] == "=":
        raise CellFault(
            FindingCode.FORMULA,
            "The cell begins like a formula, which is not calculated here.",
            "Write the value itself, or an apostrophe before a text that begins with =.",
        )
    return text


def clean(cell: Cell) -> str:
    """Return the text of a cell that holds a number: also without what is not seen, and with Arabic digits as 0 to 9.

    Raises:
        CellFault: The cell holds an error, or a formula.

    """
    text = as_text(cell)
    return text if text.isascii() else as_text(text.translate(_NUMERIC))
