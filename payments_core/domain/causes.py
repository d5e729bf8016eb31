"""What decides: who or what ended an attempt, and what stopped an account."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DecidedBy", "PausedBy"]


class DecidedBy(StrEnum):
    """What decided a final state."""

    SUBMIT = "submit"
    READ = "read"
    RESULT_CALLBACK = "result_callback"
    GUARD = "guard"
    EXPIRY = "expiry"
    PERSON = "person"


class PausedBy(StrEnum):
    """What stopped the money requests of an account; only a pause by a person has no end of its own."""

    PERSON = "person"
    ACCOUNT_REFUSED = "account_refused"
    RATE = "rate"
    CIRCUIT = "circuit"
    RESTORED = "restored"
