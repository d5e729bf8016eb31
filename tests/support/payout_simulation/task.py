"""One flow, driven by hand, so that others may take steps between any two of its commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from payments_core.client import resuming
from payments_core.client.account_choice import existing_payout
from payments_core.domain.errors import (
    BatchBudgetReached,
    DecisionRefused,
    InvalidPayout,
    KeyReused,
    NotSupported,
    OverRefund,
)
from payments_core.domain.rates import Priority
from payments_core.domain.records import PayoutRecord
from payments_core.domain.references import payout_id
from payments_core.engine import steps
from payments_core.engine.flow import Command, EngineFlow, ReadAs, Reply
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.provider import Account
from payments_core.runtime import AccountSession, AsyncAccountSession, priority_of
from payout_simulation.ends import Attempt
from payout_simulation.workload import PlannedOrder

if TYPE_CHECKING:
    from payout_simulation.process import Process

__all__ = ["Task", "Tracks", "Use", "Work", "advancing", "deciding", "paying"]

_REFUSED = (KeyReused, OverRefund, DecisionRefused, NotSupported, InvalidPayout)


@dataclass(frozen=True, slots=True)
class Use:
    """What follows is done through the line of this account, as a client takes a performer for each step.

    Args:
        account: As what it pays as now, or paid as before.
        lane: What its reads are for.

    """

    account: Account
    priority: Priority | None = None


Work: TypeAlias = Generator[Command | Use, Any, PayoutRecord]


class Tracks:
    """A line for threads or for an event loop, used alike.

    Args:
        line: The account's.
        loop: Where it runs; None for one that needs none.

    """

    def __init__(self, line: AccountSession | AsyncAccountSession, loop: asyncio.AbstractEventLoop | None) -> None:
        self._line = line
        self._loop = loop

    def executor(self, priority: Priority | None) -> Any:
        """Return a performer for one step."""
        return self._line.executor(priority)

    def execute(self, executor: Any, command: Command) -> Reply:
        """Carry out one command to its end."""
        done = executor(command)
        return cast("Reply", done if self._loop is None else self._loop.run_until_complete(done))

    def exchange(self, request: HttpRequest) -> HttpResponse:
        """Carry out one request."""
        done: Any = self._line.exchange(request)
        return cast("HttpResponse", done if self._loop is None else self._loop.run_until_complete(done))


class Task:
    """One flow: a step is one command, and for HTTP one more when the answer arrives.

    Args:
        process: Who works.
        about: The payout's key.
        flow: What decides.

    """

    def __init__(self, process: Process, about: str, flow: Work) -> None:
        self.about = about
        self.ready_us = 0
        self._process = process
        self._flow = flow
        self._tracks: Tracks | None = None
        self._performer: Any = None
        self._command: Command | None = None
        self._ended: HttpResponse | NotSent | NoAnswer | None = None
        self._contradicted: list[Attempt] = []  # whose ends do not agree with what the flow was told

    def step(self) -> None:
        """Carry out the next command, or hand over the answer that has arrived."""
        clock, flow, ended = self._process.world.time, self._flow, self._ended
        self._process.about = self.about
        if ended is not None:
            self._ended = None
            if isinstance(ended, HttpResponse):
                reply = replace(ended, at=clock())
                command = self._command
                assert isinstance(command, HttpRequest | ReadAs)
                request = command if isinstance(command, HttpRequest) else command.request
                self._contradicted += self._process.world.watch.ends.contradicted(request, reply)
                self.go_on(lambda: flow.send(reply))
            else:
                ended.at = clock()
                self.go_on(lambda: flow.throw(ended))
            return
        command = self._command
        if isinstance(command, HttpRequest | ReadAs):
            self._ended = self._exchanged(command)
            self.ready_us = clock.passed_us + self._process.took_us
            return
        assert command is not None
        assert self._tracks is not None
        answer = self._tracks.execute(self._performer, command)
        self.go_on(lambda: flow.send(answer))

    def go_on(self, to_next: Callable[[], Command | Use]) -> None:
        """Let the flow decide up to its next command; the application hears of what it may not do."""
        try:
            command = to_next()
            while isinstance(command, Use):
                self._release()
                self._tracks = self._process.tracks(command.account)
                self._performer = self._tracks.executor(command.priority)
                command = next(self._flow)
            self._command = command
        except StopIteration:
            self._over("is done for now")
        except _REFUSED as refused:
            self._over(type(refused).__name__)
            self._process.world.refusals[type(refused).__name__] += 1

    def drop(self) -> None:
        """Forget it in the middle."""
        self._flow.close()

    def _release(self) -> None:
        if self._performer is not None:
            self._performer.__exit__(None, None, None)

    def _over(self, how: str) -> None:
        self._release()
        self._process.tasks.remove(self)
        self._process.world.note(self._process.name, self.about, how)
        self._process.world.watch.over(self._contradicted)

    def _exchanged(self, command: HttpRequest | ReadAs) -> HttpResponse | NotSent | NoAnswer:
        process = self._process
        process.took_us = 0
        try:
            if isinstance(command, ReadAs):
                return process.tracks(process.runtime.identity(command)).exchange(command.request)
            assert self._tracks is not None
            reply = self._tracks.execute(self._performer, command)
        except (NotSent, NoAnswer) as ended:
            return ended
        assert isinstance(reply, HttpResponse)
        return reply


def paying(process: Process, planned: PlannedOrder) -> Work:
    """Do what a client does to send a key: look it up, write it down, and go on while something is due at once."""
    runtime, watch = process.runtime, process.world.watch
    row = existing_payout(runtime, planned.order, planned.account)
    if row is None:
        account = runtime.account(planned.account)
        yield Use(account)
        identity = payout_id(runtime.namespace, planned.order.key)
        try:
            created = yield from steps.send(account, planned.order, process.moment(), identity)
        except OverRefund:
            watch.refused.add(planned.order.key)
            raise
        except BatchBudgetReached:
            if planned.order.batch not in watch.batches.cancelled:
                watch.batches.put_off.append(planned)
            raise
        row = created.row
        watch.acknowledged.add(planned.order.key)
        if created.created and not resuming.is_due(row, runtime.clock()):
            return row
    watch.acknowledged.add(planned.order.key)
    for _ in range(resuming.STEPS_AT_ONCE):
        before = row
        row = yield from advancing(process, row)
        if row.version == before.version or not resuming.is_due(row, runtime.clock()):
            break
    return row


def advancing(process: Process, row: PayoutRecord, *, early: bool = False) -> Work:
    """Take one step with a payout, as the engine decides."""
    account = process.runtime.serving(row)
    yield Use(account, priority_of(row))
    return (yield from steps.advance(account, row, process.moment(), early=early))


def deciding(account: Account, flow: EngineFlow[PayoutRecord]) -> Work:
    """Carry out what a person has decided."""
    yield Use(account)
    return (yield from flow)
