"""What the API returns: frozen values that keep every field MTN sent.

Every field but ``status`` may be missing, and a number may come as text or the other way round: both are read. An
undocumented field, or one whose value cannot be read, is kept in ``extra`` as it came.
Source: SPEC (OpenAPI export of Disbursements, captured 2026-05); where recorded answers of the sandbox differ, both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from payments_core.domain.masking import mask_number
from payments_core.domain.payout import ReasonCode
from payments_core.provider import Final, Pending
from payments_mtn_momo.api.codec import STATUSES
from payments_mtn_momo.api.error_catalog import Meaning, meaning_of_reason

__all__ = [
    "TOKEN_LIFE_S",
    "Accepted",
    "AccessToken",
    "Address",
    "ApiKey",
    "ApiUser",
    "Balance",
    "ConsentRequest",
    "Oauth2Token",
    "Party",
    "PaymentStatus",
    "StatusReason",
    "UserInfo",
]

TOKEN_LIFE_S = 3600.0  # SPEC and every recorded response


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token of the API user."""

    access_token: SecretStr  #: The token; send it as ``Bearer``.
    renew_at: datetime  #: When the client fetches the next one: ten minutes before the end.
    token_type: str = ""  #: The literal ``access_token``, whatever the name suggests.
    expires_in_s: float = TOKEN_LIFE_S  #: How long it lives, in seconds; assumed where the response does not tell.
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: Whatever else came.


@dataclass(frozen=True, slots=True)
class Oauth2Token:
    """A token of one account holder's consent."""

    access_token: SecretStr  #: For ``ask_user_info``.
    token_type: str = ""  #: ``Bearer`` by SPEC.
    expires_in_s: float | None = None  #: How long it lives, in seconds.
    scope: str = ""  #: What was consented to.
    refresh_token: SecretStr | None = None  #: For ``refresh_oauth2_token``; only with access type ``offline``.
    refresh_token_expires_in_s: float | None = None  #: How long that one lives, in seconds.
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: Whatever else came.


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A request for consent that was taken."""

    #: Names it in ``create_oauth2_token``; with it and the API user's key anyone can get the token.
    auth_req_id: str = field(repr=False)
    interval_s: float | None = None  #: How long to wait between two of these, in seconds.
    expires_in_s: float | None = None  #: How long the account holder has, in seconds.
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: Whatever else came.


@dataclass(frozen=True, slots=True)
class Accepted:
    """A payment that MTN has taken, and not paid yet: read its status."""

    reference: str  #: The one it was sent with; keep it.
    operation: str  #: Which call took it.
    external_id: str  #: The one it was sent with.
    at: datetime  #: When; aware, UTC.


@dataclass(frozen=True, slots=True, repr=False)
class Party:
    """Who received a payment."""

    kind: str  #: ``MSISDN``, ``EMAIL`` or ``PARTY_CODE``.
    value: str  #: The address.

    def __repr__(self) -> str:
        """Show the kind and the masked address only."""
        return f"Party({self.kind}:{mask_number(self.value)})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class StatusReason:
    """Why a payment failed."""

    code: str  #: MTN's code, verbatim.
    message: str = field(default="", repr=False)  #: Its sentence; empty since MTN sends bare words.

    @property
    def neutral(self) -> ReasonCode:
        """The neutral code of ``payments_core``."""
        return self.meaning.reason or ReasonCode.UNRECOGNISED

    @property
    def meaning(self) -> Meaning:
        """What happened and what to do, in sentences."""
        return meaning_of_reason(self.code)


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """What MTN says about a transfer, deposit or refund."""

    reference: str  #: The one that was asked for; MTN's answer holds none.
    status: str  #: MTN's word, verbatim; undocumented ones are kept.
    amount: Decimal | None = None  #: How much; MTN drops trailing zeros, so compare it as a number.
    currency: str = ""  #: ISO 4217.
    financial_transaction_id: str = ""  #: MTN's own number; a deposit has none.
    external_id: str = ""  #: As sent.
    payee: Party | None = None  #: Who receives it.
    payer_message: str = field(default="", repr=False)  #: As sent.
    payee_note: str = field(default="", repr=False)  #: As sent.
    reason: StatusReason | None = None  #: Why it failed; None when it has not.
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: Whatever else came.

    @property
    def succeeded(self) -> bool:
        """True when the money is there: SUCCESSFUL and nothing else."""
        return self.status == "SUCCESSFUL"

    @property
    def failed(self) -> bool:
        """True when no money moved and none will: FAILED and nothing else."""
        return self.status == "FAILED"

    @property
    def is_final(self) -> bool:
        """True when it is over."""
        return STATUSES.get(self.status) is Final

    @property
    def is_pending(self) -> bool:
        """True when MTN has not finished it; what is neither final nor pending is not known: do not send again."""
        return STATUSES.get(self.status) is Pending


@dataclass(frozen=True, slots=True)
class Balance:
    """What is in the account."""

    available_balance: Decimal  #: May be negative. An answer without a number is no balance: the read raises.
    currency: str = ""  #: ISO 4217.
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: Whatever else came.


@dataclass(frozen=True, slots=True)
class ApiUser:
    """A user of the sandbox."""

    api_user: str  #: Its id; goes into ``api_user`` of the settings.
    provider_callback_host: str = ""  #: The only host callbacks may go to; it cannot be changed.
    target_environment: str = ""  #: ``sandbox``.
    payment_server_url: str = ""  #: In SPEC, not seen.
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: Whatever else came.


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a user of the sandbox; MTN shows it once."""

    api_user: str  #: Whose.
    api_key: SecretStr  #: Goes into ``api_key`` of the settings.
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: Whatever else came.


# --- people: every field optional, and none of it in a repr ---


class _Personal:
    """A value about a person: its repr names what is there and shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        present = [one.name for one in fields(self) if getattr(self, one.name)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}=***' for name in present)})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, repr=False)
class Address(_Personal):
    """Where a person lives: an object in answers, a text in SPEC (then only ``formatted`` is set)."""

    formatted: str = ""
    street_address: str = ""
    postal_code: str = ""
    locality: str = ""
    region: str = ""
    country: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class UserInfo(_Personal):
    """Who holds an account, as far as MTN shows without consent, or the account holder consented; fields as in SPEC."""

    sub: str = ""  #: MTN's id of the person; seen in answers, not in SPEC.
    name: str = ""  #: Seen in answers, not in SPEC.
    given_name: str = ""  #: First name.
    family_name: str = ""  #: Last name.
    birthdate: str = ""  #: ``1976-08-13``, as MTN writes it.
    locale: str = ""  #: ``sv_SE``.
    gender: str = ""  #: ``MALE`` and the like.
    status: str = ""  #: In SPEC, not seen in answers.
    updated_at: datetime | None = None  #: Seen in answers, not in SPEC; aware, UTC.
    middle_name: str = ""
    email: str = ""
    email_verified: bool | None = None
    phone_number: str = ""
    phone_number_verified: bool | None = None
    address: Address | None = None
    credit_score: Decimal | None = None
    active: bool | None = None
    country_of_birth: str = ""
    region_of_birth: str = ""
    city_of_birth: str = ""
    occupation: str = ""
    employer_name: str = ""
    identification_type: str = ""
    identification_value: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)  #: Whatever else came.
