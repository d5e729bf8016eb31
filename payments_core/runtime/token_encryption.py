"""Encrypts a credential for the journal: only a process with the account's secrets can decrypt it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime

from pydantic import SecretStr

from payments_core.domain.errors import SettingsError
from payments_core.provider import Account, Credential

__all__ = ["CredentialCipher"]


class CredentialCipher:
    """Encrypts and decrypts one account's credential.

    Args:
        account: The keys are derived from its secrets, so a changed secret decrypts nothing any more.

    Raises:
        SettingsError: The package ``cryptography`` is not installed.

    """

    def __init__(self, account: Account) -> None:
        try:
            from cryptography import fernet  # here: only accounts with a shared token need it
        except ModuleNotFoundError:
            raise SettingsError(
                f"The account {account.name} shares its token with other processes, which needs cryptography.",
                hint="Install the extra: pip install 'payments-core[shared-token]'.",
            ) from None
        held = account.settings
        values = ((name, getattr(held, name)) for name in sorted(type(held).model_fields))
        secrets = {name: value.get_secret_value() for name, value in values if isinstance(value, SecretStr)}
        self._root = hashlib.sha256(json.dumps(["token", account.name, secrets]).encode()).digest()
        self._fernet, self._invalid = fernet.Fernet(base64.urlsafe_b64encode(self._key("box"))), fernet.InvalidToken
        self.name = f"{account.name}/{self._key('name').hex()[:16]}"

    def encrypt(self, credential: Credential) -> str:
        """Return the credential encrypted."""
        ends = credential.expires_at
        plain = json.dumps([dict(credential.secrets), ends.isoformat() if ends else ""]).encode()
        return self._fernet.encrypt(plain).decode()

    def decrypt(self, encrypted: str) -> Credential | None:
        """Return the credential; None for what was not encrypted with these keys."""
        try:
            secrets, ends = json.loads(self._fernet.decrypt(encrypted.encode()))
        except self._invalid:
            return None
        return Credential(secrets, expires_at=datetime.fromisoformat(ends) if ends else None)

    def mark(self, credential: Credential) -> str:
        """Return a mark by which two credentials can be told apart; it reveals nothing else."""
        plain = json.dumps(dict(credential.secrets), sort_keys=True).encode()
        return hmac.new(self._key("mark"), plain, hashlib.sha256).hexdigest()[:32]

    def _key(self, use: str) -> bytes:
        return hmac.new(self._root, use.encode(), hashlib.sha256).digest()
