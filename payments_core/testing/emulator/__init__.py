"""The framework of providers' emulators: server, clock, faults, callbacks, routes. A provider adds its HTTP API.

The server (:class:`payments_core.testing.emulator.server.Emulator`) needs the extra ``server``; the rest has no
requirements and works without a socket.
"""

from payments_core.testing.emulator.fault_injection import FaultInjector, Outcome
from payments_core.testing.emulator.gateway import Fires, Gateway
from payments_core.testing.emulator.options import Options
from payments_core.testing.emulator.requests import Call, Request, Routes
from payments_core.testing.emulator.responses import Answer

__all__ = ["Answer", "Call", "FaultInjector", "Fires", "Gateway", "Options", "Outcome", "Request", "Routes"]
