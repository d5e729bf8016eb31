"""What a stranger's server sends is read without raising, and never as more than stands there."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import object_of, parse_object, reported_amount, reported_text, text_of, wait_asked_s


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"text"', b"7", b"{", b"\xff", b"<html>", b"[" * 100_000])
def test_value_other_than_an_object_has_no_fields(body: bytes) -> None:
    assert parse_object(body) == {}


def test_object_is_read_exactly_with_its_parts() -> None:
    fields = parse_object(b'{"amount": {"value": 0.10}, "wallet": "254"}')

    assert object_of(fields["amount"]) == {"value": Decimal("0.10")}
    assert object_of(fields["wallet"]) == object_of(None) == {}


def test_text_field_is_cut_unless_a_length_is_given() -> None:
    """A token that lost its end is refused, and in the end the account with it."""
    token = "t" * 5000

    assert (text_of(token), text_of(token, limit=8192)) == ("t" * 300, token)


@pytest.mark.parametrize(
    ("expected", "kept"), [(r'"a\u0000b"', "a?b"), (r'"a\ud800b"', "a?b"), (r'"\ud83d\ude00"', "\U0001f600")]
)
def test_unstorable_characters_are_replaced(expected: str, kept: str) -> None:
    """NUL and half a character; a whole one that is spelled in two halves stays."""
    assert text_of(parse_object(f'{{"text": {expected}}}'.encode())["text"]) == kept


@pytest.mark.parametrize("header", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_endless_retry_after_is_bounded(header: str) -> None:
    """What a stranger asks for is added to now, after a payment was sent: it must never be past the calendar's end."""
    asked = wait_asked_s(HttpResponse(503, {"retry-after": header}, b"", datetime(2026, 11, 2, tzinfo=UTC)))
    assert asked == 31_536_000


@pytest.mark.parametrize("body", [b'{"status": "PAID", "status": "FAILED"}', b'{"a": {"b": 1, "b": 1}}'])
def test_object_with_a_repeated_name_has_no_fields(body: bytes) -> None:
    """It is not known which of two values is meant."""
    assert parse_object(body) == {}


@pytest.mark.parametrize("shown", ["500,00", "5 000", "five", "", "NaN", True, [5], {"value": 5}, "1e999999999"])
def test_unreadable_amount_agrees_with_none(shown: object) -> None:
    found = reported_amount(shown)
    assert found is not None
    assert found.is_nan()
    assert reported_amount(parse_object(b'{"amount": NaN}')["amount"]) != 5


def test_reported_value_is_distinguished_from_silence() -> None:
    assert [reported_amount(shown) for shown in (None, "12.50", 7)] == [None, Decimal("12.50"), Decimal(7)]
    assert [reported_text(shown) for shown in (None, "", "EUR", 46, ["UGX"], {})] == [None, None, "EUR", "46", "?", "?"]
