"""pawaPay on a loopback socket."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from payments_core.testing.emulator.configuration import EmulatedAccount
from payments_core.testing.emulator.server import Emulator
from payments_pawapay.emulator.gateway import Gateway, Switches
from payments_pawapay.emulator.network import MOST, OPERATORS

__all__ = ["PawapayEmulator"]

_KEY_ID = "MERCHANT_KEY"


class PawapayEmulator(Emulator[Gateway]):
    """A stand-in for pawaPay on this machine; also a context manager.

    Args:
        port: 0 for any free one.
        faults: Faults in force from the start.
        target: The operator of the account that ``write_config`` writes, such as ``MTN_MOMO_UGA``; all are served.
        switches: Fields of :class:`~payments_pawapay.emulator.gateway.Switches`; signatures need the extra
            ``signatures``.

    Raises:
        ValueError: There is no such operator.

    """

    what: ClassVar[str] = "pawaPay"
    switch_type = Switches

    def __init__(
        self,
        port: int = 0,
        *,
        faults: Mapping[str, Any] | None = None,
        target: str = "MTN_MOMO_ZMB",
        **switches: Any,
    ) -> None:
        self.operator = _operator(target)
        self.example = f"--to +{OPERATORS[target].prefix}763456789 --amount 15"
        self.switches = Switches(**switches)
        self._signing_key = ""
        keys = None
        if self.switches.signed_callbacks or self.switches.signed_requests:
            from payments_pawapay.emulator.signing import KeyRing, new_key

            keys = KeyRing(self.switches.ecdsa) if self.switches.signed_callbacks else None
            self._signing_key = new_key() if self.switches.signed_requests else ""
        super().__init__(Gateway(secrets.token_hex(16), self.switches, keys), port, faults=faults)
        self._set_signing_key(self._signing_key)

    def rotate_keys(self) -> str:
        """Sign callbacks with a new key from now on; return its id. Raises ``ValueError`` for unsigned callbacks."""
        if self.gateway.keys is None:
            raise ValueError("signed_callbacks is off")
        with self._lock:
            return self.gateway.keys.rotate()

    def account(self, target: str) -> EmulatedAccount:
        """Return the account of an operator, which pays through this server.

        Raises:
            ValueError: There is no such operator.

        """
        operator = _operator(target or self.operator)
        takes = OPERATORS[operator]
        settings = {
            "country": takes.country,
            "operator": operator,
            "currency": next(iter(takes.currencies)),
            "base_url": self.url,
        }
        secret = {"api_token": self.gateway.api_token}
        if self._signing_key:
            settings["signing_key_id"] = _KEY_ID
            secret["signing_key"] = self._signing_key
        return EmulatedAccount(
            name="pawapay",
            provider="pawapay",
            settings=settings,
            secrets=secret,
            largest_amount={code: str(MOST) for takes in OPERATORS.values() for code in takes.currencies},
        )

    def adopt(self, account: EmulatedAccount, path: Path) -> None:
        """Accept the token and the signing key of an account that was written before."""
        self.gateway.api_token = account.secrets["api_token"]
        self._set_signing_key(account.secrets.get("signing_key", ""))

    def _set_signing_key(self, signing_key: str) -> None:
        """Require payments to be signed with this key."""
        if signing_key:
            from payments_pawapay.emulator.signing import public_of

            self._signing_key = signing_key
            self.gateway.merchant_key = (_KEY_ID, public_of(signing_key))


def _operator(name: str) -> str:
    if name not in OPERATORS:
        raise ValueError(f"There is no operator {name!r}; there are: {', '.join(OPERATORS)}.")
    return name
