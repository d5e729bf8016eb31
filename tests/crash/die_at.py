"""A paying process that really dies at a point: ``die_at.py JOURNAL URL CREDENTIALS HOURS POINT`` (0: lives on)."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from payments_core.money import Money
from payments_core.payout import Order, Payee
from payments_core.provider import Account, RetryPolicy
from payments_core.testing import Point, Scenario, Stage, VirtualClock, World, live
from payments_core.transport.httpx_sync import HttpxTransport
from payments_mtn_momo.settings import MtnMomoSettings
from payments_mtn_momo.spec import SPEC

DIED = 9


def main(journal: str, url: str, credentials: str, hours: str, point: str) -> None:
    held = json.loads(credentials)
    settings = MtnMomoSettings.model_validate({"target_environment": "sandbox", "base_url": url, **held})
    once = RetryPolicy(attempts=1)
    spec = replace(SPEC, retry={"token": once, "transfer_status": once})
    account = Account("till", spec, settings, spec.build(settings))

    def world(stage: Stage) -> World:
        return World(accounts=[account], gateway=HttpxTransport(max_connections=4, clock=stage.clock).send)

    orders = [(f"k/{number}", f"4673312349{number}") for number in (8, 9)]
    scenario = Scenario(
        name="really killed",
        orders=[("till", Order(key, Payee.msisdn(payee), Money("25.50", "EUR"))) for key, payee in orders],
        world=world,
    )
    stage = Stage(VirtualClock(scenario.starts_at + timedelta(hours=float(hours))), Path(journal))

    def die(_: Point) -> None:
        os._exit(DIED)

    live(scenario, stage, stop_at=int(point) or None, stop=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
