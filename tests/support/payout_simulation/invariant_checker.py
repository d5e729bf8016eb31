"""What must hold, looked at in every step and once more when all has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from payments_core.domain.events import EventName
from payments_core.domain.inbox_records import Arrival, Handled, Handling
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import (
    AppendHistory,
    ApplyTransition,
    CreateAttempt,
    CreatePayout,
    CreateResult,
    JournalCommand,
    JournalResult,
    TransitionApplied,
)
from payments_core.engine.journal_protocol import Journal
from payments_core.http.messages import HttpRequest
from payments_core.provider import Account
from payout_simulation.batches import SimulatedBatches
from payout_simulation.ends import Attempt, Ends
from payout_simulation.gateway import Gateway
from payout_simulation.history_checks import doubts_of, faults_of
from payout_simulation.simulated_time import Time
from payout_simulation.workload import PlannedOrder

__all__ = ["Breach", "InvariantChecker"]

_S = PayoutStatus
_PUBLISHED = {
    EventName.PAYOUT_SUCCEEDED,
    EventName.PAYOUT_FAILED,
    EventName.PAYOUT_REVIEW,
    EventName.PAYOUT_RESOLVED,
    EventName.PAYOUT_CONTRADICTED,
    EventName.PAYOUT_CANCELLED,
    EventName.PAYOUT_REISSUED,
}
_MOST_TRIES = 5
_WITHOUT_DOUBT = {"guard", "expiry"}  # who may fail what was never in doubt
_SPACING = timedelta(seconds=5)  # between two reads that callbacks ask for


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that must never be.

    Args:
        rule: Which promise, in a few words that stay the same.
        key: Of the payout; empty when it concerns none.
        text: What was seen.

    """

    rule: str
    key: str
    text: str

    def __str__(self) -> str:
        """``key/0007: paid twice: 2 credits``."""
        return f"{self.key or 'all'}: {self.rule}: {self.text}"


