"""Makes the modules the crash tests share importable by name, without a test folder on ``sys.path``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_HERE = Path(__file__).parent
_SHARED = {
    "tally": _HERE.parent / "provider_tally",
    "tally_gateway": _HERE.parent / "provider_tally",
    "worlds": _HERE,
    "promises": _HERE,
}

for _name, _folder in _SHARED.items():
    if _name not in sys.modules:
        _spec = spec_from_file_location(_name, _folder / f"{_name}.py")
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_name] = _module = module_from_spec(_spec)
        _spec.loader.exec_module(_module)

_COUNTS: Counter[str] = Counter()
_LINES: list[str] = []


@pytest.fixture(scope="session")
def counts() -> Counter[str]:
    """Count what was played; told at the end of the run."""
    return _COUNTS


@pytest.fixture(scope="session")
def lines() -> list[str]:
    """Collect sentences; told at the end of the run."""
    return _LINES


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder in memory where there is one: these journals are copied, not dropped from a power line."""
    memory = Path("/dev/shm")  # noqa: S108
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was played."""
    if _COUNTS or _LINES:
        terminalreporter.section("crash simulation")
    for name, count in sorted(_COUNTS.items()):
        terminalreporter.write_line(f"{name}: {count}")
    for line in _LINES:
        terminalreporter.write_line(line)
