"""Note and metadata through both clients and on both stores: stored once, and no reason to refuse or to pay again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from payments_core import Money, PayoutOrder
from payments_core.domain.errors import KeyReused
from payments_core.testing.leaks import Forbidden, LogCapture
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
OWN = {"employee": "a-17-quillfeather", "run": 11, "final": True, "branch": None}
ORDER = PayoutOrder(key="wages/1", payee="+46733123498", amount="10", currency="EUR", note="November", metadata=OWN)
pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgres"])


def asked(act: str, order: PayoutOrder, **more: Any) -> Callable[[Any], Any]:
    return lambda client: getattr(client, act)(**order.arguments(), **more)


def test_metadata_is_stored_and_never_sent(gateway: MtnMomoEmulator, using: Run) -> None:
    """Accepted, sent, read and listed, it is what the caller gave; no log and no request has a value of it."""
    with LogCapture() as capture:
        assert using(asked("accept", ORDER)).metadata == OWN
        assert using(asked("send", ORDER)).metadata == OWN
        assert using(lambda client: client.get("wages/1")).metadata == OWN
        assert [payout.metadata for payout in using(lambda client: client.payouts())] == [OWN]
        capture.shown("payout", using(lambda client: client.get("wages/1")), ORDER)
    assert Forbidden({}, names=["quillfeather"]).leaks(capture.captured) == []
    assert "quillfeather" not in str(gateway.ledger())
    refund = {
        "collection": "0f5ce8d4-7d37-4a8e-9c39-8f6f1ac4b0a1",
        "amount": Money(5, "EUR"),
        "original_amount": Money(5, "EUR"),
    }
    assert using(lambda client: client.refund(key="back/1", **refund, metadata={"a": 1})).metadata == {"a": 1}


@pytest.mark.parametrize("act", ["send", "accept"])
def test_repeated_key_keeps_note_and_metadata_as_recorded(gateway: MtnMomoEmulator, using: Run, act: str) -> None:
    """A corrected note neither blocks nor pays again: the stored payout comes back, and says what differs by name."""
    first = using(asked(act, ORDER))
    assert (first.is_new, first.differences) == (True, ())
    other = replace(ORDER, note="December to quillfeather", metadata={"employee": "quillfeather"})
    with LogCapture() as capture:
        again = using(asked(act, other))
        noted = using(asked(act, replace(ORDER, note="")))
        same = using(asked(act, ORDER))
    assert (again.id, again.is_new, again.note, again.metadata) == (first.id, False, "November", OWN)
    assert [one.differences for one in (again, noted, same)] == [("note", "metadata"), ("note",), ()]
    logged = [entry.text for entry in capture.captured if "payout.kept_as_recorded" in entry.text]
    assert len(logged) >= 2
    assert Forbidden({}, names=["quillfeather"]).leaks(capture.captured) == []
    with pytest.raises(KeyReused, match="another amount"):
        using(asked(act, replace(other, amount="11")))
    assert [entry["credits"] for entry in gateway.ledger()] == ([1] if act == "send" else [])


def test_validate_notes_what_would_be_kept_as_recorded(gateway: MtnMomoEmulator, using: Run) -> None:
    """Of what is recorded, and of an earlier order with the same key; it is no finding."""
    assert gateway.ledger() == []
    using(asked("accept", ORDER))
    new = replace(ORDER, key="wages/2", amount="11")
    orders = [ORDER, replace(ORDER, note=""), replace(ORDER, note="", metadata=None), new, new, replace(new, note="x")]
    found = using(lambda client: client.validate(orders))
    assert found.is_ready
    assert [order.notes for order in found.orders] == [
        (),
        ("The note differs from the recorded one, and is kept as recorded.",),
        ("The note and metadata differ from the recorded ones, and are kept as recorded.",),
        (),
        (),
        ("Its note or metadata differs from that of order 4, which is kept.",),
    ]
