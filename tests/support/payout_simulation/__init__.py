"""Many payouts, several processes and a provider that goes wrong, all decided by one seed."""

from payout_simulation.invariant_checker import Breach
from payout_simulation.outcome import Outcome
from payout_simulation.plan import Plan
from payout_simulation.run import simulate
from payout_simulation.shrink import shrink
from payout_simulation.store import SqliteStore, Store

__all__ = ["Breach", "Outcome", "Plan", "SqliteStore", "Store", "shrink", "simulate"]
