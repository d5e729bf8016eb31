"""What accounts pay as: it changes while payouts are open, and what was paid as before is kept for reading, mostly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from payments_core.provider import Account, Facts
from payout_simulation.fake_provider import account
from payout_simulation.plan import Plan
from payout_simulation.seeded_random import stream
from payout_simulation.workload import APPROVE_ABOVE

__all__ = ["Identities"]

_EACH = 30  # two thirds of what a payout is on average
_LARGEST = Decimal(70)


class Identities:
    """The accounts as they are configured now.

    Args:
        plan: What is simulated.
        facts: What the engine may believe of each account's provider, by name.

    """

    def __init__(self, plan: Plan, facts: Mapping[str, Facts]) -> None:
        self._facts = facts
        self._limit = APPROVE_ABOVE if plan.has("approvals") else None
        is_limited = plan.has("limits") and stream(plan.seed, "limits").random() < 0.25
        self._daily = max(Decimal(plan.payouts * _EACH // len(facts)), _LARGEST) if is_limited else None
        self._users: dict[str, list[int]] = {name: [1] for name in facts}  # still configured, the current one last
        self._latest = 1

    def accounts(self) -> Mapping[str, Account]:
        """Return the accounts, made anew."""
        return {
            name: account(
                name, self._facts[name], number=now, before=before, approve_above=self._limit, daily_limit=self._daily
            )
            for name, (*before, now) in self._users.items()
        }

    def change(self, name: str, *, keeps: bool) -> None:
        """Let an account pay as somebody else from now on.

        Args:
            name: Which.
            keeps: Whether what it paid as until now is kept for reading.

        """
        self._latest += 1
        before = self._users[name] if keeps else self._users[name][:-1]
        self._users[name] = [*before, self._latest]
