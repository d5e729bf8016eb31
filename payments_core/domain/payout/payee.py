"""The payee of a payout, and telephone numbers as people write them.

A number is read when it can mean one number only, and refused otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from payments_core.domain.characters import clean, describe
from payments_core.domain.encoding import closed, written_as
from payments_core.domain.errors import InvalidPayee
from payments_core.domain.masking import mask_number

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = ["ERASED", "Payee"]

ERASED = "erased:"  # precedes the hash that replaces an erased payee
_HASHED = re.compile(ERASED + "[0-9a-f]{32}")
_KIND = re.compile(r"[a-z_]{1,32}")

_LONGEST = 64
_BLANKS = "\t \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_B, _H = f"[{_BLANKS}]", "[-\u2010\u2011]"  # a tab and every space of Unicode; the hyphens, of which one never breaks
_O = "[oO\u039f\u03bf\u041e\u043e]"  # also of Greek and Cyrillic
_GAP = f"(?:{_B}+(?:{_H}{_B}*)?|{_H}{_B}*)"
_AREA = rf"{_B}*\([0-9]{{2,}}\){_GAP}?"
# A first group of one digit needs a sign before it. One of eight digits is a number by itself: nothing follows it.
_WRITTEN = re.compile(
    rf"(?:(?:\+{_B}*|00{_GAP}?)(?=[0-9])|(?=[0-9]{{2}}))"
    rf"(?:[0-9]{{8,}}|[0-9]{{1,7}}(?:(?:{_AREA}|{_GAP})[0-9]{{2,}}(?:{_GAP}[0-9]{{2,}})*)?)"
)
_ONE_FORM = re.compile("[1-9][0-9]{7,14}")  # E.164: no country code begins with 0, and 15 digits are the most

_WRITE = "Write it with the country code, such as +256772123456."
_AS_TEXT = "Make the spreadsheet's column text and enter the numbers again: those that stand there may have changed."
_APART = "Blanks or a hyphen may stand between groups of two digits or more."
_PROBLEMS: tuple[tuple[str, str, str], ...] = (  # the first that is found is told
    ("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]", "has a line break{at}", "Give one number without what follows it."),
    (
        rf"(?i)(?<=[0-9]){_B}*(?:[,;]?{_B}*(?:x|extn?|extension)[.=:]?{_B}*[0-9]|#{_B}*[0-9]|;)",
        "has an extension{at}",
        "Leave the extension out: a wallet has none.",
    ),
    (rf"(?i)[0-9]{_B}*e{_B}*[+-]?{_B}*[0-9]", "is written with an exponent{at}, as a spreadsheet does it", _AS_TEXT),
    (
        f"(?<=[0-9]){_B}*[.,]|[.,](?=[0-9])",
        "has a dot or a comma{at}, as when a spreadsheet takes it for an amount",
        _AS_TEXT,
    ),
    ("^['=#]", "begins like a formula or an error of a spreadsheet", _AS_TEXT),
    (f"(?<=[0-9]){_O}|{_O}(?=[0-9])", "has the letter O{at}, where a zero may be meant", "A zero is the digit 0."),
    (rf"[^0-9+(){_BLANKS}\u2010\u2011-]", "has {what}", "Digits from 0 to 9, blanks and hyphens are enough."),
    ("^[^0-9]*$", "has no digits", ""),
    (rf"\({_B}*0{_B}*\)", "has a zero in parentheses{at}, which is dialled only inside the country", "Leave it out."),
    (r"(?<!^)\+", "has a plus{at} that is not its beginning", "Give one number, with one plus before all else."),
    (
        "[()]",
        "has parentheses{at} in the wrong place",
        "They may stand once, between the country code and other digits.",
    ),
    (rf"^{_H}|{_H}$|[-+\u2010\u2011]{_B}*{_H}", "has a hyphen{at} in the wrong place", _APART),
    ("(?<![0-9+])[0-9](?![0-9])", "has a single digit{at} that stands apart", _APART),
)


@closed
@dataclass(frozen=True, slots=True, repr=False)
class Payee:
    """The receiver of the money.

    Args:
        kind: ``"msisdn"``, ``"email"``, ``"party_code"``, ``"collection"`` (its payer), or another kind a
            provider declares.
        value: The address, normalised (an msisdn: country code and number, digits only).
        details: What some providers need beside it, such as ``{"operator": "…"}``.

    """

    kind: str
    value: str
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def msisdn(cls, number: str, *, operator: str = "") -> Self:
        """Return the payee with this international telephone number.

        Args:
            number: ``+256 772 123 456`` or ``256772123456``: country code first; a plus or 00 before it, and blanks,
                hyphens and parentheses between groups of digits, are dropped.
            operator: Whose customer the payee is, where that is known; routes go by it.

        Raises:
            InvalidPayee: It cannot be read as one number for certain: see the page reference/numbers-and-keys. Nothing
                is dropped that a spreadsheet may have added, and no digit is guessed.

        """
        return cls("msisdn", _read_msisdn(number), {"operator": operator} if operator else {})

    @classmethod
    def payer_of(cls, collection: str) -> Self:
        """Return the payer of a collection: the payee of its refund.

        Args:
            collection: The reference under which the money was collected, as its provider knows it.

        Raises:
            InvalidPayee: It is empty, longer than 200 characters, or holds blanks or characters other than ASCII.

        """
        if not 1 <= len(collection) <= 200 or not re.fullmatch(r"[!-~]+", collection):
            raise InvalidPayee(
                "The collection's reference is empty, longer than 200 characters, or holds blanks or other than ASCII.",
                hint="Give the reference under which the money was collected.",
            )
        return cls("collection", collection)

    @property
    def is_msisdn(self) -> bool:
        """Whether it is a telephone number in its one form, as :meth:`msisdn` makes it."""
        return self.kind == "msisdn" and _is_msisdn(self.value)

    def check(self) -> None:
        """Refuse a telephone number that is not in its one form: another program might read another number in it.

        Raises:
            InvalidPayee: It was not made with :meth:`msisdn`.

        """
        if self.kind == "msisdn" and not self.is_msisdn:
            raise InvalidPayee(
                "The payee's number is not in its one form: country code and number, digits only.",
                hint="Make it with Payee.msisdn(…), which reads what people write.",
            )

    @property
    def masked(self) -> str:
        """The address with its middle hidden; a collection's reference and an erased payee's hash are no address."""
        is_no_address = self.kind == "collection" or _HASHED.fullmatch(self.value)
        return clean(self.value if is_no_address else mask_number(self.value))

    def __repr__(self) -> str:
        """Show the kind and the masked address only; what has not the form of a kind may be the address."""
        kind = self.kind if _KIND.fullmatch(self.kind) else "?"
        return f"Payee({kind}:{self.masked})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, Mapping[str, str]]]:
        """Be copied and pickled by what it was made of."""
        return type(self), (self.kind, self.value, self.details)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        """Be written masked in an application's models."""
        return written_as(cls, lambda payee: payee.masked)


