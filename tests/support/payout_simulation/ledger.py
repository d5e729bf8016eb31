"""The provider's books: what it has taken, what it remembers of it, and whose money has arrived."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Any, TypeAlias

from payments_core.provider import Facts
from payout_simulation.simulated_time import HOUR, SECOND
from payout_simulation.workload import Fate

__all__ = ["BANKS", "Counts", "Ledger", "Payment", "RequestFields"]

RequestFields: TypeAlias = Mapping[str, Any]  # what a payment was asked for with

_DAY_S = 86_400.0
_DAYS_US = 100 * HOUR  # how long reads find what is not soon gone
_VISIBLE_S = 300.0
_SETTLE_S = 2100.0  # bytes come twenty minutes late at the most, and clocks are wrong by five

# Kinds of providers: what the engine may believe of each, which is true of its books here.
_STEADY = Facts(resend="safe", dedupe_window_s=_DAY_S, visible_after_s=_VISIBLE_S, dedupe_settle_s=_SETTLE_S)
BANKS: Mapping[str, Facts] = {
    "steady": _STEADY,
    "short": replace(_STEADY, dedupe_window_s=7200.0),
    "careless": replace(_STEADY, resend="unsafe", dedupe_window_s=0.0),  # takes the same reference twice
    "conclusive": replace(_STEADY, not_found_conclusive_after_s=7200.0),
    "deferred": replace(_STEADY, status_by="result_callback"),
}


@dataclass(slots=True)
class Payment:
    """A payment the provider has taken.

    Args:
        told: What it was asked for.
        fate: What becomes of it.
        taken_us: When, in microseconds since the start.
        forgotten_us: From when its reference may be used again.
        gone_us: From when reads do not find it any more.
        state: ``PENDING``, ``SUCCESSFUL``, ``FAILED`` or ``REVERSED``.

    """

    fields: RequestFields
    fate: Fate
    taken_us: int
    forgotten_us: int
    gone_us: int
    state: str = "PENDING"

    @property
    def pays(self) -> bool:
        """Whether its money has arrived or will, and is not taken back yet."""
        if self.state == "FAILED":
            return self.fate.reverses_after_us is not None
        return self.state == "SUCCESSFUL" or (self.state == "PENDING" and self.fate.pays)

    @property
    def was_paid(self) -> bool:
        """Whether its money has arrived, whatever came later."""
        return self.state in {"SUCCESSFUL", "REVERSED"}


@dataclass(slots=True)
class Counts:
    """What is counted over all providers, since a payout may be paid from another account.

    Args:
        credits: How often money has arrived and was not taken back, by our id.
        references: Under how many references it was asked for, by our id.

    """

    credits: Counter[str] = field(default_factory=Counter)
    references: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Ledger:
    """One provider's books.

    Args:
        facts: What it keeps to.
        fates: Makes what becomes of a payment: of which payout, and of its how manieth reference.
        taken: Told of each payment as it is taken.
        shared: Counted with the other providers: whose money has arrived, and under how many references it was asked.
        payments: What was taken, by our id.
        refunded: How much of each collection has gone back and stayed there.
        under_way: Payments that will still arrive, by our id.
        wrong: What must never be: the rule, our id, and what was seen.

    """

    facts: Facts
    fates: Callable[[str, int], Fate]
    taken: Callable[[Payment, int], None] = lambda payment, now_us: None
    shared: Counts = field(default_factory=Counts)
    payments: dict[str, list[Payment]] = field(default_factory=lambda: defaultdict(list))
    refunded: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    under_way: dict[str, list[RequestFields]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    _by_reference: dict[tuple[str, str], Payment] = field(default_factory=dict)
    _fates: dict[tuple[str, str], Fate] = field(default_factory=dict)
    _events: list[tuple[int, int, str, Any]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    @property
    def credits(self) -> Counter[str]:
        """How often money of a payout has arrived, from whichever provider, and was not taken back; by our id."""
        return self.shared.credits

    def fate(self, payload: RequestFields) -> Fate:
        """Return what becomes of a payment: one fate for each reference under which one user asks for it."""
        called = _called(payload)
        if called not in self._fates:
            self.shared.references[payload["external"]] += 1
            self._fates[called] = self.fates(payload["external"], self.shared.references[payload["external"]])
        return self._fates[called]

    def take(self, payload: RequestFields, now_us: int) -> Payment | None:
        """Take a payment; None when its reference is remembered."""
        self.tick(now_us)
        known = self._by_reference.get(_called(payload))
        if known is not None and self.facts.resend == "safe" and now_us < known.forgotten_us:
            return None
        fate = self.fate(payload)
        forgotten_us = now_us + int(self.facts.dedupe_window_s * SECOND)
        # Whose absence means something shows what it has taken; who remembers nothing has nothing to forget.
        forgets = fate.soon_gone and self.facts.resend == "safe" and self.facts.not_found_conclusive_after_s is None
        gone_us = forgotten_us if forgets else now_us + _DAYS_US
        payment = Payment(payload, fate, now_us, forgotten_us, gone_us)
        self._by_reference[_called(payload)] = payment
        self.payments[payload["external"]].append(payment)
        self._plan(now_us + fate.settles_us, "settle", payment)
        self.taken(payment, now_us)
        return payment

    def take_later(self, payload: RequestFields, at_us: int) -> None:
        """Take a payment that is still on its way."""
        self.under_way[payload["external"]].append(payload)
        self._plan(at_us, "arrive", payload)

    def find(self, user: str, reference: str, now_us: int) -> Payment | None:
        """Return what a read of a user finds: taken, visible and remembered."""
        self.tick(now_us)
        payment = self._by_reference.get((user, reference))
        if payment is None or not payment.taken_us + payment.fate.visible_us <= now_us < payment.gone_us:
            return None
        return payment

    def tick(self, now_us: int) -> None:
        """Let everything happen that has become due, in its order."""
        while self._events and self._events[0][0] <= now_us:
            at_us, _, what, about = heapq.heappop(self._events)
            if what == "arrive":
                self.under_way[about["external"]].remove(about)
                self.take(about, at_us)
            elif what == "settle":
                self._settle(about, at_us)
            elif what == "turn":
                self._pay(about, at_us)
            else:
                about.state = "REVERSED"
                self.credits[about.fields["external"]] -= 1
                if "collected" in about.fields:
                    self.refunded[about.fields["to"]] -= Decimal(about.fields["amount"])

    def will_pay(self, external: str, *, ignores_statuses: bool = True) -> bool:
        """Say whether money of a payout has arrived or will.

        Args:
            external: Our id of it.
            whatever_it_said: Count also what pays after the provider has said that it failed, for a while at least.

        """
        counted = [one for one in self.payments[external] if ignores_statuses or one.fate.reverses_after_us is None]
        coming = [entry for entry in self.under_way[external] if _called(entry) not in self._by_reference]
        return any(payment.pays for payment in counted) or any(self.fate(entry).pays for entry in coming)

    def was_paid(self, external: str, reference: str | None) -> bool:
        """Say whether money has arrived under a reference of a payout; under any of them, without one."""
        paid = [one for one in self.payments[external] if one.was_paid]
        return any(reference in {None, one.fields["reference"]} for one in paid)

    def has(self, external: str, reference: str) -> bool:
        """Say whether something under a reference of a payout is here or on its way."""
        here = [payment.fields for payment in self.payments[external]]
        return any(entry["reference"] == reference for entry in (*here, *self.under_way[external]))

    def _settle(self, payment: Payment, at_us: int) -> None:
        if payment.fate.succeeds:
            self._pay(payment, at_us)
            return
        payment.state = "FAILED"
        if payment.fate.reverses_after_us is not None:
            self._plan(at_us + payment.fate.reverses_after_us, "turn", payment)

    def _pay(self, payment: Payment, at_us: int) -> None:
        payment.state = "SUCCESSFUL"
        result = payment.fields
        payout, collection = result["external"], result["to"]
        self.credits[payout] += 1
        if self.credits[payout] > 1:
            self.wrong.append(("paid twice", payout, f"{self.credits[payout]} credits"))
        if "collected" in result:
            self.refunded[collection] += Decimal(result["amount"])
            if self.refunded[collection] > Decimal(result["collected"]):
                self.wrong.append(("refunded too much", payout, f"{self.refunded[collection]} of {collection}"))
        if payment.fate.reverses_us is not None:
            self._plan(at_us + payment.fate.reverses_us, "reverse", payment)

    def _plan(self, at_us: int, what: str, about: Any) -> None:
        heapq.heappush(self._events, (at_us, next(self._number), what, about))


def _called(payload: RequestFields) -> tuple[str, str]:
    """Return what the provider tells payments apart by: another user's are nobody's business."""
    return payload["user"], payload["reference"]
