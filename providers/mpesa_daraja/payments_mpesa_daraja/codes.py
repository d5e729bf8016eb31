"""M-Pesa's codes and statuses: total tables. A code that no table lists is unknown, never a failure.

Sources: the developer portal's pages on B2C, Transaction Status and Authorization, and on result codes, as read in
August and November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from payments_core.domain.payout import ReasonCode

__all__ = ["ERRORS", "RESULTS", "STATUSES", "TOKEN_ERRORS", "Answer", "Word"]

Word: TypeAlias = Literal["paid", "pending", "unknown"]
Answer: TypeAlias = Literal["busy", "token"]

# The ResultCode of a payment: how it ended, or why it failed.
RESULTS: Mapping[str, ReasonCode | Word] = {
    "0": "paid",
    "1": ReasonCode.INSUFFICIENT_FUNDS,  # the utility account is short
    "2": ReasonCode.AMOUNT_NOT_ALLOWED,  # below the least
    "3": ReasonCode.AMOUNT_NOT_ALLOWED,  # above the most
    "4": ReasonCode.PAYEE_LIMIT_REACHED,  # a day's
    "8": ReasonCode.PAYEE_LIMIT_REACHED,  # the wallet would be too full
    "11": ReasonCode.NOT_PERMITTED,  # our account is not active
    "2006": ReasonCode.NOT_PERMITTED,
    "21": ReasonCode.NOT_PERMITTED,  # the initiator lacks the role
    "2001": ReasonCode.CREDENTIALS,  # the initiator's password, or the certificate it was encrypted with
    "2028": ReasonCode.NOT_PERMITTED,  # the short code has no such product
    "8006": ReasonCode.CREDENTIALS,  # the initiator is locked
    "2040": ReasonCode.PAYEE_NOT_FOUND,  # no M-Pesa customer
    "SFC_IC0003": ReasonCode.PAYEE_NOT_FOUND,  # of a payment; see codec for its meaning in a query's result
    "15": "unknown",  # a duplicate: the earlier payment's result stays open
    "17": "unknown",  # internal failure
    "26": "unknown",  # busy
    "100000000": "pending",  # kept, to be sent again by M-Pesa
    "100000001": "unknown",
    "100000002": "unknown",
    "100000011": "unknown",
}

# The TransactionStatus in a query's result: the portal lists initial, intermediate and final ones.
STATUSES: Mapping[str, ReasonCode | Word] = {
    "Completed": "paid",
    "Initiated": "pending",
    "Authorized": "pending",
    "Pending Authorized": "pending",
    "Cancelled": ReasonCode.CANCELLED,
    "Declined": ReasonCode.REJECTED,
    "Expired": ReasonCode.EXPIRED,
}

# The errorCode of an answer, whatever its HTTP status.
ERRORS: Mapping[str, ReasonCode | Answer] = {
    "400.002.02": ReasonCode.INVALID_REQUEST,  # a field is wrong
    "400.002.05": ReasonCode.INVALID_REQUEST,
    "400.003.02": ReasonCode.INVALID_REQUEST,
    "400.003.01": "token",
    "401.002.01": "token",
    "401.003.01": "token",
    "404.001.03": "token",
    "500.003.02": "busy",  # spike arrest
    "500.003.03": "busy",  # quota
}

# The errorCode of the token endpoint: the account is refused.
TOKEN_ERRORS: Mapping[str, ReasonCode] = {
    "400.008.01": ReasonCode.CREDENTIALS,
    "400.008.02": ReasonCode.MISCONFIGURED,
}
