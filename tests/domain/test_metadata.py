"""Metadata: what it may hold, and that no error repeats a value of it."""

from __future__ import annotations

from typing import Any

import pytest

from payments_core import Money, Order, Payee
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.payout.metadata import encode_metadata

SECRET = "kept-by-the-caller"


def order(metadata: Any) -> Order:
    return Order("k/1", Payee.msisdn("+256772123456"), Money(5, "EUR"), metadata=metadata)


def test_metadata_within_its_bounds_is_taken() -> None:
    """Fifty names, names of a hundred characters, and 4 KiB of JSON, each to the last one."""
    for metadata in (
        {"text": "L\u00f6hne \0", "number": 2**63 - 1, "least": -(2**63), "yes": True, "none": None},
        dict.fromkeys(map(str, range(50))),
        {"n" * 100: "", "a": "x" * 3982},
    ):
        assert order(metadata).metadata == metadata
    assert len(encode_metadata({"n" * 100: "", "a": "x" * 3982})) == 4096


WRONG: dict[str, Any] = {
    "a float": {"a": SECRET, "b": 1.5},
    "a list": {"a": [SECRET]},
    "an object": {"a": {"b": SECRET}},
    "a large number": {"a": SECRET, "b": 2**63},
    "a huge number": {"a": SECRET, "b": -(10**5000)},
    "no name": {"": SECRET},
    "a long name": {"n" * 101: SECRET},
    "a name that is no text": {5: SECRET},
    "half a character": {"a": SECRET + "\ud83d"},
    "much text": {"a": SECRET, "b": "x" * 4096},
    "many bytes": {"a": SECRET, "b": "\u20ac" * 1400},
    "many names": dict.fromkeys(map(str, range(51)), SECRET),
    "no object": [SECRET],
    "None": None,
}


@pytest.mark.parametrize("case", WRONG)
def test_metadata_out_of_its_bounds_is_refused(case: str) -> None:
    """By the name of the argument, and without a value."""
    with pytest.raises(InvalidPayout, match=r"^The metadata ") as refused:
        order(WRONG[case])
    assert refused.value.field == "metadata"
    assert SECRET not in f"{refused.value!r} {refused.value.__context__!r} {refused.value.__cause__!r}"
