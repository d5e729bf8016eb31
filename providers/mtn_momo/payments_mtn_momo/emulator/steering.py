"""The routes that watch and steer the emulator: ``/__emulator/…``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from payments_mtn_momo.emulator.faults import FAULTS, BadFaults
from payments_mtn_momo.emulator.requests import OPERATIONS

if TYPE_CHECKING:
    from payments_mtn_momo.emulator.server import MtnMomoEmulator

__all__ = ["Steering"]

_ROUTES = (
    "GET /__emulator/ledger",
    "GET /__emulator/payments",
    "GET, POST /__emulator/collections",
    "GET, POST /__emulator/faults",
    "GET, POST /__emulator/clock",
)


class Steering:
    """Answers the routes that no client of MTN's knows.

    Args:
        emulator: What they watch and steer.

    """

    def __init__(self, emulator: MtnMomoEmulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Return them."""
        both = ["GET", "POST"]
        return [
            Route("/__emulator/", self._about),
            Route("/__emulator/ledger", self._ledger),
            Route("/__emulator/payments", self._payments),
            Route("/__emulator/collections", self._collections, methods=both),
            Route("/__emulator/faults", self._faults, methods=both),
            Route("/__emulator/clock", self._clock, methods=both),
        ]

    async def _about(self, request: Request) -> JSONResponse:
        emulator = self._emulator
        return JSONResponse(
            {
                "what": "An emulator of MTN MoMo Disbursements and of sandbox provisioning. No money moves.",
                "platform": emulator.platform,
                "targets": emulator.targets,
                "operations": OPERATIONS,
                "switches": {name: value for name, value in asdict(emulator.switches).items() if "keys" not in name},
                "now": emulator.now.isoformat(),
                "payments": len(emulator.ledger()),
                "faults": emulator.faults,
                "fault_names": {name: fault.does for name, fault in FAULTS.items()},
                "routes": _ROUTES,
            }
        )

    async def _ledger(self, request: Request) -> JSONResponse:
        return JSONResponse({"entries": self._emulator.ledger()})

    async def _payments(self, request: Request) -> JSONResponse:
        return JSONResponse({"payments": self._emulator.payments()})

    async def _collections(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                told = await _object(request)
                return JSONResponse({"reference": self._emulator.add_collection(**told)}, 201)
            except (ValueError, TypeError) as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"collections": self._emulator.collections()})

    async def _faults(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                self._emulator.set_faults(await _object(request))
            except ValueError as error:
                names = list(FAULTS) if isinstance(error, BadFaults) else []
                return JSONResponse({"error": str(error), "names": names}, 400)
        return JSONResponse({"faults": self._emulator.faults})

    async def _clock(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                told = await _object(request)
                step = told.get("advance_s")
                if set(told) != {"advance_s"} or isinstance(step, bool) or not isinstance(step, int | float):
                    raise ValueError('write {"advance_s": 3600}')
                self._emulator.advance(step)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"now": self._emulator.now.isoformat()})


async def _object(request: Request) -> Mapping[str, Any]:
    told = json.loads(await request.body())
    if not isinstance(told, dict):
        raise ValueError("the body must be a JSON object")
    return told
