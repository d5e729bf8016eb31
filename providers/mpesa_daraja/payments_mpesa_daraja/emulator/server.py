"""The gateway on a loopback socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from payments_core.testing.emulator.configuration import EmulatedAccount
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

    what: ClassVar[str] = "M-Pesa Daraja, B2C v3"
    example: str = "--to +254708374149 --amount 10"
    switch_type = Switches
    own_options = frozenset({_CALLBACK_URL})

    def __init__(
        self, port: int = 0, *, faults: Mapping[str, Any] | None = None, callback_url: str = "", **switches: Any
    ) -> None:
        self.switches = Switches(**switches)
        self._callback_url = callback_url
        self._keys = Keys()
        super().__init__(Gateway(Credentials(), self._keys, self.switches), port, faults=faults)

    @property
    def certificate(self) -> str:
        """The certificate that passwords are encrypted with, PEM."""
        return self._keys.certificate

    def account(self, target: str) -> EmulatedAccount:
        """Return the account that pays through this server."""
        credentials = self.gateway.credentials
        return EmulatedAccount(
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
            taken={_CALLBACK_URL},
        )

    def adopt(self, account: EmulatedAccount, path: Path) -> None:
        """Accept the credentials of an account that was written before, and renew its certificate."""
        credentials, kept = self.gateway.credentials, account.secrets
        credentials.consumer_key, credentials.consumer_secret = kept["consumer_key"], kept["consumer_secret"]
        credentials.initiator_password = kept["initiator_password"]
        file = account.settings["certificate"].removeprefix("file:")
        (path.parent / file).write_text(self.certificate, "utf-8")  # the key pair is new on every start
