"""Callbacks: the paths they come to, what is stored of them, and what they make due.

A callback changes no payout. It makes the payout's next read due, and that read decides; only a result callback,
the answer to a query that was sent to a provider, counts as the read itself.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, TypeVar

from payments_core.client.allowed_commands import only_journal
from payments_core.client.result_paths import TRIES, asked_about
from payments_core.domain.bounds import MOST_ROWS, check_number
from payments_core.domain.errors import JournalError
from payments_core.domain.events import EventName
from payments_core.domain.inbox_records import Arrival, Handled, Handling, InboxCount
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine import Effect, about, answer, differs_from, match_callback, read_balance_result, token_hash
from payments_core.engine.commands import JournalResult
from payments_core.engine.flow import Command
from payments_core.http.flow import run_flow
from payments_core.logs import log, log_payout
from payments_core.provider import Account, Acknowledgement, Callback, Callbacks, Capability, ParsedCallback, Redacts
from payments_core.runtime import Runtime

__all__ = ["PAGE", "PATH", "Inbox", "InboxMixin", "Place"]

PATH = "callbacks"  # an account's address ends with it and with the account's token
PAGE = 100  # a process that also pays handles no more at a time: a flood of callbacks delays no payment
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")  # as long as those minted for queries
_WORD = re.compile(r"[A-Za-z_]{0,30}|[0-9]{1,5}")
T = TypeVar("T")
_HAS_EVENTS = (Effect.ANSWERED, Effect.CONTRADICTED)  # of the payout's own


class Place(NamedTuple):
    """What a path leads to.

    Args:
        account: Whose it is.
        query: ``token_hash`` of the query it was minted for; empty for the account's own path.

    """

    account: str
    query: str = ""


class Inbox:
    """The callbacks of one client's accounts; any thread may use it.

    Args:
        runtime: Whose journal and accounts there are.

    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @functools.cached_property
    def tokens(self) -> Mapping[str, str]:
        """The last part of each account's path: 192 bits that cannot be guessed, the same as long as the journal."""
        secret = bytes.fromhex(self._runtime.journal.callback_secret())
        return {
            name: _token(secret, name)
            for name, account in sorted(self._runtime.accounts.items())
            if Capability.CALLBACKS in account.capabilities
        }

    @property
    def now(self) -> datetime:
        """The client's clock: what its payouts are due by."""
        return self._runtime.clock()

    def place(self, token: str) -> Place | None:
        """Return what the last part of a path leads to; None when it leads nowhere."""
        if not _TOKEN.fullmatch(token):
            return None
        found = None
        for name, ours in self.tokens.items():  # all of them, in constant time
            if hmac.compare_digest(ours, token):
                found = Place(name)
        if found is not None:
            return found
        query = token_hash(token)
        account = self._runtime.journal.asked(query)
        return Place(account, query) if account is not None and account in self._runtime.accounts else None

    def receive(self, place: Place, callback: Callback) -> Future[bool]:
        """Keep a callback; the future ends when it is durable, or not kept (False), as its path has had its share.

        Args:
            place: Where it came to.
            callback: What came.

        Raises:
            JournalError: The journal is closed.

        """
        self._runtime.check_process()
        kept = self._redacted(place, callback)
        arrival = Arrival(
            account=place.account, query=place.query, method=kept.method, at=callback.at, encoded=_encoded(kept)
        )
        return self._runtime.journal.receive(arrival)

    def acknowledge(self, place: Place, callback: Callback) -> Acknowledgement:
        """Return the answer the account's provider wants, which is 200 where it wants nothing else.

        Args:
            place: Where it came to.
            callback: What came.

        """
        provider = self._runtime.accounts[place.account].provider
        if isinstance(provider, Callbacks):
            answer, bug = _tried(provider.acknowledge, callback)
            if answer is not None:
                return answer
            log(EventName.PROVIDER_BUG, account=place.account, error=f"acknowledge: {bug}")  # it is kept all the same
        return Acknowledgement()

    def handle(self, limit: int | None = None) -> int:
        """Handle what is not handled yet; return how many there were, without those that it is too early for.

        Args:
            limit: At most so many are handled, up to 100,000; all when not given.

        Raises:
            InvalidArgument: ``limit`` is no such number.
            JournalError: The journal failed; what is left is handled next time.

        """
        if limit is not None:
            check_number("limit", limit, 1, MOST_ROWS, whole=True)
        self._runtime.check_process()
        mine, after, count = sorted(self._runtime.accounts), 0, 0
        while True:
            page = PAGE if limit is None else min(PAGE, limit - count)
            found = self._runtime.journal.unhandled(accounts=mine, after=after, limit=page)
            if not found:
                return count
            for arrival in found:
                after, count = arrival.no, count + self._handle(arrival)

    def answer_to(self, query: str) -> str | None:
        """Handle what has come, and return the answer to a question about an account; None as long as there is none.

        Args:
            query: ``token_hash`` of the question.

        Raises:
            JournalError: The journal failed.

        """
        self.handle()
        return self._runtime.journal.account_answer(query)

    def counts(self) -> tuple[InboxCount, ...]:
        """Return how many callbacks had which outcome."""
        return self._runtime.journal.inbox_counts()

    def prove_writable(self) -> None:
        """Write something into the journal and see it durable; raises a ``JournalError``."""
        self._runtime.check_process()
        self._runtime.journal.prove_writable()

    def _redacted(self, place: Place, callback: Callback) -> Callback:
        """Return what may be kept of a callback: nothing of it where its provider cannot redact it."""
        provider = self._runtime.accounts[place.account].provider
        if not isinstance(provider, Redacts):
            return callback
        kept, bug = _tried(provider.redact, callback)
        if kept is not None:
            return kept
        log(EventName.PROVIDER_BUG, account=place.account, error=f"redact: {bug}")
        return replace(callback, headers={}, body=b"")  # it may hold a secret, and is only a hint

    # --- one callback ---

    def _handle(self, arrival: Arrival) -> bool:
        """Handle one; False leaves it as it is for the next time."""
        callback, account = _unsealed(arrival), self._runtime.account(arrival.account)
        bug = ""
        try:
            if arrival.query:
                return self._answer(arrival, account, callback)
            self._hint(arrival, account, callback)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - one that cannot be handled must not be in the way of the others
            bug = type(error).__name__  # its kind alone: the text of a provider's error may hold the callback's
        if bug:
            log(EventName.CALLBACK_FAILED, account=arrival.account, error=bug)
            self._ignore(arrival, _details(callback), f"failed: {bug}")
        return True

    def _hint(self, arrival: Arrival, account: Account, callback: Callback) -> None:
        proven, parsed, why = match_callback(account, callback)
        if parsed is None:
            self._ignore(arrival, _details(callback), why, proven=proven)
            return
        row, why = self._payout(parsed, account.name)
        if row is None:
            self._ignore(arrival, _details(callback, parsed), why, proven=proven)
            return
        self._ask(arrival, row, _details(callback, parsed, row), _word(parsed.status), proven=proven)

    def _payout(self, parsed: ParsedCallback, account: str) -> tuple[PayoutRecord | None, str]:
        why = "about no payout of ours"
        for row in self._named(parsed):
            if row is not None and not (why := self._why_ignored(parsed, row, account)):
                return row, ""
        return None, why

    def _named(self, parsed: ParsedCallback) -> Iterator[PayoutRecord | None]:
        """Yield the payouts it may be about: by our own id in what it names, or by what its provider calls them."""
        journal, ids = self._runtime.journal, tuple(about(parsed))
        yield from map(journal.get, ids)
        for name in () if ids else parsed.references.values():
            yield from journal.by_provider_reference(name)

    def _why_ignored(self, parsed: ParsedCallback, row: PayoutRecord, account: str) -> str:
        """Return why a callback that names a payout makes no read of it due; empty when it does.

        A callback about an attempt that ended makes all attempts due. It makes no send due: of the payouts that wait to
        be sent, only those that cannot be sent yet are read.
        """
        ended = self._runtime.journal.attempts(row.id) if row.attempt.number > 1 else ()
        of_ended = any(not differs_from(parsed, one, account) for one in ended)
        why = differs_from(parsed, row.attempt, account)
        if why and not of_ended:
            return why
        if row.status is PayoutStatus.CREATED and not (of_ended and row.waits_for_approval):
            return "about a payout that waits to be sent"
        return ""

    def _answer(self, arrival: Arrival, account: Account, callback: Callback) -> bool:
        """Take in a result callback; again when another process moved the payout meanwhile, and never during a send."""
        details, row = _details(callback), None
        for _ in range(TRIES):
            asked = asked_about(self._runtime, arrival.query)
            if asked is None:
                self._answer_about_account(arrival, account, callback, details)
                return True
            row = asked.row
            if asked.ended is None and row.status is PayoutStatus.SENDING:
                # Its sender alone may move it, and the answer may be to this very send: it counts when the sender has
                # written its result, or when another process has found that the lease is over.
                return False
            row, effect = run_flow(
                answer(asked.account, row, callback, query=arrival.query, ended=asked.ended), self._write
            )
            if effect is not None:
                at = self._runtime.clock()
                self._close(Handling(no=arrival.no, at=at, outcome=effect, details=details, payout_id=row.id), arrival)
                return True
        if row is not None:  # other processes move it all the time: one of them reads it once more
            self._ask(arrival, row, details, "")
        return True

    def _answer_about_account(self, arrival: Arrival, account: Account, callback: Callback, details: str) -> None:
        """Keep the answer to a query about an account itself, once; what cannot be read leaves the query open."""
        if self._runtime.journal.asked(arrival.query) is None:
            self._ignore(arrival, details, "answers a question that is dropped")
            return
        kept, why = read_balance_result(account, callback)
        if kept is None:
            self._ignore(arrival, details, why)
            return
        if (before := self._runtime.journal.account_answer(arrival.query)) is not None:
            self._ignore(arrival, details, Effect.REPEATED if kept == before else "differs from the answer that counts")
            return
        answered = Handling(no=arrival.no, at=self._runtime.clock(), outcome="answered", details=details, answer=kept)
        self._close(answered, arrival)

    def _ask(
        self, arrival: Arrival, row: PayoutRecord, details: str, claims: str, *, proven: bool | None = None
    ) -> None:
        at = self._runtime.clock()
        self._close(
            Handling(
                no=arrival.no,
                at=at,
                outcome="read due",
                details=details,
                payout_id=row.id,
                proven=proven,
                event=Event(EventName.CALLBACK_MATCHED, at, {"claims": claims} if claims else {}),
            ),
            arrival,
        )

    def _ignore(self, arrival: Arrival, details: str, why: str, *, proven: bool | None = None) -> None:
        self._close(
            Handling(no=arrival.no, at=self._runtime.clock(), outcome=why, details=details, proven=proven), arrival
        )

    def _close(self, handling: Handling, arrival: Arrival) -> None:
        closed: Handled | None = self._runtime.journal.handle(handling)
        if closed is None:  # another process handled it and logged it
            return
        if closed.made_due and closed.row is not None and handling.event is not None:
            log_payout(EventName.CALLBACK_MATCHED, closed.row, handling.event.evidence)
        elif handling.answer is not None:
            log(EventName.BALANCE_RECEIVED, account=arrival.account)
        elif handling.outcome not in _HAS_EVENTS:
            why = handling.outcome if handling.event is None else "its payout's read is due already"
            log(EventName.CALLBACK_IGNORED, account=arrival.account, payout=handling.payout_id, why=why)

    def _write(self, command: Command) -> JournalResult:
        entry = only_journal(command)
        reply = self._runtime.journal.execute(entry)
        self._runtime.announce(entry, reply)
        return reply


