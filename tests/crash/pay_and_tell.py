"""A paying process that tells of each payout when it was sent and when it ended.

``pay_and_tell.py CONFIG TOLD COUNT FLUSHES``
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from payments_core import Money, Payee, PayoutClient
from payments_core.journal.sqlite import connection

AT_ONCE = 3


def main(config: str, payload: str, count: str, flushes: str) -> None:
    if flushes == "seldom":  # as SQLite does when it is told NORMAL
        connection._DURABLE, connection._SYNCHRONOUS["FULL"] = "NORMAL", connection._SYNCHRONOUS["NORMAL"]
        connection.LEVELS[True] = connection.LEVELS[False]
    out = os.open(payload, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def pay(client: PayoutClient, number: int) -> None:
        payee = Payee.msisdn(f"46733{number:06}")
        payout = client.send(key=f"wage/{number:03}", payee=payee, amount=Money("12.50", "EUR"))
        os.write(out, f"{payout.key} {payout.status}\n".encode())
        payout = client.wait(payout.id)
        os.write(out, f"{payout.key} {payout.status}\n".encode())

    first = int(count) // 2
    for numbers in (range(first), range(first, int(count))):  # closing the file empties its log into it
        with PayoutClient.from_config(config) as client, ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda number, client=client: pay(client, number), numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
