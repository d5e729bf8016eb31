"""The gateway on a loopback socket."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from payments_core.testing.emulator.configuration import EmulatedAccount, read_back, write_new
from payments_core.testing.emulator.server import Emulator
from payments_template.emulator.gateway import Gateway, Switches

__all__ = ["TemplateEmulator"]


class TemplateEmulator(Emulator[Gateway]):
    """A stand-in for Template Pay's gateway on this machine; also a context manager.

    Args:
        port: 0 for any free one.
        faults: Faults in force from the start.
        switches: Fields of :class:`~payments_template.emulator.gateway.Switches`.

    """

    example: ClassVar[str] = "--to +999700000010 --amount 5"

    def __init__(self, port: int = 0, *, faults: Mapping[str, Any] | None = None, **switches: Any) -> None:
        self.switches = Switches(**switches)
        super().__init__(Gateway(secrets.token_hex(16), self.switches), port, faults=faults)

    @classmethod
    def options(cls, written: Mapping[str, str]) -> Mapping[str, Any]:
        """Parse options given as text; raises ``ValueError`` for an unknown option."""
        return Switches.read(written)

    def about(self) -> Mapping[str, Any]:
        """Return what the emulator imitates, and its options."""
        return {"what": "An emulator of Template Pay. No money moves.", "switches": asdict(self.switches)}

    def write_config(self, path: Path, *, target: str = "", overwrite: bool = False) -> Sequence[str]:
        """Write a payouts.toml that pays through this server, or keep the one it wrote before; return its accounts."""
        account = EmulatedAccount(
            name="template",
            provider="template",
            settings={"merchant": "M-1001", "base_url": self.url},
            secrets={"api_key": self.gateway.api_key},
            largest_amount={"KES": "100000"},
        )
        self.config_reused = path.exists() and not overwrite
        if self.config_reused:
            self.gateway.api_key = read_back(path, account).secrets["api_key"]
        else:
            write_new(path, account)
        return (account.name,)
