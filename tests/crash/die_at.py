"""A paying process that really dies at a point: ``die_at.py JOURNAL URL CREDENTIALS HOURS POINT`` (0: lives on)."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from crash_points import CrashFile, Point, Scenario, Stage, VirtualClock, World, live

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.http.transport.h11_sync import H11Transport
from payments_core.provider import Account, RetryPolicy
from payments_mtn_momo.settings import MtnMomoSettings
from payments_mtn_momo.spec import SPEC

DIED = 9


def main(journal: str, url: str, credentials: str, hours: str, point: str) -> None:
    held = json.loads(credentials)
    settings = MtnMomoSettings.model_validate({"target_environment": "sandbox", "base_url": url, **held})
    spec = replace(SPEC, retry=dict.fromkeys(SPEC.retry, RetryPolicy(attempts=1)))
    account = Account("till", spec, settings, spec.build(settings))

    def world(stage: Stage) -> World:
        return World(accounts=[account], gateway=H11Transport(max_connections=4, clock=stage.clock).send)

    orders = [
        Order(f"k/{operation}", Payee.msisdn(payee), Money("25.50", "EUR"), operation)
        for operation, payee in ((Operation.DEPOSIT, "46733123498"), (Operation.TRANSFER, "46733123499"))
    ]
    scenario = Scenario(name="really killed", orders=[("till", order) for order in orders], world=world)
    stage = Stage(VirtualClock(scenario.starts_at + timedelta(hours=float(hours))), CrashFile(Path(journal)))

    def die(_: Point) -> None:
        os._exit(DIED)

    live(scenario, stage, stop_at=int(point) or None, stop=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
