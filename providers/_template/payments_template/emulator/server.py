"""The gateway on a loopback socket."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from payments_core.testing.emulator.configuration import EmulatedAccount
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

    what: ClassVar[str] = "Template Pay"
    example: str = "--to +999700000010 --amount 5"
    switch_type = Switches

    def __init__(self, port: int = 0, *, faults: Mapping[str, Any] | None = None, **switches: Any) -> None:
        self.switches = Switches(**switches)
        super().__init__(Gateway(secrets.token_hex(16), self.switches), port, faults=faults)

    def account(self, target: str) -> EmulatedAccount:
        """Return the account that pays through this server."""
        return EmulatedAccount(
            name="template",
            provider="template",
            settings={"merchant": "M-1001", "base_url": self.url},
            secrets={"api_key": self.gateway.api_key},
            largest_amount={"KES": "100000"},
        )

    def adopt(self, account: EmulatedAccount, path: Path) -> None:
        """Accept the API key of an account that was written before."""
        self.gateway.api_key = account.secrets["api_key"]
