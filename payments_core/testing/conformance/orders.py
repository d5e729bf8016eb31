"""Promises of orders: an invalid order is refused, a valid one is written into the request unchanged."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.http.messages import HttpRequest
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.stability import StabilityPromises

__all__ = ["OrderPromises"]


class OrderPromises(StabilityPromises):
    """Nothing is rounded, cut, dropped or mixed up between the order and the request."""

    def test_a_wrong_payee_is_refused(self, shared_harness: Harness) -> None:
        """It is refused before anything is recorded or sent, with a message."""
        assert self.wrong_payees, "set wrong_payees: payees in a form that this provider cannot pay"
        for payee in self.wrong_payees:
            refused(shared_harness, payee=payee)

    def test_a_wrong_amount_is_refused_and_never_rounded(self, shared_harness: Harness) -> None:
        """Too many digits, too large, another currency: refused before anything is recorded or sent."""
        assert self.wrong_amounts, "set wrong_amounts: too many digits, another currency, too large"
        amount, currency = self.amount.amount, self.amount.currency
        for wrong in *self.wrong_amounts, Money(amount + Decimal("1e-9"), currency), Money(amount, "XTS"):
            refused(shared_harness, amount=wrong)

    def test_the_amount_is_sent_exactly(self, shared_harness: Harness) -> None:
        """The request contains the exact amount and the payee; another amount or payee is another request."""
        self.builds_on(shared_harness, self.test_a_draft_is_pure_and_stable)
        first = shared_harness.draft("amount")
        for amount in self._amounts():
            try:
                draft = shared_harness.draft("amount", amount=amount)
            except InvalidPayout:  # the route refuses it
                continue
            other = first if amount != self.amount else shared_harness.draft("amount", amount=self.double)
            named = _numbers(draft.request) - _numbers(other.request)  # what both contain is no amount
            wanted = amount.amount * self.written_for_one
            assert wanted in named, f"{amount} is not in the request as {wanted:f}; there is {[*map(str, named)]}"
        other = shared_harness.draft("payee", payee=self.other_payee)
        ours, theirs = (unquote(_text(draft.request)) for draft in (shared_harness.draft("payee"), other))
        assert _home(self.payee) in ours, "the payee is not in the request"
        assert _home(self.other_payee) in theirs, "the payee is not in the request"
        assert ours != theirs

    def _amounts(self) -> Iterator[Money]:
        """Yield the amount, and similar ones with digits that are easily lost."""
        for more in "0", "0.01", "0.37", "0.5", "0.375", "1", "17":
            yield Money(self.amount.amount + Decimal(more), self.amount.currency)

    def test_a_note_or_key_changes_no_other_field(self, shared_harness: Harness) -> None:
        """Quotes, line breaks, format characters and long texts are refused or encoded in their own field."""
        plain, other = (_fields(shared_harness.draft("plain", note=note).request) for note in ("November", "December"))
        free = {name for name, value in plain.items() if other.get(name) != value}  # the note's fields
        for text in _TEXTS:
            for key, note in (("plain", text), (text.replace("\n", " ")[:100].strip(), "November")):
                try:
                    found = _fields(shared_harness.draft(key, note=note).request)
                except InvalidPayout:
                    continue
                assert found.keys() == plain.keys(), f"{text!r} adds or takes away fields: encode what a caller writes"
                wrong = [name for name in found.keys() - free if key == "plain" and found[name] != plain[name]]
                assert not wrong, f"the note {text!r} changes {', '.join(wrong)}"

    @property
    def double(self) -> Money:
        """Twice the profile's amount."""
        return Money(self.amount.amount * 2, self.amount.currency)


_TEXTS = (
    "a \"quoted\" \\ and 'quoted' note",
    '", "amount": "999999", "note": "',
    "two\nlines &amount=999999 <amount>999999</amount>",
    "%s %(amount)s {amount} ${amount} \u20ac \u0645\u0631\u062d\u0628\u0627 \U0001f600",
    "a long note " * 60,
)


def _text(request: HttpRequest) -> str:
    return f"{request.url}\n{request.body or ''}"


def _numbers(request: HttpRequest) -> Counter[Decimal]:
    return Counter(Decimal(found) for found in re.findall(r"[0-9]+(?:\.[0-9]+)?", _text(request)))


def _home(payee: Payee) -> str:
    """Return the part common to all forms of a payee: a number may lack its country code."""
    return payee.value[-7:] if payee.value.isdigit() else payee.value


def _fields(request: HttpRequest) -> Mapping[str, str]:
    """Return the request's fields by path, of JSON and of forms; any other body is one field."""
    address, _, query = request.url.partition("?")
    body = request.body or ""
    found = {"address": address, **{f"query {name}": value for name, value in parse_qsl(query)}}
    if body.lstrip()[:1] in {"{", "["}:
        try:
            return found | dict(_leaves("body", json.loads(body)))
        except ValueError:
            return found | {"a body that is no JSON": body}
    form = {f"form {name}": value for name, value in parse_qsl(body, keep_blank_values=True)}
    return found | (form if "form" in request.headers.get("Content-Type", "") else {"body": body})


def _leaves(where: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(f"{where}/{name}", part)
    else:
        yield where, repr(value)


def refused(harness: Harness, **other: Any) -> None:
    """Assert that a payment is refused and leaves no trace."""
    key = harness.key(f"refused {other}")[:200]
    with pytest.raises(InvalidPayout) as error:
        harness.payer.ask("send", **harness.asked(key, **other))
    assert str(error.value), "the refusal has no message"
    assert harness.payer.runtime.journal.by_key(key) is None
    assert not list(_mentioned(harness, key))


def _mentioned(harness: Harness, key: str) -> Iterator[object]:
    return (row for row in harness.emulator.ledger() if key in map(str, row.values()))
