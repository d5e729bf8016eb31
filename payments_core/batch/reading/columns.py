"""Which column of a file is which: by its name, by a synonym with one meaning, or as the caller says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.masking import quote, scrub

__all__ = ["COLUMNS", "ColumnMap", "column_of", "map_columns"]

COLUMNS: Final = ("key", "payee_id", "name", "to", "amount", "currency", "account", "note", "operator")
# Only words that mean nothing else in a payroll: a salary may be gross, a total may be of the file.
_SYNONYMS: Final = {
    "payee_id": "employee_id employee_no employee_number staff_id staff_no staff_number beneficiary_id member_id",
    "name": "full_name employee_name payee_name beneficiary_name staff_name",
    "to": "phone phone_number phone_no msisdn mobile mobile_number mobile_no number telephone wallet_number",
    "amount": "net_pay net_amount amount_to_pay",
    "currency": "currency_code ccy",
    "note": "notes narration description payment_note",
}
_CANONICAL: Mapping[str, str] = MappingProxyType(
    {name: name for name in COLUMNS} | {word: name for name, words in _SYNONYMS.items() for word in words.split()}
)


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The columns of a file.

    Args:
        places: The place of each column that is read, by its canonical name.
        names: The name it has in the file, by its canonical name.
        width: How many columns the header has.
        ignored: The names of the others.

    """

    places: Mapping[str, int]
    names: Mapping[str, str]
    width: int
    ignored: tuple[str, ...]


def column_of(name: str) -> str:
    """Return the canonical name of a column; empty when its name says nothing."""
    return _CANONICAL.get(_normal(name), "")


def _normal(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().casefold()).strip("_")


def map_columns(where: str, header: Sequence[str], *, given: Mapping[str, str], required: Collection[str]) -> ColumnMap:
    """Return which column is which.

    Args:
        where: The file and line of the header, for messages.
        header: As written.
        given: What the caller says: canonical name to the name in the file.
        required: The canonical names that must be there.

    Raises:
        InvalidPayout: A name is missing, misspelt, there twice, or has two candidates.

    """
    header = [name.strip() for name in header]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if named := scrub(", ".join(twice)):
        raise InvalidPayout(f"{where}: the column {named} is there twice.", hint="Keep one.")
    places = {name: _place_of(where, name, written, header) for name, written in given.items()}
    for place, written in enumerate(header):
        name = column_of(written)
        if not name or name in given or place in places.values():
            continue
        if name in places:
            raise InvalidPayout(
                f"{where}: the columns {quote(header[places[name]])} and {quote(written)} can both be {name!r}.",
                hint=f'Say which one is meant: --column {name}="{scrub(written, limit=64)}".',
            )
        places[name] = place
    ignored = [written for place, written in enumerate(header) if written and place not in places.values()]
    _check_spelling(where, ignored, places)
    if missing := [name for name in required if name not in places]:
        raise InvalidPayout(
            f"{where}: the header has no column {', '.join(missing)}. It has: {scrub(', '.join(header)) or 'none'}.",
            hint=f"The first line has the column names: {', '.join(COLUMNS)}. A batch takes other names "
            f'(--column {missing[0]}="NAME"), and makes keys of the name of its round (--round).',
        )
    return ColumnMap(places, {name: header[place] for name, place in places.items()}, len(header), tuple(ignored))


def _place_of(where: str, name: str, written: str, header: Sequence[str]) -> int:
    if name not in COLUMNS:
        raise InvalidPayout(f"There is no column {quote(name)} to give.", hint=f"There are: {', '.join(COLUMNS)}.")
    found = [place for place, one in enumerate(header) if one == written.strip()]
    found = found or [place for place, one in enumerate(header) if _normal(one) == _normal(written)]
    if len(found) == 1:
        return found[0]
    similar = difflib.get_close_matches(written, [one for one in header if one], 1, 0.6)
    meant = f" Did you mean {quote(similar[0])}?" if similar else ""
    raise InvalidPayout(
        f"{where}: there is no column {quote(written)} for {name}.{meant}",
        hint=f"The file has: {scrub(', '.join(header)) or 'none'}.",
    )


def _check_spelling(where: str, ignored: Sequence[str], places: Mapping[str, int]) -> None:
    """Refuse an unknown column that looks like one that is missing: a misspelt `currency` would pay in another one."""
    unused = [name for name in COLUMNS if name not in places]
    for written in ignored:
        if meant := difflib.get_close_matches(_normal(written), unused, 1, 0.7):
            raise InvalidPayout(
                f"{where}: the column {quote(written)} looks like {meant[0]!r}.",
                hint=f'Correct its name, say that it is meant (--column {meant[0]}="{scrub(written, limit=64)}"), or '
                "rename it if it is something else; nothing of the file was sent.",
            )
