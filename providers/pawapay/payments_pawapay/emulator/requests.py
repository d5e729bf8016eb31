"""A request to the emulated pawaPay and its route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from payments_core.testing import emulator
from payments_core.testing.emulator import Routes

__all__ = ["Request"]


class Request(emulator.Request):
    """A request to pawaPay."""

    routes = Routes(
        ("pay", "POST", "/v2/payouts", "post"),
        ("pay_bulk", "POST", "/v2/payouts/bulk", "post"),
        ("cancel", "POST", "/v2/payouts/fail-enqueued/{id}", "other"),
        ("resend_callback", "POST", "/v2/payouts/resend-callback/{id}", "other"),
        ("status", "GET", "/v2/payouts/{id}", "get"),
        ("active_conf", "GET", "/v2/active-conf", "other"),
        ("availability", "GET", "/v2/availability", "other"),
        ("keys", "GET", "/v2/public-key/http", "other"),
        ("balances", "GET", "/v2/wallet-balances", "other"),
        ("predict", "POST", "/v2/predict-provider", "other"),
    )

    @property
    def orders(self) -> Sequence[Mapping[str, Any]]:
        """The payments in the body."""
        payload = self.payload if self.kind == "post" else None
        return [one for one in (payload if isinstance(payload, list) else [payload]) if isinstance(one, dict)]

    @property
    def references(self) -> Sequence[str]:
        """The references of its payments."""
        return [str(order.get("payoutId", "")) for order in self.orders]

    @property
    def reference(self) -> str:
        """The reference of the first payment that it names."""
        return self.part("id") or next(iter(self.references), "")
