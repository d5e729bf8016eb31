"""What is found in the rows of a file: each with its row, its column, the masked value and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["MEANINGS", "CellFault", "FindingCode", "Level", "RowFinding"]


class Level(StrEnum):
    """How much a finding weighs."""

    REFUSED = "refused"
    WARNING = "warning"
    NOTE = "note"


class FindingCode(StrEnum):
    """What only a file can have wrong; other findings have the code of the error that ``send`` would raise."""

    AMOUNT_AMBIGUOUS = "amount_ambiguous"
    AMOUNT_INEXACT = "amount_inexact"
    CELL_ERROR = "cell_error"
    CHANGED_NUMBER = "changed_number"
    COLUMN_UNKNOWN = "column_unknown"
    DUPLICATE_KEY = "duplicate_key"
    FORMULA = "formula"
    HIDDEN_ROW = "hidden_row"
    IN_ANOTHER_BATCH = "in_another_batch"
    MERGED_CELLS = "merged_cells"
    NAME_NO_MATCH = "name_no_match"
    NAME_PARTIAL = "name_partial"
    NATIONAL_NUMBER = "national_number"
    NOT_A_NUMBER = "not_a_number"
    NOT_POSITIVE = "not_positive"
    OTHER_COUNTRY = "other_country"
    PAID_RECENTLY = "paid_recently"
    REPEATED_ID = "repeated_id"
    REPEATED_PAYEE = "repeated_payee"
    REPEATED_PAYMENT = "repeated_payment"
    ROW_UNREADABLE = "row_unreadable"
    SCIENTIFIC_NOTATION = "scientific_notation"
    TOO_MANY_FIELDS = "too_many_fields"
    TOTALS_ROW = "totals_row"
    UNUSUAL_LENGTH = "unusual_length"
    WALLET_NOT_ACTIVE = "wallet_not_active"
    WALLET_NOT_FOUND = "wallet_not_found"
    WRONG_CURRENCY = "wrong_currency"


MEANINGS: Mapping[FindingCode, str] = MappingProxyType(
    {
        FindingCode.AMOUNT_AMBIGUOUS: "An amount such as `25,000` or `1.234`, which is read in two ways.",
        FindingCode.AMOUNT_INEXACT: "An amount whose number cell has more digits than a spreadsheet keeps.",
        FindingCode.CELL_ERROR: "A cell with a spreadsheet's error, such as `#REF!`, or a value that is no text or "
        "number.",
        FindingCode.CHANGED_NUMBER: "A warning: the last approved batch pays this payee's id at another number.",
        FindingCode.COLUMN_UNKNOWN: "A field of a JSON line that the first line does not have.",
        FindingCode.DUPLICATE_KEY: "An earlier row has the same key.",
        FindingCode.FORMULA: "A formula as text, or a formula cell without a stored result.",
        FindingCode.HIDDEN_ROW: "A row that the sheet hides, by a filter or by hand.",
        FindingCode.IN_ANOTHER_BATCH: "A warning: another batch, of the last seven days and not cancelled, is about to "
        "pay this number.",
        FindingCode.MERGED_CELLS: "A cell that is merged with another row's.",
        FindingCode.NAME_NO_MATCH: "A warning: the provider has the wallet in another name; only with `--wallets`.",
        FindingCode.NAME_PARTIAL: "A note: the provider's name of the wallet and the row's name agree in part.",
        FindingCode.NATIONAL_NUMBER: "A phone number without its country code, and the currency does not tell it, or "
        "another number of digits than that country has.",
        FindingCode.NOT_A_NUMBER: "A date, a time or a percentage where a number is needed.",
        FindingCode.NOT_POSITIVE: "An amount of zero or less.",
        FindingCode.OTHER_COUNTRY: "A warning: the number is of another country than the currency, as a wrong country "
        "code makes it.",
        FindingCode.PAID_RECENTLY: "A warning: in the last seven days, another batch, or a payout with "
        "this amount, pays this number.",
        FindingCode.REPEATED_ID: "A warning: an earlier row pays the same payee id at another number.",
        FindingCode.REPEATED_PAYEE: "An earlier row pays the same number another amount: a note, or a warning where it "
        "is for another payee id.",
        FindingCode.REPEATED_PAYMENT: "A warning: an earlier row pays the same number the same amount.",
        FindingCode.ROW_UNREADABLE: "A JSON line that cannot be read.",
        FindingCode.SCIENTIFIC_NOTATION: "A number with an exponent, such as `2.56772E+11`: its last digits are lost.",
        FindingCode.TOO_MANY_FIELDS: "A row with more fields than the header.",
        FindingCode.TOTALS_ROW: "A row with an amount and no payee, or with a label such as Total.",
        FindingCode.UNUSUAL_LENGTH: "A warning: the number has more or fewer digits than numbers of that country have.",
        FindingCode.WALLET_NOT_ACTIVE: "A warning: the provider says that the wallet is not active; only with "
        "`--wallets`.",
        FindingCode.WALLET_NOT_FOUND: "A warning: the provider has no wallet with this number; only with `--wallets`.",
        FindingCode.WRONG_CURRENCY: "An amount with the sign or code of a currency that is not the row's.",
    }
)


@dataclass(frozen=True, slots=True)
class RowFinding:
    """One thing that is found in a row.

    Args:
        line: The row's line in the file.
        column: The canonical name of the column; empty where the whole row is meant.
        value: What stands there; numbers and keys masked.
        code: A :class:`FindingCode`, or the code of the error that ``send`` would raise.
        reason: What is wrong.
        hint: What to do; empty when the reason says it.
        level: Whether the row is refused for it.

    """

    line: int
    column: str
    value: str
    code: str
    reason: str
    hint: str = ""
    level: Level = Level.REFUSED


class CellFault(Exception):
    """A cell that cannot be read as what its column holds.

    Args:
        code: Of the finding.
        reason: What is wrong; without a complete number.
        hint: What to do.

    """

    def __init__(self, code: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.hint = str(code), reason, hint
