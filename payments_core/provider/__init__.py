"""The provider interface: what a plugin implements, and the closed set of things it can answer.

Four methods say how a payment is drafted, sent, read, and where and as whom it is paid. Everything else is a separate
protocol, and implementing it is the opt-in. A provider holds no lock, no clock and no memory of money.
"""

from payments_core.provider.outcomes import (
    Blocked,
    Checked,
    Deferred,
    Duplicate,
    Final,
    NotAccepted,
    NotFound,
    Pending,
    Seen,
    Submitted,
    Unknown,
)
from payments_core.provider.protocols import (
    AnswersLater,
    Attempt,
    Authenticates,
    Callback,
    Credential,
    Draft,
    Emulator,
    PayoutProvider,
    Validates,
)
from payments_core.provider.spec import (
    Account,
    Capability,
    Facts,
    ProviderSpec,
    RetryPolicy,
)

__all__ = [
    "Account",
    "AnswersLater",
    "Attempt",
    "Authenticates",
    "Blocked",
    "Callback",
    "Capability",
    "Checked",
    "Credential",
    "Deferred",
    "Draft",
    "Duplicate",
    "Emulator",
    "Facts",
    "Final",
    "NotAccepted",
    "NotFound",
    "PayoutProvider",
    "Pending",
    "ProviderSpec",
    "RetryPolicy",
    "Seen",
    "Submitted",
    "Unknown",
    "Validates",
]
