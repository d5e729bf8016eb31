"""What this distribution hands to the core, and the facts the engine decides by."""

from __future__ import annotations

from payments_core.payout import Operation
from payments_core.provider import Capability, Facts, ProviderSpec
from payments_mtn_momo.operations import retry_policies
from payments_mtn_momo.provider import MtnMomoProvider
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["SPEC"]

SPEC = ProviderSpec(
    name="mtn_momo",
    title="MTN MoMo Disbursements",
    settings=MtnMomoSettings,
    build=MtnMomoProvider,
    operations=frozenset({Operation.TRANSFER}),
    capabilities=frozenset({Capability.CREDENTIALS, Capability.VALIDATION}),
    facts=Facts(
        resend="safe",
        dedupe_window_s=24 * 3600.0,
        visible_after_s=300.0,
        not_found_conclusive_after_s=None,
        status_by="answer",
        sources={
            "resend": "OpenAPI export of Disbursements, Transfer: 409 for a duplicated X-Reference-Id; measured by a "
            "public client on requesttopay with an identical body",
            "dedupe_window_s": "ASSUMED: MTN gives no figure; references seem kept much longer",
            "visible_after_s": "ASSUMED: MTN gives no figure and says to query the status five minutes after "
            "initiation (developer community, article 93); one public report of a 404 right after a 202",
            "not_found_conclusive_after_s": "never: a 404 also comes from another platform or for another API user",
        },
    ),
    retry=retry_policies(),
    emulator="payments_mtn_momo.emulator:MtnMomoEmulator",
    docs="https://momodeveloper.mtn.com",
)
