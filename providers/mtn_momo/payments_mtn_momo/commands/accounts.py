"""An account added to a payouts.toml: text at its end, a secret in a file of its own, and nothing else touched."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from payments_core import settings
from payments_core.cli.checks import write_configuration
from payments_core.domain.errors import SettingsError
from payments_mtn_momo.settings import MtnMomoSettings
from payments_mtn_momo.targets import BASE_URLS

__all__ = ["Plan"]

_ANY_USER = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The account of the sandbox that is to be written."""

    config: Path  #: The payouts.toml; a new one is made where there is none.
    account: str  #: The account's name.
    base_url: str  #: The gateway.
    subscription_key: str  #: Where the key is, as it is written down.
    callback_host: str  #: The one registered for the API user.

    def check(self) -> None:
        """See that the account can be written, before anything is made anywhere.

        Raises:
            SettingsError: There is one of this name, or the file would not be good any more.

        """
        text = ""
        if self.config.exists():
            if self.account in settings.load(self.config).accounts:
                raise SettingsError(
                    f"{self.config} has an account {self.account} already, and it is not changed.",
                    hint="Name another with --account, or remove that one and see that no open payout needs it.",
                )
            text = self.config.read_text("utf-8")  # which was read just now
        try:
            found = tomllib.loads(text + self._table(_ANY_USER))["accounts"][self.account]
        except (tomllib.TOMLDecodeError, LookupError, TypeError):
            raise SettingsError(
                f"A table [accounts.{self.account}] cannot be added at the end of {self.config}.",
                hint="A name has small letters, digits, - and _; the accounts before it stand in tables of their own.",
            ) from None
        settings.read_account(MtnMomoSettings, self.account, found, resolve_secret=lambda _: SecretStr("a-secret"))

    def write(self, api_user: str, api_key: SecretStr) -> str:
        """Write the key, then the account, and return where the key is.

        Raises:
            SettingsError: Something cannot be written.

        """
        key = self.config.parent / self._key_file(api_user)
        try:
            key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(f"{api_key.get_secret_value()}\n")
            if not self.config.exists():
                write_configuration(self.config)
            with self.config.open("a", encoding="utf-8") as file:
                file.write(self._table(api_user))
        except OSError as error:
            raise SettingsError(f"{error.filename} cannot be written: {error.strerror}.") from None
        return f"file:{self._key_file(api_user)}"

    def _key_file(self, api_user: str) -> str:
        return f"secrets/{self.account}-{api_user[:8]}-api-key"  # the user's own: no earlier key is written over

    def _table(self, api_user: str) -> str:
        address = {} if self.base_url == BASE_URLS["sandbox"] else {"base_url": self.base_url}
        values = {
            "provider": "mtn_momo",
            "target_environment": "sandbox",
            **address,
            "api_user": api_user,
            "api_key": f"file:{self._key_file(api_user)}",
            "subscription_key": self.subscription_key,
            "callback_host": self.callback_host,
        }
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
        lines.append('largest_amount = { EUR = "1000" }  # the most that one payout may be')
        return "\n".join(["", "", f"[accounts.{self.account}]  # play money, in EUR", *lines, ""])
