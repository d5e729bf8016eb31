"""An emulator of MTN's gateway: stateful, on loopback sockets, able to misbehave on request.

``MtnMomoEmulator`` needs the extra ``emulator`` (an ASGI server) and is loaded when it is first used; the gateway
behind it (``payments_mtn_momo.emulator.gateway``) needs nothing and works without a socket.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_mtn_momo.emulator.server import MtnMomoEmulator as MtnMomoEmulator

__all__ = ["MtnMomoEmulator"]

if not TYPE_CHECKING:  # under `not`, so that a type checker still catches a misspelt name

    def __getattr__(name: str) -> object:
        if name != "MtnMomoEmulator":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from payments_mtn_momo.emulator.server import MtnMomoEmulator

        return MtnMomoEmulator
