"""What an account of this provider may set in payouts.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from payments_core.http.urls import check_base_url
from payments_core.settings import AccountSettings
from payments_mtn_momo.callback_address import check_callback_host, check_callback_url
from payments_mtn_momo.targets import BASE_URLS, TARGETS, Platform, Target, TargetName

__all__ = ["TARGETS", "UUID", "MtnMomoSettings"]

UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class MtnMomoSettings(AccountSettings):
    """One MTN MoMo disbursement account: whose money, in which country, through which gateway."""

    provider: Literal["mtn_momo"] = Field("mtn_momo", description="Always `mtn_momo`.")
    target_environment: TargetName = Field(
        description="Whose money it is: `sandbox` (EUR, play money), `mtnuganda`, `mtnghana` …"
    )
    platform: Platform = Field(
        default="legacy",
        description="Which of MTN's platforms serves the account: `sandbox`, `legacy` or, once moved, `momo_africa`; "
        "may be left out: `sandbox` for the sandbox, else `legacy`.",
    )
    api_user: str = Field(
        description="The API user: a UUID, from the partner portal or the sandbox's provisioning; on `momo_africa` the "
        "user id as the portal shows it."
    )
    api_key: SecretStr = Field(description="The API user's key.")
    subscription_key: SecretStr = Field(
        description="The Disbursements subscription's key (primary or secondary); another product's key is refused."
    )
    currency: str = Field("", description="May be left out; it must be the target environment's currency.")
    base_url: str = Field("", description="May be left out; the gateway's address without a path.")
    callback_host: str = Field(
        "",
        description="The callback host registered for the API user: a bare name. Callbacks elsewhere would stop every "
        "payment (500 `INVALID_CALLBACK_URL_HOST`), so `callback_url` is compared with it.",
    )
    callback_url: str = Field(
        "",
        repr=False,
        description="Where MTN reports what became of payments, a hint beside reads; none is sent when left out. The "
        "whole address, as `payouts callbacks --reveal` prints it: `https://` and a host name; plain `http://` only in "
        "rehearsal.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_target(cls, values: Any) -> Any:
        target = TARGETS.get(str(values.get("target_environment"))) if isinstance(values, Mapping) else None
        if target is None:  # the field's own check says what is wrong
            return values
        platform = values.get("platform", target.platform)
        default = {"platform": platform, "currency": target.currency}
        return {**default, "base_url": BASE_URLS.get(str(platform), BASE_URLS[target.platform]), **values}

    @field_validator("api_user")
    @classmethod
    def _is_user(cls, value: str, info: ValidationInfo) -> str:
        if "platform" not in info.data:  # wrong itself, and what a user looks like depends on it
            return value
        if info.data["platform"] == "momo_africa":  # MIG: opaque, base64 text; a colon would split the pair
            if not (value.isascii() and value.isprintable() and value.strip() == value != "") or ":" in value:
                msg = (
                    "is empty or holds blanks, a colon or characters other than ASCII; write it as the portal shows it"
                )
                raise ValueError(msg)
        elif not UUID.fullmatch(value):
            msg = "is no UUID; write the API user itself here, not its key and not a file: reference"
            raise ValueError(msg)
        return value

    @field_validator("api_key", "subscription_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if not secret.strip():
            msg = "is empty"
            raise ValueError(msg)
        if not (secret.isascii() and secret.isprintable() and secret == secret.strip()):
            msg = "holds blanks at its ends, line breaks or characters other than ASCII"
            raise ValueError(msg)
        return value

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str, info: ValidationInfo) -> str:
        if not value and "target_environment" not in info.data:  # it follows from the target, which is wrong itself
            return value
        return check_base_url(value)

    @field_validator("callback_host")
    @classmethod
    def _is_bare_host(cls, value: str) -> str:
        if value:
            check_callback_host(value)
        return value

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.currency != self.target.currency:
            msg = f"currency must be {self.target.currency} for {self.target_environment}; it may be left out"
            raise ValueError(msg)
        if (self.platform == "sandbox") != (not self.target.is_live):
            msg = f"platform {self.platform} does not serve {self.target_environment}; leave it out"
            raise ValueError(msg)
        if self.base_url in {url for platform, url in BASE_URLS.items() if platform != self.platform}:
            served = BASE_URLS[self.platform]
            msg = f"base_url does not serve {self.target_environment}; leave it out to pay through {served}"
            raise ValueError(msg)
        if self.callback_url:
            try:
                check_callback_url(self.callback_url, is_live=not self.is_test_mode, registered_host=self.callback_host)
            except ValueError as problem:
                msg = f"callback_url {problem}"
                raise ValueError(msg) from None
        return self

    @cached_property
    def target(self) -> Target:
        """The row of ``TARGETS`` this account pays in."""
        return TARGETS[self.target_environment]

    @cached_property
    def host(self) -> str:
        """The gateway's host, with its port where the address names one."""
        return urlsplit(self.base_url).netloc

    @property
    def is_test_mode(self) -> bool:
        """True for the sandbox, and for any target served by this machine."""
        return not self.target.is_live or super().is_test_mode
