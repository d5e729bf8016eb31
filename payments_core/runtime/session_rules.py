"""What sessions decide without waiting, for threads and for an event loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from payments_core.domain.events import EventName
from payments_core.domain.money import Money
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.rates import Priority
from payments_core.domain.records import PayoutRecord
from payments_core.engine.flow import CredentialRefused, Postponed, RefusedByGuard
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NoPermit, NotSent
from payments_core.logs import LEVELS, is_received, log
from payments_core.provider import Account, AccountRefused, Authenticates, Credential, RetryPolicy

__all__ = [
    "Fetched",
    "above_limit",
    "approval_failed",
    "authenticator",
    "check_permit",
    "checked",
    "credential_problem",
    "fetched_event",
    "guard_failed",
    "guard_refused",
    "no_permit",
    "not_sent_without",
    "note_exchange",
    "policy_of",
    "priority_of",
    "repeats",
    "within",
]

Fetched = Credential | AccountRefused | NotSent | NoAnswer


def authenticator(account: Account) -> Authenticates | None:
    """Return the account's provider if its requests carry a credential; asked once, as asking a protocol is slow."""
    provider = account.provider
    return provider if isinstance(provider, Authenticates) else None


def policy_of(account: Account, request: HttpRequest, priority: Priority | None) -> RetryPolicy:
    """Return the request's row of the account's retry table; "too many" to a status read is not for this read alone."""
    policy = account.retry.get(request.operation, _ONCE)
    return policy if priority is None else _for_status_reads(policy)


@functools.lru_cache(maxsize=64)
def _for_status_reads(policy: RetryPolicy) -> RetryPolicy:
    return replace(policy, statuses=policy.statuses - {_TOO_MANY})


_ONCE = RetryPolicy(attempts=1)  # no row in the table: not repeated
_TOO_MANY = 429


def priority_of(row: PayoutRecord) -> Priority | None:
    """Return what a step's reads of a payout are for; None where it will not be read."""
    if row.status is PayoutStatus.CREATED:  # before a further attempt is sent, the earlier ones are read
        return Priority.READ if row.attempt.number > 1 else None
    return Priority.CALLBACK_READ if row.schedule.is_callback_read else Priority.READ


def check_permit(priority: Priority, after_s: float | None, at: datetime) -> None:
    """Raise ``NoPermit`` unless a permit was granted."""
    if after_s is not None:
        raise NoPermit(f"no permit ({priority}) was free soon enough", at=at, after_s=after_s)


def no_permit(after_s: float, at: datetime) -> Postponed:
    """Return that no permit for the payment was free in time."""
    return Postponed("no permit for a payment was free soon enough", at, after_s=max(after_s, 1.0), by_rate=True)


def not_sent_without(fetched: AccountRefused | NotSent | NoAnswer, at: datetime) -> NotSent:
    """Return how a request ends for which there is no credential."""
    why = str(fetched.reason) if isinstance(fetched, AccountRefused) else fetched.why
    return NotSent(f"no credential: {why}", at=at)


def checked(fetched: object, at: datetime) -> Fetched:
    """Return what a provider's ``authenticate`` gave, if it is one of the things it may give."""
    if isinstance(fetched, Credential | AccountRefused | NotSent | NoAnswer):
        return fetched
    return NoAnswer(f"provider bug: {type(fetched).__name__} is no credential", at=at)


def within(request: HttpRequest, timeout_s: float) -> HttpRequest:
    """Return the request with its policy's time-out."""
    return replace(request, timeout_s=timeout_s)


def credential_problem(fetched: Fetched, at: datetime) -> CredentialRefused | Postponed | None:
    """Return what a missing credential means for sending; None when there is one."""
    if isinstance(fetched, Credential):
        return None
    if isinstance(fetched, AccountRefused):
        return CredentialRefused(fetched.reason, fetched.http_status, at)
    return Postponed(f"no credential: {fetched.why}", at)


def above_limit(account: Account, limits: Mapping[str, Decimal], money: Money) -> str:
    """Return why an amount that is not within the account's own limits requires an approval."""
    if money.currency not in limits:
        return f"There is no approve_above for {money.currency} in the settings of account {account.name}."
    return f"It is more than the approve_above of account {account.name}."


def approval_failed(error: BaseException, at: datetime) -> Postponed:
    """Return that the payout waits: a plugin that fails to answer fails closed."""
    log(EventName.HOOK_FAILED, hook="payments_needs_approval", error=f"{type(error).__name__}: {error}")
    return Postponed(f"a plugin could not say whether it needs an approval: {type(error).__name__}", at, by_guard=True)


def guard_refused(why: str, at: datetime) -> RefusedByGuard:
    """Return that a guard refused the payment."""
    return RefusedByGuard(Reason(ReasonCode.REFUSED_BY_GUARD, text=why), at)


def guard_failed(error: BaseException, at: datetime) -> Postponed:
    """Return that the payout waits: a guard that raised or took too long fails closed."""
    log(EventName.HOOK_FAILED, hook="payments_before_submit", error=f"{type(error).__name__}: {error}")
    return Postponed(f"a guard failed: {type(error).__name__}", at, by_guard=True)


def note_exchange(account: Account, request: HttpRequest, ended: HttpResponse | NotSent | NoAnswer, ms: float) -> None:
    """Emit the event of one exchange; never its address, which may hold a number."""
    name = EventName.HTTP_ANSWERED if isinstance(ended, HttpResponse) else EventName.HTTP_UNANSWERED
    if not is_received(LEVELS[name]):
        return
    facts = {"account": account.name, "operation": request.operation, "ms": round(ms, 1)}
    if isinstance(ended, HttpResponse):
        log(name, http_status=ended.status, **facts)
    else:
        log(name, ended=type(ended).__name__, why=ended.why, **facts)


def repeats(account: Account, request: HttpRequest) -> Callable[[int, str, float], None]:
    """Return what emits the event of a repeated request."""

    def note(number: int, why: str, wait_s: float) -> None:
        log(
            EventName.HTTP_REPEATED,
            account=account.name,
            operation=request.operation,
            number=number,
            why=why,
            wait_s=round(wait_s, 3),
        )

    return note


def fetched_event(account: Account, fetched: Fetched) -> None:
    """Emit the event of a fetched or refused credential."""
    if isinstance(fetched, Credential):
        until = f"{fetched.expires_at:%H:%M:%SZ}" if fetched.expires_at else "for ever"
        log(EventName.CREDENTIAL_OBTAINED, account=account.name, good_until=until)
    else:
        refused = isinstance(fetched, AccountRefused)
        why = str(fetched.reason) if isinstance(fetched, AccountRefused) else fetched.why
        name = EventName.CREDENTIAL_REFUSED if refused else EventName.CREDENTIAL_UNAVAILABLE
        log(name, account=account.name, why=why)
