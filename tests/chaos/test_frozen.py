"""Processes stopped by SIGSTOP at the moments that matter, and woken when others have gone on without them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from supervisor import Child, Supervisor

if TYPE_CHECKING:
    from proxy import Proxy

CLIENTS = ("sync", "async")
# How many times the gateway may have seen the payment in the end.
MOMENTS = {
    "before C2": 1,
    "before the first byte": 1,  # send_before has passed: not sent
    "with the last check passed": 2,  # the last byte of a zombie: the same reference, which the gateway knows
    "before C3": 1,
}


def states(place: Any) -> dict[str, tuple[Any, ...]]:
    """Return what no sleeper may change."""
    return {
        row.order.key: (row.status, row.attempt.number, row.attempt.submissions, row.attempt.references)
        for row in place.rows()
    }


def frozen(supervisor: Supervisor, moment: str, client: str) -> Child:
    """Start a process that stops itself at a moment of its only payment."""
    row = {"key": f"{moment}/{client}", "to": "+46733000123", "amount": "5"}
    child = supervisor.start(rows=[row], client=client, freeze=moment)
    child.wait_until_stopped()
    return child


def woken(place: Any, sleepers: list[Child]) -> None:
    """Let a worker pay what is left; then wake the sleepers and see that they change nothing."""
    worker = place.start()
    place.wait_for(place.all_paid)
    before = states(place)
    for sleeper in sleepers:
        sleeper.signal(signal.SIGCONT)
    assert [sleeper.wait() for sleeper in sleepers] == [0] * len(sleepers), (place.folder / "said").read_text("utf-8")
    assert states(place) == before
    place.check(len(sleepers))
    assert worker.stop()["cut"] == 0


@pytest.mark.parametrize("place", [pytest.param("sqlite", marks=pytest.mark.proof), "postgres"], indirect=True)
def test_sigstop_between_c2_and_the_first_byte(
    place: Any, supervisor: Supervisor, through: Callable[..., Proxy], store: str, measured: Callable[..., None]
) -> None:
    """Woken past its lease there, not a byte leaves; woken at the moments around, nothing newer is overwritten."""
    proxy = through()  # which ends no connection on its own: what a sleeper would send does arrive
    sleepers = [frozen(supervisor, moment, client) for moment in MOMENTS for client in CLIENTS]
    # C2 is durable, seen on another connection; and no moment but the last has let anything reach the gateway.
    status = {row.order.key: row.status for row in place.rows()}
    assert [status[f"{moment}/{client}"] for moment in MOMENTS for client in CLIENTS] == ["CREATED"] * 2 + [
        "SENDING"
    ] * 6
    assert len(place.gateway.ledger()) == len(CLIENTS)
    woken(place, sleepers)
    posts = {row.order.key: proxy.reached[row.attempt.references["reference"]] for row in place.rows()}
    submissions = {row.order.key: row.attempt.submissions for row in place.rows()}
    for moment, most in MOMENTS.items():
        for client in CLIENTS:
            assert 1 <= posts[f"{moment}/{client}"] <= most, moment
            assert submissions[f"{moment}/{client}"] == (1 if moment in {"before C2", "before C3"} else 2), moment
    measured(13, "SIGSTOP between C2 and the first byte", 1, store=store)
