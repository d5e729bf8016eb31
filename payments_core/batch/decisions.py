"""What a person may decide about a batch, and how it is refused."""

from __future__ import annotations

from collections.abc import Iterable

from payments_core.domain.amounts import amount_text
from payments_core.domain.batches import Batch, BatchState
from payments_core.domain.errors import DecisionRefused, JournalDamaged, UnknownBatch
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub
from payments_core.domain.money import Money
from payments_core.engine import OperatorDecision
from payments_core.engine.journal_protocol import Journal

__all__ = ["check_approval", "damaged", "find_batch", "not_allowed", "not_runnable", "totals_text"]


def find_batch(journal: Journal, batch: str) -> Batch:
    """Return a batch by its id, or by its name where only one has it that was not cancelled.

    Raises:
        UnknownBatch: There is none, or several have the name.

    """
    if (found := journal.batch(batch)) is not None:
        return found
    named = journal.batches(name=batch)
    live = [one for one in named if one.state is not BatchState.CANCELLED] or named
    if len(live) == 1:
        return live[0]
    if live:
        ids = ", ".join(f"{one.id} ({one.state})" for one in live[-10:])
        raise UnknownBatch(f"{len(live)} batches have the name {scrub(batch)!r}.", hint=f"Name one by its id: {ids}.")
    raise UnknownBatch(
        f"The journal has no batch with the id or name {scrub(batch)!r}.", hint="`payouts batch list` shows all."
    )


def check_approval(batch: Batch, person: OperatorDecision, totals: Iterable[Money], content_hash: str) -> None:
    """Refuse an approval by the creator, or of another total or content than the batch has.

    Raises:
        DecisionRefused: It is one.

    """
    if batch.state is not BatchState.CREATED:
        raise not_allowed(batch, EventName.BATCH_APPROVED)
    if person.actor.strip().casefold() == batch.created_by.strip().casefold():
        raise DecisionRefused(
            f"{person.actor} created batch {batch.id} and cannot approve it.", hint="Another person approves it."
        )
    approved = sorted(totals, key=lambda total: total.currency)
    if approved != list(batch.totals):
        raise DecisionRefused(
            f"Batch {batch.id} comes to {totals_text(batch.totals)}, not to {totals_text(approved)}.",
            hint="Approve exactly its total, or correct the file and create another batch.",
        )
    if content_hash and content_hash != batch.content_hash:
        raise DecisionRefused(
            f"The content hash that was given is not that of batch {batch.id}.",
            hint=f"Look at it again: `payouts batch show {batch.id}`.",
        )


def not_allowed(batch: Batch, event: EventName) -> DecisionRefused:
    """Return the refusal of a change that the state of a batch does not allow."""
    what = event.removeprefix("batch.")
    hints = {
        BatchState.WRITING: "It is still being written. If that process has ended, create it again from its file.",
        BatchState.CREATED: f"It waits for an approval: `payouts batch approve {batch.id}`.",
        BatchState.APPROVED: f"It may be run: `payouts batch run {batch.id}`.",
        BatchState.PAUSED: f"`payouts batch unpause {batch.id}` lets it go on.",
        BatchState.CANCELLED: "What was not sent is never sent. Create another batch for the rows that are to be paid.",
    }
    return DecisionRefused(f"Batch {batch.id} is {batch.state} and cannot be {what}.", hint=hints[batch.state])


def not_runnable(batch: Batch) -> DecisionRefused:
    """Return why a batch is not run."""
    refusal = not_allowed(batch, EventName.BATCH_APPROVED)
    return DecisionRefused(f"Batch {batch.id} is {batch.state}: nothing of it is sent.", hint=refusal.hint)


def damaged(batch: Batch) -> JournalDamaged:
    """Return that the rows of a batch are not those that were frozen."""
    return JournalDamaged(
        f"The rows of batch {batch.id} are not those that were frozen: no row of it is sent any more.",
        hint="Find out who changed the journal: `payouts journal verify`. Create the batch again from its file.",
    )


def totals_text(totals: Iterable[Money]) -> str:
    """Return totals for a message: ``25,000 UGX and 12.50 EUR``."""
    return " and ".join(amount_text(total.amount, total.currency, grouped=True) for total in totals) or "nothing"
