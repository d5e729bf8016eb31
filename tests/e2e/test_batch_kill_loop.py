"""A messy file becomes a batch, and the process that runs it is killed, again and again: everybody is paid once.

``PAYMENTS_BATCH_ROWS=10000`` is the size of the proof.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from messy_payees import make
from supervisor import Supervisor

from payments_core import PayoutClient, PayoutStatus
from payments_core.batch import Batches, BatchProgress
from payments_core.cli import output
from payments_core.cli.demo.compare import differences
from payments_mtn_momo.emulator import MtnMomoEmulator

ROWS = int(os.environ.get("PAYMENTS_BATCH_ROWS", "300"))
KILLS = 5
FAULTS = {
    "answer_lost_after_acceptance": 0.05,
    "answer_lost_before_acceptance": 0.05,
    "reset_mid_body": [{"p": 0.02}, {"p": 0.02, "on": "get"}],
    "status_503": {"p": 0.05},
    "invisible_s": {"p": 0.05, "value": 1},
}
# Short, so that what a dead process held is soon another's; and checks for longer than the whole of it takes.
QUICK = {
    "timeout_s": 2,
    "lease_s": 4,
    "visible_after_s": 1.5,
    "poll_schedule_s": [0.5] * 20 + [5] * 400,
    "circuit_after": 0,
}

pytestmark = pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs fork and waitid")


@pytest.mark.parametrize(
    ("kind", "store"), [("csv", "sqlite"), pytest.param("xlsx", "postgres", marks=pytest.mark.proof)]
)
def test_batch_whose_runner_is_killed_pays_every_row_once(
    kind: str, store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The refused rows are named and not paid; of all others the gateway's books and the journal say the same."""
    config, dice = tmp_path / "payouts.toml", Random(ROWS)  # noqa: S311 - a play, not a secret
    messy = make(ROWS, kind, seed=ROWS)
    (tmp_path / "people").write_bytes(messy.content)
    started_at = time.monotonic()
    with MtnMomoEmulator(target="mtnuganda", delayed_s=0) as gateway, Supervisor(tmp_path) as supervisor:
        gateway.write_config(config)
        kept = [line for line in config.read_text("utf-8").splitlines() if line.split(" ")[0] not in QUICK]
        config.write_text("\n".join([*kept, *(f"{name} = {value}" for name, value in QUICK.items()), ""]), "utf-8")
        if store == "postgres":
            request.getfixturevalue("share_journal")(config)
        create = ["batch", "create", "people", "--round", "wages", "--actor", "ann"]
        assert supervisor.start(command=create).wait() == 1, "some rows are refused"
        assert supervisor.start(command=[*create, "--skip-refused"]).wait() == 3
        with PayoutClient.from_config(config) as client:
            (batch,) = Batches(client).all()
            Batches(client).approve(batch.id, actor="bob", totals=batch.totals)
        gateway.set_faults({**FAULTS, "seed": ROWS})

        run, kills = ["batch", "run", batch.id, "--wait", "60"], 0
        while kills < KILLS:
            child = supervisor.start(command=run)
            time.sleep(dice.uniform(0.3, 1.2) * max(ROWS / 1500, 0.7))
            kills += child.kill() < 0
            if _progress(config, batch.id).is_done:
                break
        gateway.set_faults({})
        progress = _progress(config, batch.id)
        for _ in range(30):
            if progress.is_done:
                break
            supervisor.start(command=run).wait()
            gateway.advance(60)
            progress = _progress(config, batch.id)

        with PayoutClient.from_config(config) as client:
            payouts = [output.record(payout, reveal=True) for payout in client.payouts()]
            reserved = client.runtime.journal.budgets([f"batch/{batch.id}/UGX"]).popitem()[1].reserved
        ledger: list[dict[str, Any]] = list(gateway.ledger())
    wrong = differences(ledger, payouts)
    facts = {"rows": ROWS, "kills": kills, "posts": sum(entry["posts"] for entry in ledger), "store": store}
    print(f"\n{facts}; {progress.by_status}; {time.monotonic() - started_at:.0f} s")
    assert wrong == []
    assert progress.by_status == {PayoutStatus.SUCCEEDED: len(messy.paid)}
    assert {(row["payee"], int(row["amount"])) for row in payouts} == set(messy.paid.values())
    assert reserved == sum(total.amount for total in batch.totals)
    assert kills, "it ended before it could be killed"


def _progress(config: Path, batch: str) -> BatchProgress:
    with PayoutClient.from_config(config) as client:
        return Batches(client).progress(batch)
