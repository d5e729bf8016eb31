"""Collections the emulator knows: what a refund pays back and what a delivery notification is about.

The Collections product itself is not emulated: a test describes what was collected.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from payments_mtn_momo.emulator.requests import is_uuid

__all__ = ["Collection"]


def _party(payer: object) -> object:
    party = {"partyIdType": "MSISDN", "partyId": payer.removeprefix("+")} if isinstance(payer, str) else payer
    if not isinstance(party, dict) or set(party) != {"partyIdType", "partyId"}:
        msg = "write a number, or an object of partyIdType and partyId"
        raise ValueError(msg)
    return party


def _uuid(reference: str) -> str:
    if not is_uuid(reference):
        msg = "write a UUID"
        raise ValueError(msg)
    return reference.lower()


class Collection(BaseModel):
    """One requesttopay that a payer was asked for, as a test describes it.

    Raises:
        ValueError: Something is missing, unknown or wrong.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    amount: str = Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,9})?$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    payer: Annotated[dict[str, Annotated[str, Field(min_length=1)]], BeforeValidator(_party)]
    reference: Annotated[str, AfterValidator(_uuid)] = Field(default_factory=lambda: str(uuid.uuid4()))
    state: Literal["PENDING", "SUCCESSFUL", "FAILED"] = "SUCCESSFUL"
    api_user: str = ""  #: Whose it is; empty for every user's.
    at: datetime  #: When it came to its end.
