"""What a permit needs: an account's caps, and one caller's wait for a permit, without waiting here."""

from __future__ import annotations

from time import monotonic

from payments_core.domain.events import EventName
from payments_core.domain.rates import LONGEST_WAIT_S, VOID_AFTER_S, AcquirePermit, Permit, Priority
from payments_core.engine.journal_protocol import Journal
from payments_core.logs import log
from payments_core.provider import Account

__all__ = ["AccountCaps", "PermitWait"]

_LONGEST_LEAD_S = 1.0


class AccountCaps:
    """An account's caps, and whether its reads were refused though it has none."""

    def __init__(self, account: Account, journal: Journal) -> None:
        self.account = account
        self.journal = journal
        self._per_s = {"read": account.facts.reads_per_s, "post": account.facts.posts_per_s}
        self.caps_posts = self._per_s["post"] is not None
        self.is_penalised = False

    def applies(self, priority: Priority) -> bool:
        """Whether the journal has to be asked at all."""
        return self._per_s[priority.queue] is not None or (self.is_penalised and priority is not Priority.POST)

    def is_over(self, permit_at: float) -> bool:
        """Whether a payment's permit is void: writing it down took long, and other callers may have got theirs."""
        return monotonic() - permit_at > VOID_AFTER_S

    def note(self, priority: Priority, permit: Permit) -> None:
        """Stop asking the journal once a penalty has ended."""
        if priority is not Priority.POST:
            self.is_penalised = permit.is_penalised

    def begin_wait(self, priority: Priority) -> PermitWait:
        """Begin one caller's wait for a permit."""
        return PermitWait(self.account.name, priority, self._per_s[priority.queue])


class PermitWait:
    """One caller's wait for a permit."""

    def __init__(self, account: str, priority: Priority, per_s: float | None) -> None:
        self._account, self._priority, self._per_s = account, priority, per_s
        self._until = monotonic() + LONGEST_WAIT_S
        self._lead_s = 0.0
        self._has_waited = False

    def command(self) -> AcquirePermit:
        """Return what the journal is asked for."""
        return AcquirePermit(
            account=self._account,
            priority=self._priority,
            per_s=self._per_s,
            within_s=max(self._until - monotonic(), 0.0),
            lead_s=self._lead_s,
        )

    def wait_s(self, permit: Permit) -> float | None:
        """Return how long to wait before asking again; None when that is too long."""
        now = monotonic()
        if permit.starts > self._until or now >= self._until:
            return None
        self._has_waited = True
        return max(permit.starts - now, 0.001)

    def refused(self, permit: Permit) -> float:
        """Return the seconds until a permit can be granted; 0 when the wait for one timed out."""
        after_s = 0.0 if self._has_waited else max(permit.starts - monotonic(), 0.001)
        log(EventName.RATE_EXHAUSTED, account=self._account, priority=str(self._priority), again_in_s=round(after_s, 3))
        return after_s

    def is_good(self, permit: Permit) -> bool:
        """Whether a permit may still be used; one that came too late is asked for earlier the next time."""
        late_s = monotonic() - permit.starts
        if late_s <= VOID_AFTER_S:
            return True
        self._lead_s = min(late_s, _LONGEST_LEAD_S)
        self._has_waited = True
        return False
