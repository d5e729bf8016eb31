"""What a run is: the words that `payouts.py` and the processes it starts share."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

PAYEE = "256772123456"  # the documentation's own example
Pay = Callable[[int], None]
PayLater = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one contestant.

    Args:
        name: The contestant.
        url: The gateway's address.
        payouts: How many to pay.
        in_flight: Payouts at once, and connections of an account.
        accounts: How many accounts take turns.
        workers: Worker processes, where workers pay.
        stored: Payouts that the journal holds already.
        journal: The journal's address; empty for a new file.
        settings: Further settings of each account.
        core: The core to stay on.
        budget_s: Longest time, where a run can end sooner.
        peers: The folder with the libraries of others.

    """

    name: str
    url: str = ""
    payouts: int = 400
    in_flight: int = 1
    accounts: int = 1
    workers: int = 0
    stored: int = 0
    journal: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    core: int | None = None
    budget_s: float = 60.0
    peers: str = ""


def requests_seen(url: str, path: str = "__stats") -> dict[str, int]:
    """Return what the gateway counted; with ``__reset`` it forgets that."""
    with urllib.request.urlopen(f"{url}/{path}", timeout=10) as answer:  # noqa: S310 - our own gateway, on loopback
        counted: dict[str, int] = json.load(answer)
        return counted
