"""Texts for people: statuses, reasons and advice, as total tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from payments_core.domain.causes import DecidedBy, PausedBy
from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.events import EventName
from payments_core.domain.payout import ERASED, Payout, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import NO_REASON, Pause
from payments_core.engine import ProviderSays, ReviewAction
from payments_core.provider import CancelAnswer, HolderStatus

__all__ = [
    "ACKNOWLEDGE",
    "ACTS",
    "CALLED",
    "CANCELS",
    "HOLDERS",
    "REASONS",
    "SAYS",
    "STATUSES",
    "advice",
    "checked",
    "concern",
    "contradicted",
    "contradiction",
    "counted",
    "initials",
    "latest_answer",
    "lifting",
    "moment",
    "money",
    "pause_of",
    "standing",
    "why",
]

STATUSES: Mapping[PayoutStatus, str] = {
    PayoutStatus.CREATED: "recorded, not sent yet",
    PayoutStatus.SENDING: "being sent to the provider",
    PayoutStatus.PENDING: "accepted by the provider, not finished",
    PayoutStatus.UNKNOWN: "it may have arrived; the provider is being checked",
    PayoutStatus.REVIEW: "no automatic step is proven safe: a check or a person continues",
    PayoutStatus.SUCCEEDED: "paid",
    PayoutStatus.FAILED: "no money moved",
    PayoutStatus.CANCELLED: "cancelled before it was sent",
    PayoutStatus.REVERSED: "paid, then reversed",
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
    ReasonCode.PROVIDER_UNAVAILABLE: "the provider could not be reached or did not accept it",
    ReasonCode.PROVIDER_ERROR: "the provider had an internal error",
    ReasonCode.INVALID_REQUEST: "the provider found the request invalid",
    ReasonCode.UNRECOGNISED: "the provider gave an unknown reason",
    ReasonCode.CREDENTIALS: "the provider does not accept our credentials",
    ReasonCode.NOT_PERMITTED: "the provider does not let this account pay",
    ReasonCode.MISCONFIGURED: "the account is configured wrongly",
    ReasonCode.REFUSED_BY_GUARD: "a guard refused it",
    ReasonCode.NOT_SENT_IN_TIME: "it could not be sent in time",
    ReasonCode.MISMATCH: "the provider shows another amount, payee or reference than was sent",
    ReasonCode.BINDING_GONE: "the account now pays to another host or with another identity",
    ReasonCode.NEVER_APPEARED: "the provider never showed it, and sending again is not proven safe",
    ReasonCode.NO_FINAL_ANSWER: "the provider has given no final answer",
    ReasonCode.DUPLICATE_OF_ANOTHER: "the provider has another payment under its reference",
    ReasonCode.EARLIER_ATTEMPT_PAID: "an earlier attempt was paid after all",
    ReasonCode.ON_STATEMENT: "the provider's statement has a payment under its reference",
    ReasonCode.NEEDS_APPROVAL: "it needs an approval",
    ReasonCode.ABOVE_LARGEST_AMOUNT: "it is above the largest amount of the account",
    ReasonCode.DAILY_LIMIT: "the daily limit of the account is reached",
    ReasonCode.BATCH_STOPPED: "its batch is paused or cancelled, or its approved total is used",
}


ACTS: Mapping[ReviewAction, str] = {
    ReviewAction.PAID: "payouts review resolve {key} --paid --actor NAME --reason TEXT",
    ReviewAction.NOT_PAID: "payouts review resolve {key} --not-paid --actor NAME --reason TEXT",
    ReviewAction.REOPEN: "payouts review reopen {key} --actor NAME --reason TEXT",
}

ACKNOWLEDGE = "payouts review acknowledge {key} --actor NAME --reason TEXT"

SAYS: Mapping[ProviderSays, str] = {
    ProviderSays.SILENT: "does not answer",
    ProviderSays.UNCLEAR: "gives no clear answer",
    ProviderSays.LATER: "answers only by callback",
    ProviderSays.GONE: "can no longer be checked",
    ProviderSays.NOT_FOUND: "does not show it",
    ProviderSays.PENDING: "reports it as in progress",
    ProviderSays.ANOTHER: "shows another payment under its reference",
}

CALLED: Mapping[ProviderStatus, str] = {
    ProviderStatus.PAID: "was paid",
    ProviderStatus.FAILED: "failed",
    ProviderStatus.TAKEN_BACK: "was paid and reversed",
    ProviderStatus.PAID_OTHERWISE: "was paid with another amount, payee or transaction id",
}

_CHECKED = {
    **{str(status): f"reports that it {called}" for status, called in CALLED.items()},
    **{str(code): text for code, text in SAYS.items()},
    str(ProviderSays.LATER): "answers only by callback: the query is sent, and the result comes later",
}

CANCELS: Mapping[CancelAnswer, str] = {
    CancelAnswer.TAKEN: "cancels it",
    CancelAnswer.TOO_LATE: "answers that it is too late",
    CancelAnswer.NOT_FOUND: "does not know it",
}

HOLDERS: Mapping[HolderStatus, str] = {
    HolderStatus.ACTIVE: "has a wallet, and it is active",
    HolderStatus.NOT_ACTIVE: "has no active wallet",
    HolderStatus.NOT_FOUND: "has no wallet",
}


def initials(name: str) -> str:
    """Return the initials of a name: ``A. G. O.``."""
    return " ".join(f"{part[0]}." for part in name.split())


def why(reason: Reason | None) -> str:
    """Return a reason in words, with the provider's own code: ``the number has no wallet (PAYEE_NOT_FOUND)``."""
    if reason is None:
        return ""
    return REASONS[reason.code] + (f" ({reason.provider_code})" if reason.provider_code else "")


