"""From a response to the typed value it holds: nothing that comes in raises, and nothing is thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import SecretStr

from payments_core.http.messages import HttpResponse
from payments_core.http.parsing import number, text_of
from payments_mtn_momo.api.codec import read_reason
from payments_mtn_momo.api.models import (
    ApiKey,
    ApiUser,
    Balance,
    ConsentRequest,
    Oauth2Token,
    Party,
    PaymentStatus,
    StatusReason,
)
from payments_mtn_momo.api.parsing import read_body
from payments_mtn_momo.api.people import Address, BasicUserInfo, UserInfo

__all__ = [
    "is_true",
    "read_active",
    "read_api_key",
    "read_api_user",
    "read_balance",
    "read_basic_user_info",
    "read_consent_request",
    "read_oauth2_token",
    "read_payment",
    "read_user_info",
    "sendable_secret",
]

_LONGEST = 4096
T = TypeVar("T")


class Fields:
    """The fields of a response, taken one by one; what is not taken is left."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._left = dict(fields)

    def text(self, name: str) -> str:
        """Take a text, or a number as text; empty when there is none."""
        found = text_of(self._left.get(name), limit=_LONGEST)
        return self._taken(name, found, bool(found))

    def number(self, name: str) -> Decimal | None:
        """Take a number, or text that is one."""
        found = number(self._left.get(name))
        return self._taken(name, found, found is not None)

    def seconds(self, name: str) -> float | None:
        """Take a duration in seconds."""
        found = self.number(name)
        return None if found is None else float(found)

    def flag(self, name: str) -> bool | None:
        """Take true or false, also written as text."""
        found = is_true(self._left.get(name))
        return self._taken(name, found, found is not None)

    def moment(self, name: str) -> datetime | None:
        """Take a moment written as seconds since 1970, or as ISO 8601."""
        value = self._left.get(name)
        found: datetime | None = None
        seconds = number(value)
        try:
            if seconds is not None:
                found = datetime.fromtimestamp(float(seconds), UTC)
            elif isinstance(value, str):
                found = datetime.fromisoformat(value)
                found = found if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError, OSError):
            found = None
        return self._taken(name, found, found is not None)

    def secret(self, name: str) -> SecretStr | None:
        """Take a secret that fits into a header field or a form."""
        found = sendable_secret(self._left.get(name))
        return self._taken(name, found, found is not None)

    def any(self, name: str) -> Any:
        """Take a value as it is."""
        return self._left.pop(name, None)

    @property
    def left(self) -> dict[str, Any]:
        """What has not been taken."""
        return self._left

    def _taken(self, name: str, value: T, understood: bool) -> T:
        if understood or self._left.get(name) is None:
            self._left.pop(name, None)
        return value


