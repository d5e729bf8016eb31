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
    transaction_reference="number",  # the API's page on payments: what a paid one is called in the portal
    # The facts have their most cautious values: what may have arrived is never sent again, and a person decides.
    # Declare one only with evidence, named in `sources`; a wrong one pays twice.
    #   resend="safe", dedupe_window_s   a second payment under one reference is refused, and for how long: the API's
    #                                    page, or a dated measurement. A 409 in an example proves no period.
    #   visible_after_s                  how late a status can still say "not found" of an accepted payment.
    #   dedupe_settle_s                  how late a payment can appear that was held up on its way; left out, a week.
    #   not_found_conclusive_after_s     how late "not found" means that it was never accepted. Rarely documented.
    facts=Facts(),
    retry={"status": RetryPolicy()},
    emulator="payments_template.emulator:TemplateEmulator",
    conformance="payments_template.conformance:TemplateConformance",
    docs="https://template.example/docs",
)
