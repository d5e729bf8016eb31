"""For tests of payouts: a crash at every point of one process, and many processes by chance; no test framework."""

from payments_core.testing.crash_stores import CrashDatabase, CrashFile, CrashStore
from payments_core.testing.scenario import (
    Arrival,
    End,
    Point,
    Restless,
    Scenario,
    Stage,
    Stopped,
    VirtualClock,
    World,
)
from payments_core.testing.simulation import Breach, Outcome, Plan, SqliteStore, Store, shrink, simulate
from payments_core.testing.simulator import Simulator, live

__all__ = [
    "Arrival",
    "Breach",
    "CrashDatabase",
    "CrashFile",
    "CrashStore",
    "End",
    "Outcome",
    "Plan",
    "Point",
    "Restless",
    "Scenario",
    "Simulator",
    "SqliteStore",
    "Stage",
    "Stopped",
    "Store",
    "VirtualClock",
    "World",
    "live",
    "shrink",
    "simulate",
]
