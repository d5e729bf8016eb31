"""Many payouts, several processes and a provider that goes wrong, all decided by one seed."""

from payments_core.testing.simulation.outcome import Outcome
from payments_core.testing.simulation.plan import Plan
from payments_core.testing.simulation.run import simulate
from payments_core.testing.simulation.shrink import shrink
from payments_core.testing.simulation.store import SqliteStore, Store
from payments_core.testing.simulation.watch import Breach

__all__ = ["Breach", "Outcome", "Plan", "SqliteStore", "Store", "shrink", "simulate"]
