"""The callbacks of a payment: their bodies, and how they are tried again.

Sources: the portal's page on callbacks (the body is that of the status, one for each end), a client's live tests of
September 2025 (no transaction id in what failed). No source tells a callback's content type; the status's is assumed.
For trying again: one capture of that page has the blocks; the page of 2018, other captures and the newest seen say that
a callback is sent once. The captures set no end to the last block; here it is a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from payments_core.testing.emulator.callback_plan import ProviderSays, plan
from payments_core.testing.emulator.callback_queue import Callback
from payments_core.testing.emulator.gateway import Fires
from payments_mtn_momo.emulator.ledger import Payment
from payments_mtn_momo.emulator.payees import AT_ONCE, failed
from payments_mtn_momo.emulator.switches import Switches

__all__ = ["RETRIES_S", "plan_callbacks"]

_JSON = "application/json;charset=utf-8"

# Seconds between the end of one try and the next.
RETRIES_S: Mapping[str, tuple[float, ...]] = {
    "once": (),
    "blocks": (*[1.0] * 20, *[120.0] * 30, *[3600.0] * 24),
}


def plan_callbacks(
    payment: Payment, *, switches: Switches, fires: Fires, others: Sequence[Payment] = ()
) -> list[Callback]:
    """Return the callbacks of a payment that was just taken; ``others`` have external ids of other payments."""
    if not payment.callback_url:
        return []

    def write(says: ProviderSays, due_at: datetime) -> Callback:
        fields = _shown(payment, says, others).status(payment.ends_at, switches)
        headers = {"content-type": _JSON}
        if switches.callback_reference == "body":
            fields["referenceId"] = payment.reference
        elif switches.callback_reference == "header":
            headers["x-reference-id"] = payment.reference
        return Callback.of(
            payment.reference,
            payment.callback_url,
            fields["status"],
            fields,
            due_at,
            method=payment.callback_method,
            headers=headers,
            via=switches.callback_via,
        )

    ends_at = payment.ends_at if payment.fate.end else None
    return plan(write, fires, accepted_at=payment.accepted_at, ends_at=ends_at)


def _shown(payment: Payment, says: ProviderSays, others: Sequence[Payment]) -> Payment:
    """Return the payment as a callback shows it."""
    match says:
        case "other end":
            end = failed("INTERNAL_PROCESSING_ERROR") if payment.fate.end == "SUCCESSFUL" else AT_ONCE
            return replace(payment, fate=end)
        case "another's":
            ours = payment.order.get("externalId")
            theirs = (one.order.get("externalId") for one in reversed(others) if one is not payment)
            other = next((name for name in theirs if name != ours), None)
            return replace(payment, order={**payment.order, "externalId": other or "another-payment"})
        case _:
            return payment
