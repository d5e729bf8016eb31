"""What the journal writes for each command, inside one transaction."""

from __future__ import annotations

from typing import TypeAlias

from payments_core.domain.batches import (
    BatchChange,
    BatchReply,
    BatchWrite,
    BeginBatch,
    DropBatch,
    FreezeBatch,
    WriteRows,
)
from payments_core.domain.inbox_records import Arrival, Handled, Handling
from payments_core.domain.rates import AcquirePermit, Permit
from payments_core.domain.records import ErasureResult
from payments_core.domain.shared_tokens import AskToken, KeepToken, SharedToken, TokenChange
from payments_core.engine.commands import (
    AcknowledgeContradictions,
    AppendHistory,
    ApplyTransition,
    CreateAttempt,
    CreatePayout,
    DelayPayout,
    HistoryAppended,
    JournalCommand,
    JournalResult,
    LoadAttempts,
    RecordAccountQuery,
)
from payments_core.journal.sql import (
    attempts,
    batches,
    circuits,
    claims,
    erasure,
    history,
    inbox,
    new_payouts,
    outbox,
    pauses,
    permits,
    tokens,
    write_transition,
)
from payments_core.journal.sql.claims import Claim, ClaimChange, ClaimReply, Release, Renew
from payments_core.journal.sql.erasure import Erase, EraseRows, Trim
from payments_core.journal.sql.inbox import InboxChange
from payments_core.journal.sql.outbox import OutboxChange, OutboxReply
from payments_core.journal.sql.pauses import LiftPause, SetPause
from payments_core.journal.sql.transaction import DbTransaction

__all__ = ["Change", "Reply", "apply"]

Change: TypeAlias = (
    JournalCommand
    | SetPause
    | LiftPause
    | ClaimChange
    | AcquirePermit
    | TokenChange
    | InboxChange
    | OutboxChange
    | Erase
    | EraseRows
    | Trim
    | BatchWrite
)
Reply: TypeAlias = (
    JournalResult
    | bool
    | ClaimReply
    | Permit
    | SharedToken
    | Handled
    | OutboxReply
    | ErasureResult
    | BatchReply
    | int
    | None
)


def apply(session: DbTransaction, change: Change) -> Reply:
    """Write one change.

    Raises:
        JournalError: The change breaks a rule that holds whatever the caller has read.

    """
    match change:
        case CreatePayout():
            return new_payouts.create_payout(session, change)
        case ApplyTransition():
            return write_transition.write_transition(session, change)
        case AppendHistory():
            return history.note(session, change)
        case DelayPayout():
            return history.delay(session, change)
        case AcknowledgeContradictions():
            return history.acknowledge(session, change)
        case CreateAttempt():
            return attempts.create_attempt(session, change)
        case LoadAttempts():
            return attempts.load(session, change)
        case RecordAccountQuery():
            inbox.record_account_query(session, change)
            return HistoryAppended()
        case SetPause():
            pauses.replace(session, change.pause)
            return True
        case LiftPause():
            if change.account is not None:
                circuits.reset(session, change.account)
            return pauses.lift(session, change.account, change.at)
        case Claim() | Renew() | Release():
            return claims.apply(session, change)
        case AcquirePermit():
            return permits.take(session, change)
        case outbox.Acknowledge() | outbox.TakeDeliveries() | outbox.PutOff() | outbox.ResumeDeliveries():
            return outbox.apply(session, change)
        case Erase() | EraseRows() | Trim():
            return erasure.apply(session, change)
        case BeginBatch() | WriteRows() | FreezeBatch() | DropBatch() | BatchChange():
            return batches.apply(session, change)
        case AskToken() | KeepToken():
            return tokens.apply(session, change)
        case Arrival() | Handling() | inbox.StoreFact():
            return inbox.apply(session, change)
