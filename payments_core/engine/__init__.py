"""The engine: decisions about payouts as pure functions, and the flows that carry them through."""

from payments_core.engine.flows import Moment, accept, advance, deliver, draft_of, same_order, token_hash

__all__ = ["Moment", "accept", "advance", "deliver", "draft_of", "same_order", "token_hash"]
