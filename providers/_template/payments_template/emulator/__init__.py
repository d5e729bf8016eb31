"""An emulator of Template Pay's gateway: stateful, and able to misbehave."""

from payments_template.emulator.server import TemplateEmulator

__all__ = ["TemplateEmulator"]
