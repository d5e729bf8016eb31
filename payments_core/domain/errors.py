"""Every exception of the library.

A decline is a value (``PayoutStatus.FAILED`` with a reason), and so is not knowing (``UNKNOWN``): neither is an
exception. No message carries a secret or a complete payee, or a character that a terminal obeys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments_core.domain.characters import clean_lines

__all__ = [
    "BatchBudgetReached",
    "BatchRefused",
    "DailyLimitReached",
    "DecisionRefused",
    "InvalidAmount",
    "InvalidArgument",
    "InvalidCurrency",
    "InvalidPayee",
    "InvalidPayout",
    "JournalClosed",
    "JournalDamaged",
    "JournalError",
    "JournalIsBackup",
    "JournalLocked",
    "JournalMissing",
    "JournalTooNew",
    "KeyReused",
    "LookupFailed",
    "NamespaceChanged",
    "NoRoute",
    "NotSupported",
    "OverRefund",
    "PaymentsError",
    "PayoutInterrupted",
    "PluginError",
    "ProviderBug",
    "ProviderNotInstalled",
    "SecretMissing",
    "SettingsError",
    "UnknownAccount",
    "UnknownBatch",
    "UnknownEvent",
    "UnknownPayout",
]


class PaymentsError(Exception):
    """The root of every error this library raises.

    Args:
        message: What happened, in one sentence.
        hint: What to do next, in one sentence; empty when the message already says it.

    In both, control characters, marks of direction and what is not seen are replaced: a traceback that nobody catches
    ends in a terminal. ``field`` is the argument of ``send`` that an error is about, such as ``"payee"``; empty where
    it is about none, or several.
    """

    code = "payments_error"
    field = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        message, hint = clean_lines(message), clean_lines(hint)
        super().__init__(f"{message} {hint}" if hint else message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Callable[..., PaymentsError], tuple[Any, ...]]:
        """Survive the way to another process, whatever the arguments of a subclass."""
        return _remade, (type(self), self.args, self.__dict__)


def _remade(kind: type[PaymentsError], args: tuple[Any, ...], state: Mapping[str, Any]) -> PaymentsError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class SettingsError(PaymentsError):
    """The configuration is wrong; raised at start, before anything is sent."""

    code = "settings_invalid"


class UnknownAccount(SettingsError):
    """The account is not in the configuration."""

    code = "unknown_account"
    field = "account"


class ProviderNotInstalled(SettingsError):
    """An account names a provider that no installed distribution offers."""

    code = "provider_not_installed"


class PluginError(SettingsError):
    """A distribution's entry point cannot be loaded or breaks a rule; the message names both."""

    code = "plugin_invalid"


class SecretMissing(SettingsError):
    """A secret reference points at nothing."""

    code = "secret_missing"


class InvalidPayout(PaymentsError):
    """What was asked for cannot be sent as it stands; nothing was recorded and nothing was sent.

    Args:
        message: What is wrong, in one sentence.
        hint: What to do next.
        field: The argument of ``send`` or ``PayoutOrder`` that it is about, where the class does not say it.

    """

    code = "invalid_payout"

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint)
        if field:
            self.field = field


class InvalidAmount(InvalidPayout):
    """The amount is not positive, not a number, or has digits the route cannot carry."""

    code = "invalid_amount"
    field = "amount"


class InvalidPayee(InvalidPayout):
    """The payee cannot be addressed as written."""

    code = "invalid_payee"
    field = "payee"


class InvalidCurrency(InvalidPayout):
    """The currency is not the account's."""

    code = "invalid_currency"
    field = "currency"


class BatchBudgetReached(InvalidPayout):
    """A batch pays nothing now, or nothing as large: it is not approved, was stopped, or its approved total is used."""

    code = "batch_budget_reached"


class BatchRefused(InvalidPayout):
    """Rows of a batch cannot be paid; nothing was recorded.

    Args:
        message: What is wrong, in one sentence.
        hint: What to do next.
        rows: The refused rows (``payments_core.batch.RefusedRow``), at most 1,000 of them.

    """

    code = "batch_refused"

    def __init__(self, message: str, *, hint: str = "", rows: Sequence[Any] = ()) -> None:
        super().__init__(message, hint=hint)
        self.rows = tuple(rows)


