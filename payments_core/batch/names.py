"""Compares the name in a file with the name that a wallet's provider has."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Final

__all__ = ["NameMatch", "match_names"]

_WORD: Final = re.compile(r"[^\W\d_]+")
_APOSTROPHES: Final = str.maketrans("", "", "'`\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}")
_TITLES: Final = frozenset({"dr", "miss", "mr", "mrs", "ms", "prof"})
_LATIN: Final = re.compile("[a-z]")
_ALIKE: Final = 0.8  # of the letters: one letter of five may differ
_SHORTEST: Final = 4  # letters of a word that may differ in one


class NameMatch(StrEnum):
    """How the name in a file and the name of a wallet's holder agree."""

    MATCHED = "MATCHED"
    PARTIAL = "PARTIAL"
    NO_MATCH = "NO_MATCH"
    UNSUPPORTED = "UNSUPPORTED"


def match_names(given: str, held: str) -> NameMatch:
    """Compare two names, whatever the order of their words, their capitals, accents and titles.

    Two names match when every word of the shorter one is a word of the longer one, and that is at least two words, or
    all there is. They match in part when they share a word, or a word that differs in a letter, or when every word of
    the shorter one may be an initial. They cannot be compared when one is empty, or written in another script.

    Args:
        given: As the file has it.
        held: As the provider has it.

    """
    shorter, longer = sorted((_words(given), _words(held)), key=len)
    if not shorter or _is_latin(shorter) is not _is_latin(longer):
        return NameMatch.UNSUPPORTED
    left, same = list(longer), 0
    rest = list[str]()
    for word in shorter:
        if word in left:
            left.remove(word)
            same += len(word) > 1
        else:
            rest.append(word)
    if not rest and (same > 1 or (same and len(longer) == 1)):
        return NameMatch.MATCHED
    is_partial = same or any(_alike(word, other) for word in rest for other in left)
    return NameMatch.PARTIAL if is_partial or _are_initials(shorter, longer) else NameMatch.NO_MATCH


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_APOSTROPHES))
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    words: list[str] = _WORD.findall(plain)
    return [word for word in words if word not in _TITLES]


def _is_latin(words: list[str]) -> bool:
    return any(map(_LATIN.search, words))


def _alike(word: str, other: str) -> bool:
    if min(len(word), len(other)) < _SHORTEST:
        return False
    return SequenceMatcher(None, word, other, autojunk=False).ratio() >= _ALIKE


def _are_initials(shorter: list[str], longer: list[str]) -> bool:
    """Whether each word of the shorter name begins, or is the beginning of, a word of the longer one of its own."""
    left = list(longer)
    for word in shorter:
        other = next((one for one in left if one[0] == word[0] and 1 in (len(one), len(word))), None)
        if other is None:
            return False
        left.remove(other)
    return True