def counted(count: int, noun: str) -> str:
    """Return ``1 account`` or ``2 accounts``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def standing(payout: Payout) -> str:
    """Return the text of a payout's status."""
    if payout.status is PayoutStatus.REVIEW and not payout.may_have_been_sent:
        return "the provider did not accept it, and it is not sent again"
    if payout.status is PayoutStatus.CREATED and payout.submissions:
        return "the provider did not accept it; it is sent again later"
    if payout.is_final and payout.contradictions:
        return "it is final, and its provider contradicts it"
    if payout.status is PayoutStatus.FAILED and _settles(payout):
        return "the provider reports a failure and may still change it"
    return STATUSES[payout.status]


def money(payout: Payout) -> str:
    """Return whether money can have moved; empty once it has."""
    match payout.status:
        case PayoutStatus.SUCCEEDED | PayoutStatus.REVERSED:
            return "The money may not be there." if payout.contradictions else ""
        case PayoutStatus.FAILED | PayoutStatus.CANCELLED:  # final: no earlier submission was paid
            moved = _settles(payout) or bool(payout.contradictions)
        case _:
            moved = payout.may_have_been_sent
    return "Money may have moved." if moved else "No money moved."


def _settles(payout: Payout) -> bool:
    return payout.reason is not None and payout.reason.settling_h > 0


def contradiction(one: Contradiction) -> str:
    """Return a contradiction as text: ``the provider reports that attempt 1 was paid (DONE)``."""
    code = f" ({one.code})" if one.code else ""
    return f"the provider reports that attempt {one.attempt} {CALLED[one.provider_status]}{code}"


def contradicted(payout: Payout) -> str:
    """Return all contradictions of a payout with their acknowledgements; empty without any."""
    return "; ".join(
        f"{contradiction(one)}, {moment(one.at)}, "
        + ("not acknowledged" if one.is_open else f"acknowledged by {one.actor}: {one.reason}")
        for one in payout.contradictions
    )


