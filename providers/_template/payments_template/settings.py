"""What an account of Template Pay needs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from payments_core.http.urls import BaseUrl
from payments_core.settings import AccountSettings

__all__ = ["TemplateSettings"]

_LIVE = "https://api.template.example"


class TemplateSettings(AccountSettings):
    """One merchant's account."""

    provider: Literal["template"] = Field("template", description="Always `template`.")
    merchant: str = Field(min_length=1, description="The merchant's id, as the portal shows it.")
    api_key: SecretStr = Field(description="The merchant's key.")
    currency: str = Field("KES", description="The currency of its payments.")
    base_url: BaseUrl = Field(_LIVE, description="May be left out; the gateway's address without a path.")
    callback_url: str = Field(
        "", repr=False, description="Where Template Pay posts callbacks, as `payouts callbacks --reveal` prints it."
    )
