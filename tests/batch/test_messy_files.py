"""Files as offices write them: every fault is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from messy_payees import FAULTS, make

from payments_core import PayoutClient
from payments_core.batch.checks import validate_file
from payments_core.batch.reading import Level, Row, RowFinding


@pytest.mark.parametrize("many", [300, pytest.param(10_000, marks=pytest.mark.proof)])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_validate_file_finds_every_planted_fault_and_nothing_else(
    client: PayoutClient, tmp_path: Path, kind: str, many: int
) -> None:
    """3 % of the rows are bad in thirty ways: each is refused for its own fault, with what to do, and no number shown.

    Every other row would be paid the amount that its office meant, to the number that it meant.
    """
    assert len(FAULTS) == 30
    messy = make(many, kind, seed=many)
    (tmp_path / "people").write_bytes(messy.content)
    found: dict[int, str] = {}
    paid: dict[int, tuple[str, int]] = {}
    findings: list[RowFinding] = []

    def on_row(row: Row) -> None:
        findings.extend(row.findings)
        if row.is_refused:
            found[row.line] = row.findings[0].code
        else:
            assert row.amount is not None
            paid[row.line] = row.to, int(row.amount)

    report = validate_file(client, tmp_path / "people", on_row=on_row)

    assert found == dict(messy.faults)
    assert paid == dict(messy.paid)
    assert (report.rows, report.refused, report.new) == (many, len(found), many - len(found))
    assert {finding.level for finding in findings} == {Level.REFUSED}
    assert sum(report.counts.values()) == len(findings)
    assert [one for one in findings if not one.hint and not one.column] == []
    texts = [text for one in findings for text in (one.value, one.reason, one.hint.replace("+256772123456", "…"))]
    assert [text for text in texts if "772123" in text] == []
    (total,) = report.totals
    assert (total.account, total.count, total.amount) == ("mtn-uganda", len(paid), sum(a for _, a in paid.values()))
    assert total.is_covered is not None
    assert list(client.payouts()) == []