def concern(payout: Payout) -> str:
    """Return in one line why a payout needs attention: its contradiction or its reason."""
    waiting = [one for one in payout.contradictions if one.is_open]
    if waiting:
        return f"contradicted: {contradiction(waiting[-1])}"
    reason = why(payout.reason)
    return f"{reason} (contradicted, acknowledged)".strip() if payout.contradictions else reason


def latest_answer(payout: Payout) -> str:
    """Return the latest answer in the history; empty where it adds nothing to the status."""
    evidence = payout.history[-1].evidence if payout.history else {}
    if payout.status is PayoutStatus.PENDING and evidence.get("http_status", 0) in range(200, 300):
        return ""
    if str(evidence.get("why", "")).startswith("no credential"):
        return f"no request could be made: {evidence['why']}"
    if "http_status" in evidence:
        return " ".join(("the answer was HTTP", *(str(evidence.get(n, "")) for n in ("http_status", "code")))).strip()
    return f"there was no answer: {evidence['why']}" if "why" in evidence else ""


def checked(payout: Payout) -> str:
    """Return the provider's answer to the latest check of a final payout."""
    entry = next(entry for entry in reversed(payout.history) if entry.event == EventName.PAYOUT_CHECKED)
    return f"The provider {_CHECKED[entry.evidence['provider']]}."


def moment(at: datetime | None, now: datetime | None = None) -> str:
    """Return a time as text: UTC to the second, and how far away it is."""
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
    """Return the pause that stops an account; one for all accounts comes first, as only a person ends it."""
    stopping = [pause for pause in pauses if pause.account in {None, account}]
    return min(stopping, key=lambda pause: (pause.by is not PausedBy.PERSON, pause.account is not None), default=None)


def advice(payout: Payout, pauses: Iterable[Pause] = ()) -> str:
    """Return the next action for a payout; empty when there is none."""
    if payout.has_open_contradiction and payout.status is not PayoutStatus.REVIEW:
        return f"{_COMPARE} Then {ACKNOWLEDGE.format(key=payout.key)}. {_NEVER_AGAIN}"
    if payout.contradictions and payout.is_final:
        return _NEVER_AGAIN
    match payout.status:
        case PayoutStatus.CREATED:
            return _unsent(payout, pause_of(payout.account, pauses))
        case PayoutStatus.SENDING | PayoutStatus.PENDING | PayoutStatus.UNKNOWN:
            return f"Check again: payouts wait {payout.key}. The same key is safe; `payouts resume` continues all."
        case PayoutStatus.REVIEW if not payout.may_have_been_sent:
            return (
                "Nothing was accepted, and this payout is not sent again. After the cause is fixed, it is safe to pay "
                f"under another key. {_CANCEL.format(key=payout.key)}"
            )
        case PayoutStatus.REVIEW:
            return (
                f"Do not pay it under another key. Compare with the provider's own records: payouts review show "
                f"{payout.key} shows the possible decisions, and payouts wait {payout.key} checks the provider again."
            )
        case PayoutStatus.FAILED:
            return _failed(payout)
        case PayoutStatus.CANCELLED:
            return "No money moved. If it is still wanted, pay it under a new key."
        case _:
            return ""


