"""A restored journal that pays through M-Pesa, which cannot be asked at once what it paid in what is missing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from payments_core.domain.errors import DecisionRefused
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.journal import store_of
from payments_core.journal.maintenance import restore
from payments_core.testing.conformance import Harness

S = PayoutStatus


def test_restored_journal_sends_nothing_before_the_statement_is_compared(play: Callable[..., Harness]) -> None:
    """However short the gap: what the statement has is for a person, and all else is sent then, once."""
    harness = play()
    files = [sqlite3.connect(harness.folder / name) for name in ("payouts.db", "restored.db")]
    with closing(files[0]) as journal, closing(files[1]) as backup:
        journal.backup(backup)
    paid, new = harness.key("paid"), harness.key("new")
    harness.pay(paid)
    assert harness.settle(paid).status is S.SUCCEEDED
    payer, now = harness.open(journal="restored.db"), harness.emulator.now
    store = store_of("sqlite:///restored.db", namespace=payer.runtime.namespace, root=harness.folder, at=now)
    act, accounts = restore.OperatorAction(now, "Ann", "the disk died"), [harness.account]
    restore.begin_gap(store, now - timedelta(minutes=1), act)
    for key in (paid, new):
        harness.pay(key, by=payer)
        payer.ask("resume", timeout_s=0)
        payout = harness.get(key, by=payer)
        assert (payout.status, payout.history[-1].event) == (S.CREATED, "payout.on_hold")
    with pytest.raises(DecisionRefused, match=rf"compared: {harness.account}\. Open and not settled: 2 payouts"):
        restore.end_gap(store, act, accounts)

    originator = harness.get(paid, by=payer).references["originator"]
    restore.compare_statement(store, act, account=harness.account, configured=accounts, references=[originator])
    payout = harness.settle(paid, by=payer)
    assert payout.reason is not None
    assert (payout.status, payout.reason.code) == (S.REVIEW, ReasonCode.ON_STATEMENT)
    assert harness.settle(new, by=payer).status is S.SUCCEEDED
    with pytest.raises(DecisionRefused, match="In REVIEW: 1 payout"):
        restore.end_gap(store, act, accounts)
    for _ in range(5):  # a result that comes while she decides is looked at first, as the refusal says
        with contextlib.suppress(DecisionRefused):
            payer.ask("resolve", paid, paid=True, actor="Ann", reason="it was paid", evidence="line 1 of the statement")
            break
    assert harness.get(paid, by=payer).status is S.SUCCEEDED
    restore.end_gap(store, act, accounts)
    assert [harness.credits(harness.get(key, by=payer)) for key in (paid, new)] == [1, 1]
    assert harness.posts(payout) == 1