def is_true(value: object) -> bool | None:
    """Return true or false, also written as text; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def sendable_secret(value: object) -> SecretStr | None:
    """Return text that fits into a header field as a secret; None for anything else."""
    good = isinstance(value, str) and value and value.isascii() and value.isprintable() and value == value.strip()
    return SecretStr(value) if good and isinstance(value, str) else None


def _fields(response: HttpResponse) -> Fields:
    """Return the fields of a success; an error holds no value."""
    return Fields(read_body(response).fields if response.status in {200, 201} else {})


def read_payment(response: HttpResponse, *, reference: str) -> PaymentStatus | None:
    """Read a status; None when the response holds none."""
    fields = _fields(response)
    status = fields.text("status")
    if not status:
        return None
    return PaymentStatus(
        reference=reference,
        status=status,
        amount=fields.number("amount"),
        currency=fields.text("currency"),
        financial_transaction_id=fields.text("financialTransactionId"),
        external_id=fields.text("externalId"),
        payee=_party(fields),
        payer_message=fields.text("payerMessage"),
        payee_note=fields.text("payeeNote"),
        reason=_reason(fields),
        extra=fields.left,
    )


def _party(fields: Fields) -> Party | None:
    given = fields.any("payee")
    if given is None:
        return None
    if isinstance(given, dict) and (value := text_of(given.get("partyId"))):
        return Party(text_of(given.get("partyIdType")), value)
    fields.left["payee"] = given
    return None


def _reason(fields: Fields) -> StatusReason | None:
    value = fields.any("reason")
    if value is None:
        return None
    code, message = read_reason(value)
    if code or message:
        return StatusReason(code, message)
    fields.left["reason"] = value
    return None


def read_balance(response: HttpResponse) -> Balance | None:
    """Read a balance; None when the response holds none."""
    fields = _fields(response)
    available = fields.number("availableBalance")
    currency = fields.text("currency")
    return None if available is None else Balance(available, currency, fields.left)


def read_active(response: HttpResponse) -> bool | None:
    """Read whether an account holder is active: ``{"result": true}``, or bare true or false; None for neither."""
    fields = _fields(response)
    active = is_true(fields.left.get("result"))
    return is_true(response.text) if active is None and response.status == 200 else active


def read_basic_user_info(response: HttpResponse) -> BasicUserInfo | None:
    """Read a name; None when the response is no object."""
    fields = _fields(response)
    if not fields.left:
        return None
    texts = ("sub", "name", "given_name", "family_name", "birthdate", "locale", "gender", "status")
    return BasicUserInfo(
        **{name: fields.text(name) for name in texts}, updated_at=fields.moment("updated_at"), extra=fields.left
    )


_USER_TEXTS = (
    *("sub", "name", "given_name", "family_name", "middle_name", "email", "gender", "locale", "phone_number", "status"),
    *("birthdate", "country_of_birth", "region_of_birth", "city_of_birth", "occupation", "employer_name"),
    *("identification_type", "identification_value"),
)


def read_user_info(response: HttpResponse) -> UserInfo | None:
    """Read an account holder's information; None when the response is no object."""
    fields = _fields(response)
    if not fields.left:
        return None
    return UserInfo(
        **{name: fields.text(name) for name in _USER_TEXTS},
        email_verified=fields.flag("email_verified"),
        phone_number_verified=fields.flag("phone_number_verified"),
        active=fields.flag("active"),
        address=_address(fields),
        updated_at=fields.moment("updated_at"),
        credit_score=fields.number("credit_score"),  # a number in answers, a text in SPEC
        extra=fields.left,
    )


def _address(fields: Fields) -> Address | None:
    given = fields.any("address")
    if isinstance(given, dict):
        parts = Fields(given)
        names = ("formatted", "street_address", "postal_code", "locality", "region", "country")
        return Address(**{name: parts.text(name) for name in names}, extra=parts.left)
    if isinstance(given, str):
        return Address(formatted=given)
    if given is not None:
        fields.left["address"] = given
    return None


def read_consent_request(response: HttpResponse) -> ConsentRequest | None:
    """Read the response to a request for consent; None when it names none."""
    fields = _fields(response)
    name = fields.text("auth_req_id")
    if not name:
        return None
    return ConsentRequest(name, fields.seconds("interval"), fields.seconds("expires_in"), fields.left)


def read_oauth2_token(response: HttpResponse) -> Oauth2Token | None:
    """Read a consent's token; None when the response holds none."""
    fields = _fields(response)
    token = fields.secret("access_token")
    if token is None:
        return None
    return Oauth2Token(
        access_token=token,
        token_type=fields.text("token_type"),
        expires_in_s=fields.seconds("expires_in"),
        scope=fields.text("scope"),
        refresh_token=fields.secret("refresh_token"),
        refresh_token_expires_in_s=fields.seconds("refresh_token_expired_in"),  # so spelt by MTN
        extra=fields.left,
    )


def read_api_key(response: HttpResponse, *, api_user: str) -> ApiKey | None:
    """Read a new key; None when the response holds none."""
    key = _fields(response).secret("apiKey")
    return None if key is None else ApiKey(api_user, key)


def read_api_user(response: HttpResponse, *, api_user: str) -> ApiUser | None:
    """Read a user of the sandbox; None when the response is no object."""
    fields = _fields(response)
    if not fields.left:
        return None
    return ApiUser(
        api_user,
        fields.text("providerCallbackHost"),
        fields.text("targetEnvironment"),
        fields.text("paymentServerUrl"),
        fields.left,
    )
