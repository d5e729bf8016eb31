"""The clients: what an application pays with."""

from payments_core.client.asynchronous import AsyncPayoutClient
from payments_core.client.setup import Resumed, assemble
from payments_core.client.sync import PayoutClient

__all__ = ["AsyncPayoutClient", "PayoutClient", "Resumed", "assemble"]
