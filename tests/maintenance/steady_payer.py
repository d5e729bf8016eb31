"""A process that pays one after another until it is killed: ``steady_payer.py CONFIG``; it prints each key it paid."""

from __future__ import annotations

import itertools
import sys

from payments_core import Money, Payee, PayoutClient


def main(config: str) -> None:
    with PayoutClient.from_config(config) as client:
        for number in itertools.count():
            client.send(key=f"steady/{number}", payee=Payee.msisdn("46733123499"), amount=Money(1, "EUR"))
            print(f"steady/{number}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
