"""Lends the ways to break a rule from the crash tests, and tells how soon each was found."""

from __future__ import annotations

from pathlib import Path

import pytest
from load_modules import load_modules

_HERE = Path(__file__).parent

load_modules(_HERE.parent / "crash", "broken_rules")
load_modules(_HERE, "more_broken_rules")

_LINES: list[str] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the simulation, which takes longest, although pytest puts first what shares a server."""
    items.sort(key=lambda item: item.path.parent != _HERE)


@pytest.fixture(scope="session")
def printed() -> list[str]:
    """Collect sentences; told at the end of the run."""
    return _LINES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was simulated."""
    if _LINES:
        terminalreporter.section("simulation")
    for line in _LINES:
        terminalreporter.write_line(line)
