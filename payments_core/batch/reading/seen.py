"""Which of a million rows is alike an earlier one: 12 to 20 bytes are kept for each, in flat arrays."""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

__all__ = ["Alike", "SeenRows"]

_FIRST_SLOTS: Final = 1 << 12


class Alike(NamedTuple):
    """What was seen before.

    Args:
        first: The line of the first row with this digest: the row itself when it is new.
        occurrence: 1 for the first, 2 for the second.

    """

    first: int
    occurrence: int


class SeenRows:
    """Digests of rows, each with the line of its first row: a hash table with open addresses.

    Args:
        strict: Compare 128 bits and not 64, where one row taken for another one would change a key.

    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._used = 0
        self._repeated: dict[int, int] = {}
        self._make(_FIRST_SLOTS)

    def _make(self, slots: int) -> None:
        self._mask = slots - 1
        self._most = slots * 2 // 3
        self._digests = array("Q", bytes(8 * slots))
        self._rest = array("Q", bytes(8 * slots)) if self._strict else self._digests
        self._lines = array("I", bytes(4 * slots))

    def add(self, digest: bytes, line: int) -> Alike:
        """Add a row.

        Args:
            digest: 16 bytes that stand for it.
            line: Where it begins; 1 or more.

        """
        first = int.from_bytes(digest[:8], "little")
        rest = int.from_bytes(digest[8:], "little") if self._strict else first
        slot = self._find(first, rest)
        if known := self._lines[slot]:
            self._repeated[known] = occurrence = self._repeated.get(known, 1) + 1
            return Alike(known, occurrence)
        self._put(slot, first, rest, line)
        self._used += 1
        if self._used > self._most:
            self._grow()
        return Alike(line, 1)

    def find(self, digest: bytes) -> int:
        """Return the line that was given with a digest; 0 where there was none."""
        first = int.from_bytes(digest[:8], "little")
        return self._lines[self._find(first, int.from_bytes(digest[8:], "little") if self._strict else first)]

    def _find(self, first: int, rest: int) -> int:
        digests, others, lines, mask = self._digests, self._rest, self._lines, self._mask
        slot = first & mask
        while lines[slot] and (digests[slot] != first or others[slot] != rest):
            slot = (slot + 1) & mask
        return slot

    def _put(self, slot: int, first: int, rest: int, line: int) -> None:
        self._digests[slot], self._lines[slot] = first, line
        if self._strict:
            self._rest[slot] = rest

    def _grow(self) -> None:
        digests, others, lines = self._digests, self._rest, self._lines
        self._make(2 * len(lines))
        for slot, line in enumerate(lines):
            if line:
                first, rest = digests[slot], others[slot]
                self._put(self._find(first, rest), first, rest, line)
