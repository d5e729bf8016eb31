"""What this distribution hands to the core, and the facts the engine decides by."""

from __future__ import annotations

from payments_core.domain.payout import Operation
from payments_core.provider import Facts, ProviderSpec
from payments_mtn_momo.api.operations import retry_policies
from payments_mtn_momo.provider import MtnMomoProvider
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["SPEC"]

SPEC = ProviderSpec(
    name="mtn_momo",
    title="MTN MoMo Disbursements",
    settings=MtnMomoSettings,
    build=MtnMomoProvider,
    operations=frozenset({Operation.TRANSFER, Operation.DEPOSIT, Operation.REFUND}),
    options={Operation.TRANSFER: frozenset({"transfer_type"})},  # of aggregators
    transaction_reference="financialTransactionId",  # OpenAPI export of Disbursements: TransferResult
    facts=Facts(
        resend="safe",
        dedupe_window_s=24 * 3600.0,
        visible_after_s=300.0,
        not_found_conclusive_after_s=None,
        dedupe_settle_s=3900.0,
        status_by="answer",
        reads_per_s=9.0,
        sources={
            "resend": "OpenAPI export of Disbursements, Transfer, Deposit and Refund: 409 for a duplicated "
            "X-Reference-Id; measured by a public client on requesttopay with an identical body",
            "dedupe_window_s": "ASSUMED: MTN gives no figure; references seem kept much longer",
            "visible_after_s": "ASSUMED: MTN gives no figure and says to query the status five minutes after "
            "initiation (developer community, article 93); one public report of a 404 right after a 202",
            "reads_per_s": "10 a second (developer community, article 93); a later article (271) says 150 a second and "
            "address. The lower one, with a tenth to spare: permits are spaced where they leave, not where they arrive",
            "posts_per_s": "none: MTN gives no figure",
            "dedupe_settle_s": "ASSUMED: a payment held up on its way carries a token, and tokens end after 3,600 s "
            "(`expires_in` of the token call); what was taken by then shows within visible_after_s",
            "not_found_conclusive_after_s": "never: a 404 also comes from another platform or for another API user",
        },
    ),
    retry=retry_policies(),
    emulator="payments_mtn_momo.emulator:MtnMomoEmulator",
    conformance="payments_mtn_momo.conformance:MtnMomoConformance",
    docs="https://momodeveloper.mtn.com",
)
