"""Native clients: MTN's Disbursements call by call, typed, for callers that want no journal.

They stand outside the promises of ``payments_core``: nothing is written down, and only the caller keeps
one payment from being made twice. Every payment needs a reference and every error of it carries that reference.
"""

from payments_mtn_momo.api.models import (
    Accepted,
    AccessToken,
    Address,
    ApiKey,
    ApiUser,
    Balance,
    ConsentRequest,
    Oauth2Token,
    Party,
    PaymentStatus,
    StatusReason,
    UserInfo,
)
from payments_mtn_momo.api.payments import new_reference
from payments_mtn_momo.native.asynchronous.client import AsyncDisbursementsClient
from payments_mtn_momo.native.asynchronous.provisioning import AsyncSandboxProvisioning
from payments_mtn_momo.native.errors import (
    ActionError,
    AlreadyUsedError,
    MomoError,
    NotSentError,
    ReadError,
    ReadNotFound,
    ReadRefused,
    ReadUnanswered,
    RefusedError,
    UnknownOutcomeError,
)
from payments_mtn_momo.native.synchronous.client import DisbursementsClient
from payments_mtn_momo.native.synchronous.provisioning import SandboxProvisioning

__all__ = [
    "Accepted",
    "AccessToken",
    "ActionError",
    "Address",
    "AlreadyUsedError",
    "ApiKey",
    "ApiUser",
    "AsyncDisbursementsClient",
    "AsyncSandboxProvisioning",
    "Balance",
    "ConsentRequest",
    "DisbursementsClient",
    "MomoError",
    "NotSentError",
    "Oauth2Token",
    "Party",
    "PaymentStatus",
    "ReadError",
    "ReadNotFound",
    "ReadRefused",
    "ReadUnanswered",
    "RefusedError",
    "SandboxProvisioning",
    "StatusReason",
    "UnknownOutcomeError",
    "UserInfo",
    "new_reference",
]
