"""What an account of M-Pesa (Daraja) needs."""

from __future__ import annotations

import re
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from payments_core.http.urls import BaseUrl
from payments_core.settings import AccountSettings
from payments_mpesa_daraja.credential import check_certificate

__all__ = ["COMMANDS", "Command", "MpesaDarajaSettings"]

Command = Literal["BusinessPayment", "SalaryPayment", "PromotionPayment"]
COMMANDS: tuple[Command, ...] = ("BusinessPayment", "SalaryPayment", "PromotionPayment")

_HOSTS = {"sandbox": "https://sandbox.safaricom.co.ke", "production": "https://api.safaricom.co.ke"}
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class MpesaDarajaSettings(AccountSettings):
    """One short code that pays out, and the credentials that use it."""

    provider: Literal["mpesa_daraja"] = Field("mpesa_daraja", description="Always `mpesa_daraja`.")
    environment: Literal["sandbox", "production"] = Field(description="`sandbox` (play money) or `production`.")
    consumer_key: SecretStr = Field(description="The app's consumer key, from the developer portal.")
    consumer_secret: SecretStr = Field(description="The app's consumer secret.")
    shortcode: str = Field(pattern=r"^[0-9]{5,9}$", description="The short code whose utility account pays.")
    initiator: str = Field(
        min_length=1, max_length=100, description="The API operator's name; it needs the B2C initiator role."
    )
    initiator_password: SecretStr = Field(
        description="The operator's password; it ends after 90 days, and is sent only encrypted."
    )
    certificate: SecretStr = Field(
        description="The portal's certificate of this environment, PEM: `file:ProductionCertificate.cer`. It is no "
        "secret; it is given like one because of its line breaks."
    )
    command_id: Command = Field(
        "BusinessPayment",
        description="`BusinessPayment`, `SalaryPayment` or `PromotionPayment`; also a payout's option.",
    )
    currency: str = Field("KES", description="May be left out; always KES.")
    base_url: BaseUrl = Field(
        _HOSTS["production"], description="May be left out; the gateway's address without a path."
    )
    callback_url: str = Field(
        "",
        repr=False,
        description="Where M-Pesa sends results, as `payouts callbacks --reveal` prints it. Nothing is paid without "
        "it: there is no other way to learn a result.",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_environment(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("base_url"):
            host = _HOSTS.get(str(values.get("environment")), _HOSTS["production"])
            return {**values, "base_url": host}
        return values

    @field_validator("consumer_key", "consumer_secret", "initiator_password")
    @classmethod
    def _is_there(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if not secret or secret != secret.strip() or not secret.isprintable():
            msg = "is empty, or holds blanks at its ends or line breaks"
            raise ValueError(msg)
        return value

    @field_validator("certificate")
    @classmethod
    def _is_certificate(cls, value: SecretStr) -> SecretStr:
        check_certificate(value.get_secret_value())
        return value

    @field_validator("currency")
    @classmethod
    def _is_shilling(cls, value: str) -> str:
        if value != "KES":
            msg = "must be KES; it may be left out"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _is_answered_where_it_can_be(self) -> Self:
        other = {host for name, host in _HOSTS.items() if name != self.environment}
        if self.base_url in other:
            msg = f"base_url is not that of {self.environment}; leave it out"
            raise ValueError(msg)
        if self.callback_url:
            parts = urlsplit(self.callback_url)
            before, _, token = parts.path.rpartition("/")
            if not parts.hostname or not before or not _TOKEN.fullmatch(token) or parts.query or parts.fragment:
                msg = "callback_url is not as `payouts callbacks --reveal` prints it: it ends with /callbacks/TOKEN"
                raise ValueError(msg)
            if parts.scheme != "https" and not (self.is_test_mode and parts.scheme == "http"):
                msg = "callback_url must start with https:// where money is real"
                raise ValueError(msg)
        return self

    @property
    def host(self) -> str:
        """The gateway's host, with its port where the address names one."""
        return urlsplit(self.base_url).netloc

    @property
    def is_test_mode(self) -> bool:
        """True for the sandbox, and for a server on this machine."""
        return self.environment == "sandbox" or super().is_test_mode
