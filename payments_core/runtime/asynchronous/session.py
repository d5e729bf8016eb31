"""An account's session with its provider, and the executor of a flow's commands on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import Token
from dataclasses import replace
from time import monotonic, perf_counter
from types import TracebackType
from typing import Self

from payments_core.domain.errors import ProviderBug
from payments_core.domain.rates import Priority
from payments_core.domain.records import PayoutRecord
from payments_core.engine.commands import ApplyTransition, CreateResult
from payments_core.engine.flow import (
    Command,
    NeedsApproval,
    Postponed,
    PreflightAtOnce,
    PreflightResult,
    Proceed,
    ReadAs,
    Reply,
    RunPreflight,
)
from payments_core.http.flow import arun_flow
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.http.retry import asend_with_retry
from payments_core.http.transport import AsyncTransport
from payments_core.logs import current_payout
from payments_core.provider import Account, Credential
from payments_core.runtime import session_rules
from payments_core.runtime.asynchronous.rate_limiter import AsyncRateLimiter
from payments_core.runtime.runtime import Runtime, in_daemon
from payments_core.runtime.session_rules import Fetched
from payments_core.runtime.shared_credential import LOOK_AGAIN_S, MOST_LOOKS, Sharing, sharing_of
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncAccountSession", "AsyncCommandExecutor"]


class AsyncAccountSession:
    """One account's transport, credential and permits, shared by every flow of a client."""

    def __init__(self, account: Account, transport: AsyncTransport, runtime: Runtime) -> None:
        self.account = account
        self._auth = session_rules.authenticator(account)
        self._transport = transport
        self._runtime = runtime
        self.limiter = AsyncRateLimiter(account, runtime.journal)
        self._permits = waiting.BoundedSemaphore(account.settings.max_in_flight)
        self._sharing = sharing_of(account, runtime)
        self._credential = waiting.SingleFlight[Fetched](
            self._fetch_anywhere, is_fresh=self._is_usable, interrupted=self._no_credential, on_drop=self._spend
        )

    def executor(
        self,
        priority: Priority | None = None,
        session_of: Callable[[ReadAs], AsyncAccountSession] | None = None,
        *,
        payout_id: str = "",
    ) -> AsyncCommandExecutor:
        """Return the executor of one flow.

        Args:
            priority: What the flow's reads are for; None where they are no status reads, and not capped.
            session_of: Returns the session of another identity; None where the flow reads as this one only.
            payout_id: The payout that the flow serves; its log events carry it.

        """
        return AsyncCommandExecutor(self, self._runtime, self._permits, priority, session_of, payout_id)

    async def preflight(self, row: PayoutRecord) -> PreflightResult | None:
        """Ask the guards and make a credential ready; None when nothing stands against sending."""
        clock, plugins = self._runtime.clock, self._runtime.plugins
        if not row.attempt.guards_passed and plugins.has_guards:
            payout, refusal, broken = row.view(), None, None
            try:
                asked = in_daemon(lambda: plugins.before_submit(payout))
                refusal = await waiting.result_of(asked, self.account.settings.guard_timeout_s)
            except Exception as error:  # noqa: BLE001 fails closed
                broken = error
            if broken is not None:
                return session_rules.guard_failed(broken, clock())
            if refusal:
                return session_rules.guard_refused(refusal, clock())
        return session_rules.credential_problem(await self.credential(), clock()) if self._auth else None

    async def approval_needed(self, row: PayoutRecord) -> str | Postponed:
        """Return why an attempt needs an approval; empty when it does not."""
        if why := self.above_limit(row):
            return why
        clock, plugins = self._runtime.clock, self._runtime.plugins
        if row.attempt.guards_passed or not plugins.has_approvals:
            return ""
        payout = row.view()
        try:
            asked = in_daemon(lambda: plugins.needs_approval(payout))
            return await waiting.result_of(asked, self.account.settings.guard_timeout_s) or ""
        except Exception as error:  # noqa: BLE001 fails closed
            broken = error
        return session_rules.approval_failed(broken, clock())

    def above_limit(self, row: PayoutRecord) -> str:
        """Return why the account's own limit requires an approval; empty when it does not."""
        limits, amount = self.account.settings.approve_above, row.order.amount
        if limits is None or row.attempt.ambiguous or amount.is_within(limits):
            return ""
        return session_rules.above_limit(self.account, limits, amount)

    def is_ready(self) -> bool:
        """Whether a request could be sent now without fetching a credential first."""
        return self._auth is None or self._credential.is_ready

    async def exchange(self, request: HttpRequest, priority: Priority | None = None) -> HttpResponse:
        """Carry out one request: a money request once, a repeatable one by its policy and with a fresh credential.

        Args:
            request: What to send.
            priority: What it is for, where it is a status read: each time it is sent takes a permit.

        """
        if request.moves_money or not request.repeatable:
            return await self._send(request, priority=priority)
        policy = session_rules.policy_of(self.account, request, priority)
        auth = self._auth if request.credential else None
        if auth:  # outside the policy: fetching a credential has a policy of its own
            await self._present()

        async def by_policy() -> HttpResponse:
            return await asend_with_retry(
                policy,
                lambda: self._send(request, policy.timeout_s, priority),
                on_retry=session_rules.repeats(self.account, request),
            )

        response = await by_policy()
        return await by_policy() if auth and auth.is_auth_refusal(response) else response

    async def credential(self) -> Fetched:
        """Return the credential, fetching it once however many callers ask."""
        return await self._credential.get()

    async def _present(self) -> Credential:
        """Return the credential; raises ``NotSent`` without one."""
        if isinstance(fetched := await self.credential(), Credential):
            return fetched
        raise session_rules.not_sent_without(fetched, self._runtime.clock())

    async def close(self) -> None:
        """Close the connections."""
        await self._credential.close()
        await self._transport.aclose()

    async def _send(
        self, request: HttpRequest, timeout_s: float | None = None, priority: Priority | None = None
    ) -> HttpResponse:
        auth, used = self._auth if request.credential else None, None
        if auth:
            used = await self._present()
            request = auth.apply(request, used, at=self._runtime.clock(), entropy=os.urandom)
        if timeout_s is not None:
            request = session_rules.within(request, timeout_s)
        if priority is not None and self.limiter.applies(priority):
            session_rules.check_permit(priority, await self.limiter.take(priority), self._runtime.clock())
        start = perf_counter()
        try:
            response = await self._transport.send(request)
        except (NotSent, NoAnswer) as ended:
            session_rules.note_exchange(self.account, request, ended, (perf_counter() - start) * 1000)
            raise
        session_rules.note_exchange(self.account, request, response, (perf_counter() - start) * 1000)
        if auth and used is not None and auth.is_auth_refusal(response):
            self._credential.drop(used)
        return response

    def _is_usable(self, fetched: Fetched) -> bool:
        if not isinstance(fetched, Credential):
            return False
        return fetched.expires_at is None or fetched.expires_at > self._runtime.clock()

    def _no_credential(self) -> Fetched:
        return NoAnswer("the fetch was interrupted", at=self._runtime.clock())

    def _spend(self, fetched: Fetched) -> None:
        if self._sharing and isinstance(fetched, Credential):
            self._sharing.spend(fetched)

    async def _fetch_anywhere(self) -> Fetched:
        return await (self._fetch_shared(self._sharing) if self._sharing else self._fetch())

    async def _fetch_shared(self, sharing: Sharing) -> Fetched:
        """Take the credential that another process has fetched, or fetch it for all of them."""
        journal = self._runtime.journal
        for _ in range(MOST_LOOKS):
            shared = await waiting.result_of(journal.token(sharing.ask()))
            if (found := sharing.opened(shared)) is not None:
                return found
            if shared.may_fetch or shared.encrypted:  # what cannot be decrypted is none
                fetched: Fetched | None = None
                try:
                    fetched = await self._fetch()
                    return fetched
                finally:
                    await waiting.result_of(journal.token(sharing.keep(fetched)))
            await waiting.sleep(LOOK_AGAIN_S)
        return sharing.timed_out()

    async def _fetch(self) -> Fetched:
        auth = self._auth
        fetched: Fetched = Credential({})
        try:
            if auth is not None:
                fetched = await arun_flow(auth.authenticate(), self._execute_http)
        except (NotSent, NoAnswer) as ended:
            fetched = ended
        except Exception as bug:  # noqa: BLE001 whatever it was, there is no credential
            fetched = NoAnswer(f"provider bug: {type(bug).__name__}", at=self._runtime.clock())
        fetched = session_rules.checked(fetched, self._runtime.clock())
        session_rules.fetched_event(self.account, fetched)
        return fetched

    async def _execute_http(self, command: object) -> HttpResponse:
        if not isinstance(command, HttpRequest) or command.credential or command.moves_money:
            raise ProviderBug("authenticate() may only ask for requests without a credential.")
        return await self.exchange(command)


