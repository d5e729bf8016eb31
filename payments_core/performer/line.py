"""An account's line to its provider, and a performer on it, for threads. ``line_async`` is its twin."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from time import perf_counter
from types import TracebackType
from typing import Self

from payments_core.entries import JournalReply, PayoutRow
from payments_core.errors import ProviderBug
from payments_core.flow import AskLeave, Command, Go, Leave, Reply, run
from payments_core.performer import common
from payments_core.performer.common import Fetched
from payments_core.performer.office import Office, in_daemon
from payments_core.provider import Account, Credential
from payments_core.retry import send_with_retry
from payments_core.transport import Transport
from payments_core.wire import HttpRequest, HttpResponse, NoAnswer, NotSent

__all__ = ["Line", "Performer"]


class Line:
    """One account's transport, credential and permits, shared by every flow of a client."""

    def __init__(self, account: Account, transport: Transport, office: Office) -> None:
        self.account = account
        self._auth = common.authenticator(account)
        self._transport = transport
        self._office = office
        self._permits = threading.BoundedSemaphore(account.settings.max_in_flight)
        self._lock = threading.Lock()
        self._credential: Credential | None = None
        self._fetching: Future[Fetched] | None = None

    def performer(self) -> Performer:
        """Return a performer for one flow."""
        return Performer(self, self._office, self._permits)

    def leave(self, row: PayoutRow) -> Leave | None:
        """Ask the guards and make a credential ready; None when nothing stands against sending."""
        clock, plugins = self._office.clock, self._office.plugins
        if not row.cleared and plugins.has_guards:
            payout = row.view()
            try:
                refusal = in_daemon(lambda: plugins.before_submit(payout)).result(self.account.settings.guard_timeout_s)
            except Exception as error:  # noqa: BLE001 fails closed
                return common.guard_failed(error, clock())
            if refusal:
                return common.guard_refused(refusal, clock())
        return common.no_leave(self.credential(), clock()) if self._auth else None

    def is_ready(self) -> bool:
        """Say whether a request could leave now without fetching a credential first."""
        return self._auth is None or common.is_usable(self._credential, self._office.clock())

    def exchange(self, request: HttpRequest) -> HttpResponse:
        """Carry out one request: a money request once, a repeatable one by its policy and with a fresh credential."""
        if request.moves_money or not request.repeatable:
            return self._send(request)
        policy, auth = common.policy_of(self.account, request), self._auth if request.credential else None
        if auth:  # outside the policy: fetching a credential has a policy of its own
            common.present(self.credential(), self._office.clock())

        def by_policy() -> HttpResponse:
            return send_with_retry(
                policy, lambda: self._send(request, policy.timeout_s), on_retry=common.repeats(self.account, request)
            )

        response = by_policy()
        return by_policy() if auth and auth.is_auth_refusal(response) else response

    def credential(self) -> Fetched:
        """Return the credential, fetching it once however many ask."""
        with self._lock:
            credential = self._credential
            if credential is not None and common.is_usable(credential, self._office.clock()):
                return credential
            fetching, mine = self._fetching, self._fetching is None
            if fetching is None:
                fetching = self._fetching = Future()
        if mine:
            try:
                fetched = self._fetch()
                with self._lock:
                    self._credential = fetched if isinstance(fetched, Credential) else None
                fetching.set_result(fetched)
            except BaseException:
                # A KeyboardInterrupt is for this thread; those who wait with it only have no credential yet.
                if not fetching.done():
                    fetching.set_result(NoAnswer("the fetch was interrupted", at=self._office.clock()))
                raise
            finally:
                with self._lock:
                    self._fetching = None
        return fetching.result()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _send(self, request: HttpRequest, timeout_s: float | None = None) -> HttpResponse:
        auth, used = self._auth if request.credential else None, None
        if auth:
            used = self.credential()
            request = common.filled(auth, request, used, self._office.clock())
        if timeout_s is not None:
            request = common.within(request, timeout_s)
        start = perf_counter()
        try:
            response = self._transport.send(request)
        except (NotSent, NoAnswer) as ended:
            common.note_exchange(self.account, request, ended, (perf_counter() - start) * 1000)
            raise
        common.note_exchange(self.account, request, response, (perf_counter() - start) * 1000)
        if auth and auth.is_auth_refusal(response):
            with self._lock:
                if self._credential is used:  # a newer one stays
                    self._credential = None
        return response

    def _fetch(self) -> Fetched:
        auth = self._auth
        if auth is None:
            return Credential({})
        try:
            fetched: Fetched = run(auth.authenticate(), self._perform_plain)
        except (NotSent, NoAnswer) as ended:
            fetched = ended
        except Exception as bug:  # noqa: BLE001 whatever it was, there is no credential
            fetched = NoAnswer(f"provider bug: {type(bug).__name__}", at=self._office.clock())
        fetched = common.checked(fetched, self._office.clock())
        common.fetched_event(self.account, fetched)
        return fetched

    def _perform_plain(self, command: Command) -> Reply:
        if not isinstance(command, HttpRequest) or command.credential or command.moves_money:
            raise ProviderBug("authenticate() may only ask for requests without a credential.")
        return self.exchange(command)


class Performer:
    """Carries out one flow's commands; a context manager, so that its permit is given back whatever happens."""

    def __init__(self, line: Line, office: Office, permits: threading.BoundedSemaphore) -> None:
        self._line = line
        self._office = office
        self._permits = permits
        self._permit = False
        self.money_asked = False

    def __call__(self, command: Command) -> Reply:
        """Carry out one command."""
        if isinstance(command, HttpRequest):
            if not command.moves_money:
                return self._line.exchange(command)
            self.money_asked = True
            try:
                return self._line.exchange(command)
            finally:
                self._give_back()
        if isinstance(command, AskLeave):
            return self._leave(command.row)
        reply: JournalReply = self._office.journal.perform(command)
        self._office.announce(command, reply)
        return reply

    def __enter__(self) -> Self:
        """Begin a flow."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._give_back()

    def _leave(self, row: PayoutRow) -> Leave:
        """Take a permit with everything else ready; waiting for it may have outlived the credential, once."""
        for asked in (row, replace(row, cleared=True)):
            if refusal := self._line.leave(asked):
                return refusal
            self._permits.acquire()
            self._permit = True
            if asked is not row or self._line.is_ready():
                break
            self._give_back()
        return Go(self._office.clock())

    def _give_back(self) -> None:
        if self._permit:
            self._permit = False
            self._permits.release()
