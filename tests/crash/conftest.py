"""Makes the modules the crash tests share importable by name, without a test folder on ``sys.path``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from crash_points import CrashDatabase, CrashFile, CrashStore
from load_modules import load_modules

_HERE = Path(__file__).parent
load_modules(_HERE.parent / "provider_tally", "tally", "tally_gateway")
load_modules(_HERE.parent / "e2e", "watching", "reconciliation")
load_modules(_HERE, "worlds", "tally_world", "denominators", "identity_world", "person_world", "restored_world")
load_modules(_HERE, "batch_world")
load_modules(_HERE, "promises", "broken_rules", "lost_file", "where_to_look", "two_workers", "seeded_bugs")
load_modules(_HERE, "wire_gateway", "any_provider_world")

wire_gateway: Any = sys.modules["wire_gateway"]

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


@pytest.fixture(scope="session")
def crash_database(postgres: Any) -> Iterator[CrashDatabase]:
    """One database for all crash tests, emptied for each life that begins anew."""
    url = postgres.create(empty=True)
    database = CrashDatabase(url)
    yield database
    database.close()
    postgres.drop(url)


@pytest.fixture
def open_store(folder: Path, request: pytest.FixtureRequest) -> Callable[[str], CrashStore]:
    """Give the store of a name to the simulator."""

    def store(name: str) -> CrashStore:
        found: CrashStore = CrashFile(folder / "crash.db")
        return request.getfixturevalue("crash_database") if name == "postgres" else found

    return store


@pytest.fixture
def fake_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a till whose gateway is not served yet."""
    monkeypatch.setenv("TILL_KEY", wire_gateway.HELD.api_key)
    monkeypatch.setenv("TILL_SUBSCRIPTION", wire_gateway.HELD.subscription_key)
    return wire_gateway.FakeProvider(tmp_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was played."""
    if _COUNTS or _LINES:
        terminalreporter.section("crash simulation")
    for name, count in sorted(_COUNTS.items()):
        terminalreporter.write_line(f"{name}: {count}")
    for line in _LINES:
        terminalreporter.write_line(line)
