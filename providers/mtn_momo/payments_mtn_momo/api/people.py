"""What the API returns about people: every field optional, and none of it in a repr.

Source: SPEC (OpenAPI export of Disbursements, captured 2026-05); where recorded answers of the sandbox differ, both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

__all__ = ["Address", "BasicUserInfo", "UserInfo"]


class _Personal:
    """A value about a person: its repr names what is there and shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        present = [one.name for one in fields(self) if getattr(self, one.name)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}=***' for name in present)})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, repr=False)
class BasicUserInfo(_Personal):
    """Who holds an account, as far as MTN shows without consent.

    Args:
        sub: MTN's id of the person; seen in answers, not in SPEC.
        name: Seen in answers, not in SPEC.
        given_name: First name.
        family_name: Last name.
        birthdate: ``1976-08-13``, as MTN writes it.
        locale: ``sv_SE``.
        gender: ``MALE`` and the like.
        status: In SPEC, not seen in answers.
        updated_at: Seen in answers, not in SPEC; aware, UTC.
        extra: Whatever else came.

    """

    sub: str = ""
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    birthdate: str = ""
    locale: str = ""
    gender: str = ""
    status: str = ""
    updated_at: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


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
    """Who holds an account, as far as the account holder consented. Fields as in SPEC, all of them optional."""

    sub: str = ""
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    middle_name: str = ""
    email: str = ""
    email_verified: bool | None = None
    gender: str = ""
    locale: str = ""
    phone_number: str = ""
    phone_number_verified: bool | None = None
    address: Address | None = None
    updated_at: datetime | None = None
    status: str = ""
    birthdate: str = ""
    credit_score: Decimal | None = None
    active: bool | None = None
    country_of_birth: str = ""
    region_of_birth: str = ""
    city_of_birth: str = ""
    occupation: str = ""
    employer_name: str = ""
    identification_type: str = ""
    identification_value: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
