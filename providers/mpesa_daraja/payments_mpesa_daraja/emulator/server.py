"""The gateway on a loopback socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from payments_core.settings import load
from payments_core.testing.emulator.configuration import EmulatedAccount, read_back, write_new
from payments_core.testing.emulator.server import Emulator
from payments_mpesa_daraja.emulator.gateway import Credentials, Gateway
from payments_mpesa_daraja.emulator.keys import Keys
from payments_mpesa_daraja.emulator.switches import Switches

__all__ = ["MpesaDarajaEmulator"]

_CALLBACK_URL = "callback_url"


class MpesaDarajaEmulator(Emulator[Gateway]):
    """A stand-in for the Daraja gateway on this machine; also a context manager.

    Args:
        port: 0 for any free one.
        faults: Faults in force from the start.
        callback_url: Written into the configuration, as ``payouts callbacks --reveal`` prints it.
        switches: Fields of :class:`~payments_mpesa_daraja.emulator.switches.Switches`.

    """

    example: ClassVar[str] = "--to +254708374149 --amount 10"

    def __init__(
        self, port: int = 0, *, faults: Mapping[str, Any] | None = None, callback_url: str = "", **switches: Any
    ) -> None:
        self.switches = Switches(**switches)
        self._callback_url = callback_url
        self._keys = Keys()
        super().__init__(Gateway(Credentials(), self._keys, self.switches), port, faults=faults)

    @classmethod
    def options(cls, written: Mapping[str, str]) -> Mapping[str, Any]:
        """Parse options given as text; raises ``ValueError`` for an unknown option."""
        own = {name: text for name, text in written.items() if name == _CALLBACK_URL}
        return {**Switches.read({name: text for name, text in written.items() if name not in own}), **own}

    def about(self) -> Mapping[str, Any]:
        """Return what the emulator imitates, and its options."""
        return {"what": "An emulator of M-Pesa Daraja, B2C v3. No money moves.", "switches": asdict(self.switches)}

    @property
    def certificate(self) -> str:
        """The certificate that passwords are encrypted with, PEM."""
        return self._keys.certificate

    def write_config(self, path: Path, *, target: str = "", overwrite: bool = False) -> Sequence[str]:
        """Write a payouts.toml that pays through this server, or keep the one it wrote before; return its accounts."""
        credentials = self.gateway.credentials
        account = EmulatedAccount(
            name="mpesa",
            provider="mpesa_daraja",
            settings={
                "environment": "sandbox",
                "base_url": self.url,
                "shortcode": credentials.shortcode,
                "initiator": credentials.initiator,
                **({_CALLBACK_URL: self._callback_url} if self._callback_url else {}),
            },
            secrets={
                "consumer_key": credentials.consumer_key,
                "consumer_secret": credentials.consumer_secret,
                "initiator_password": credentials.initiator_password,
                "certificate": self.certificate,
            },
            largest_amount={"KES": "250000"},
        )
        self.config_reused = path.exists() and not overwrite
        if self.config_reused:
            kept = read_back(path, account, taken=(_CALLBACK_URL,)).secrets
            credentials.consumer_key, credentials.consumer_secret = kept["consumer_key"], kept["consumer_secret"]
            credentials.initiator_password = kept["initiator_password"]
            kept_in = str(load(path).accounts[account.name]["certificate"]).removeprefix("file:")
            (path.parent / kept_in).write_text(self.certificate, "utf-8")  # the key pair is new on every start
        else:
            write_new(path, account)
        return (account.name,)
