"""Keys of rows that have none."""

from __future__ import annotations

import pytest

from payments_core.batch.reading import PayeeFile, derive_row_key
from payments_core.domain.errors import InvalidArgument
from payments_core.domain.money import Money
from payments_core.domain.references import check_key

GOLDEN = [
    (("E-17", "256772123456", "25000", 1), "salary-2026-11/e-17/4scorrzbbwb6tp6r"),
    (("", "256772123456", "25000", 1), "salary-2026-11/p-qg7k52gv/saxvdj2ysudpgc67"),
    (("", "256772123456", "25000", 2), "salary-2026-11/p-qg7k52gv/7lypsclt6th4wuz5"),
    (("0042", "256772123456", "25000.50", 1), "salary-2026-11/42/txjtl5lcpbrekrnh"),
    (("42", "256772123450", "25000.5", 1), "salary-2026-11/42/txjtl5lcpbrekrnh"),
    (("CF-19850312-1", "256772123456", "25000", 1), "salary-2026-11/p-vjsojzyo/qskleftlghopv65u"),
]


@pytest.mark.parametrize(("payment", "key"), GOLDEN)
def test_row_key_is_the_same_for_ever(payment: tuple[str, str, str, int], key: str) -> None:
    """A wire format: another key for the same row would pay it again. It is a key, and holds no number."""
    payee_id, number, amount, occurrence = payment
    assert derive_row_key("salary-2026-11", payee_id, number, Money(amount, "UGX"), occurrence) == key
    check_key(key)
    assert number[-6:] not in key


def _keys(file: PayeeFile) -> dict[str, str]:
    with file:
        return {f"{row.cells['to']}/{row.cells['amount']}/{row.line}": row.key for row in file}


def test_row_keys_of_a_corrected_file_are_those_of_the_first(opened: object) -> None:
    """Rows added, removed, sorted and written in another way keep their keys; only a new payment has a new one."""
    assert callable(opened)
    rows = [f"+25677212{n:04},{100 + n % 3}" for n in range(30)] + ["+256772120001,101"]
    first = _keys(opened("to,amount\n" + "\n".join(rows), round_name="salary-2026-11"))
    rows.reverse()
    rows = [row.replace("+25677", "0077").replace("0077", "077") for row in rows[1:]] + ["+256772129999,100"]
    again = _keys(
        opened(
            "amount;to\n" + "\n".join(";".join(reversed(row.split(","))) for row in rows), round_name="salary-2026-11"
        )
    )

    assert len(set(first.values())) == len(first) == 31
    assert len(set(again.values()) - set(first.values())) == 1
    assert len(set(again.values())) == 31


@pytest.mark.parametrize("name", ["", " wages", "wages +256772123456", "r" * 141, "round-256772123456"])
def test_round_name_that_no_key_may_begin_with_is_refused(opened: object, name: str) -> None:
    assert callable(opened)
    if not name:
        name = "\n"
    with pytest.raises(InvalidArgument, match="name of the round"):
        opened("to,amount\n+256772123456,5\n", round_name=name)
