"""Importing the library, and asking the command line what it can do, costs nothing that is not needed for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from payments_core.cli.app import COMMANDS as LISTED
from payments_core.cli.app import LazyCommands

HEAVY = {"aiohttp", "click", "httpcore", "httpx", "pluggy", "psycopg", "pydantic", "rich", "sqlite3", "structlog"}
HEAVY |= {"typer"}
PAYOUTS = Path(sys.executable).with_name("payouts")
COMMANDS = ["send", "show", "list", "wait", "resume", "worker", "callbacks", "serve", "pause", "unpause"]
COMMANDS += ["emulator", "providers", "doctor", "demo"]


def words_printed_by(program: str) -> set[str]:
    """Run a program in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set((ran.stdout + ran.stderr).split())


@pytest.mark.parametrize("line", ["import payments_core", "from payments_core import Money, Payee"])
def test_import_loads_no_client_no_database_and_no_command_line(line: str) -> None:
    """A program that only computes with money loads no database."""
    assert HEAVY & words_printed_by(f"{line}; import sys; print(*sys.modules)") == set()


@pytest.fixture
def three_plugins(tmp_path: Path) -> dict[str, str]:
    """Install three plugins that leave a mark when they are imported; return the environment that sees them."""
    for number in range(3):
        name = f"fake_plugin_{number}"
        mark = tmp_path / f"{name}.imported"
        (tmp_path / f"{name}.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n", "utf-8")
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[payments_core]\nfake{number} = {name}\n", "utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "120", "NO_COLOR": "1"}


def test_help_lists_the_commands_and_imports_no_plugin(three_plugins: dict[str, str], tmp_path: Path) -> None:
    assert shutil.which(PAYOUTS), "the wheel installs no `payouts`"

    ran = subprocess.run([str(PAYOUTS), "--help"], env=three_plugins, capture_output=True, text=True, check=True)

    assert [command for command in COMMANDS if command not in ran.stdout.split()] == []
    assert "`payouts providers` lists" in " ".join(ran.stdout.split())
    assert list(tmp_path.glob("*.imported")) == []


def test_providers_are_listed_without_importing_them(three_plugins: dict[str, str], tmp_path: Path) -> None:
    command = [str(PAYOUTS), "providers", "--json"]

    ran = subprocess.run(command, env=three_plugins, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert [name for name in ("fake0", "fake1", "fake2", "mtn_momo") if f'"{name}"' not in ran.stdout] == []
    assert list(tmp_path.glob("*.imported")) == []


def test_help_imports_no_module_of_a_command() -> None:
    """Each start of `payouts` pays for the one command that it runs, and only for that."""
    program = "import sys; from payments_core.cli.app import run; run(['--help']); print(*sys.modules, file=sys.stderr)"

    loaded = words_printed_by(program)

    assert {f"payments_core.cli.{place.partition(':')[0]}" for place, _ in LISTED.values()} & loaded == set()
    assert "payments_core.cli.app" in loaded
    assert "importlib.metadata" not in loaded  # to look for plugins takes a fifth of the time


@pytest.mark.parametrize("name", LISTED)
def test_command_is_listed_with_the_first_sentence_of_its_help(name: str) -> None:
    first = LazyCommands()[name].help.split("\n\n")[0]

    assert " ".join(first.split()) == LISTED[name][1]


@pytest.mark.parametrize("make", ["make_transport", "make_async_transport"])
def test_transport_loads_no_other_library(make: str) -> None:
    """Who pays through sockets does not wait for httpx and aiohttp to be imported."""
    program = (
        f"import sys; from types import SimpleNamespace as S; from payments_core.http.transport import {make}; "
        f"{make}(S(max_in_flight=1, sync_transport='h11', async_transport='h11'), clock=None); print(*sys.modules)"
    )

    assert {"aiohttp", "httpcore", "httpx"} & words_printed_by(program) == set()


def test_structlog_is_loaded_before_a_payment_and_not_to_read_the_journal() -> None:
    """It takes a sixth of a command's time; but a broken one has to show at the start, and not in a payment."""
    reads = "import sys; import payments_core.client; from payments_core import logs; logs.configure(); "
    pays = (
        "from payments_core.plugins.manager import Plugins; from payments_core.runtime import Runtime; "
        "Runtime(namespace='n', journal=None, plugins=Plugins([]), accounts={}); "
    )

    assert {"rich", "structlog"} & words_printed_by(f"{reads}print(*sys.modules)") == set()
    assert "structlog" in words_printed_by(f"{reads}{pays}print(*sys.modules)")
