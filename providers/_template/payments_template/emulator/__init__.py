"""An emulator of Template Pay's gateway: stateful, on loopback sockets, able to misbehave on request."""

from payments_template.emulator.server import TemplateEmulator

__all__ = ["TemplateEmulator"]
