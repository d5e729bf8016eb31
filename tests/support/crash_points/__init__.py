"""A crash at every point of one process, on either store; no test framework."""

from crash_points.crash_stores import CrashDatabase, CrashFile, CrashStore
from crash_points.scenario import (
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
from crash_points.simulator import Simulator, live

__all__ = [
    "Arrival",
    "CrashDatabase",
    "CrashFile",
    "CrashStore",
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
