"""The settings of an account at pawaPay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from payments_core.http.urls import BaseUrl
from payments_core.settings import AccountSettings
from payments_core.settings.types import Seconds
from payments_pawapay.codes import operator_key

__all__ = ["SANDBOX", "PawapaySettings", "SigningAlgorithm"]

_LIVE = "https://api.pawapay.io"
SANDBOX = "api.sandbox.pawapay.io"

SigningAlgorithm: TypeAlias = Literal["ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-v1_5-sha256", "rsa-pss-sha512"]


class PawapaySettings(AccountSettings):
    """One account at pawaPay, with the default country and operator of its payments."""

    provider: Literal["pawapay"] = Field("pawapay", description="Always `pawapay`.")
    api_token: SecretStr = Field(description="The API token, as the dashboard makes it. It ends when it is revoked.")
    merchant: str = Field(
        "", max_length=60, description="Your name for the account at pawaPay; another account, another name."
    )
    country: str = Field(
        pattern=r"^[A-Z]{3}$",
        description="The country of its operator, ISO 3166 alpha-3 such as `ZMB`; the doctor compares them.",
    )
    operator: str = Field(
        "",
        pattern=r"^([A-Z0-9_]{3,40})?$",
        description="The operator when neither payee nor options name one, such as `MTN_MOMO_ZMB`. Left out, each "
        "payment must name it: it is never guessed.",
    )
    base_url: BaseUrl = Field(_LIVE, description=f"May be left out; `https://{SANDBOX}` for the sandbox.")
    learn_every_s: Seconds = Field(
        3600.0, description="How long fetched operators, limits and keys are used before they are fetched again."
    )
    signing_key: SecretStr | None = Field(
        None, description="Private key in PEM; with it every payment is signed. Needs the extra `signatures`."
    )
    signing_key_id: str = Field("", pattern=r"^[ -~]{0,200}$", description="The id of its public key in the dashboard.")
    signing_algorithm: SigningAlgorithm = Field("ecdsa-p256-sha256", description="How payments are signed.")
    ecdsa_encoding: Literal["der", "raw"] = Field(
        "der",
        description="How an ECDSA signature is written: `der`, as pawaPay's example programs do, or `raw`, as RFC 9421 "
        "says. Both are understood in callbacks.",
    )
    content_digest: Literal["sha-256", "sha-512"] = Field("sha-512", description="Hash of a signed payment's body.")
    signed_callbacks: bool = Field(
        False,
        description="Whether callbacks are signed, as switched on in the dashboard: then a callback without a "
        "valid signature is dropped. Needs the extra `signatures` and `callback_url`.",
    )
    callback_url: str = Field(
        "",
        repr=False,
        description="The dashboard's callback URL for payouts, as `payouts callbacks --reveal` prints it: signatures "
        "cover it. Only for `signed_callbacks`.",
    )
    callback_keys: Mapping[str, str] = Field(
        {},
        description="Public keys in PEM by id, beside the fetched ones: for a process that receives callbacks and "
        "makes no requests to pawaPay.",
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.signing_key is None) != (not self.signing_key_id):
            msg = "signing_key and signing_key_id must be set together"
            raise ValueError(msg)
        if self.signed_callbacks and urlsplit(self.callback_url).scheme not in {"http", "https"}:
            msg = "signed_callbacks needs callback_url, the whole address"
            raise ValueError(msg)
        return self

    @property
    def is_test_mode(self) -> bool:
        """True for the sandbox and for a server on this machine."""
        return urlsplit(self.base_url).hostname == SANDBOX or super().is_test_mode

    @property
    def currencies(self) -> frozenset[str] | None:
        """None: a payment may name another operator in another currency, which only pawaPay knows."""
        return None

    @property
    def operators(self) -> frozenset[str] | None:
        """The default operator of its payments."""
        key = operator_key(self.operator)
        return frozenset({key}) if key else None
