"""Answers from strangers: near every minted path, and on it with something that does not agree, nothing is decided."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tally_runtime import listening, post, till

from payments_core import Money, Payee, PayoutStatus
from payments_core.callbacks import app

REQUESTS = 60


def until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_result_callback_counts_only_on_its_path_and_in_agreement(
    tmp_path: Path, measured: Callable[..., None]
) -> None:
    """The true answer on any other path is not stored; another payment's answer on the true path decides nothing."""
    with till(tmp_path) as (client, gateway, lost), listening(app(client)) as url:
        lost.append("/pay")
        payout = client.send(key="grant/1", payee=Payee.msisdn("254700000900"), amount=Money("25.50", "KES"))
        client.refresh(payout.id)
        token, true = gateway.answers.pop()
        before = client.get(payout.id)
        statuses: list[int] = []

        @settings(max_examples=REQUESTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.integers(0, len(token) - 1), st.sampled_from("ABCxyz019-_"), st.sampled_from([0, 17, 404, "x", None]))
        def near(at: int, letter: str, result: Any) -> None:
            path = token[:at] + letter + token[at + 1 :]
            if path != token:
                statuses.append(post(f"{url}/{path}", json.dumps({**true, "result": result}).encode()))

        near()
        assert client.inbox.handle() == 0
        changed = int(client.get(payout.id) != before)
        measured(11, "state changes without a read", changed, store="sqlite", by="paths near a minted one")
        measured(11, "5xx", sum(status >= 500 for status in statuses), store="sqlite", requests=len(statuses))
        assert set(statuses) == {404}
        assert changed == 0

        assert post(f"{url}/{token}", json.dumps({**true, "txn": "T-OTHER"}).encode()) == 200
        until(lambda: "tells no end" in [count.outcome for count in client.inbox.counts()])
        assert client.get(payout.id).status is PayoutStatus.UNKNOWN
        assert post(f"{url}/{token}", json.dumps(true).encode()) == 200
        until(lambda: client.get(payout.id).status is PayoutStatus.SUCCEEDED)
        assert client.get(payout.id).history[-1].decided_by == "result_callback"
