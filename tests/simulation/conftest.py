"""Lends the ways to break a rule from the crash tests, and tells how soon each was found."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

_HERE = Path(__file__).parent

for _name, _folder in {"broken_rules": _HERE.parent / "crash", "more_broken_rules": _HERE}.items():
    if _name not in sys.modules:
        _spec = spec_from_file_location(_name, _folder / f"{_name}.py")
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_name] = _module = module_from_spec(_spec)
        _spec.loader.exec_module(_module)

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
