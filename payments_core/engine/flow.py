"""The engine's flows: what they can ask for beside HTTP, and the results.

An engine flow asks for an HTTP exchange, a journal command, or a preflight before a payment is sent.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from payments_core.domain.payout import Operation, Reason
from payments_core.domain.records import PayoutRecord
from payments_core.engine.commands import (
    AcknowledgeContradictions,
    AppendHistory,
    ApplyTransition,
    Contradicted,
    CreateAttempt,
    DelayPayout,
    GapOpen,
    HistoryAppended,
    JournalCommand,
    JournalResult,
    LoadAttempts,
    LoadedAttempts,
    OverRefunded,
    RecordAccountQuery,
    Stale,
    TransitionApplied,
    TransitionResult,
)
from payments_core.http.messages import HttpRequest, HttpResponse

__all__ = [
    "Command",
    "CredentialRefused",
    "EngineFlow",
    "NeedsApproval",
    "Postponed",
    "PreflightAtOnce",
    "PreflightResult",
    "Proceed",
    "ReadAs",
    "RefusedByGuard",
    "Reply",
    "RunPreflight",
    "append_history",
    "apply_transition",
    "create_attempt",
    "load_attempts",
    "read_as",
    "run_preflight",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunPreflight:
    """Ask whether a payout may be sent now: guards (once an attempt), credential, permit, connection.

    Everything that can be slow or fail harmlessly is done here, before the row says SENDING.
    """

    row: PayoutRecord


@dataclass(frozen=True, slots=True)
class PreflightAtOnce:
    """Ask whether a new payout may be sent now without any wait: nobody is asked, and nothing has to be got first.

    The result is ``Proceed``, or None where a plugin must be asked, an approval is needed, or the credential, a permit
    or a connection is not there yet.

    Args:
        row: As it would be recorded.

    """

    row: PayoutRecord


@dataclass(frozen=True, slots=True)
class ReadAs:
    """Read with another identity of the account: what an earlier attempt was paid as.

    Args:
        account: The account's name.
        operation: Of the payout.
        binding: Tells which identity.
        request: Moves no money.

    """

    account: str
    operation: Operation
    binding: Mapping[str, str]
    request: HttpRequest


@dataclass(frozen=True, slots=True)
class Proceed:
    """It may be sent, at this moment.

    Args:
        at: When.
        needs_approval: Only with an approval: the journal looks once more in the commit before the first byte.

    """

    at: datetime
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """The attempt needs an approval first.

    Args:
        why: In words.
        at: When.

    """

    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RefusedByGuard:
    """A guard says no, for good.

    Args:
        reason: Why.
        at: When.

    """

    reason: Reason
    at: datetime


@dataclass(frozen=True, slots=True)
class Postponed:
    """Not yet: a guard failed, no credential could be had, no permit is free.

    Args:
        why: In words.
        at: When.
        after_s: The shortest wait before it is tried again, in seconds; None for the account's own.
        by_guard: A guard could not be asked; in every other case the guards had let it pass.
        by_rate: No permit is free soon enough: nothing was tried, and nothing is wrong.

    """

    why: str
    at: datetime
    after_s: float | None = None
    by_guard: bool = False
    by_rate: bool = False


@dataclass(frozen=True, slots=True)
class CredentialRefused:
    """The provider refuses our credential: the account pauses, and no payout fails.

    Args:
        reason: What is wrong with us.
        http_status: Of the response, if one came.
        at: When; aware, UTC.

    """

    reason: Reason
    http_status: int | None
    at: datetime


PreflightResult: TypeAlias = Proceed | RefusedByGuard | NeedsApproval | Postponed | CredentialRefused
Command: TypeAlias = HttpRequest | JournalCommand | PreflightAtOnce | RunPreflight | ReadAs
Reply: TypeAlias = HttpResponse | JournalResult | PreflightResult | None
EngineFlow: TypeAlias = Generator[Command, Any, T]  # the executor answers each command with its own kind of result


def apply_transition(command: ApplyTransition) -> EngineFlow[TransitionResult]:
    """Ask the journal to change a record."""
    result: TransitionResult = yield command
    return result


def create_attempt(
    command: CreateAttempt,
) -> EngineFlow[TransitionApplied | Stale | Contradicted | OverRefunded | GapOpen]:
    """Ask the journal to begin a payout's next attempt."""
    result: TransitionApplied | Stale | Contradicted | OverRefunded | GapOpen = yield command
    return result


def load_attempts(payout_id: str) -> EngineFlow[LoadedAttempts]:
    """Ask the journal for what a record does not hold."""
    result: LoadedAttempts = yield LoadAttempts(payout_id)
    return result


def read_as(command: ReadAs) -> EngineFlow[HttpResponse]:
    """Ask for one read with another identity; raises as a provider's ``exchange``."""
    response: HttpResponse = yield command
    return response


def append_history(
    command: AppendHistory | DelayPayout | AcknowledgeContradictions | RecordAccountQuery,
) -> EngineFlow[HistoryAppended]:
    """Ask the journal to record something that changes no status."""
    result: HistoryAppended = yield command
    return result


def run_preflight(row: PayoutRecord) -> EngineFlow[PreflightResult]:
    """Ask whether the payout may be sent now."""
    result: PreflightResult = yield RunPreflight(row)
    return result
