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
    EventName.PAYOUT_NEEDS_APPROVAL: "Nothing was sent: somebody has to approve it first.",
    EventName.PAYOUT_APPROVED: "A person approved the attempt; it may be sent.",
    EventName.PAYOUT_ABOVE_LARGEST_AMOUNT: "Not sent: it is more than its account's `largest_amount` as that is now.",
    EventName.PAYOUT_REBOUND: "An untried payout was made ready again because its account now pays elsewhere.",
    EventName.PAYOUT_SENDING: "Written before the first byte of a try.",
    EventName.PAYOUT_PENDING: "The provider has it and has not finished.",
    EventName.PAYOUT_UNKNOWN: "It may have arrived; the provider will be asked.",
    EventName.PAYOUT_DUPLICATE: "The provider already has our reference; the provider will be asked now.",
    EventName.PAYOUT_CHECKED_FIRST: "The journal was restored: the provider is first asked about the gap.",
    EventName.PAYOUT_ADOPTED: "A payment found under our reference agrees in everything and is ours.",
    EventName.PAYOUT_LEASE_EXPIRED: "Whoever was sending did not come back; it may have arrived.",
    EventName.PAYOUT_READ: "The provider was asked and said nothing new.",
    EventName.PAYOUT_NOT_FOUND: "The provider knows no payment under our reference.",
    EventName.PAYOUT_RESEND: "Absent for long enough: the same request will be sent again.",
    EventName.PAYOUT_QUERIED: "A question whose answer comes later was written down before it left.",
    EventName.PAYOUT_LATE_RESULT: "An answer came when somebody else had moved the payout; it makes the next read due.",
    EventName.PAYOUT_CONTRADICTED: "A read contradicts a final state, which stands; a person has to look into it.",
    EventName.PAYOUT_ACKNOWLEDGED: "A person took note of what contradicts a final state; it stands all the same.",
    EventName.PAYOUT_CHECKED: "A person had an ended payout read once more (`provider`: what it says); the end stands.",
    EventName.PAYOUT_ACCOUNT_REFUSED: "It refuses us, not the payment; the account is paused (`account.paused`).",
    EventName.PAYOUT_SUCCEEDED: "The money is there.",
    EventName.PAYOUT_FAILED: "No money moved, and none will under this attempt.",
    EventName.PAYOUT_REVIEW: "The machine has stopped; a read or a person decides.",
    EventName.PAYOUT_RESOLVED: "A person decided what became of it, after the provider was asked.",
    EventName.PAYOUT_REOPENED: "A person gave it back to the machine.",
    EventName.PAYOUT_REISSUED: "A person began a further attempt; every earlier one is proven to have failed.",
    EventName.PAYOUT_ATTESTED: "A person gave evidence that an attempt which the provider ceased to show failed.",
    EventName.PAYOUT_CANCELLED: "A person cancelled it before anything of it was sent; it is never sent.",
    EventName.PAYOUT_ERASED: "Nothing in the journal tells any more who was paid; hashes, amounts and ends stay.",
    EventName.CALLBACK_RECEIVED: "Something came to an account's path and is kept; nothing of it is believed.",
    EventName.CALLBACK_MATCHED: "A callback is about this payout: its next read is due sooner.",
    EventName.CALLBACK_IGNORED: "A callback was looked at and asks for nothing (`why`).",
    EventName.CALLBACK_REFUSED: "What came to an account's path was no callback, too big or too slow; it was not kept.",
    EventName.CALLBACK_FAILED: "A callback could not be kept, or those that are kept could not be handled just now.",
    EventName.BALANCE_RECEIVED: "What an account holds was told to the path minted for the question.",
    EventName.ACCOUNT_PAUSED: "Payments from the account, or from all, are stopped; reads go on. Once for each stop.",
    EventName.ACCOUNT_UNPAUSED: "Payments may go on.",
    EventName.CIRCUIT_OPENED: "Payment after payment ended without a clear answer: payments stop, reads go on.",
    EventName.CIRCUIT_CLOSED: "A payment had a clear answer: payments go on.",
    EventName.RATE_PENALTY: "The provider says that we ask too often: every process of the account waits.",
    EventName.RATE_CLEARED: "The provider answers again: the penalty is forgotten.",
    EventName.RATE_EXHAUSTED: "No permit was free soon enough; what waited for it is tried later.",
    EventName.CREDENTIAL_OBTAINED: "A token was fetched.",
    EventName.CREDENTIAL_REFUSED: "The provider would not give us a token: something is wrong with us.",
    EventName.CREDENTIAL_UNAVAILABLE: "No token could be fetched: the provider was not reached or did not answer.",
    EventName.HTTP_ANSWERED: "A request was answered (operation, status, milliseconds; never the address).",
    EventName.HTTP_UNANSWERED: "A request ended without an answer.",
    EventName.HTTP_REPEATED: "A harmless request is repeated.",
    EventName.WEBHOOK_DELIVERED: "A receiver has accepted an event.",
    EventName.WEBHOOK_FAILED: "A receiver has not accepted an event; it is sent again later (`next_at`).",
    EventName.WEBHOOK_GIVEN_UP: "A receiver has not accepted an event for so long that only a person sends it again.",
    EventName.WORKER_STARTED: "A worker has begun to take payouts.",
    EventName.WORKER_DRAINING: "A worker was told to stop: it takes nothing new and finishes what is in flight.",
    EventName.WORKER_STOPPED: "A worker has ended (steps, trouble, payouts it left in flight).",
    EventName.WORKER_TROUBLE: "A worker could not work on a payout, or could not use the journal; it goes on.",
    EventName.SECRET_EXPOSED: "Others than its owner may read the file of a secret (`file`); it is used all the same.",
    EventName.HOOK_FAILED: "A plugin's observer raised, or hangs; money went on.",
    EventName.PROVIDER_BUG: "A provider broke its contract; the payout counts as unknown if it may have been sent.",
}


def meaning(name: EventName) -> str:
    """Return the sentence that explains an event."""
    return _MEANING[name]
