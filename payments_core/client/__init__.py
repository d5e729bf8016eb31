"""The clients: what an application pays with."""

from payments_core.client.asynchronous import AsyncPayoutClient
from payments_core.client.decisions import InReview, in_review
from payments_core.client.forgetting import forget
from payments_core.client.outbox import AsyncEvents, Events
from payments_core.client.sending import Sent
from payments_core.client.setup import Resumed, assemble, build_account, build_webhook
from payments_core.client.sync import PayoutClient

__all__ = [
    "AsyncEvents",
    "AsyncPayoutClient",
    "Events",
    "InReview",
    "PayoutClient",
    "Resumed",
    "Sent",
    "assemble",
    "build_account",
    "build_webhook",
    "forget",
    "in_review",
]
