"""pawaPay's statuses and failure codes, as total tables, and which codes refuse the account.

Sources: pawaPay's API reference v2 and its Postman collection. A code that no table lists is unknown, never a failure.
"""

from __future__ import annotations

from collections.abc import Mapping

from payments_core.domain.payout import ReasonCode
from payments_core.provider import Final, Pending

__all__ = ["AMBIGUOUS", "BLOCKS", "BUSY", "FAILURES", "REFUSALS", "STATUSES", "operator_key"]

STATUSES: Mapping[str, type[Final] | type[Pending]] = {
    "ACCEPTED": Pending,
    "ENQUEUED": Pending,  # for hours while an operator is down; can be cancelled
    "PROCESSING": Pending,
    "IN_RECONCILIATION": Pending,
    "COMPLETED": Final,
    "FAILED": Final,
}

# A payment that was refused: REJECTED inside 200 or 400, perhaps before its payoutId was read.
REFUSALS: Mapping[str, ReasonCode] = {
    "INVALID_INPUT": ReasonCode.INVALID_REQUEST,
    "MISSING_PARAMETER": ReasonCode.INVALID_REQUEST,
    "UNSUPPORTED_PARAMETER": ReasonCode.INVALID_REQUEST,
    "INVALID_PARAMETER": ReasonCode.INVALID_REQUEST,
    "DUPLICATE_METADATA_FIELD": ReasonCode.INVALID_REQUEST,
    "INVALID_PHONE_NUMBER": ReasonCode.PAYEE_NOT_FOUND,
    "INVALID_AMOUNT": ReasonCode.AMOUNT_NOT_ALLOWED,
    "AMOUNT_OUT_OF_BOUNDS": ReasonCode.AMOUNT_NOT_ALLOWED,
    "AMOUNT_TOO_LARGE": ReasonCode.AMOUNT_NOT_ALLOWED,  # of v1, and still in the example of bulk
    "AMOUNT_TOO_SMALL": ReasonCode.AMOUNT_NOT_ALLOWED,
    "INVALID_CURRENCY": ReasonCode.INVALID_REQUEST,
    "INVALID_PROVIDER": ReasonCode.INVALID_REQUEST,
    "PAWAPAY_WALLET_OUT_OF_FUNDS": ReasonCode.INSUFFICIENT_FUNDS,
}

# Refused for now. The same payoutId may be sent again: only an *accepted* payout makes a duplicate (API reference v2,
# Initiate payout). If that were wrong, the next checks would find nothing, and the payout would end in review.
BUSY = frozenset({"PROVIDER_TEMPORARILY_UNAVAILABLE"})

# Codes that refuse the account: its payments pause, and no payout fails.
BLOCKS: Mapping[str, ReasonCode] = {
    "NO_AUTHENTICATION": ReasonCode.CREDENTIALS,
    "AUTHENTICATION_ERROR": ReasonCode.CREDENTIALS,
    "HTTP_SIGNATURE_ERROR": ReasonCode.CREDENTIALS,
    "AUTHORISATION_ERROR": ReasonCode.NOT_PERMITTED,
    "PAYOUTS_NOT_ALLOWED": ReasonCode.NOT_PERMITTED,
}

# Codes of an accepted payment that FAILED.
FAILURES: Mapping[str, ReasonCode] = {
    "RECIPIENT_NOT_FOUND": ReasonCode.PAYEE_NOT_FOUND,
    "WALLET_LIMIT_REACHED": ReasonCode.PAYEE_LIMIT_REACHED,
    "RECIPIENT_LIMIT_REACHED": ReasonCode.PAYEE_LIMIT_REACHED,
    "RECIPIENT_NOT_ALLOWED_TO_RECEIVE": ReasonCode.PAYEE_NOT_ALLOWED,
    "PAWAPAY_WALLET_OUT_OF_FUNDS": ReasonCode.INSUFFICIENT_FUNDS,
    "MANUALLY_CANCELLED": ReasonCode.CANCELLED,
    "PROVIDER_TEMPORARILY_UNAVAILABLE": ReasonCode.PROVIDER_UNAVAILABLE,
    "UNSPECIFIED_FAILURE": ReasonCode.NOT_COMPLETED,
}

# pawaPay itself does not know, even beside FAILED.
AMBIGUOUS = frozenset({"UNKNOWN_ERROR"})

# An operator's code begins with its name and ends with its country, such as MTN_MOMO_ZMB. Here: its key in the core.
_OPERATORS: Mapping[str, str] = {
    "AIRTEL": "airtel",
    "HALOTEL": "halotel",
    "MOOV": "moov",
    "MTN": "mtn",
    "ORANGE": "orange",
    "TNM": "tnm",
    "VODACOM": "vodacom",
    "WAVE": "wave",
    "ZAMTEL": "zamtel",
}
_MPESA: Mapping[str, str] = {"ETH": "safaricom", "KEN": "safaricom"}  # a wallet of several operators


def operator_key(code: str) -> str:
    """Return the core's key of an operator's code; empty when it has none."""
    name, _, rest = code.partition("_")
    return _MPESA.get(rest.rpartition("_")[2], "") if name == "MPESA" else _OPERATORS.get(name, "")
