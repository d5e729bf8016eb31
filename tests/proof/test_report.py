"""The report of the proof: a row holds if all its figures are there and reach their bars, and no test of it failed."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from load_modules import load_modules

HERE = Path(__file__).parent
PLAN = tomllib.loads((HERE / "proof.toml").read_text("utf-8"))
ROOT = HERE.parent.parent
BOTH = ("sqlite", "postgres")
THREE = ("one", "two", "three")  # providers
MANY = PLAN["sizes"]["proof"]["PAYMENTS_PROVIDERS_PROOF"]
load_modules(HERE, "report")
REPORT: Any = sys.modules["report"]
Figures = list[dict[str, Any]]


def described(row: int, what: str, figure: float, *, stores: bool = False, **facts: Any) -> Figures:
    test = f"tests/row{row}/test_it.py::test_it"
    line = {"row": row, "what": what, "figure": figure, "test": test, **facts}
    return [{**line, "store": store} for store in BOTH] if stores else [line]


def figures_of_each(row: int, what: str, figure: float, **facts: Any) -> Figures:
    return [
        line for name in THREE for line in described(row, f"{what} through a provider", figure, provider=name, **facts)
    ]


def good() -> Figures:
    """Return figures with which every row holds."""
    cases = next(row["cases"] for row in PLAN["row"] if "cases" in row)
    return [
        *described(1, "payees credited twice", 0, payouts=60_000, faulty=0.31, workers=3, first_seed=1),
        *described(1, "payees credited twice", 0, payouts=40_000, faulty=0.4, workers=2, first_seed=401),
        *figures_of_each(1, "payees credited twice", 0, payouts=MANY, faulty=0.3, workers=3),
        *described(2, "reported failed but paid, or reported paid but not", 0, payouts=100_000),
        *figures_of_each(2, "reported wrongly", 0, payouts=MANY),
        *described(3, "acknowledged payouts lost", 0, kills=100, acknowledged=400, stores=True),
        *figures_of_each(3, "payouts lost", 0, kills=25),
        *described(4, "crash points visited", 812, of=812, stores=True),
        *(
            line
            for name in THREE
            for line in described(4, "crash points of a provider visited", 9, of=9, provider=name)
        ),
        *described(4, "answers to POST", 7),
        *described(4, "answers to GET", 4),
        *described(4, "commits that change the count", 12, of=12),
        *(line for number in range(12) for line in described(5, "seeded bug caught", 1, bug=f"bug {number}")),
        *described(5, "mutants of the engine killed", 95, of=100),
        *described(5, "mutants without an argument", 0),
        *described(6, "stranded payouts", 0, longest_s=3.5, lease_s=2.0, stores=True),
        *described(7, "POSTs seen", 50, stores=True),
        *described(7, "POSTs before their row", 0, stores=True),
        *described(8, "submissions compared", 5000),
        *described(8, "submissions that differ", 0),
        *figures_of_each(8, "submissions compared", 700),
        *figures_of_each(8, "submissions that differ", 0),
        *described(9, "calls above the cap in a second", 0, workers=8, share=0.93, stores=True),
        *described(10, "ambiguous payouts that ended in time, in per cent", 100.0, ambiguous=9000, longest_h=71.5),
        *described(10, "ambiguous payouts closed by a timer", 0),
        *described(11, "hostile requests", 10_000, stores=True),
        *described(11, "state changes without a read", 0, stores=True),
        *described(11, "5xx", 0, stores=True),
        *described(11, "most reads of a payout in 5 s", 1, stores=True),
        *described(12, "events lost", 0, events=4000, kills=7, stores=True),
        *described(12, "events lost", 0, events=1000, kills={"senders": 7, "receiver": 2}, stores=True),
        *described(12, "events out of order", 0, stores=True),
        *(line for case in cases for line in described(13, case, 1)),
    ]


class Proof:
    """A folder with figures and with what pytest said, and the report on it."""

    def __init__(self, folder: Path, printed: Callable[[], str]) -> None:
        self.folder = folder
        self._printed = printed
        self.figures = good()
        self.failed: dict[str, str] = {}  # a step, and the test that failed in it
        self.steps = {step["name"]: 60.0 for step in PLAN["step"]}

    def report(self) -> tuple[int, dict[str, Any]]:
        half = len(self.figures) // 2  # as two processes would
        for name, lines in (("one", self.figures[:half]), ("two", self.figures[half:])):
            text = "".join(f"{json.dumps(line)}\n" for line in lines)
            (self.folder / f"figures-{name}.jsonl").write_text(text, "utf-8")
        for step, seconds in self.steps.items():
            module, _, name = self.failed.get(step, "tests.elsewhere.test_x::").partition("::")
            inside = '<failure message="x"/>' if name else ""
            case = f'<testcase classname="{module}" name="{name or "test_y"}" time="1">{inside}</testcase>'
            text = f'<testsuites><testsuite name="pytest" tests="1" time="{seconds}">{case}</testsuite></testsuites>'
            (self.folder / f"{step}.xml").write_text(text, "utf-8")
        code: int = REPORT.main(self.folder, "proof")
        page = (self.folder / "proof.md").read_text("utf-8")
        assert self._printed().startswith(page)
        fields = json.loads((self.folder / "proof.json").read_text("utf-8"))
        assert page.count("| **no**: ") == sum(bool(row["faults"]) for row in fields["rows"])
        return code, fields

    def only_fault(self) -> tuple[int, str]:
        """Return the row that fails, which must be the only one, and why."""
        code, report = self.report()
        assert code == 1
        [(row, why)] = [(row["number"], row["faults"]) for row in report["rows"] if row["faults"]]
        return row, "; ".join(why)

    def figure(self, what: str) -> dict[str, Any]:
        return next(line for line in self.figures if line["what"] == what)


@pytest.fixture
def proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Proof:
    return Proof(tmp_path, lambda: capsys.readouterr().out)


def test_proof_with_every_limit_reached_holds(proof: Proof) -> None:
    """All thirteen rows stand in the table, with what was measured."""
    code, report = proof.report()
    assert (code, report["faults"]) == (0, [])
    assert [row["number"] for row in report["rows"]] == [*range(1, 14)]
    first = (proof.folder / "proof.md").read_text("utf-8").splitlines()[6]
    assert "| payees credited twice 0; payouts 100,000; faulty 0.31; workers 2; first_seed 1; payees" in first
    assert first.endswith(f"provider 0; providers 3; payouts {MANY:,}; faulty 0.3; workers 3 | yes |")


NEEDS = [(row["number"], need["what"]) for row in PLAN["row"] for need in row.get("needs", ()) if "step" not in need]


@pytest.mark.parametrize(("row", "what"), dict.fromkeys(NEEDS))
def test_row_without_a_figure_fails(proof: Proof, row: int, what: str) -> None:
    """Nothing measured is never taken for nothing wrong."""
    proof.figures = [line for line in proof.figures if line["what"] != what]
    found, why = proof.only_fault()
    assert found == row
    assert f"no figure: {what}" in why


@pytest.mark.parametrize(
    ("what", "wrong"),
    {
        "payees credited twice": {"figure": 1},
        "reported failed but paid, or reported paid but not": {"payouts": 99_999},
        "ambiguous payouts that ended in time, in per cent": {"figure": 99.9},
        "acknowledged payouts lost": {"figure": 1},
        "payees credited twice through a provider": {"figure": 1},
        "reported wrongly through a provider": {"payouts": MANY - 1},
        "payouts lost through a provider": {"kills": 0},
        "crash points visited": {"figure": 811},
        "crash points of a provider visited": {"figure": 8},
        "submissions compared through a provider": {"figure": 0},
        "seeded bug caught": {"figure": 0},
        "mutants of the engine killed": {"figure": 89},
        "stranded payouts": {"longest_s": 12.5},
        "calls above the cap in a second": {"workers": 7},
        "most reads of a payout in 5 s": {"figure": 2},
        "events lost": {"kills": {"senders": 0}},
        "clock step": {"figure": 0},
    }.items(),
)
def test_row_below_its_limit_fails(proof: Proof, what: str, wrong: dict[str, Any]) -> None:
    """One figure of one store is enough."""
    line = proof.figure(what)
    line.update(wrong)
    row, why = proof.only_fault()
    assert row == line["row"]
    assert what in why


def test_row_with_eleven_of_twelve_defects_found_fails(proof: Proof) -> None:
    proof.figures.remove(proof.figure("seeded bug caught"))
    assert proof.only_fault() == (5, "seeded bug caught 11, not >= 12")


@pytest.mark.parametrize(
    "remove", [lambda line: line.pop("store"), lambda line: line.update(store="postgres")], ids=["unsaid", "other"]
)
def test_row_of_both_stores_needs_a_figure_of_each(proof: Proof, remove: Callable[[Any], object]) -> None:
    remove(proof.figure("5xx"))
    assert proof.only_fault() == (11, "no figure for sqlite: 5xx")


def test_row_of_three_providers_needs_a_figure_of_each(proof: Proof) -> None:
    """Two figures for one provider are none for another."""
    proof.figure("payees credited twice through a provider")["provider"] = THREE[-1]
    row, why = proof.only_fault()
    assert (row, "2, not >= 3" in why) == (1, True)


@pytest.mark.parametrize(("fact", "wrong"), [("kills", 99), ("acknowledged", 0), ("kills", None)])
def test_row_needs_its_wanted_sample_size(proof: Proof, fact: str, wrong: int | None) -> None:
    """No loss in fewer kills than wanted is no proof, and neither is one without a count."""
    line = proof.figure("acknowledged payouts lost")
    line.pop(fact) if wrong is None else line.update({fact: wrong})
    row, why = proof.only_fault()
    assert (row, fact in why) == (3, True)


def test_row_with_an_unreported_fact_fails(proof: Proof) -> None:
    """A count of crash points without how many there are says nothing."""
    del proof.figure("crash points visited")["of"]
    assert proof.only_fault()[0] == 4


def test_extra_figure_is_kept_and_fails_nothing(proof: Proof) -> None:
    """It stands in the JSON, and fails nothing."""
    proof.figures += described(6, "a new figure", -1)
    code, report = proof.report()
    assert code == 0
    assert report["figures"][-1]["what"] == "a new figure"


@pytest.mark.parametrize("inside", ["", ".TestAll"])
def test_failed_test_fails_its_row(proof: Proof, inside: str) -> None:
    """Whatever its figures say: the row fails with any test of their file."""
    proof.failed["together"] = f"tests.row7.test_it{inside}::test_other"
    assert proof.only_fault() == (7, "test_other failed")


def test_failed_test_of_no_row_fails_the_proof(proof: Proof) -> None:
    """No row may hide it."""
    proof.failed["crash points"] = "tests.row77.test_it::test_other"
    code, report = proof.report()
    assert code == 1
    assert not any(row["faults"] for row in report["rows"])
    assert report["faults"] == ["tests.row77.test_it: test_other failed"]


def test_step_that_did_not_run_fails_the_proof(proof: Proof) -> None:
    """A run that ended before it wrote its results is no run without failures."""
    del proof.steps["together"]
    code, report = proof.report()
    assert (code, report["faults"]) == (1, ["the step 'together' ran no test"])


def test_crash_points_that_take_too_long_fail_their_row(proof: Proof) -> None:
    proof.steps["crash points"] = 120.5
    assert proof.only_fault() == (4, "seconds 120.5, not <= 120")


def test_proof_steps_find_their_files() -> None:
    """A step whose files have moved would prove nothing."""
    for step in PLAN["step"]:
        assert step.get("rest") or step.get("marked") or any(list(ROOT.glob(pattern)) for pattern in step["paths"]), (
            step
        )
