"""Statuses and reasons in a person's words: total tables."""

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
    ReasonCode.EARLIER_ATTEMPT_PAID: "an earlier attempt was paid after all",
    ReasonCode.ON_STATEMENT: "the provider's statement has a payment under its reference",
    ReasonCode.NEEDS_APPROVAL: "somebody has to approve it first",
    ReasonCode.ABOVE_LARGEST_AMOUNT: "it is more than the account pays at once",
}


ACTS: Mapping[ReviewAction, str] = {
    ReviewAction.PAID: "payouts review resolve {key} --paid --actor NAME --reason TEXT",
    ReviewAction.NOT_PAID: "payouts review resolve {key} --not-paid --actor NAME --reason TEXT",
    ReviewAction.REOPEN: "payouts review reopen {key} --actor NAME --reason TEXT",
}

ACKNOWLEDGE = "payouts review acknowledge {key} --actor NAME --reason TEXT"

SAYS: Mapping[ProviderSays, str] = {
    ProviderSays.SILENT: "does not answer",
    ProviderSays.UNCLEAR: "says nothing clear",
    ProviderSays.LATER: "answers only later",
    ProviderSays.GONE: "cannot be asked any more",
    ProviderSays.NOT_FOUND: "does not show it",
    ProviderSays.PENDING: "says that it is under way",
    ProviderSays.ANOTHER: "shows another payment under its reference",
}

CALLED: Mapping[ProviderStatus, str] = {
    ProviderStatus.PAID: "was paid",
    ProviderStatus.FAILED: "failed",
    ProviderStatus.TAKEN_BACK: "was paid and taken back",
    ProviderStatus.PAID_OTHERWISE: "was paid with another amount, payee or transaction id",
}

_CHECKED = {
    **{str(status): f"says that it {called}" for status, called in CALLED.items()},
    **{str(code): text for code, text in SAYS.items()},
    str(ProviderSays.LATER): "answers only later: the question is asked, and the answer comes by callback",
}

CANCELS: Mapping[CancelAnswer, str] = {
    CancelAnswer.TAKEN: "drops it",
    CancelAnswer.TOO_LATE: "says that it is too late",
    CancelAnswer.NOT_FOUND: "does not know it",
}

HOLDERS: Mapping[HolderStatus, str] = {
    HolderStatus.ACTIVE: "has a wallet, and it is active",
    HolderStatus.NOT_ACTIVE: "has no active wallet",
    HolderStatus.NOT_FOUND: "has no wallet",
}


def initials(name: str) -> str:
    """Return what of a name may be shown: ``A. G. O.``."""
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
    """Return where a payout stands, in words that hold for this one."""
    if payout.status is PayoutStatus.REVIEW and not payout.may_have_been_sent:
        return "the provider did not take it, and it is not sent any more"
    if payout.status is PayoutStatus.CREATED and payout.submissions:
        return "the provider did not take it; it is to be sent again"
    if payout.is_final and payout.contradictions:
        return "it ended so, and its provider says otherwise"
    if payout.status is PayoutStatus.FAILED and _settles(payout):
        return "the provider says that it failed, and may yet say otherwise"
    return STATUSES[payout.status]


def money(payout: Payout) -> str:
    """Return whether money can have moved; empty once it has."""
    match payout.status:
        case PayoutStatus.SUCCEEDED | PayoutStatus.REVERSED:
            return "The money may not be there." if payout.contradictions else ""
        case PayoutStatus.FAILED | PayoutStatus.CANCELLED:  # an end: an earlier try that may have arrived did not
            moved = _settles(payout) or bool(payout.contradictions)
        case _:
            moved = payout.may_have_been_sent
    return "Money may have moved." if moved else "No money moved."


def _settles(payout: Payout) -> bool:
    return payout.reason is not None and payout.reason.settling_h > 0


def contradiction(one: Contradiction) -> str:
    """Return what a provider says against an end: ``the provider says that attempt 1 was paid (DONE)``."""
    code = f" ({one.code})" if one.code else ""
    return f"the provider says that attempt {one.attempt} {CALLED[one.provider_status]}{code}"