class AsyncCommandExecutor:
    """Carries out one flow's commands; a context manager, so that its permit is given back whatever happens."""

    _outside: Token[str] | None = None  # what log events were about before this flow was entered

    def __init__(
        self,
        session: AsyncAccountSession,
        runtime: Runtime,
        permits: waiting.BoundedSemaphore,
        priority: Priority | None,
        session_of: Callable[[ReadAs], AsyncAccountSession] | None = None,
        payout_id: str = "",
    ) -> None:
        self._session = session
        self._runtime = runtime
        self._permits = permits
        self._permit = False
        self._permit_at: float | None = None
        self._session_of = session_of
        self._payout_id = payout_id
        self.priority = priority
        self.money_asked = False
        self.created: PayoutRecord | None = None

    async def __call__(self, command: Command) -> Reply:
        """Carry out one command."""
        if isinstance(command, HttpRequest):
            if not command.moves_money:
                return await self._session.exchange(command, self.priority)
            self.money_asked = True
            is_void = self._permit_at is not None and self._session.limiter.is_over(self._permit_at)
            priority = Priority.POST if is_void else None
            try:
                return await self._session.exchange(command, priority)
            finally:
                self._give_back()
        if isinstance(command, PreflightAtOnce):
            return await self._preflight_at_once(command.row)
        if isinstance(command, RunPreflight):
            self.priority = None  # what is asked for on the way to a payment is no status read
            return await self._preflight(command.row)
        if isinstance(command, ReadAs):
            if self._session_of is None:
                raise ProviderBug("This executor has no session of another identity.")
            return await self._session_of(command).exchange(command.request, self.priority)
        reply = await waiting.execute(self._runtime.journal, command)
        self._runtime.announce(command, reply)
        if isinstance(reply, CreateResult) and reply.created:
            self.created = reply.row
        if isinstance(command, ApplyTransition) and command.read_end is not None and command.read_end.is_refused:
            self._session.limiter.is_penalised = True
        return reply

    def __enter__(self) -> Self:
        """Begin a flow."""
        self._outside = current_payout.set(self._payout_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._give_back()
        if self._outside is not None:
            current_payout.reset(self._outside)

    async def _preflight_at_once(self, row: PayoutRecord) -> Proceed | None:
        """Take a connection if nothing else makes a new payout wait and no plugin has to be asked."""
        session, plugins = self._session, self._runtime.plugins
        asks = plugins.has_guards or plugins.has_approvals or session.above_limit(row)
        if asks or session.limiter.caps_posts or not session.is_ready():
            return None
        if not await waiting.try_acquire(self._permits):
            return None
        self._permit = True
        return Proceed(self._runtime.clock())

    async def _preflight(self, row: PayoutRecord) -> PreflightResult:
        """Ask the guards, then take a connection and a permit.

        A credential that expired meanwhile is fetched anew, once.
        """
        why = await self._session.approval_needed(row)
        if isinstance(why, Postponed):
            return why
        journal = self._runtime.journal
        if why and await waiting.read(journal, journal.approval, row.id, row.attempt.number) is None:
            return NeedsApproval(why, self._runtime.clock())
        limiter = self._session.limiter
        for asked in (row, replace(row, attempt=replace(row.attempt, guards_passed=True))):
            if refusal := await self._session.preflight(asked):
                return refusal
            await self._permits.acquire()
            self._permit = True
            if limiter.caps_posts:
                if (after_s := await limiter.take(Priority.POST)) is not None:
                    return session_rules.no_permit(after_s, self._runtime.clock())
                self._permit_at = monotonic()
            if asked is not row or self._session.is_ready():
                break
            self._give_back()
        return Proceed(self._runtime.clock(), needs_approval=bool(why))

    def _give_back(self) -> None:
        if self._permit:
            self._permit = False
            self._permits.release()
