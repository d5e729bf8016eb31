"""The provider's specification: retry policies, and the facts the engine decides by."""

from __future__ import annotations

from payments_core.domain.payout import Operation
from payments_core.provider import Facts, ProviderSpec, RetryPolicy
from payments_template.provider import TemplateProvider
from payments_template.settings import TemplateSettings

__all__ = ["SPEC"]

SPEC = ProviderSpec(
    name="template",
    title="Template Pay",
    settings=TemplateSettings,
    build=TemplateProvider,
    operations=frozenset({Operation.TRANSFER}),
    facts=Facts(
        resend="safe",
        dedupe_window_s=24 * 3600.0,
        visible_after_s=60.0,
        dedupe_settle_s=600.0,
        sources={
            "resend": "invented: the API's page on payments, 409 duplicate_id",
            "dedupe_window_s": "invented: the API's page on limits",
            "visible_after_s": "invented",
            "dedupe_settle_s": "invented",
        },
    ),
    retry={"status": RetryPolicy()},
    emulator="payments_template.emulator:TemplateEmulator",
    conformance="payments_template.conformance:TemplateConformance",
    docs="https://template.example/docs",
)
