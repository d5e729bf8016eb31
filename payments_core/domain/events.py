"""The names of everything that is logged and written into histories, with what each one means."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["EventName", "meaning"]


class EventName(StrEnum):
    """Names are part of the public interface: only ever added."""

    PAYOUT_CREATED = "payout.created"
    PAYOUT_WAITING = "payout.waiting"
    PAYOUT_ON_HOLD = "payout.on_hold"
    PAYOUT_NEEDS_APPROVAL = "payout.needs_approval"
    PAYOUT_APPROVED = "payout.approved"
    PAYOUT_ABOVE_LARGEST_AMOUNT = "payout.above_largest_amount"
    PAYOUT_WAITING_FOR_LIMIT = "payout.waiting_for_limit"
    PAYOUT_REBOUND = "payout.rebound"
    PAYOUT_SENDING = "payout.sending"
    PAYOUT_PENDING = "payout.pending"
    PAYOUT_UNKNOWN = "payout.unknown"
    PAYOUT_DUPLICATE = "payout.duplicate"
    PAYOUT_CHECKED_FIRST = "payout.checked_first"
    PAYOUT_ADOPTED = "payout.adopted"
    PAYOUT_LEASE_EXPIRED = "payout.lease_expired"
    PAYOUT_READ = "payout.read"
    PAYOUT_NOT_FOUND = "payout.not_found"
    PAYOUT_RESEND = "payout.resend"
    PAYOUT_QUERIED = "payout.queried"
    PAYOUT_LATE_RESULT = "payout.late_result"
    PAYOUT_CONTRADICTED = "payout.contradicted"
    PAYOUT_ACKNOWLEDGED = "payout.acknowledged"
    PAYOUT_CHECKED = "payout.checked"
    PAYOUT_ACCOUNT_REFUSED = "payout.account_refused"
    PAYOUT_SUCCEEDED = "payout.succeeded"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_REVIEW = "payout.review"
    PAYOUT_RESOLVED = "payout.resolved"
    PAYOUT_REOPENED = "payout.reopened"
    PAYOUT_REISSUED = "payout.reissued"
    PAYOUT_ATTESTED = "payout.attested"
    PAYOUT_CANCELLED = "payout.cancelled"
    PAYOUT_ERASED = "payout.erased"
    PAYOUT_KEPT_AS_RECORDED = "payout.kept_as_recorded"
    BATCH_CREATED = "batch.created"
    BATCH_APPROVED = "batch.approved"
    BATCH_PAUSED = "batch.paused"
    BATCH_UNPAUSED = "batch.unpaused"
    BATCH_CANCELLED = "batch.cancelled"
    CALLBACK_RECEIVED = "callback.received"
    CALLBACK_MATCHED = "callback.matched"
    CALLBACK_IGNORED = "callback.ignored"
    CALLBACK_REFUSED = "callback.refused"
    CALLBACK_FAILED = "callback.failed"
    BALANCE_RECEIVED = "balance.received"
    ACCOUNT_PAUSED = "account.paused"
    ACCOUNT_UNPAUSED = "account.unpaused"
    CIRCUIT_OPENED = "circuit.opened"
    CIRCUIT_CLOSED = "circuit.closed"
    RATE_PENALTY = "rate.penalty"
    RATE_CLEARED = "rate.cleared"
    RATE_EXHAUSTED = "rate.exhausted"
    CREDENTIAL_OBTAINED = "credential.obtained"
    CREDENTIAL_REFUSED = "credential.refused"
    CREDENTIAL_UNAVAILABLE = "credential.unavailable"
    HTTP_ANSWERED = "http.answered"
    HTTP_UNANSWERED = "http.unanswered"
    HTTP_REPEATED = "http.repeated"
    WEBHOOK_DELIVERED = "webhook.delivered"
    WEBHOOK_FAILED = "webhook.failed"
    WEBHOOK_GIVEN_UP = "webhook.given_up"
    WORKER_STARTED = "worker.started"
    WORKER_DRAINING = "worker.draining"
    WORKER_STOPPED = "worker.stopped"
    WORKER_TROUBLE = "worker.trouble"
    SECRET_EXPOSED = "secret.exposed"  # noqa: S105 - a name
    HOOK_FAILED = "payments.hook_failed"
    PROVIDER_BUG = "payments.provider_bug"


_MEANING = {
    EventName.PAYOUT_CREATED: "The payout is written under its key; nothing was sent.",
    EventName.PAYOUT_WAITING: "It was proven not sent, or may not be sent yet; it will be sent later.",
    EventName.PAYOUT_ON_HOLD: "A pause forbids sending; it leaves when the pause ends.",
    EventName.PAYOUT_NEEDS_APPROVAL: "Nothing was sent: a person has to approve it first.",
    EventName.PAYOUT_APPROVED: "A person approved the attempt; it may be sent.",
    EventName.PAYOUT_ABOVE_LARGEST_AMOUNT: "Not sent: it is more than its account's `largest_amount` as that is now.",
    EventName.PAYOUT_WAITING_FOR_LIMIT: "Not sent: the account's `daily_limit` is reached; it waits for the next day.",
    EventName.PAYOUT_REBOUND: "A payout that was never sent has a new draft, as its account now pays elsewhere.",
    EventName.PAYOUT_SENDING: "Written before the first byte of a submission.",
    EventName.PAYOUT_PENDING: "The provider has accepted it and has not finished.",
    EventName.PAYOUT_UNKNOWN: "It may have arrived; the provider is checked next.",
    EventName.PAYOUT_DUPLICATE: "The provider already has our reference, and is checked now.",
    EventName.PAYOUT_CHECKED_FIRST: "The journal was restored: the provider is checked before anything is sent.",
    EventName.PAYOUT_ADOPTED: "A payment found under our reference agrees in everything and is ours.",
    EventName.PAYOUT_LEASE_EXPIRED: "The lease of the sending worker has ended; it may have arrived.",
    EventName.PAYOUT_READ: "The provider was checked, with nothing new.",
    EventName.PAYOUT_NOT_FOUND: "The provider shows no payment under our reference.",
    EventName.PAYOUT_RESEND: "Not found for long enough: the same request is sent again.",
    EventName.PAYOUT_QUERIED: "A query whose answer comes by callback was recorded before it was sent.",
    EventName.PAYOUT_LATE_RESULT: "An answer came after another process moved the payout; it makes a check due.",
    EventName.PAYOUT_CONTRADICTED: "A check contradicts a final status, which stays; a person has to investigate.",
    EventName.PAYOUT_ACKNOWLEDGED: "A person acknowledged what contradicts a final status, which stays.",
    EventName.PAYOUT_CHECKED: "A person had an ended payout checked again (`provider`: the result); the end stays.",
    EventName.PAYOUT_ACCOUNT_REFUSED: "The provider refuses the account, not the payment (`account.paused`).",
    EventName.PAYOUT_SUCCEEDED: "The payee has the money.",
    EventName.PAYOUT_FAILED: "No money moved, and none will under this attempt.",
    EventName.PAYOUT_REVIEW: "Automatic processing has stopped; a check or a person decides.",
    EventName.PAYOUT_RESOLVED: "A person decided its end, after the provider was checked.",
    EventName.PAYOUT_REOPENED: "A person returned it to automatic processing.",
    EventName.PAYOUT_REISSUED: "A person began a further attempt; every earlier one is proven to have failed.",
    EventName.PAYOUT_ATTESTED: "A person gave evidence that an attempt failed which the provider no longer shows.",
    EventName.PAYOUT_CANCELLED: "A person cancelled it before anything of it was sent; it is never sent.",
    EventName.PAYOUT_ERASED: "The payee was erased from the journal; hashes, amounts and ends stay.",
    EventName.PAYOUT_KEPT_AS_RECORDED: "A repeated key had another note or metadata (`fields`); the recorded stays.",
    EventName.BATCH_CREATED: "The rows of a batch are frozen; it waits for an approval.",
    EventName.BATCH_APPROVED: "A person approved a batch: its rows and its total. It may be run.",
    EventName.BATCH_PAUSED: "A person stopped a batch: no further row is sent.",
    EventName.BATCH_UNPAUSED: "A person let a paused batch go on.",
    EventName.BATCH_CANCELLED: "A person cancelled a batch: what was not sent is never sent.",
    EventName.CALLBACK_RECEIVED: "A callback came to an account's path and is stored; it only makes a check due.",
    EventName.CALLBACK_MATCHED: "A callback is about this payout: its next check is due sooner.",
    EventName.CALLBACK_IGNORED: "A callback was handled and needs nothing (`why`).",
    EventName.CALLBACK_REFUSED: "A request to an account's path was no callback, too big or too slow: not stored.",
    EventName.CALLBACK_FAILED: "A callback could not be stored, or stored callbacks could not be handled just now.",
    EventName.BALANCE_RECEIVED: "An account's balance came to the path minted for the query.",
    EventName.ACCOUNT_PAUSED: "Payments from the account, or from all, are stopped; checks go on. Once for each stop.",
    EventName.ACCOUNT_UNPAUSED: "Payments may go on.",
    EventName.CIRCUIT_OPENED: "Payment after payment ended without a clear answer: payments stop, checks go on.",
    EventName.CIRCUIT_CLOSED: "A payment had a clear answer: payments go on.",
    EventName.RATE_PENALTY: "The provider refused a request for the rate: every process of the account waits.",
    EventName.RATE_CLEARED: "The provider answers again: the penalty has ended.",
    EventName.RATE_EXHAUSTED: "No permit was free soon enough; the payout waits.",
    EventName.CREDENTIAL_OBTAINED: "A token was fetched.",
    EventName.CREDENTIAL_REFUSED: "The provider refused a token: the credentials or the account are wrong.",
    EventName.CREDENTIAL_UNAVAILABLE: "No token was fetched: the provider was not reached or did not answer.",
    EventName.HTTP_ANSWERED: "A request was answered (operation, status, milliseconds; never the address).",
    EventName.HTTP_UNANSWERED: "A request ended without an answer.",
    EventName.HTTP_REPEATED: "A request that is safe to repeat is repeated.",
    EventName.WEBHOOK_DELIVERED: "A receiver has accepted an event.",
    EventName.WEBHOOK_FAILED: "A receiver has not accepted an event; it is sent again later (`next_at`).",
    EventName.WEBHOOK_GIVEN_UP: "A receiver has not accepted an event in all attempts; only a person sends it again.",
    EventName.WORKER_STARTED: "A worker has begun to take payouts.",
    EventName.WORKER_DRAINING: "A worker has to stop: it takes nothing new and finishes what is in flight.",
    EventName.WORKER_STOPPED: "A worker has ended (steps, trouble, payouts it left in flight).",
    EventName.WORKER_TROUBLE: "A worker could not work on a payout, or could not use the journal; it goes on.",
    EventName.SECRET_EXPOSED: "Other users may read the file of a secret (`file`); it is used all the same.",
    EventName.HOOK_FAILED: "A plugin's observer raised, or hangs; payments went on.",
    EventName.PROVIDER_BUG: "A provider broke its contract; the payout counts as unknown if it may have been sent.",
}


def meaning(name: EventName) -> str:
    """Return the sentence that explains an event."""
    return _MEANING[name]
