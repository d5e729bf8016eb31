"""The page of numbers and keys says what is read and what is refused: each example on it is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from payments_core.domain.errors import InvalidPayee, InvalidPayout
from payments_core.domain.payout import Payee
from payments_core.domain.references import check_key

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "numbers-and-keys.md").read_text("utf-8")


def rows(head: str) -> Iterator[tuple[list[str], str]]:
    """Yield what stands in code in the first cell of each row of a table, and the second cell."""
    for line in PAGE.split(f"| {head} |\n| --- | --- |\n", 1)[1].split("\n\n", 1)[0].splitlines():
        first, second = line.strip("| ").split(" | ")
        yield re.findall("`([^`]+)`", first), second


def test_numbers_page_accepted_numbers_are_read_as_shown() -> None:
    read = [(written, number) for examples, number in rows("written | read as") for written in examples]

    assert len(read) >= 8
    assert [(written, Payee.msisdn(written).value) for written, _ in read] == read


def test_numbers_page_refused_numbers_are_refused() -> None:
    refused = [written for examples, _ in rows("refused | why") for written in examples]

    assert len(refused) >= 16
    for written in refused:
        with pytest.raises(InvalidPayee):
            Payee.msisdn(written)


def test_keys_page_refused_characters_are_refused() -> None:
    codes = [code for _, examples in rows("refused | such as") for code in re.findall(r"U\+([0-9A-F]{4,5})", examples)]

    assert len(codes) >= 18
    for code in codes:
        with pytest.raises(InvalidPayout, match=rf"U\+{code}"):
            check_key(f"e{chr(int(code, 16))}")
