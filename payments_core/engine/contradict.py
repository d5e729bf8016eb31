"""Contradictions of a final state: the state stands, and the contradiction is kept until a person acknowledges it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from payments_core.domain.contradictions import Contradiction, ProviderStatus
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub_code
from payments_core.domain.payout import PayoutStatus
from payments_core.domain.records import Event, PayoutRecord
from payments_core.engine.commands import AppendHistory
from payments_core.engine.decide_outcome import differs
from payments_core.engine.flow import EngineFlow, append_history
from payments_core.provider import Final, Unknown

__all__ = ["contradict", "contradict_overtaken"]

_MOVED_NO_MONEY = frozenset({PayoutStatus.FAILED, PayoutStatus.CANCELLED})


def contradict(
    row: PayoutRecord,
    status: PayoutStatus,
    outcome: object,
    at: datetime,
    *,
    account: str,
    attempt: int,
) -> EngineFlow[PayoutRecord]:
    """Write down an answer that contradicts the end of an attempt, once; of any other write nothing.

    Args:
        row: The payout.
        status: How the attempt has ended.
        outcome: What the provider says now.
        at: When the provider reported it.
        account: Whose provider.
        attempt: Which attempt it is about.

    Returns:
        The row, with what is kept of contradictions now.

    """
    provider_status = _provider_status(row, status, outcome)
    if provider_status is None or not isinstance(outcome, Final | Unknown):
        return row
    code = scrub_code(outcome.code)
    evidence: dict[str, object] = {"attempt": attempt, "code": code, "http_status": outcome.http_status}
    if account != row.attempt.account:
        evidence["paid_from"] = account
    contradiction = Contradiction(at, account, attempt, provider_status, code)
    noted = yield from append_history(
        AppendHistory(row.id, Event(EventName.PAYOUT_CONTRADICTED, at, evidence), contradiction=contradiction)
    )
    now = noted.row or row
    return replace(row, contradictions=now.contradictions, contradicted_at=now.contradicted_at)


def contradict_overtaken(
    before: PayoutRecord, now: PayoutRecord, outcome: object, at: datetime
) -> EngineFlow[PayoutRecord]:
    """Write down what contradicts an end that another worker wrote between a question and its answer.

    Args:
        before: The payout as it was asked about.
        now: As it stands.
        outcome: What the provider says.
        at: When the provider reported it.

    """
    asked = before.attempt
    # Only what failed has a next attempt.
    status = now.status if now.attempt.number == asked.number else PayoutStatus.FAILED
    return (yield from contradict(now, status, outcome, at, account=asked.account, attempt=asked.number))


def _provider_status(row: PayoutRecord, status: PayoutStatus, outcome: object) -> ProviderStatus | None:
    match outcome:
        case Final(succeeded=True) if status in _MOVED_NO_MONEY:
            return ProviderStatus.PAID
        case Final(succeeded=True) if status is PayoutStatus.SUCCEEDED and _is_another(row, outcome):
            return ProviderStatus.PAID_OTHERWISE
        case Final(succeeded=False) if status is PayoutStatus.SUCCEEDED:
            return ProviderStatus.FAILED
        case Unknown(taken_back=True) if status is PayoutStatus.SUCCEEDED:
            return ProviderStatus.TAKEN_BACK
        case _:
            return None


def _is_another(row: PayoutRecord, outcome: Final) -> bool:
    """Whether a success shows another payment than the one recorded; an erased payee is not compared."""
    seen = outcome.seen and replace(outcome.seen, payee=None if row.erased_at else outcome.seen.payee)
    known = row.attempt.references
    return bool(differs(row, seen, whole=False)) or any(
        known.get(name, value) != value for name, value in outcome.references.items()
    )
