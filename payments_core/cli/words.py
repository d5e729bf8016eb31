"""Statuses and reasons in a person's words: total tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from payments_core.entries import Pause
from payments_core.payout import Payout, PayoutStatus, Reason, ReasonCode

__all__ = ["REASONS", "STATUSES", "advice", "lifting", "moment", "pause_of", "why"]

STATUSES: Mapping[PayoutStatus, str] = {
    PayoutStatus.CREATED: "written down, nothing was sent yet",
    PayoutStatus.SENDING: "on its way to the provider",
    PayoutStatus.PENDING: "the provider has it and has not finished",
    PayoutStatus.UNKNOWN: "it may have arrived; the provider is being asked",
    PayoutStatus.REVIEW: "the machine has stopped; a person must look",
    PayoutStatus.SUCCEEDED: "the money is there",
    PayoutStatus.FAILED: "no money moved",
    PayoutStatus.CANCELLED: "cancelled before it was sent",
    PayoutStatus.REVERSED: "paid, and taken back",
}

REASONS: Mapping[ReasonCode, str] = {
    ReasonCode.PAYEE_NOT_FOUND: "the number has no wallet",
    ReasonCode.PAYEE_NOT_ALLOWED: "the payee may not receive this",
    ReasonCode.PAYEE_LIMIT_REACHED: "the payee's limit is reached",
    ReasonCode.INSUFFICIENT_FUNDS: "our account holds too little money",
    ReasonCode.PAYER_LIMIT_REACHED: "our account's limit is reached",
    ReasonCode.FUNDS_OR_LIMIT: "too little money, or a limit is reached",
    ReasonCode.AMOUNT_NOT_ALLOWED: "the provider does not pay this amount",
    ReasonCode.REJECTED: "the provider rejected it",
    ReasonCode.EXPIRED: "it expired at the provider",
    ReasonCode.CANCELLED: "it was cancelled at the provider",
    ReasonCode.NOT_COMPLETED: "the provider did not complete it",
    ReasonCode.PROVIDER_UNAVAILABLE: "the provider could not be reached or did not take it",
    ReasonCode.PROVIDER_ERROR: "the provider had an error of its own",
    ReasonCode.INVALID_REQUEST: "the provider called the request wrong",
    ReasonCode.UNRECOGNISED: "the provider gave a reason we do not know",
    ReasonCode.CREDENTIALS: "the provider does not accept our credentials",
    ReasonCode.NOT_PERMITTED: "the provider does not let this account pay",
    ReasonCode.MISCONFIGURED: "the account is set up wrongly",
    ReasonCode.REFUSED_BY_GUARD: "a guard refused it",
    ReasonCode.NOT_SENT_IN_TIME: "it could not be sent in time",
    ReasonCode.MISMATCH: "what the provider shows is not what was sent",
    ReasonCode.BINDING_GONE: "the account now pays elsewhere or as somebody else",
    ReasonCode.NEVER_APPEARED: "the provider never showed it, and sending again is not proven safe",
    ReasonCode.NO_FINAL_ANSWER: "the provider has given no final answer",
    ReasonCode.DUPLICATE_OF_ANOTHER: "another payment stands under its reference",
}


def why(reason: Reason | None) -> str:
    """Return a reason in words, with the provider's own code: ``the number has no wallet (PAYEE_NOT_FOUND)``."""
    if reason is None:
        return ""
    return REASONS[reason.code] + (f" ({reason.provider_code})" if reason.provider_code else "")


def moment(at: datetime | None, now: datetime | None = None) -> str:
    """Return a moment as a person reads it: UTC to the second, and how far away it is."""
    if at is None:
        return ""
    text = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if now is None:
        return text
    seconds = (at - now).total_seconds()
    if seconds <= 0:
        return f"{text} (now)"
    if seconds < 100:
        return f"{text} (in {seconds:.0f} s)"
    return f"{text} (in {seconds / 60:.0f} min)" if seconds < 6000 else f"{text} (in {seconds / 3600:.0f} h)"


def pause_of(account: str, pauses: Iterable[Pause]) -> Pause | None:
    """Return the pause that stops an account; one for all counts first, as only a person lifts it."""
    stopping = [pause for pause in pauses if pause.account in {None, account}]
    return min(stopping, key=lambda pause: (pause.by != "person", pause.account is not None), default=None)


def advice(payout: Payout, pauses: Iterable[Pause] = ()) -> str:
    """Return what to do next about a payout; empty when nothing is to be done."""
    match payout.status:
        case PayoutStatus.CREATED:
            pause = pause_of(payout.account, pauses)
            if pause is not None:
                return f"Nothing was sent: {lifting(pause)} It is sent then, once."
            return "Nothing was sent. When it is due, `payouts resume` or the same key again sends it, once."
        case PayoutStatus.SENDING | PayoutStatus.PENDING | PayoutStatus.UNKNOWN:
            return f"Ask again: payouts wait {payout.key}. The same key is safe; `payouts resume` goes on with all."
        case PayoutStatus.REVIEW:
            return (
                f"Do not pay it under another key. Compare with the provider's own records; payouts wait {payout.key} "
                "asks the provider once more."
            )
        case PayoutStatus.FAILED if payout.reason is not None and payout.reason.settling_h:
            return f"Wait {payout.reason.settling_h:g} hours: until then the provider may still say otherwise."
        case PayoutStatus.FAILED | PayoutStatus.CANCELLED:
            return "No money moved. When the cause is mended, pay again under a new key."
        case _:
            return ""


def lifting(pause: Pause) -> str:
    """Return why an account is paused and what ends it."""
    who = "all accounts are" if pause.account is None else f"the account {pause.account} is"
    option = f" --account {pause.account}" if pause.account else ""
    if pause.by == "person":
        return f"{who} paused by a person ({pause.why}). `payouts unpause{option}` ends it."
    probe = (
        f" It ends by itself when the payment that tries at {moment(pause.probe_at)} gets through,"
        if pause.probe_at
        else ""
    )
    return (
        f"{who} paused because the provider refuses us ({pause.why}). Mend the cause.{probe or ' It ends'} "
        f"{'or ' if probe else ''}by `payouts unpause{option}`."
    )
