"""The routes that inspect and control an emulator: ``/__emulator/…``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from payments_core.testing.emulator.faults import FAULTS, BadFaults

if TYPE_CHECKING:
    from payments_core.testing.emulator.server import Emulator

__all__ = ["ControlApi", "describe_route", "read_object"]

_ROOT = "/__emulator"


class ControlApi:
    """Answers the routes under ``/__emulator/``.

    Args:
        emulator: The emulator that they inspect and control.

    """

    def __init__(self, emulator: Emulator[Any]) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Return the routes."""
        both = ["GET", "POST"]
        return [
            Route(f"{_ROOT}/", self._about),
            Route(f"{_ROOT}/ledger", self._ledger),
            Route(f"{_ROOT}/callbacks", self._callbacks),
            Route(f"{_ROOT}/faults", self._faults, methods=both),
            Route(f"{_ROOT}/clock", self._clock, methods=both),
            *self._emulator.routes(),
        ]

    async def _about(self, request: Request) -> JSONResponse:
        emulator = self._emulator
        return JSONResponse(
            {
                **emulator.about(),
                "operations": emulator.operations,
                "now": emulator.now.isoformat(),
                "payments": len(emulator.ledger()),
                "faults": emulator.faults,
                "fault_names": {name: fault.does for name, fault in FAULTS.items()},
                "routes": [describe_route(route) for route in self.routes()[1:]],
            }
        )

    async def _ledger(self, request: Request) -> JSONResponse:
        return JSONResponse({"entries": self._emulator.ledger()})

    async def _callbacks(self, request: Request) -> JSONResponse:
        return JSONResponse({"callbacks": self._emulator.callbacks()})

    async def _faults(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                self._emulator.set_faults(await read_object(request))
            except ValueError as error:
                names = list(FAULTS) if isinstance(error, BadFaults) else []
                return JSONResponse({"error": str(error), "names": names}, 400)
        return JSONResponse({"faults": self._emulator.faults})

    async def _clock(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                wanted = await read_object(request)
                step = wanted.get("advance_s")
                if set(wanted) != {"advance_s"} or isinstance(step, bool) or not isinstance(step, int | float):
                    raise ValueError('write {"advance_s": 3600}')
                self._emulator.advance(step)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"now": self._emulator.now.isoformat()})


async def read_object(request: Request) -> Mapping[str, Any]:
    """Return a request's JSON object; raises ``ValueError`` for anything else."""
    value = json.loads(await request.body())
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")
    return value


def describe_route(route: Route) -> str:
    """Return a route's methods and path as text."""
    return f"{', '.join(sorted((route.methods or set()) - {'HEAD'}))} {route.path}"
