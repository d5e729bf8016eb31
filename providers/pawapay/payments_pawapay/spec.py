"""The provider's specification: retry policies, and the facts the engine decides by."""

from __future__ import annotations

from payments_core.domain.payout import Operation
from payments_core.provider import Facts, ProviderSpec, RetryPolicy
from payments_pawapay.provider import PawapayProvider
from payments_pawapay.requests import REPEATABLE
from payments_pawapay.settings import PawapaySettings

__all__ = ["SPEC"]

SPEC = ProviderSpec(
    name="pawapay",
    title="pawaPay",
    settings=PawapaySettings,
    build=PawapayProvider,
    operations=frozenset({Operation.TRANSFER}),
    options={Operation.TRANSFER: frozenset({"provider", "customer_message", "metadata.*", "pii.*"})},
    transaction_reference="providerTransactionId",  # API reference v2, Check payout status: the operator's own number
    facts=Facts(
        resend="safe",
        dedupe_window_s=24 * 3600.0,
        visible_after_s=900.0,
        not_found_conclusive_after_s=900.0,
        dedupe_settle_s=900.0,
        sources={
            "resend": "API reference v2, Initiate payout: idempotent; a duplicate of an accepted one is ignored",
            "dedupe_window_s": "ASSUMED: no end is named; payouts stay to be read by their payoutId",
            "visible_after_s": "docs v2, Payouts: NOT_FOUND means not taken once 15 minutes have passed",
            "not_found_conclusive_after_s": "docs v2, Payouts: NOT_FOUND means not taken once 15 minutes have passed",
            "dedupe_settle_s": "what was taken shows within 15 minutes (as above)",
        },
    ),
    retry={
        **{name: RetryPolicy() for name in REPEATABLE},
        # Asked on the way to a payment, which goes on without the answer.
        **dict.fromkeys(("active_conf", "keys"), RetryPolicy(attempts=1, timeout_s=5.0, deadline_s=5.0)),
    },
    emulator="payments_pawapay.emulator:PawapayEmulator",
    conformance="payments_pawapay.conformance:PawapayConformance",
    docs="https://docs.pawapay.io/v2",
)