class InboxMixin:
    """Gives a client its inbox."""

    _runtime: Runtime

    @functools.cached_property
    def inbox(self) -> Inbox:
        """The callbacks of this client's accounts; :class:`payments_core.callbacks.CallbackApp` puts it there."""
        return Inbox(self._runtime)


def _tried(call: Callable[[Callback], T], callback: Callback) -> tuple[T | None, str]:
    """Return what a provider's code returns, and the kind of its error; nothing is logged meanwhile.

    A log handler that fails prints the error that is being handled beside its own, words of the callback and all.
    """
    try:
        return call(callback), "nothing was returned"
    except Exception as bug:  # noqa: BLE001 - whatever it is, the callback is only a hint
        return None, type(bug).__name__


def _token(secret: bytes, account: str) -> str:
    digest = hmac.new(secret, f"{PATH}/{account}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()


def _encoded(callback: Callback) -> str:
    body = base64.b64encode(callback.body).decode()
    return json.dumps({"headers": dict(callback.headers), "body": body}, separators=(",", ":"))


def _unsealed(arrival: Arrival) -> Callback:
    read = json.loads(arrival.encoded)
    return Callback(arrival.method, read["headers"], base64.b64decode(read["body"]), arrival.at)


def _details(callback: Callback, parsed: ParsedCallback | None = None, row: PayoutRecord | None = None) -> str:
    """Return what may be kept of a callback: its size, and what of it is ours or a plain word."""
    details: dict[str, object] = {"bytes": len(callback.body)}
    if parsed is not None:
        ours = {} if row is None else row.attempt.references
        details["references"] = {
            name: value if ours.get(name) == value else "***" for name, value in parsed.references.items()
        }
        details["claims"] = _word(parsed.status)
    return json.dumps(details, separators=(",", ":"))


def _word(status: str) -> str:
    """Return a provider's word for a state if it looks like one: a callback may hold any text there."""
    return status if _WORD.fullmatch(status) else "***"