def contradicted(payout: Payout) -> str:
    """Return all that its provider says against a payout's ends, and who has acknowledged it; empty when nothing."""
    return "; ".join(
        f"{contradiction(one)}, {moment(one.at)}, "
        + ("not acknowledged" if one.is_open else f"acknowledged by {one.actor}: {one.reason}")
        for one in payout.contradictions
    )


def concern(payout: Payout) -> str:
    """Return in one line why a payout needs attention: what its provider says against its end, or its reason."""
    waiting = [one for one in payout.contradictions if one.is_open]
    if waiting:
        return f"contradicted: {contradiction(waiting[-1])}"
    reason = why(payout.reason)
    return f"{reason} (contradicted, acknowledged)".strip() if payout.contradictions else reason


def latest_answer(payout: Payout) -> str:
    """Return what the latest answer was, as far as the history tells; empty where it says no more than the status."""
    evidence = payout.history[-1].evidence if payout.history else {}
    if payout.status is PayoutStatus.PENDING and evidence.get("http_status", 0) in range(200, 300):
        return ""
    if str(evidence.get("why", "")).startswith("no credential"):
        return f"the provider could not be asked: {evidence['why']}"
    if "http_status" in evidence:
        return " ".join(("the answer was HTTP", *(str(evidence.get(n, "")) for n in ("http_status", "code")))).strip()
    return f"there was no answer: {evidence['why']}" if "why" in evidence else ""


def checked(payout: Payout) -> str:
    """Return what the provider said when an ended payout was last read at a person's wish."""
    entry = next(entry for entry in reversed(payout.history) if entry.event == EventName.PAYOUT_CHECKED)
    return f"The provider {_CHECKED[entry.evidence['provider']]}."


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
    return min(stopping, key=lambda pause: (pause.by is not PausedBy.PERSON, pause.account is not None), default=None)


def advice(payout: Payout, pauses: Iterable[Pause] = ()) -> str:
    """Return what to do next about a payout; empty when nothing is to be done."""
    if payout.has_open_contradiction and payout.status is not PayoutStatus.REVIEW:
        return f"{_COMPARE} Then {ACKNOWLEDGE.format(key=payout.key)}. {_NEVER_AGAIN}"
    if payout.contradictions and payout.is_final:
        return _NEVER_AGAIN
    match payout.status:
        case PayoutStatus.CREATED if payout.reason is not None and payout.reason.code is ReasonCode.NEEDS_APPROVAL:
            return (
                f"Nothing was sent. payouts approve {payout.key} --actor NAME lets it be sent. "
                f"{_CANCEL.format(key=payout.key)}"
            )
        case PayoutStatus.CREATED if payout.reason is not None and payout.reason.code is _TOO_LARGE:
            return (
                f"Nothing was sent. Where the amount is meant, raise largest_amount of [accounts.{payout.account}]: "
                f"payouts wait {payout.key} then sends it, once. {_CANCEL.format(key=payout.key)}"
            )
        case PayoutStatus.CREATED:
            pause = pause_of(payout.account, pauses)
            if pause is not None:
                return f"Nothing was sent: {lifting(pause)} It is sent then, once."
            if payout.attempt > 1 and payout.reason is not None:
                return (
                    "Earlier attempts are read before this one is sent; `payouts resume` goes on. Where the provider "
                    f"does not show one any more, payouts reissue {payout.key} --actor NAME --reason TEXT "
                    f"--evidence TEXT records the proof that it failed. {_CANCEL.format(key=payout.key)}"
                )
            return "Nothing was sent. When it is due, `payouts resume` or the same key again sends it, once."
        case PayoutStatus.SENDING | PayoutStatus.PENDING | PayoutStatus.UNKNOWN:
            return f"Ask again: payouts wait {payout.key}. The same key is safe; `payouts resume` goes on with all."
        case PayoutStatus.REVIEW if not payout.may_have_been_sent:
            return (
                "Nothing was taken, and this one is not sent any more: once the cause is mended, it is safe to pay it "
                f"under another key. {_CANCEL.format(key=payout.key)}"
            )
        case PayoutStatus.REVIEW:
            return (
                f"Do not pay it under another key. Compare with the provider's own records: payouts review show "
                f"{payout.key} tells what can be decided, and payouts wait {payout.key} asks the provider once more."
            )
        case PayoutStatus.FAILED if payout.payee.value.startswith(ERASED):
            return "No money moved. If it is still owed, pay it under a new key: its payee was erased."
        case PayoutStatus.FAILED if _is_read_again(payout):
            return (
                f"A result callback told this failure, and it is read again first: `payouts resume` and workers do so. "
                f"Do not pay it in another way before; payouts show {payout.key} tells more then."
            )
        case PayoutStatus.FAILED if any(entry.event == EventName.PAYOUT_QUERIED for entry in payout.history):
            return (
                "Its provider tells only later what became of a payment, so it is not paid again under its key. "
                "Compare with the provider's own records before you pay it under a new key."
            )
        case PayoutStatus.FAILED if payout.reason is not None and payout.reason.settling_h:
            return (
                f"Wait {payout.reason.settling_h:g} hours: until then the provider may still say otherwise. Then "
                f"{_PAY_AGAIN.format(key=payout.key)}"
            )
        case PayoutStatus.FAILED:
            return f"No money moved. When the cause is mended, {_PAY_AGAIN.format(key=payout.key)}"
        case PayoutStatus.CANCELLED:
            return "No money moved. If it is still wanted, pay it under a new key."
        case _:
            return ""


