"""Rows of a batch that were changed in the journal: none of them is paid."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from payments_core import Money, PayoutClient, settings
from payments_core.batch import Batch, Batches, running, verification
from payments_core.domain.batches import BatchRow
from payments_core.domain.errors import JournalDamaged
from payments_core.journal import open_audit
from payments_core.journal.maintenance.verify import Audit
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
def store() -> str:
    """Only a file is changed behind the back of the journal."""
    return "sqlite"


def audit(folder: Path) -> Audit:
    read = settings.load(folder / "payouts.toml")
    return open_audit(read.journal, namespace=read.namespace, root=folder)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (
            "UPDATE batch_rows SET content = replace(content, '\"5\"', '\"500\"') WHERE number = 3",
            "not as it was frozen",
        ),
        ("UPDATE batch_rows SET digest = 'ab' WHERE number = 3", "not as it was frozen"),
        ("UPDATE batch_rows SET key = key || 'x' WHERE number = 3", "not as it was frozen"),
        ("DELETE FROM batch_rows WHERE number = 4", "not those that were frozen"),
        ("UPDATE batch_rows SET number = 9 WHERE number = 2", "not those that were frozen"),
        ("UPDATE batches SET row_count = 4", "not those that were frozen"),
    ],
)
def test_rows_that_were_changed_after_the_approval_are_not_paid(
    change: str,
    flaw: str,
    batches: Run,
    approved: Callable[..., Batch],
    gateway: MtnMomoEmulator,
    tmp_path: Path,
) -> None:
    """A run sends no row of the page, and `journal verify` says which row."""
    batch = approved(3)
    with closing(sqlite3.connect(tmp_path / "payouts.db", isolation_level=None)) as connection:
        assert connection.execute(change).rowcount == 1

    with pytest.raises(JournalDamaged, match="not those that were frozen"):
        batches(lambda one: one.run(batch.id))

    assert gateway.ledger() == []
    with closing(audit(tmp_path)) as found:
        assert [one.rule for one in found.flaws() if flaw in one.text] == ["batch"]


def test_row_that_is_changed_during_a_run_is_not_paid(
    approved: Callable[..., Batch], gateway: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not even with its digest: what was sent before belongs to the content that was approved."""
    monkeypatch.setattr(verification, "PAGE", 2)
    batch = approved(5)
    forged = "UPDATE batch_rows SET content = replace(content, '\"5\"', '\"4\"'), digest = ? WHERE number = 5"

    with PayoutClient.from_config() as client:
        (last,) = client.runtime.journal.batch_rows(batch.id, after=4, limit=1)
        assert last.row is not None
        order = replace(last.row.order, amount=Money("4", "EUR"))
        digest = replace(last.row, order=order).digest

        def on_progress(_: object) -> None:
            with closing(sqlite3.connect(tmp_path / "payouts.db", isolation_level=None)) as connection:
                connection.execute(forged, (digest,))

        monkeypatch.setattr(running, "_LOOK_EVERY", timedelta(0))
        with pytest.raises(JournalDamaged, match="no row of it is sent any more"):
            Batches(client).run(batch.id, timeout_s=20, on_progress=on_progress)

    assert sorted(entry["payee"] for entry in gateway.ledger()) == ["46733000000", "46733000001"]


def test_run_reads_each_row_once(
    approved: Callable[..., Batch], gateway: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest is compared as it is read to be sent; what is asked before and after is answered without the rows."""
    batch, read = approved(5), mock.Mock(side_effect=BatchRow.digest.fget)  # type: ignore[attr-defined]
    monkeypatch.setattr(BatchRow, "digest", property(read))
    with PayoutClient.from_config() as client:
        found = mock.Mock(side_effect=client.runtime.journal.batch_rows)
        monkeypatch.setattr(client.runtime.journal, "batch_rows", found)
        assert Batches(client).run(batch.id, timeout_s=20).progress.succeeded == 5
        assert Batches(client).run(batch.id, timeout_s=20).progress.succeeded == 5

    assert read.call_count == 5
    assert [call.kwargs.get("unrecorded", False) for call in found.call_args_list] == [False, True, True]


def test_total_that_was_changed_is_found(batches: Run, approved: Callable[..., Batch], tmp_path: Path) -> None:
    approved(3)
    with closing(audit(tmp_path)) as found:
        assert list(found.flaws()) == []
    with closing(sqlite3.connect(tmp_path / "payouts.db", isolation_level=None)) as connection:
        connection.execute('UPDATE batches SET totals = \'{"EUR": "16"}\'')

    with closing(audit(tmp_path)) as found:
        assert ["do not come to its total" in one.text for one in found.flaws()] == [True, False]  # and the budget
