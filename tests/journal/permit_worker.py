"""One process of many that ask for permits of one account; prints the moments that it used."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from payments_core.domain.rates import AcquirePermit, Permit, Priority
from payments_core.journal import open_journal
from payments_core.provider import Facts
from payments_core.runtime.synchronous.rate_limiter import RateLimiter


class Noting:
    """The journal, which remembers what each thread was last given."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.given: list[int] = []
        self.last = threading.local()

    def permit(self, asked: AcquirePermit) -> Future[Permit]:
        future: Future[Permit] = self._journal.permit(asked)
        self.last.permit = future
        if (permit := future.result()).is_given:
            self.given.append(permit.at)
        return future


def main(address: str, namespace: str, per_s: str, threads: str, seconds: str, *lanes: str) -> None:
    journal = open_journal(address, namespace=namespace, root=Path(), clock=lambda: datetime.now(UTC))
    noting = Noting(journal)
    account = SimpleNamespace(name="mtn-uganda", facts=Facts(reads_per_s=float(per_s), posts_per_s=float(per_s)))
    limiter = RateLimiter(cast("Any", account), cast("Any", noting))
    used: dict[str, list[int]] = {priority: [] for priority in lanes}
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + float(seconds)

    def ask(priority: str) -> None:
        while time.monotonic() < until:
            if limiter.take(Priority(priority)) is None:
                used[priority].append(noting.last.permit.result().at)

    asking = [threading.Thread(target=ask, args=(priority,)) for priority in lanes for _ in range(int(threads))]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    journal.close()
    print(json.dumps({"given": noting.given, "used": used}))


if __name__ == "__main__":
    main(*sys.argv[1:])
