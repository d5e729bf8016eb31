"""Eight workers under one cap, counted where it matters: by what arrives at the gateway, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from supervisor import Supervisor

if TYPE_CHECKING:
    from proxy import Proxy

CAP = 10  # of MTN's status reads
TAKEN = 9  # what the provider's figure takes of it: the rest is for what a commit and the way add


def most_in_a_second(moments: Sequence[float]) -> int:
    return max(sum(at <= other < at + 1 for other in moments) for at in moments)


@pytest.mark.usefixtures("long_run")  # tests/journal/test_permits.py counts the permits themselves
def test_rate_cap_holds_at_the_gateway(
    place: Any, supervisor: Supervisor, through: Callable[..., Proxy], store: str, measured: Callable[..., None]
) -> None:
    """Permits are given by the database's clock; what a commit and the way then add is told, and is not much."""
    text = place.config.read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("reads_per_s")]
    at = kept.index("[worker]")
    kept[at:at] = [f"reads_per_s = {TAKEN}", f"posts_per_s = {TAKEN}"]
    place.config.write_text("\n".join(kept), "utf-8")
    proxy = through()
    place.accept(100)
    workers = [supervisor.start(command=["worker"]) for _ in range(8)]
    time.sleep(100 / TAKEN)  # and do nothing here meanwhile: the proxy is to note when they come
    place.wait_for(place.all_paid)
    for worker in workers:
        worker.kill()
    for what in ("POST /disbursement/v1_0/transfer", "GET /disbursement/v1_0/transfer"):
        moments = [at for at, line in proxy.arrivals if line.startswith(what)]
        share = (len(moments) - 1) / (moments[-1] - moments[0]) / TAKEN
        most = most_in_a_second(moments)
        print(f"\n{what}: {len(moments)}, at most {most} in a second, {share:.0%} of {TAKEN}/s")
        facts = {"store": store, "workers": 8, "cap": CAP, "calls": what.split()[0], "share": round(share, 3)}
        measured(9, "most calls that arrived in a second", most, **facts)
        # How late a call arrives after its permit depends on the machine; without permits it would be all at once.
        assert most <= 3 * CAP
    place.check(100)
