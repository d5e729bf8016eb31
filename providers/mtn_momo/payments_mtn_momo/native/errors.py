"""What the native clients raise, drawn as a tree.

::

    PaymentsError
    └── MomoError               operation, reference, http_status, provider_code, text, reason, retry_after_s
        ├── ActionError         a call that does something: a payment, a consent, a notification, a new API user
        │   ├── NotSentError          nothing left, or nothing could; nothing was done
        │   ├── RefusedError          MTN or its gateway refused; nothing was done
        │   ├── AlreadyUsedError      the reference is in use: an earlier request under it was accepted
        │   └── UnknownOutcomeError   it may have been done; only a read can tell
        └── ReadError           a call that changes nothing
            ├── ReadRefused           something about us or about the question is wrong
            ├── ReadNotFound          MTN knows nothing under this reference; never a failure by itself
            └── ReadUnanswered        no answer, or none that says anything; ask again

``str`` and ``repr`` hold no secret and no complete number. The reference of a payment stands in every one.
"""

from __future__ import annotations

from payments_core.domain.errors import PaymentsError
from payments_core.domain.payout import ReasonCode
from payments_mtn_momo.api.operations import OPERATIONS

__all__ = [
    "ActionError",
    "AlreadyUsedError",
    "MomoError",
    "NotSentError",
    "ReadError",
    "ReadNotFound",
    "ReadRefused",
    "ReadUnanswered",
    "RefusedError",
    "UnknownOutcomeError",
]


class MomoError(PaymentsError):
    """A native call that did not end well.

    Args:
        message: What happened, and whether money can have moved.
        hint: What to do.
        operation: The call, by its name in ``OPERATIONS``.
        reference: What it was about: the payment's reference; empty where a call has none.
        http_status: Of the answer; None when there was none.
        provider_code: The provider's own code, as far as it is one.
        text: The provider's own text, numbers and credentials masked.
        reason: The neutral code of what is wrong.
        retry_after_s: How long the gateway asks to wait, in seconds.

    """

    code = "momo_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        operation: str,
        reference: str = "",
        http_status: int | None = None,
        provider_code: str = "",
        text: str = "",
        reason: ReasonCode | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.operation = operation
        self.reference = reference
        self.http_status = http_status
        self.provider_code = provider_code
        self.text = text
        self.reason = reason
        self.retry_after_s = retry_after_s

    @property
    def money_may_have_moved(self) -> bool:
        """True when it was a payment and nothing proves that none was made, by this request or an earlier one."""
        return isinstance(self, AlreadyUsedError | UnknownOutcomeError) and OPERATIONS[self.operation].moves_money


class ActionError(MomoError):
    """A call that does something did not end well."""

    code = "momo_action_failed"


class NotSentError(ActionError):
    """Nothing left this machine, or nothing could: nothing was done. The same call may be made again."""

    code = "momo_not_sent"


class RefusedError(ActionError):
    """MTN or its gateway refused: nothing was done. What is wrong has to be put right first, unless it was the rate."""

    code = "momo_refused"


class AlreadyUsedError(ActionError):
    """An earlier request under this reference was accepted, and this one was not: read what became of the earlier."""

    code = "momo_already_used"


class UnknownOutcomeError(ActionError):
    """It may have been done: read the status by the same reference before anything else."""

    code = "momo_unknown_outcome"


class ReadError(MomoError):
    """A call that changes nothing did not end well; it says nothing about any payment."""

    code = "momo_read_failed"


class ReadRefused(ReadError):
    """Something about us, or about the question, is wrong; asking again changes nothing."""

    code = "momo_read_refused"


class ReadNotFound(ReadError):
    """MTN knows nothing under this reference, at this place, for this API user; never a failure by itself."""

    code = "momo_not_found"


class ReadUnanswered(ReadError):
    """No answer, or none that says anything: ask again."""

    code = "momo_read_unanswered"
