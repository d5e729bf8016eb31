"""Flows: decisions written once as generators that ask for I/O and do none, and the two runners that drive them.

A flow asks for three things: an HTTP exchange, a journal entry, and leave to send. It holds no clock and draws no
random number; both come to it as arguments and in replies. So a test can stop it before any step and start again
from the journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from payments_core.entries import (
    AcknowledgeContradictions,
    AskAccount,
    Contradicted,
    GapOpen,
    JournalEntry,
    JournalReply,
    Move,
    Moved,
    MoveReply,
    Note,
    Noted,
    Open,
    Opened,
    OverRefunded,
    PayAgain,
    Recall,
    Recalled,
    Stale,
)
from payments_core.errors import ProviderBug
from payments_core.payout import Operation, Reason
from payments_core.rows import PayoutRow
from payments_core.wire import HttpRequest, HttpResponse, NoAnswer, NotSent

__all__ = [
    "AskLeave",
    "Blocked",
    "Command",
    "Flow",
    "Go",
    "Leave",
    "NeedsApproval",
    "NotNow",
    "ReadAs",
    "Refused",
    "Reply",
    "acknowledge",
    "arun",
    "ask_account",
    "ask_leave",
    "exchange",
    "move",
    "note",
    "open_payout",
    "pay_again",
    "read_as",
    "recall",
    "run",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AskLeave:
    """Ask whether a payout may be sent now: guards (once an attempt), credential, permit, connection.

    Everything that can be slow or fail harmlessly is done here, before the row says SENDING.
    """

    row: PayoutRow


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
class Go:
    """It may be sent, at this moment.

    Args:
        at: When.
        needs_approval: Only with an approval: the journal looks once more in the commit before the first byte.

    """

    at: datetime
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """Not before somebody has approved it.

    Args:
        why: In words.
        at: When.

    """

    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard says no, for good.

    Args:
        reason: Why.
        at: When.

    """

    reason: Reason
    at: datetime


@dataclass(frozen=True, slots=True)
class NotNow:
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
class Blocked:
    """The provider refuses *us*: credentials, address, role. The account pauses; no payout fails.

    The same value is a provider's answer to a money request.

    Args:
        reason: What is wrong with us.
        http_status: Of the answer, if one came.
        at: When; None in a provider's answer, where the engine knows.

    """

    reason: Reason
    http_status: int | None = None
    at: datetime | None = None


Leave: TypeAlias = Go | Refused | NeedsApproval | NotNow | Blocked
Command: TypeAlias = HttpRequest | JournalEntry | AskLeave | ReadAs
Reply: TypeAlias = HttpResponse | JournalReply | Leave
Flow: TypeAlias = Generator[Command, Reply, T]


def exchange(request: HttpRequest) -> Flow[HttpResponse]:
    """Ask for one HTTP exchange.

    Raises:
        NotSent: Proven: no server read the request.
        NoAnswer: Anything else that is not a complete answer.

    """
    reply = yield request
    if not isinstance(reply, HttpResponse):
        raise _wrong(request, reply)
    return reply


def open_payout(entry: Open) -> Flow[Opened | OverRefunded]:
    """Ask the journal for a payout's row under its key."""
    reply = yield entry
    if not isinstance(reply, Opened | OverRefunded):
        raise _wrong(entry, reply)
    return reply


def move(entry: Move) -> Flow[MoveReply]:
    """Ask the journal to move a row."""
    reply = yield entry
    if not isinstance(reply, MoveReply):
        raise _wrong(entry, reply)
    return reply


def pay_again(entry: PayAgain) -> Flow[Moved | Stale | Contradicted | OverRefunded | GapOpen]:
    """Ask the journal to begin a payout's next attempt."""
    reply = yield entry
    if not isinstance(reply, Moved | Stale | Contradicted | OverRefunded | GapOpen):
        raise _wrong(entry, reply)
    return reply


def recall(payout_id: str) -> Flow[Recalled]:
    """Ask the journal for what a row does not tell."""
    entry = Recall(payout_id)
    reply = yield entry
    if not isinstance(reply, Recalled):
        raise _wrong(entry, reply)
    return reply


def read_as(command: ReadAs) -> Flow[HttpResponse]:
    """Ask for one read with another identity; raises as ``exchange``."""
    reply = yield command
    if not isinstance(reply, HttpResponse):
        raise _wrong(command, reply)
    return reply


def note(entry: Note) -> Flow[Noted]:
    """Ask the journal to add to a history."""
    reply = yield entry
    if not isinstance(reply, Noted):
        raise _wrong(entry, reply)
    return reply


def acknowledge(entry: AcknowledgeContradictions) -> Flow[Noted]:
    """Ask the journal to write down that a person has taken note of contradictions."""
    reply = yield entry
    if not isinstance(reply, Noted):
        raise _wrong(entry, reply)
    return reply


def ask_account(entry: AskAccount) -> Flow[Noted]:
    """Ask the journal to remember a question about an account."""
    reply = yield entry
    if not isinstance(reply, Noted):
        raise _wrong(entry, reply)
    return reply


def ask_leave(row: PayoutRow) -> Flow[Leave]:
    """Ask whether the payout may be sent now."""
    command = AskLeave(row)
    reply = yield command
    if not isinstance(reply, Go | Refused | NeedsApproval | NotNow | Blocked):
        raise _wrong(command, reply)
    return reply


def run(flow: Flow[T], perform: Callable[[Command], Reply]) -> T:
    """Drive a flow to its end; ``NotSent`` and ``NoAnswer`` go into it, anything else closes it and goes up.

    Args:
        flow: What decides.
        perform: Carries out one command.

    """
    try:
        command = next(flow)
        while True:
            try:
                reply = perform(command)
            except (NotSent, NoAnswer) as ended:
                command = flow.throw(ended)
            except StopIteration as stray:
                raise _stray(stray) from stray
            else:
                command = flow.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


async def arun(flow: Flow[T], perform: Callable[[Command], Awaitable[Reply]]) -> T:
    """Drive a flow to its end on an event loop; a cancellation closes it and goes up.

    Args:
        flow: What decides.
        perform: Carries out one command.

    """
    try:
        command = next(flow)
        while True:
            try:
                reply = await perform(command)
            except (NotSent, NoAnswer) as ended:
                command = flow.throw(ended)
            except StopIteration as stray:  # a coroutine turns it into RuntimeError; a plain awaitable may not
                raise _stray(stray) from stray
            else:
                command = flow.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


def _stray(stray: StopIteration) -> ProviderBug:
    # Unguarded, it would be taken for the flow's own result.
    return ProviderBug(f"A performer raised StopIteration({stray.value!r}).")


def _wrong(command: Command, reply: Reply) -> ProviderBug:
    return ProviderBug(f"{type(command).__name__} was answered with {type(reply).__name__}.")
