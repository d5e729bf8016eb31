"""The provider's specification: retry policies, and the facts the engine decides by."""

from __future__ import annotations

from payments_core.domain.payout import Operation
from payments_core.provider import Facts, ProviderSpec, RetryPolicy
from payments_mpesa_daraja.provider import MpesaDarajaProvider
from payments_mpesa_daraja.settings import MpesaDarajaSettings

__all__ = ["SPEC"]

SPEC = ProviderSpec(
    name="mpesa_daraja",
    title="M-Pesa Kenya (Safaricom Daraja, B2C)",
    settings=MpesaDarajaSettings,
    build=MpesaDarajaProvider,
    operations=frozenset({Operation.TRANSFER}),
    options={Operation.TRANSFER: frozenset({"command_id"})},
    transaction_reference="TransactionReceipt",  # portal, B2C: the M-Pesa receipt number among the result's parameters
    # A duplicate is refused, but how long a reference is remembered is undocumented, and no answer proves that a
    # payment never arrived. So nothing that may have arrived is sent again: resend keeps its cautious value.
    facts=Facts(
        status_by="result_callback",
        result_by="submission",
        token_scope="shared",  # noqa: S106 a scope
        sources={
            "result_by": "portal, B2C: ResultURL and QueueTimeOutURL belong to each request",
            "token_scope": "portal, FAQ: a new access token invalidates the one before",
        },
    ),
    retry={"token": RetryPolicy(), "status": RetryPolicy(), "balance": RetryPolicy()},
    emulator="payments_mpesa_daraja.emulator:MpesaDarajaEmulator",
    conformance="payments_mpesa_daraja.conformance:MpesaDarajaConformance",
    docs="https://developer.safaricom.co.ke/apis/BusinessToCustomer",
)
