"""A payout that has ended: read once more when a person wants it, acknowledged where its provider contradicts it."""

from __future__ import annotations

from payments_core.domain.errors import DecisionRefused
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub
from payments_core.domain.records import Event, PayoutRow
from payments_core.engine import decide
from payments_core.engine.commands import AcknowledgeContradictions, Note
from payments_core.engine.context import Moment
from payments_core.engine.contradict import contradict
from payments_core.engine.drafts import is_bound
from payments_core.engine.flow import EngineFlow, note
from payments_core.engine.flow import acknowledge as write_acknowledgement
from payments_core.engine.previous_attempts import look_back
from payments_core.engine.provider_calls import Heard
from payments_core.engine.review import Person
from payments_core.engine.steps import hear
from payments_core.http.messages import NoAnswer, NotSent
from payments_core.provider import Account, Deferred, Final, NotFound, Pending, Unknown

__all__ = ["acknowledge", "check"]


def check(account: Account, row: PayoutRow, moment: Moment) -> EngineFlow[PayoutRow]:
    """Read a payout that has ended once more, with its earlier attempts, and write down what the provider says.

    The end stands. Where the provider answers only later, the question is asked, and the answer comes by callback.

    Args:
        account: The identity that has sent it, or what the account pays as where that is gone.
        row: The payout.
        moment: Now.

    Raises:
        DecisionRefused: It has not ended.

    """
    if not row.status.is_final:
        raise DecisionRefused(
            f"Payout {row.label} is {row.status} and has not ended: only an ended payout is checked.",
            hint="`payouts wait` asks what became of an open one, `payouts review show` tells about one in review.",
        )
    at, said = moment.at, {"provider": "gone"}
    if row.attempt > 1:
        yield from look_back(account, row, moment)
    if is_bound(account, row):
        row, heard = yield from hear(account, row, moment)
        if heard is None:  # another process has moved it meanwhile
            return row
        outcome, at = heard
        said = {"provider": _word(outcome), **decide.said_by(outcome)}
        row = yield from contradict(row, row.status, outcome, at, account=row.account, attempt=row.attempt)
    noted = yield from note(Note(row.id, Event(EventName.PAYOUT_CHECKED, at, said)))
    return noted.row or row


def acknowledge(row: PayoutRow, person: Person, moment: Moment) -> EngineFlow[PayoutRow]:
    """Write down that a person has taken note of what contradicts a payout's ends. Twice is once.

    Args:
        row: The payout.
        person: Who, and on what grounds.
        moment: Now.

    Raises:
        DecisionRefused: Its provider has never contradicted it.

    """
    event = Event(EventName.PAYOUT_ACKNOWLEDGED, moment.at, person.told)
    entry = AcknowledgeContradictions(row.id, event, scrub(person.who, limit=100), scrub(person.why))
    noted = yield from write_acknowledgement(entry)
    row = noted.row or row
    if not row.contradictions:
        raise DecisionRefused(
            f"Nothing contradicts payout {row.label}: there is nothing to acknowledge.",
            hint="`payouts review list` shows what waits for a person.",
        )
    return row


def _word(outcome: Heard) -> str:
    match outcome:
        case Final():
            return "paid" if outcome.succeeded else "failed"
        case Unknown(taken_back=True):
            return "taken_back"
        case Pending():
            return "pending"
        case NotFound():
            return "absent"
        case Deferred():
            return "later"
        case NotSent() | NoAnswer():
            return "silent"
        case _:
            return "unclear"
