"""Telephone numbers as people write them: read when they can mean one number only, refused otherwise."""

from __future__ import annotations

import re

from payments_core.domain.characters import describe
from payments_core.domain.errors import InvalidPayee
from payments_core.domain.masking import mask_number

__all__ = ["is_msisdn", "read_msisdn"]

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
    (
        f"(?<=[0-9]){_B}*[.,]|[.,](?=[0-9])",
        "has a dot or a comma{at}, as when a spreadsheet takes it for an amount",
        _AS_TEXT,
    ),
    (rf"(?i)[0-9]{_B}*e{_B}*[+-]?{_B}*[0-9]", "is written with an exponent{at}, as a spreadsheet does it", _AS_TEXT),
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


def is_msisdn(value: str) -> bool:
    """Whether a text is an international number in its one form: country code and number, digits only."""
    return _ONE_FORM.fullmatch(value) is not None


def read_msisdn(written: str) -> str:
    """Return the digits of a number, country code first: exactly those written, in order, less a leading 00.

    Args:
        written: Such as ``+256 772 123 456``, ``00256772123456`` or ``+256 (772) 123-456``.

    Raises:
        InvalidPayee: It can be read in no way or in several; with what to write. The message shows the number masked.

    """
    if not isinstance(written, str):
        raise InvalidPayee(
            f"The payee's number cannot be a {type(written).__name__}.",
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
    if not is_msisdn(digits):
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