def _is_read_again(payout: Payout) -> bool:
    """Whether nothing has been heard since a result callback told the failure."""
    last = payout.history[-1] if payout.history else None
    return last is not None and last.event == EventName.PAYOUT_FAILED and last.decided_by == DecidedBy.RESULT_CALLBACK


_CANCEL = "payouts cancel {key} --actor NAME --reason TEXT withdraws it."
_TOO_LARGE = ReasonCode.ABOVE_LARGEST_AMOUNT
_COMPARE = "Compare with the provider's own records, and do not pay it in any other way before you know what is true."
_NEVER_AGAIN = "It is never paid again under this key."
_STOPS: Mapping[PausedBy, str] = {
    PausedBy.CIRCUIT: "stopped because nobody knows what became of the last payments",
    PausedBy.RATE: "slowed down because the provider says that we send too fast",
}
_PAY_AGAIN = "payouts reissue {key} --actor NAME --reason TEXT pays it under the same key."


def lifting(pause: Pause) -> str:
    """Return why an account is paused and what ends it."""
    who = "all accounts are" if pause.account is None else f"the account {pause.account} is"
    option = f" --account {pause.account}" if pause.account else ""
    if pause.by is PausedBy.PERSON:
        why = "" if pause.why == NO_REASON else f" ({pause.why})"
        return f"{who} paused by a person{why}. `payouts unpause{option}` ends it."
    if pause.by is PausedBy.RESTORED:
        ends = "`payouts journal reconciled --account NAME` ends it, and `unpause` does not."
        return f"{who} stopped: {pause.why}. Reads go on. {ends}"
    if pause.by in _STOPS:
        until = f" One payment tries at {moment(pause.probe_at)}, ever more rarely." if pause.probe_at else ""
        return f"{who} {_STOPS[pause.by]} ({pause.why}). Reads go on.{until} `payouts unpause{option}` ends it now."
    probe = (
        f" It ends by itself when the payment that tries at {moment(pause.probe_at)} gets through,"
        if pause.probe_at
        else ""
    )
    return (
        f"{who} paused because the provider refuses us ({pause.why}). Mend the cause.{probe or ' It ends'} "
        f"{'or ' if probe else ''}by `payouts unpause{option}`."
    )
