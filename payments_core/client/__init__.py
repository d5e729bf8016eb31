"""The clients: what an application pays with."""

from payments_core.client.assembly import ResumeResult, assemble, build_account, build_webhook
from payments_core.client.async_client import AsyncPayoutClient
from payments_core.client.erasure import erase
from payments_core.client.event_stream import AsyncEvents, Events
from payments_core.client.reviews import InReview, in_review
from payments_core.client.sync_client import PayoutClient
from payments_core.client.webhook_sending import DeliverySummary

__all__ = [
    "AsyncEvents",
    "AsyncPayoutClient",
    "DeliverySummary",
    "Events",
    "InReview",
    "PayoutClient",
    "ResumeResult",
    "assemble",
    "build_account",
    "build_webhook",
    "erase",
    "in_review",
]
