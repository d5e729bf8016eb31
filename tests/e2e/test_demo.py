"""The demonstration shows what it promises, and fails when a promise is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from payments_core.cli.demo import story
from payments_core.cli.terminal import Terminal


@pytest.mark.proof  # plain nox has a session that plays it
def test_demo_pays_twenty_people_once_though_its_process_is_killed(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "payments_core", "demo", "--seed", "11", "--json", "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    fields = json.loads(ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert fields["differences"] == []
    counted = {name: fields[name] for name in ("people", "paid", "failed", "refused", "open", "repeated_rows")}
    assert counted == {"people": 25, "paid": 20, "failed": 4, "refused": 1, "open": 0, "repeated_rows": 1}
    assert fields["at_kill"].get("SENDING", 0) > 0, "the kill must land while payments are on the wire"
    assert fields["at_kill"].get("CREATED", 0) > 0, "and while others have not been sent"
    assert {one["reason"] for one in fields["payouts"] if one["status"] == "FAILED"} >= {
        "payee_not_found",
        "payer_limit_reached",
        "insufficient_funds",
    }
    assert (tmp_path / "payouts.db").exists()


def test_demo_that_finds_a_difference_fails_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    payout = {
        "key": "wages-1/001",
        "status": "SUCCEEDED",
        "reason": None,
        "submissions": 1,
        "references": {"reference": "r"},
    }
    monkeypatch.setattr(
        story,
        "_play",
        lambda *_: story.Ending({}, [], [payout], [], ["wages-1/001 SUCCEEDED here and was credited 0 times there"]),
    )

    code = story.tell(Terminal(), seed=1, keep=tmp_path)

    assert code == 1
    assert "DIFFERENCE: wages-1/001 SUCCEEDED here and was credited 0 times there" in capsys.readouterr().out
