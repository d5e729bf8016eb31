"""An emulator of pawaPay's Merchant API v2: stateful, on loopback sockets, able to misbehave on request."""

from payments_pawapay.emulator.server import PawapayEmulator

__all__ = ["PawapayEmulator"]