class InvariantChecker:
    """Hears of everything that happens and compares it with what may.

    Args:
        time: The only clock.
        accounts: By name.
        gateways: By account.
        wishes: By our id of each payout.
        auditor: The same journal through a connection that nobody else uses.
        batches: What some of the payouts are rows of.

    """

    def __init__(
        self,
        time: Time,
        accounts: Mapping[str, Account],
        gateways: Mapping[str, Gateway],
        planned_payouts: Mapping[str, PlannedOrder],
        auditor: Journal,
        batches: SimulatedBatches,
    ) -> None:
        self.batches = batches
        self.breaches: list[Breach] = []
        self.rows: dict[str, PayoutRecord] = {}  # as the last commit of each left it
        self.ends = Ends(self.rows)
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        self.posts: Counter[tuple[str, int]] = Counter()  # of each attempt
        self.pauses: set[str | None] = set()  # of a person's, by account
        self.news: list[PayoutRecord] = []  # what has just reached a state that people care about
        self.figures: Counter[str] = Counter()
        self.longest_doubt_s = 0.0
        self._made_due = False
        self._first: dict[tuple[str, int], tuple[Any, ...]] = {}
        self._approved: set[tuple[str, int]] = set()
        self._answered: set[str] = set()
        self._not_found_counts: Counter[str] = Counter()
        self._hints: dict[str, datetime] = {}  # when the read that a callback asks for is due
        self._time = time
        self._accounts = accounts
        self._gateways = gateways
        self._planned_payouts = planned_payouts
        self._auditor = auditor

    def broken(self, rule: str, payout_id: str, text: str) -> None:
        """Write a breach down."""
        planned = self._planned_payouts.get(payout_id)
        self.breaches.append(Breach(rule, planned.order.key if planned else "", text))

    # --- in every step ---

    def arrived(self, request: HttpRequest, payload: Mapping[str, Any]) -> None:
        """A payment's bytes are with the provider: its try must be on disk, and be the request of every try."""
        payout = payload["external"]
        row = self._auditor.get(payout)
        attempt = payout, row.attempt.number if row else 1
        self.posts[attempt] += 1
        posts = self.posts[attempt]
        if row is not None and row.status is _S.CANCELLED:
            self.broken("sent after it was cancelled", payout, f"try {posts}")
        if row is None or row.attempt.submissions < posts or not (row.status is _S.SENDING or row.attempt.ambiguous):
            stood = f"{row.status} with {row.attempt.submissions} tries" if row else "nothing"
            self.broken("sent before it was written", payout, f"try {posts}, the journal holds {stood}")
            return
        sent = (request.url, request.body, request.headers["reference"])
        if self._first.setdefault(attempt, sent) != sent:
            self.broken("two tries differ", payout, f"{self._first[attempt]} and {sent}")
        stored = HttpRequest.from_json(row.attempt.request)
        if (stored.url, stored.body) != sent[:2] or stored.hash != row.attempt.request_hash:
            self.broken("another request than the stored one", payout, f"{stored.body} and {request.body}")

    def made_due(self) -> bool:
        """Say whether a commit since the last question has made something due."""
        made, self._made_due = self._made_due, False
        return made

    def wrote(self, owner: str, entry: JournalCommand, reply: JournalResult) -> None:
        """A commit is durable."""
        begins = None
        if isinstance(entry, CreatePayout) and isinstance(reply, CreateResult):
            if reply.created and reply.row.id in self.rows:
                self.broken("a key has two payouts", reply.row.id, "opened again")
            begins = entry.begins if reply.created and reply.row.status is _S.SENDING else None
            self.rows.setdefault(reply.row.id, reply.row if begins is None else entry.row)
            if begins is not None:
                self._moved(owner, entry.row, begins, reply.row)
            self._made_due = True
        elif isinstance(entry, ApplyTransition) and isinstance(reply, TransitionApplied):
            self._moved(owner, self.rows[reply.row.id], entry, reply.row)
            due_at = reply.row.schedule.next_at
            self._made_due |= entry.lifts or (due_at is not None and due_at <= self._time())
        elif isinstance(entry, CreateAttempt) and isinstance(reply, TransitionApplied):
            self._begins_again(self.rows[reply.row.id], reply.row)
            self._made_due = True
        elif isinstance(entry, AppendHistory):
            self.ends.noted(entry)
            self._made_due = True
        if isinstance(reply, CreateResult | TransitionApplied):
            self.ends.wrote(begins or entry, reply.row)

    def handled(self, handling: Handling, reply: Handled | None, arrival: Arrival | None = None) -> None:
        """A callback was closed."""
        if arrival is not None and (wrong := self.ends.answered(arrival, handling.outcome)):
            rule, (payout, attempt) = wrong
            self.broken(rule, payout, f"of attempt {attempt}, as {handling.outcome}")
        row = reply.row if reply is not None and reply.made_due else None
        if row is None or row.schedule.next_at is None:
            return
        self._made_due = True
        self._hints[row.id] = row.schedule.next_at
        if row.schedule.read_at is not None and row.schedule.next_at - row.schedule.read_at < _SPACING:
            self.broken(
                "asked too often", row.id, f"read at {row.schedule.read_at}, and again at {row.schedule.next_at}"
            )

    def over(self, contradicted: Sequence[Attempt]) -> None:
        """A flow is over, and was told something against the ends of these attempts."""
        for payout, attempt in self.ends.erased(contradicted):
            self.broken("a contradiction was forgotten", payout, f"of attempt {attempt}")

    def _moved(self, owner: str, before: PayoutRecord, entry: ApplyTransition, row: PayoutRecord) -> None:
        payout, looked_at = row.id, entry.event.at  # by the clock as it stood then: it may have been set back since
        if entry.before.version != before.version or row.version != before.version + 1:
            self.broken(
                "the fence", payout, f"{before.version} stored, {entry.before.version} read, {row.version} written"
            )
        if before.status.is_final and row.status is not before.status:
            self.broken("an end was left", payout, f"{before.status} became {row.status}")
        holds = before.status is _S.SENDING and before.lease.until is not None and before.lease.until > looked_at
        if holds and before.lease.owner != owner:
            self.broken("a lease was not respected", payout, f"{owner} moved what {before.lease.owner} holds")
        if before.attempt.ambiguous and not row.attempt.ambiguous:
            self.broken("doubt was cleared", payout, f"by {entry.event.name}")
        if row.attempt.request != before.attempt.request:
            self._made_anew(before)
        if entry.approves is not None:
            self._approved.add((payout, row.attempt.number))
        if entry.answers is not None:
            if entry.answers in self._answered and not row.status.is_final:  # an absence is no end: that may follow
                self.broken("an answer was taken twice", payout, str(entry.event.name))
            self._answered.add(entry.answers)
        if entry.event.name in {EventName.PAYOUT_NOT_FOUND, EventName.PAYOUT_RESEND}:
            self._absent(row)
        if payout in self._hints:
            self._remembers(before, row, entry.event)
        if row.status is not before.status:
            self._entered(before, row)
        if row.status is not before.status or row.reason != before.reason:
            self.news.append(row)
        self.rows[payout] = row

    def _made_anew(self, before: PayoutRecord) -> None:
        """It leaves as somebody else: nothing of it may be anywhere."""
        bank = self._gateways[before.attempt.account].bank
        if (
            before.attempt.ambiguous
            or before.attempt.first_sent_at
            or bank.has(before.id, before.attempt.references["reference"])
        ):
            self.broken(
                "what may have arrived was made anew", before.id, f"{before.status}, {before.attempt.submissions} tries"
            )
        self._first.pop((before.id, before.attempt.number), None)

    def _absent(self, row: PayoutRecord) -> None:
        """Each absence is one answer of the provider's."""
        reference = row.attempt.references["reference"]
        self._not_found_counts[reference] += 1
        result = self._gateways[row.attempt.account].not_found_count[reference]
        if self._not_found_counts[reference] > result:
            self.broken("absent by a guess", row.id, f"{self._not_found_counts[reference]} times, told {result} times")

    def _remembers(self, before: PayoutRecord, row: PayoutRecord, event: Event) -> None:
        """A read that a callback asks for stays due until there was one, unless it is not our turn."""
        if row.status is _S.SENDING:
            return
        if row.status not in {_S.PENDING, _S.UNKNOWN} or row.schedule.read_at != before.schedule.read_at:
            del self._hints[row.id]
        elif event.name == EventName.PAYOUT_WAITING:
            self._hints[row.id] = row.schedule.next_at or self._hints[row.id]
        else:
            due_at = max(self._hints[row.id], event.at)
            latest = due_at if row.schedule.read_at is None else max(due_at, row.schedule.read_at + _SPACING)
            if row.schedule.next_at is None or row.schedule.next_at > latest:
                result = f"due at {due_at}, put off to {row.schedule.next_at} by {event.name}"
                self.broken("a callback was forgotten", row.id, result)
            else:  # what is handled late is dated before what moved it here
                self._hints[row.id] = max(self._hints[row.id], row.schedule.next_at)

    def _begins_again(self, before: PayoutRecord, row: PayoutRecord) -> None:
        """Another attempt: of what failed, long enough after it can last have left, and only if nothing of it pays."""
        account = self._accounts[before.attempt.account]
        if before.status is not _S.FAILED or row.attempt.number != before.attempt.number + 1:
            self.broken("paid again what had not failed", row.id, f"{before.status}, attempt {before.attempt.number}")
        settled = timedelta(seconds=account.settings.lease_s + account.facts.dedupe_settle_s)
        if before.attempt.sent_at is not None and row.updated_at < before.attempt.sent_at + settled:
            self.broken("paid again too soon", row.id, f"sent at {before.attempt.sent_at}, again at {row.updated_at}")
        if self._will_pay(row.id):
            self.broken("paid again what may still be paid", row.id, f"{before.reason}, by {before.decided_by}")
        self.figures["paid again"] += 1
        self.figures["paid from elsewhere"] += row.attempt.account != before.attempt.account
        self.rows[row.id] = row

    def _will_pay(self, payout: str, *, ignores_statuses: bool = True) -> bool:
        """Say whether money of a payout has arrived or will, from whichever account."""
        banks = [gateway.bank for gateway in self._gateways.values()]
        return any(bank.will_pay(payout, ignores_statuses=ignores_statuses) for bank in banks)

    def _was_paid(self, payout: str, reference: str | None) -> bool:
        return any(gateway.bank.was_paid(payout, reference) for gateway in self._gateways.values())

    def _entered(self, before: PayoutRecord, row: PayoutRecord) -> None:
        payout, gateway = row.id, self._gateways[row.attempt.account]
        bank, reference = gateway.bank, row.attempt.references["reference"]
        output, by_person = gateway.final_states[reference], row.decided_by == "person"
        if row.status is _S.SENDING:
            self._sends(before, row)
        elif row.status is _S.CANCELLED:
            self.figures["cancelled"] += 1
            if bank.has(payout, reference) or self._will_pay(payout):
                self.broken(
                    "cancelled and sent", payout, f"it was {before.status}, with {before.attempt.submissions} tries"
                )
        elif row.status is _S.FAILED:
            if self._will_pay(payout, ignores_statuses="FAILED" not in output):
                self.broken("failed and paid", payout, f"{row.reason}, decided by {row.decided_by}")
            elif not by_person and row.decided_by not in _WITHOUT_DOUBT and "FAILED" not in output:
                self.broken("failed by a guess", payout, f"{row.reason}; the provider never said so")
        elif row.status is _S.SUCCEEDED:
            if not self._was_paid(payout, None if by_person else reference):
                self.broken("succeeded and not paid", payout, f"{bank.credits[payout]} credits")
            elif not by_person and "SUCCESSFUL" not in output:
                self.broken("succeeded by a guess", payout, "the provider never said so")

    def _sends(self, before: PayoutRecord, row: PayoutRecord) -> None:
        """A try begins: within its time while nothing is in doubt, and afterwards only where it is proven safe."""
        account = self._accounts[row.attempt.account]
        at, facts, limit = (
            row.attempt.sent_at,
            account.facts,
            (account.settings.approve_above or {}).get(row.order.amount.currency),
        )
        if held := self.pauses & {None, row.attempt.account}:
            self.broken("sent while a person had paused it", row.id, f"paused: {held}")
        if (
            limit
            and row.order.amount.amount > limit
            and not before.attempt.ambiguous
            and (row.id, row.attempt.number) not in self._approved
        ):
            self.broken("sent without an approval", row.id, f"{row.order.amount.amount} of more than {limit}")
        self._reserves(before, row)
        if at is None:
            self.broken("sent at no time", row.id, "no sent_at")
        elif not before.attempt.ambiguous:
            if (row.order.not_before and at < row.order.not_before) or (
                row.order.expires_at and at >= row.order.expires_at
            ):
                self.broken("sent outside its time", row.id, f"{at}: {row.order.not_before} to {row.order.expires_at}")
        else:
            first = row.attempt.first_sent_at
            safe = facts.resend == "safe" and row.attempt.submissions <= _MOST_TRIES and first is not None
            if not safe or first is None or at - first >= timedelta(seconds=facts.dedupe_window_s / 2):
                self.broken(
                    "sent again unsafely", row.id, f"try {row.attempt.submissions}, first sent {first}, now {at}"
                )

    def _reserves(self, before: PayoutRecord, row: PayoutRecord) -> None:
        """A try of an account with a daily limit holds its amount of the day, and all of the day are within it."""
        limit = (self._accounts[row.attempt.account].settings.daily_limit or {}).get(row.order.amount.currency)
        batch, names = row.order.batch, row.attempt.budgets
        if not names and limit is None and not batch:
            return
        if batch in self.batches.stopped and not before.attempt.ambiguous:
            self.broken("sent while its batch was stopped", row.id, f"of {batch}")
        if len(names) != bool(batch) + (limit is not None):
            self.broken("sent without a reservation", row.id, f"it holds {names}")
        if before.attempt.budgets not in {(), names}:
            self.broken("reserved twice", row.id, f"{before.attempt.budgets} and {names}")
        for name in names:
            most = self.batches.totals[batch] if name.startswith("batch/") else limit
            others = (one for one in self.rows.values() if one.id != row.id and name in one.attempt.budgets)
            total = sum((one.order.amount.amount for one in others), row.order.amount.amount)
            if most is None or total > most:
                self.broken("more than its limit", row.id, f"{total} of {most} in {name}")

    def _budgets(self, rows: Collection[PayoutRecord]) -> None:
        """What is reserved is what payouts hold."""
        names = {name for known in (rows, self.rows.values()) for row in known for name in row.attempt.budgets}
        for name, state in self._auditor.budgets(names).items():
            held = sum(row.order.amount.amount for row in rows if name in row.attempt.budgets)
            if state.reserved != held:
                self.broken("another amount is reserved than held", "", f"{state.reserved} of {name}, {held} held")
        self.figures["reserved"] += sum(bool(row.attempt.budgets) for row in rows)
        self.figures["rows of batches"] += sum(bool(row.order.batch) for row in rows)

    def money(self) -> None:
        """Take over what is wrong with the provider's books: a key paid twice, a collection refunded beyond itself."""
        for gateway in self._gateways.values():
            for rule, payout, text in gateway.bank.wrong:
                self.broken(rule, payout, text)
            gateway.bank.wrong.clear()

    # --- at the end ---

    def ended(self, published: Mapping[str, list[tuple[int, str]]] | None) -> None:
        """Compare the journal, read afresh, with all that was heard.

        Args:
            published: Number and status of the events of each payout, as they wait for the application; None where
                the store does not tell.

        """
        self.money()
        rows = {row.order.key: row for row in self._auditor.rows()}
        undecided = {row.id for row in self._auditor.undecided()}
        for key in sorted(self.acknowledged - rows.keys()):
            self.figures["lost"] += 1
            self.breaches.append(Breach("an acknowledged key is lost", key, "not in the journal"))
        for key in sorted(self.refused & rows.keys()):
            self.breaches.append(Breach("refused and written all the same", key, str(rows[key].status)))
        self._budgets(rows.values())
        for row in rows.values():
            parsed, payout = self.rows.get(row.id), row.view(self._auditor.history(row.id))
            if parsed is None or (parsed.status, parsed.version, parsed.attempt.submissions) != (
                row.status,
                row.version,
                row.attempt.submissions,
            ):
                self.broken("a commit was lost", row.id, f"{parsed and parsed.status} heard, {row.status} found")
            doubts = doubts_of(payout, self._accounts[row.attempt.account].facts.visible_after_s)
            for rule, text in (*self._end(row), *faults_of(payout), *doubts.found):
                self.broken(rule, row.id, text)
            waits = payout.status is _S.REVIEW or payout.has_open_contradiction
            if waits != (row.id in undecided):
                self.broken("nobody is asked to decide", row.id, f"{payout.status}, {len(payout.contradictions)} kept")
            if published is not None:
                wanted = [(one.seq, str(one.status)) for one in payout.history if one.event in _PUBLISHED]
                if published.get(row.id, []) != wanted:
                    self.broken("the outbox", row.id, f"{published.get(row.id)} to be told, {wanted} happened")
            self.figures.update(doubts=doubts.count, doubts_ended=doubts.ended, by_timer=doubts.by_timer)
            self.longest_doubt_s = max(self.longest_doubt_s, doubts.longest_s)

    def _end(self, row: PayoutRecord) -> list[tuple[str, str]]:
        gateway = self._gateways[row.attempt.account]
        bank, reference = gateway.bank, row.attempt.references["reference"]
        found = []
        if not row.status.is_final and row.status is not _S.REVIEW:
            found.append(("left open", str(row.status)))
        if bank.credits[row.id] > 1:
            self.figures["paid twice"] += 1
        by_person = row.decided_by == "person"
        if row.status is _S.SUCCEEDED and not self._was_paid(row.id, None if by_person else reference):
            self.figures["succeeded and not paid"] += 1
            found.append(("succeeded and not paid", "at the end"))
        if row.status is _S.FAILED and self._will_pay(row.id):
            if self._will_pay(row.id, ignores_statuses=False):
                self.figures["failed and paid"] += 1
                found.append(("failed and paid", "at the end"))
            else:  # the provider's own word, taken back within the time that it names
                self.figures["failed and then paid, as the provider says"] += 1
        if row.status is _S.CANCELLED and (bank.has(row.id, reference) or self._will_pay(row.id)):
            found.append(("cancelled and sent", "at the end"))
        if self.posts[row.id, row.attempt.number] > row.attempt.submissions:
            found.append(
                (
                    "sent before it was written",
                    f"{self.posts[row.id, row.attempt.number]} sent, {row.attempt.submissions} tries",
                )
            )
        return found
