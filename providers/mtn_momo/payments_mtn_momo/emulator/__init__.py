"""An emulator of MTN's gateway: stateful, on loopback sockets, able to misbehave on request."""

from payments_mtn_momo.emulator.server import MtnMomoEmulator

__all__ = ["MtnMomoEmulator"]
