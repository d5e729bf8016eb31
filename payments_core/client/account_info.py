"""What an application may know of a configured account: what it pays, in which currencies, and what it can be asked."""

from __future__ import annotations

from dataclasses import dataclass

from payments_core.domain.capabilities import Capability
from payments_core.domain.payout import Operation
from payments_core.provider import Account

__all__ = ["AccountInfo"]


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """A configured account, without its credentials.

    Args:
        name: As in payouts.toml.
        provider: The name of its provider.
        operations: What it can pay.
        capabilities: What it can do beside paying: those of its provider that its settings have not removed.
        currencies: What it can pay in, ISO 4217; None where only the provider knows.

    """

    name: str
    provider: str
    operations: frozenset[Operation]
    capabilities: frozenset[Capability]
    currencies: frozenset[str] | None

    @classmethod
    def of(cls, account: Account) -> AccountInfo:
        """Return what may be known of an account."""
        return cls(
            account.name,
            account.spec.name,
            account.spec.operations,
            account.capabilities,
            account.settings.currencies,
        )
