"""What an account of Template Pay needs."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from payments_core.settings import AccountSettings

__all__ = ["TemplateSettings"]

_LIVE = "https://api.template.example"


class TemplateSettings(AccountSettings):
    """One merchant's account."""

    provider: Literal["template"] = Field("template", description="Always `template`.")
    merchant: str = Field(min_length=1, description="The merchant's id, as the portal shows it.")
    api_key: SecretStr = Field(description="The merchant's key.")
    currency: str = Field("KES", description="What it pays in.")
    base_url: str = Field(_LIVE, description="May be left out; the gateway's address without a path.")
    callback_url: str = Field(
        "", repr=False, description="Where it tells what became of payments, as `payouts callbacks --reveal` prints it."
    )

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            msg = "must start with https://; plain http:// is for a server on this machine"
            raise ValueError(msg)
        return value.rstrip("/")

    @property
    def is_rehearsal(self) -> bool:
        """True for a server on this machine."""
        return urlsplit(self.base_url).hostname in {"localhost", "127.0.0.1", "::1"}
