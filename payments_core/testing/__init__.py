"""For tests of payouts: the crash simulator. Imports no test framework."""

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
from payments_core.testing.simulator import Simulator, live

__all__ = [
    "Arrival",
    "End",
    "Point",
    "Restless",
    "Scenario",
    "Simulator",
    "Stage",
    "Stopped",
    "VirtualClock",
    "World",
    "live",
]