class DailyLimitReached(InvalidPayout):
    """Of what the account pays in one day, not that much is left; nothing was recorded or sent.

    Args:
        message: Why, in one sentence.
        hint: What to do next.
        account: The account's name.
        limit: The most that its payouts of the day may come to.
        used: What they come to.
        left: The rest.
        again_at: When the account's next day begins; aware, UTC.

    """

    code = "daily_limit_reached"
    field = "amount"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        account: str = "",
        limit: Decimal = Decimal(0),
        used: Decimal = Decimal(0),
        left: Decimal = Decimal(0),
        again_at: datetime | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.account = account
        self.limit = limit
        self.used = used
        self.left = left
        self.again_at = again_at


class OverRefund(InvalidPayout):
    """The refunds of one collection would together be more than was collected; nothing was recorded or sent."""

    code = "over_refund"


class NoRoute(InvalidPayout):
    """No route names the account to pay from, or that is not known; nothing was recorded or sent."""

    code = "no_route"
    field = "account"


class KeyReused(PaymentsError):
    """The key belongs to another order; the recorded payout is unchanged."""

    code = "key_reused"
    field = "key"


class InvalidArgument(PaymentsError):
    """A number given to a method, such as a time-out, is outside of its bounds; nothing was done."""

    code = "invalid_argument"


class UnknownPayout(PaymentsError):
    """No payout has this id or key, or one has the id and another one the key."""

    code = "unknown_payout"


class UnknownEvent(PaymentsError):
    """No event has this id."""

    code = "unknown_event"


class UnknownBatch(PaymentsError):
    """No batch has this id or name, or several have the name."""

    code = "unknown_batch"


class DecisionRefused(PaymentsError):
    """What a person decided about a payout is not safe, or not yet; what the provider said meanwhile is recorded.

    Args:
        message: Why, in one sentence.
        hint: What to do next.
        again_at: When it may be tried again; None when time alone changes nothing.

    """

    code = "decision_refused"

    def __init__(self, message: str, *, hint: str = "", again_at: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.again_at = again_at


class JournalError(PaymentsError):
    """The journal cannot be read or written."""

    code = "journal_error"


class JournalMissing(JournalError):
    """There is no journal where the configuration says; none is made where an account pays real money."""

    code = "journal_missing"


class JournalDamaged(JournalError):
    """The journal was emptied, or does not hold what was written: no payment is made with it."""

    code = "journal_damaged"


class JournalLocked(JournalError):
    """Another program holds the journal for longer than the busy time-out."""

    code = "journal_locked"


class JournalTooNew(JournalError):
    """The journal was written by a newer version of this library."""

    code = "journal_too_new"


class NamespaceChanged(JournalError):
    """The configuration's namespace is not the journal's: the same keys would give other references."""

    code = "namespace_changed"


class JournalIsBackup(JournalError):
    """The journal is a backup, or a copy on another server: it may lack payments that were made after it."""

    code = "journal_is_backup"


class JournalClosed(JournalError):
    """The journal was closed, or is used in a process forked from the one that opened it."""

    code = "journal_closed"


class NotSupported(PaymentsError):
    """The account's provider cannot do what was asked; nothing was sent."""

    code = "not_supported"


class LookupFailed(PaymentsError):
    """The provider did not answer a question about an account or a payee; no money was asked to move.

    Args:
        message: What happened.
        hint: What to do next.
        reason: Why, as text and no ``Reason``: the value of a :class:`~payments_core.ReasonCode`, such as
            ``"credentials"``. The provider's own words stand in the message. Empty when no answer came.
        retry_after_s: When asking again is worth it, in seconds; None when it is not known.

    """

    code = "lookup_failed"

    def __init__(self, message: str, *, hint: str = "", reason: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.retry_after_s = retry_after_s


class PayoutInterrupted(PaymentsError):
    """Something failed after the payout was recorded; sending the same key again is safe.

    Args:
        message: What happened.
        payout_id: The recorded payout.
        key: The caller's key, as given.
        may_have_been_sent: False only when no byte of a payment can have left.

    """

    code = "payout_interrupted"

    def __init__(self, message: str, *, payout_id: str, key: str, may_have_been_sent: bool) -> None:
        sent = "It may have been sent" if may_have_been_sent else "It was not sent"
        super().__init__(
            f"{message} (payout {payout_id}). {sent}.",
            hint="The same key is safe: send it again, or run `payouts resume`.",
        )
        self.payout_id = payout_id
        self.key = key
        self.may_have_been_sent = may_have_been_sent


class ProviderBug(PaymentsError):
    """A provider broke its contract, for example by sending two money requests in one flow."""

    code = "provider_bug"
