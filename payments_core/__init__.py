"""Pay money out to mobile-money wallets through one provider-neutral interface.

The names below are loaded when they are first used, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_core.client import AsyncPayoutClient as AsyncPayoutClient
    from payments_core.client import PayoutClient as PayoutClient
    from payments_core.client import PayoutOrder as PayoutOrder
    from payments_core.domain.contradictions import Contradiction as Contradiction
    from payments_core.domain.deliveries import PayoutEvent as PayoutEvent
    from payments_core.domain.errors import PaymentsError as PaymentsError
    from payments_core.domain.money import Currency as Currency
    from payments_core.domain.money import Money as Money
    from payments_core.domain.payout import Operation as Operation
    from payments_core.domain.payout import Order as Order
    from payments_core.domain.payout import Payee as Payee
    from payments_core.domain.payout import Payout as Payout
    from payments_core.domain.payout import PayoutStatus as PayoutStatus
    from payments_core.domain.payout import Reason as Reason
    from payments_core.domain.payout import ReasonCode as ReasonCode
    from payments_core.plugins.hookspecs import hookimpl as hookimpl

__all__ = [
    "AsyncPayoutClient",
    "Contradiction",
    "Currency",
    "Money",
    "Operation",
    "Order",
    "Payee",
    "PaymentsError",
    "Payout",
    "PayoutClient",
    "PayoutEvent",
    "PayoutOrder",
    "PayoutStatus",
    "Reason",
    "ReasonCode",
    "hookimpl",
]

if not TYPE_CHECKING:  # under `not`, so that a type checker still catches a misspelt name
    _HOMES = {
        "AsyncPayoutClient": "client",
        "Contradiction": "domain.contradictions",
        "Currency": "domain.money",
        "Money": "domain.money",
        "Operation": "domain.payout",
        "Order": "domain.payout",
        "Payee": "domain.payout",
        "PaymentsError": "domain.errors",
        "Payout": "domain.payout",
        "PayoutClient": "client",
        "PayoutEvent": "domain.deliveries",
        "PayoutOrder": "client",
        "PayoutStatus": "domain.payout",
        "Reason": "domain.payout",
        "ReasonCode": "domain.payout",
        "hookimpl": "plugins.hookspecs",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *_HOMES])
