"""Lists of payouts by both clients, on both stores: pages may be empty, and only the cursor says where a list ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from payments_core import Money, Payee
from payments_core.journal.sql import listing
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgres"])


def test_list_is_complete_though_pages_are_empty(
    using: Run, gateway: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`payouts()` goes on by itself; an empty page has a cursor until the list ends."""
    keys = ["a/1", "a/2", "a/3", "b/1", "b/2"]
    for key in keys:
        using(lambda client, key=key: client.accept(key=key, payee=Payee.msisdn("46733123499"), amount=Money(5, "EUR")))
    for name, value in (("LOOK", 1), ("SIDE_BY_SIDE", 1), ("KEYS", 0)):
        monkeypatch.setattr(listing, name, value)
    assert [one.key for one in using(lambda client: client.payouts(key_prefix="b/"))] == ["b/1", "b/2"]
    assert [one.key for one in using(lambda client: client.payouts())] == keys
    pages = [using(lambda client: client.payouts_page(key_prefix="b/", limit=1))]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(using(lambda client, at=cursor: client.payouts_page(key_prefix="b/", limit=1, cursor=at)))
    assert pages[0].payouts == ()
    assert [one.key for page in pages for one in page.payouts] == ["b/1", "b/2"]
