"""An emulator of M-Pesa's Daraja gateway: stateful, on loopback sockets, able to misbehave on request."""

from payments_mpesa_daraja.emulator.server import MpesaDarajaEmulator

__all__ = ["MpesaDarajaEmulator"]
