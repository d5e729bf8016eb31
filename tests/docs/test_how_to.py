"""The how-to pages say all there is: nothing the emulator can do is missing from its page."""

from __future__ import annotations

import inspect
import logging
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from payments_core.logs import LEVELS
from payments_core.routing import RouteSettings
from payments_core.testing.emulator.control_api import ControlApi, describe_route
from payments_core.testing.emulator.faults import FAULTS
from payments_core.testing.emulator.options import describe
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.consent import CASES
from payments_mtn_momo.emulator.holders import ACTIVE, FLAPPING
from payments_mtn_momo.emulator.payees import AT_ONCE, DEPOSIT_PAYEES, REFUND_SCENARIOS, TRANSFER_PAYEES, Fate
from payments_mtn_momo.emulator.requests import OPERATIONS
from payments_mtn_momo.emulator.switches import Switches
from payments_mtn_momo.targets import TARGETS

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
EMULATOR = "test-with-the-emulator.md"
PACES = {"at once": "`SUCCESSFUL`", "delayed": "delayed", "ongoing": "`PENDING`"}


def table(heading: str) -> list[str]:
    """Return the rows of the emulator page's table under a heading, without its head."""
    section = (HOW_TO / EMULATOR).read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def fate(known: Mapping[str, Fate], name: str) -> str:
    found = known.get(name, AT_ONCE)
    return f"`{found.reason}`" if found.reason else PACES[found.pace]


def meanings() -> Iterator[tuple[str, str]]:
    """Yield each switch with what the code says it does, its source with it."""
    arguments = (inspect.getdoc(Switches) or "").split("Args:\n", 1)[1]
    for name, text in re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", arguments, re.MULTILINE):
        yield name, " ".join(text.split()).replace("``", "`")


def switch_rows() -> list[str]:
    known = dict(meanings())
    return [
        row(f"`{field.name}`", f"`{field.default!r}`", describe(Switches.hints()[field.name]), known[field.name])
        for field in fields(Switches)
    ]


def fault_rows() -> list[str]:
    return [
        row(f"`{name}`", fault.on, fault.does, f"{fault.value:g}" if fault.value else "", ", ".join(sorted(fault.keys)))
        for name, fault in FAULTS.items()
    ]


def number_rows() -> list[str]:
    return [
        row(f"`{number}`", fate(TRANSFER_PAYEES, number), fate(DEPOSIT_PAYEES, number), consent(number))
        for number in sorted({*TRANSFER_PAYEES, *DEPOSIT_PAYEES, *CASES})
    ]


def consent(number: str) -> str:
    case = CASES.get(number)
    return f"{case.scenario}, at {case.at}" if case else ""


def refund_rows() -> list[str]:
    return [row(scenario, fate(REFUND_SCENARIOS, scenario)) for scenario in REFUND_SCENARIOS]


def holder_rows() -> list[str]:
    found: dict[tuple[int, str], list[str]] = {}
    for (_, holder), outcome in ACTIVE.items():
        found.setdefault(outcome, []).append(f"`{holder}`")
    return [
        row(f"{status} `{code}`" if code else f'{status} `{{"result":false}}`', *holders)
        for (status, code), holders in found.items()
    ]


def route_rows() -> list[str]:
    return [
        re.sub(r"([A-Z, ]+) (/.*)", r"| `\2` | \1 |", route)
        for route in map(describe_route, ControlApi(MtnMomoEmulator()).routes())
    ]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Test payees", number_rows()),
        ("Refunds", refund_rows()),
        ("Account holders", holder_rows()),
        ("Faults", fault_rows()),
        ("Switches", switch_rows()),
    ],
)
def test_emulator_page_lists_every_fault_and_switch(heading: str, expected: list[str]) -> None:
    """What the emulator can do stands on its page, word for word: put the missing rows there."""
    assert table(heading) == expected


def test_emulator_page_lists_every_route() -> None:
    """Each route that watches or steers the emulator has a row, with its methods."""
    rows = table("Control routes")
    assert [found for found in route_rows() if not any(line.startswith(found) for line in rows)] == []
    assert len(rows) == len(route_rows())


def test_emulator_page_lists_every_operation_and_outcome() -> None:
    """A fault can name each call, and the balance can have each outcome: the page has all their names."""
    text = (HOW_TO / EMULATOR).read_text("utf-8")
    assert [name for name in (*OPERATIONS, *FLAPPING) if f"`{name}`" not in text] == []


def test_testing_page_fixtures_pass_under_pytest(tmp_path: Path) -> None:
    """The page's conftest.py and test file pass as copied."""
    text = (HOW_TO / EMULATOR).read_text("utf-8")
    files = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL))
    assert set(files) == {"conftest.py", "test_refunds.py"}
    for name, source in files.items():
        (tmp_path / name).write_text(source, "utf-8")
    words = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run([*words, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9] passed", done.stdout)


@pytest.mark.parametrize("page", sorted(path.name for path in HOW_TO.glob("*.md")))
def test_page_code_marked_py_compiles(page: str) -> None:
    """Blocks that need a framework, or MTN itself, are marked `py`: they compile."""
    for number, source in enumerate(re.findall(r"```py\n(.*?)```", (HOW_TO / page).read_text("utf-8"), re.DOTALL)):
        compile(source, f"{page}, block {number + 1}", "exec")


def test_routing_page_example_is_a_valid_configuration() -> None:
    """The page's TOML is a valid configuration of routes."""
    text = (HOW_TO / "choose-an-account.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    read = tomllib.loads(block)
    assert {RouteSettings.model_validate(route).account for route in read["routes"]} == set(read["accounts"])


def test_alerts_page_lists_every_event_at_warning_or_above() -> None:
    """Whatever is logged at WARNING or above has a row that says what to do."""
    text = (HOW_TO / "structured-logs.md").read_text("utf-8").split("\n## Alerts\n")[1]
    assert [name for name, level in LEVELS.items() if level >= logging.WARNING and f"`{name}`" not in text] == []


def test_go_live_page_lists_every_live_target_with_its_currency() -> None:
    """Each live target environment is on the page with its currency."""
    text = (HOW_TO / "go-live-with-mtn.md").read_text("utf-8")
    rows = [
        row(f"`{target.name}`", target.currency, str(-int(target.quantum.as_tuple().exponent)))
        for target in TARGETS.values()
        if target.is_live
    ]
    assert [line for line in rows if line not in text.splitlines()] == []
