"""Row 12 of the proof: no event is lost or overtaken, however often consumers, senders and receivers are killed.

``PAYMENTS_EVENTS=10000`` for the full form: so many in all, by two ways out and on two stores.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest

PAYOUTS = -(-int(os.environ.get("PAYMENTS_EVENTS", "240")) // 12)
EARLY = PAYOUTS - PAYOUTS // 8  # published while processes are killed
COUNT = PAYOUTS * 3
AT_ONCE = 200


@contextlib.contextmanager
def publishing(installation: Any, killed: threading.Event) -> Iterator[Sequence[str]]:
    """Write events for as many payouts as it takes, three for each; yield their ids.

    The last ones wait until every kill is done: nothing can be over before.
    """
    names = [f"{number:05}" for number in range(PAYOUTS)]

    def publish() -> None:
        for first in range(0, EARLY, AT_ONCE):
            installation.publish(names[first : min(first + AT_ONCE, EARLY)])
        killed.wait()
        installation.publish(names[EARLY:])

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        yield [f"po_{name}.{seq}" for name in names for seq in (2, 3, 4)]
    finally:
        killed.set()
        writer.join()


def kill_along(processes: Sequence[Any], log: Any, killed: threading.Event) -> None:
    """Kill processes in turn, each time when so much is done, until all is done."""
    times = max(3, COUNT // 250)
    left = sorted(Random().sample(range(5, EARLY * 3), times))  # noqa: S311 - no secret
    begun = time.monotonic()
    while len({line["id"] for line in log.lines()}) < COUNT:
        assert time.monotonic() - begun < 60 + COUNT / 10, f"{log.count()} of {COUNT}"
        if left and log.count() >= left[0]:
            left.pop(0)
            process = processes[len(left) % len(processes)]
            process.kill()
            process.start()
        elif not left:
            killed.set()
        time.sleep(0.01 if COUNT < 1000 else 0.1)


def lost_and_overtaken(parsed: Sequence[str], published: Sequence[str]) -> tuple[int, int]:
    """Count events never heard, and those first heard after a later one of their payout."""
    first = {event: place for place, event in reversed(list(enumerate(parsed)))}
    lost = sum(1 for event in published if event not in first)
    overtaken = 0
    for event, place in first.items():
        payout, _, seq = event.rpartition(".")
        overtaken += any(first.get(f"{payout}.{later}", place) < place for later in range(int(seq) + 1, 5))
    return lost, overtaken


CASES = [pytest.param("sqlite", "plain", marks=pytest.mark.proof), ("postgres", "asynchronous")]


@pytest.mark.parametrize(("store", "kind"), CASES, indirect=["store"])
def test_events_survive_crashes_of_consumers(
    installation: Any, store: str, kind: str, log: Any, start: Callable[..., Any], measured: Callable[..., None]
) -> None:
    """Consumers raise and are killed, the journal grows meanwhile: each event is heard, in order for each payout."""
    consumer = start("consumer.py", str(installation.config), str(log.path), kind)
    killed = threading.Event()
    with publishing(installation, killed) as published:
        kill_along([consumer], log, killed)
    entries = [line["id"] for line in log.lines()]
    lost, overtaken = lost_and_overtaken(entries, published)
    facts = {"store": store, "client": kind, "events": len(published), "kills": consumer.kills}
    measured(12, "events lost", lost, **facts, twice=len(entries) - len(set(entries)))
    measured(12, "events out of order", overtaken, **facts)
    assert (lost, overtaken) == (0, 0)
    assert set(entries) == set(published)
    assert consumer.kills


@pytest.mark.parametrize("store", [pytest.param("sqlite", marks=pytest.mark.proof), "postgres"], indirect=True)
def test_webhooks_survive_crashes_of_senders_and_receivers(
    installation: Any,
    store: str,
    log: Any,
    start: Callable[..., Any],
    receive: Callable[..., Any],
    measured: Callable[..., None],
) -> None:
    """Two senders and the receiver are killed, a tenth of the requests ends badly: each event is accepted, in order."""
    receiver = receive(faults=0.1)
    installation.add_webhook("books", receiver.url, timeout_s=0.5, retry_schedule_s=[0.1] * 200)
    senders = [start("sender.py", str(installation.config), kind) for kind in ("plain", "asynchronous")]
    killed = threading.Event()
    with publishing(installation, killed) as published:
        kill_along([*senders, receiver.process], log, killed)
    parsed = receiver.events()
    lost, overtaken = lost_and_overtaken(parsed, published)
    kills = {"senders": sum(sender.kills for sender in senders), "receiver": receiver.process.kills}
    facts = {"store": store, "client": "webhooks", "events": len(published), "kills": kills}
    measured(12, "events lost", lost, **facts, twice=len(parsed) - len(set(parsed)))
    measured(12, "events out of order", overtaken, **facts)
    assert (lost, overtaken) == (0, 0)
    assert set(parsed) == set(published)
    assert all(kills.values())
