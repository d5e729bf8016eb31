"""What a provider can do beside paying and telling what became of it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Capability"]


class Capability(StrEnum):
    """What a provider can do beside paying and telling what became of it: one for each optional protocol."""

    CREDENTIALS = "credentials"
    VALIDATION = "validation"
    RESULT_CALLBACKS = "result_callbacks"
    CALLBACKS = "callbacks"
    BALANCES = "balances"
    BALANCE_RESULT_CALLBACKS = "balance_result_callbacks"
    ACCOUNT_HOLDERS = "account_holders"
    NAME_LOOKUP = "name_lookup"
    USER_INFO = "user_info"
    DIAGNOSIS = "diagnosis"
    PROVIDER_CONFIG = "learning"
    CANCELLATION = "cancellation"
    OPERATOR_LOOKUP = "operator_lookup"