def _unsent(payout: Payout, pause: Pause | None) -> str:
    cancel = _CANCEL.format(key=payout.key)
    code = payout.reason.code if payout.reason else None
    nothing = "Nothing was accepted" if payout.submissions else "Nothing was sent"
    if code is ReasonCode.NEEDS_APPROVAL:
        return f"{nothing}. payouts approve {payout.key} --actor NAME lets it be sent. {cancel}"
    if code is ReasonCode.ABOVE_LARGEST_AMOUNT:
        return (
            f"{nothing}. If the amount is right, raise largest_amount of [accounts.{payout.account}]: "
            f"payouts wait {payout.key} then sends it, once. {cancel}"
        )
    if code is ReasonCode.DAILY_LIMIT:
        return (
            f"{nothing}. `payouts resume` or a worker sends it, once, when the account's next day begins. If it is "
            f"meant for today, raise daily_limit of [accounts.{payout.account}]: payouts wait {payout.key} then sends "
            f"it. {cancel}"
        )
    if pause is not None:
        return f"{nothing}: {lifting(pause)} It is sent then, once."
    if payout.attempt > 1 and payout.reason is not None:
        return (
            "Earlier attempts are checked before this one is sent; `payouts resume` continues. If the provider "
            f"no longer shows one, payouts reissue {payout.key} --actor NAME --reason TEXT "
            f"--evidence TEXT records the proof that it failed. {cancel}"
        )
    return f"{nothing}. When it is due, `payouts resume` or the same key again sends it once."


def _failed(payout: Payout) -> str:
    again = f"payouts reissue {payout.key} --actor NAME --reason TEXT pays it under the same key."
    last = payout.history[-1] if payout.history else None
    if payout.payee.value.startswith(ERASED):
        return "No money moved. If it is still owed, pay it under a new key: its payee was erased."
    if last and last.event == EventName.PAYOUT_FAILED and last.decided_by == DecidedBy.RESULT_CALLBACK:
        return (
            "A result callback reported this failure, and it is checked first, by `payouts resume` or a worker. "
            f"Do not pay it in another way before that; then see payouts show {payout.key}."
        )
    if any(entry.event == EventName.PAYOUT_QUERIED for entry in payout.history):
        return (
            "Its provider reports results only by callback, so it is not paid again under its key. "
            "Compare with the provider's own records before you pay it under a new key."
        )
    if payout.reason is not None and payout.reason.settling_h:
        hours = f"{payout.reason.settling_h:g} hours"
        return f"Wait {hours}: until then the provider may still change the result. Then {again}"
    if payout.reason is not None and payout.reason.code is ReasonCode.PAYEE_NOT_FOUND:
        return (
            "No money moved. If the number is wrong, pay the right one under another key, and never reissue this one. "
            f"If it is right, {again}"
        )
    return f"No money moved. After the cause is fixed, {again}"


_CANCEL = "payouts cancel {key} --actor NAME --reason TEXT withdraws it."
_COMPARE = "Compare with the provider's own records, and do not pay it in another way before the result is clear."
_NEVER_AGAIN = "It is never paid again under this key."
_STOPS: Mapping[PausedBy, str] = {
    PausedBy.CIRCUIT: "stopped because the results of the last payments are unknown",
    PausedBy.RATE: "slowed down because the provider reports too many requests",
}


def lifting(pause: Pause) -> str:
    """Return why an account is paused and what ends the pause."""
    subject = "all accounts are" if pause.account is None else f"the account {pause.account} is"
    option = f" --account {pause.account}" if pause.account else ""
    if pause.by is PausedBy.PERSON:
        why = "" if pause.why == NO_REASON else f" ({pause.why})"
        return f"{subject} paused by a person{why}. `payouts unpause{option}` ends it."
    if pause.by is PausedBy.RESTORED:
        ends = "`payouts journal reconciled --account NAME` ends it, and `unpause` does not."
        return f"{subject} stopped: {pause.why}. Checks continue. {ends}"
    if pause.by in _STOPS:
        until = (
            f" One payment is tried at {moment(pause.probe_at)}, then less and less often." if pause.probe_at else ""
        )
        ends = f"`payouts unpause{option}` ends it now."
        return f"{subject} {_STOPS[pause.by]} ({pause.why}). Checks continue.{until} {ends}"
    ends = "It ends"
    if pause.probe_at:
        ends = f"It ends by itself when the payment tried at {moment(pause.probe_at)} is accepted, or"
    cause = f"the provider refuses the account ({pause.why})"
    return f"{subject} paused because {cause}. Fix the cause. {ends} by `payouts unpause{option}`."
