"""A file beside what earlier batches have paid."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient
from payments_core.batch import Batch, BatchOrder
from payments_core.batch.checks import validate_file
from payments_core.batch.earlier_batches import PlannedPayments, changed_numbers, paid_elsewhere
from payments_core.batch.reading import FindingCode, Level
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
People = Callable[..., list[BatchOrder]]


@pytest.fixture
def create(batches: Run) -> Callable[..., Batch]:
    """Create a batch, approved or not."""

    def make(rows: list[BatchOrder], name: str, *, approved: bool = True) -> Batch:
        created: Batch = batches(lambda one: one.create(rows, name=name, actor="ann"))[0]
        if not approved:
            return created
        batch: Batch = batches(lambda one: one.approve(created.id, actor="bob", totals=created.totals))
        return batch

    return make


def found(rows: str, tmp_path: Path) -> dict[int, set[str]]:
    """Return the warnings of a file by line."""
    (tmp_path / "people.csv").write_text(f"payee_id,to,amount\n{rows}")
    warnings: dict[int, set[str]] = {}
    with PayoutClient.from_config() as client:
        validate_file(
            client,
            tmp_path / "people.csv",
            round_name="december",
            on_row=lambda row: warnings.__setitem__(
                row.line, {one.code for one in row.findings if one.level is Level.WARNING}
            ),
        )
    return warnings


def test_changed_number_of_a_payee_is_a_warning(
    people: People, create: Callable[..., Batch], gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """The last approved batch counts; a batch that nobody approved has no say."""
    create(people(3), "october")
    rows = [replace(row, order=replace(row.order, key=f"n/{row.line}", payee="+46733999999")) for row in people(1)]
    create(rows, "november", approved=False)

    warnings = found("staff-0,+46733000000,6\nstaff-1,+46733888888,6\nstaff-9,+46733000009,6\n", tmp_path)

    assert warnings == {2: {FindingCode.IN_ANOTHER_BATCH}, 3: {FindingCode.CHANGED_NUMBER}, 4: set()}


def test_number_that_another_batch_is_about_to_pay_is_a_warning(
    batches: Run, people: People, create: Callable[..., Batch], gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """A round under a mistyped name is paid beside the right one otherwise; the same key is the same payment."""
    mistyped = create(people(2), "december-2062")
    rows = "staff-0,+46733000000,5\nstaff-1,+46733000001,5\n"
    assert found(rows, tmp_path) == {line: {FindingCode.IN_ANOTHER_BATCH} for line in (2, 3)}
    with PayoutClient.from_config() as client:
        planned = PlannedPayments(client.runtime.journal, client.runtime.clock())
        assert planned.batch_that_pays("46733000000", "salary/0") == ""  # the very row
        late = PlannedPayments(client.runtime.journal, client.runtime.clock() + timedelta(days=8))
        assert late.batch_that_pays("46733000000", "another") == ""

    right = create([replace(one, order=replace(one.order, key=f"new/{one.line}")) for one in people(2)], "december")
    with PayoutClient.from_config() as client:
        journal, now = client.runtime.journal, client.runtime.clock()
        twice = [(row.number, other) for row, other in paid_elsewhere(journal, right, now)]
        assert twice == [(2, mistyped.id), (3, mistyped.id)]
        batches(lambda one: one.cancel(mistyped.id, actor="bob", reason="another year"))
        assert list(paid_elsewhere(journal, right, now)) == []
        batches(lambda one: one.run(right.id, timeout_s=20))
        assert [other for _, other in paid_elsewhere(journal, mistyped, now)] == [right.id] * 2
        assert list(paid_elsewhere(journal, right, now)) == []
    assert found(rows, tmp_path) == {line: {FindingCode.PAID_RECENTLY} for line in (2, 3)}


def test_number_that_a_payout_of_no_batch_pays_as_much_is_a_warning(
    people: People, create: Callable[..., Batch], gateway: MtnMomoEmulator, tmp_path: Path
) -> None:
    """Who paid a person alone in the morning learns of it from the file that pays that person too."""
    with PayoutClient.from_config() as client:
        client.send(key="bonus", payee=Payee.msisdn("+46733000001"), amount=Money("5", "EUR"))
        client.send(key="refund", payee=Payee.msisdn("+46733000002"), amount=Money("6", "EUR"))

        warnings = found("staff-0,+46733000000,5\nstaff-1,+46733000001,5\nstaff-2,+46733000002,5\n", tmp_path)

        assert warnings == {2: set(), 3: {FindingCode.PAID_RECENTLY}, 4: set()}
        report = validate_file(client, tmp_path / "people.csv", round_name="december")
        assert report.notes == (), "what a row's warning says is not said again of the file"
        twice = paid_elsewhere(client.runtime.journal, create(people(3), "october"), client.runtime.clock())
        assert [(row.number, other) for row, other in twice] == [(3, "")]


def test_changed_numbers_of_a_batch_are_shown_to_who_approves_it(people: People, create: Callable[..., Batch]) -> None:
    create(people(3), "october")
    rows = [replace(row, order=replace(row.order, key=f"n/{row.line}")) for row in people(3)]
    rows[1] = replace(rows[1], order=replace(rows[1].order, payee="+46733888888"))
    batch = create(rows, "november", approved=False)

    with PayoutClient.from_config() as client, closing(client):
        changed = list(changed_numbers(client.runtime.journal, batch))

    assert [(row.number, row.order.payee.value, before.order.payee.value) for row, before in changed] == [
        (3, "46733888888", "46733000001")
    ]


def test_payee_that_another_batch_pays_these_days_is_a_warning(
    people: People, create: Callable[..., Batch], batches: Run, tmp_path: Path
) -> None:
    """The same key is the same payment, and no warning."""
    batch = create(people(2), "october")
    batches(lambda one: one.run(batch.id, timeout_s=20))
    (tmp_path / "people.csv").write_text("")

    warnings = found("other-0,+46733000000,7\nother-5,+46733000005,7\n", tmp_path)

    assert warnings == {2: {FindingCode.PAID_RECENTLY}, 3: set()}