def _is_msisdn(value: str) -> bool:
    """Whether a text is an international number in its one form: country code and number, digits only."""
    return _ONE_FORM.fullmatch(value) is not None


def _read_msisdn(written: str) -> str:
    """Return the digits of a number, country code first: exactly those written, in order, less a leading 00.

    Args:
        written: Such as ``+256 772 123 456``, ``00256772123456`` or ``+256 (772) 123-456``.

    Raises:
        InvalidPayee: It can be read in no way or in several; with what to write. The message shows the number masked.

    """
    if not isinstance(written, str):
        raise InvalidPayee(
            f"The payee's number cannot be of type {type(written).__name__}.",
            hint=f"{_WRITE} Give it as text: what a program calls a number has lost its plus, and perhaps digits.",
        )
    text = written.strip(_BLANKS)
    if not text:
        raise InvalidPayee("The payee's number is empty.", hint=_WRITE)
    if len(text) > _LONGEST:
        raise InvalidPayee(f"The payee's number is longer than {_LONGEST} characters.", hint=_WRITE)
    if not _WRITTEN.fullmatch(text):
        raise _refused(text, *_problem(text, before=len(written) - len(written.lstrip(_BLANKS))))
    digits = re.sub("[^0-9]", "", text)
    digits = digits if text.startswith("+") else digits.removeprefix("00")
    if not digits or digits.startswith("0"):
        raise _refused(text, "has no country code")
    if not _is_msisdn(digits):
        count = f"{len(digits)} digit{'' if len(digits) == 1 else 's'}"
        raise _refused(text, f"has {count}; 8 to 15 are possible")
    return digits


def _problem(text: str, *, before: int) -> tuple[str, str]:
    """Return what is wrong with a number, and what to do about it."""
    for pattern, problem, hint in _PROBLEMS:
        if found := re.search(pattern, text):
            at = f" at position {before + found.start() + 1}"
            return problem.format(at=at, what=_stranger(text[found.start()], at)), hint
    return "has more digits after a whole number", "Give one number, without an extension or a range."


def _stranger(mark: str, at: str) -> str:
    if mark.isnumeric():  # without its name: it is one of the payee's digits
        return f"a digit of another script{at}"
    return f"a letter{at}" if mark.isalpha() else f"{describe(mark)}{at}"


def _refused(text: str, problem: str, hint: str = "") -> InvalidPayee:
    shown = "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
    return InvalidPayee(f"The payee's number {mask_number(shown)} {problem}.", hint=f"{_WRITE} {hint}".strip())
