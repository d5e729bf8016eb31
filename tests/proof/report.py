"""Judges the figures of a proof by ``proof.toml``, and tells them: ``report.py FOLDER SIZES`` exits 1 if a row fails.

The folder holds the figures of the fixture ``measured`` (``figures-*.jsonl``, in a folder for each step) and pytest's
results, one JUnit file for each step. ``proof.md`` and ``proof.json`` are written beside them.
"""

from __future__ import annotations

import json
import operator
import os
import platform
import re
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PLAN = Path(__file__).with_name("proof.toml")
STORES = {"sqlite", "postgres"}
_HOLDS = {"==": operator.eq, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_OVER = {"sum": sum, "least": min, "most": max}
Figure = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What pytest said of one step.

    Args:
        step: Its name.
        tests: How many tests ran.
        seconds: How long it took.
        failed: Which failed: the module and the name of each.

    """

    step: str
    tests: int
    seconds: float
    failed: Sequence[tuple[str, str]]


@dataclass
class Verdict:
    """A row of the table.

    Args:
        number: Of the row.
        bar: What is counted.
        wanted: What it has to be.
        measured: What it was, a phrase for each need.
        faults: Why the row fails; empty when it holds.

    """

    number: int
    bar: str
    wanted: str
    measured: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_figures(folder: Path) -> list[Figure]:
    """Return every figure that was reported."""
    lines = (line for file in sorted(folder.rglob("*.jsonl")) for line in file.read_text("utf-8").splitlines())
    return [json.loads(line) for line in lines]


def read_runs(folder: Path) -> list[Run]:
    """Return what pytest said, a step from each JUnit file."""
    return [_run(file.stem, ET.parse(file).getroot()) for file in sorted(folder.glob("*.xml"))]  # noqa: S314 - our own


def _run(step: str, root: ET.Element) -> Run:
    suites = list(root.iter("testsuite"))
    cases = list(root.iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    names = [(case.get("classname", ""), case.get("name", "")) for case in failed]
    return Run(step, len(cases), sum(float(suite.get("time", 0)) for suite in suites), names)


def judge(plan: Mapping[str, Any], sizes: str, figures: Sequence[Figure], runs: Sequence[Run]) -> list[Verdict]:
    """Hold each row's figures against its bars.

    Args:
        plan: As ``proof.toml`` has it.
        sizes: Which of its sizes were played.
        figures: What was reported.
        runs: What pytest said.

    """
    return [_judge(row, plan["sizes"][sizes], sizes, figures, runs) for row in plan["row"]]


def _judge(
    row: Mapping[str, Any], numbers: Mapping[str, int], sizes: str, figures: Sequence[Figure], runs: Sequence[Run]
) -> Verdict:
    shown = {name: f"{number:,}" for name, number in numbers.items()}
    verdict = Verdict(row["number"], row["bar"], row["wanted"].format(**shown))
    mine = [figure for figure in figures if figure["row"] == row["number"]]
    for need in (need for need in row.get("needs", ()) if need.get("sizes", sizes) == sizes):
        if "step" in need:
            entries = [{"figure": run.seconds} for run in runs if run.step == need["step"]]
        else:
            entries = [figure for figure in mine if figure["what"] == need["what"]]
        _hold(verdict, need, entries, numbers)
    if "cases" in row:
        _cases(verdict, row["cases"], mine)
    modules = {_module(figure) for figure in mine}
    for module, name in (failed for run in runs for failed in run.failed):
        if module in modules or module.rpartition(".")[0] in modules:  # its tests may stand in a class
            verdict.faults.append(f"{name} failed")
    verdict.faults = list(dict.fromkeys(verdict.faults))
    return verdict


def _module(figure: Figure) -> str:
    """Return the module of the test that reported a figure, as JUnit names it."""
    return str(figure.get("test", "")).partition("::")[0].removesuffix(".py").replace("/", ".")


def _hold(verdict: Verdict, need: Mapping[str, Any], payload: Sequence[Figure], numbers: Mapping[str, int]) -> None:
    """Add what a need's figures are, and what is wrong with them."""
    what, fact = need["what"], need.get("fact", "figure")
    name = what if fact == "figure" else f"{what}: {fact}"
    if not payload:
        verdict.faults.append(f"no figure: {name}")
        return
    if need.get("stores") and (missing := STORES - {figure.get("store") for figure in payload}):
        verdict.faults.append(f"no figure for {', '.join(sorted(missing))}: {name}")
    if any(fact not in figure for figure in payload):
        verdict.faults.append(f"not every figure says {fact}: {name}")
        return
    values = [_number(figure[fact]) for figure in payload]
    if "each" in need:
        value, bar = _phrase(sum(values) if fact == "figure" else max(values)), need["each"]
        wrong = [figure for figure in payload if not _is(_number(figure[fact]), bar, {**numbers, **figure})]
    else:
        found, bar = _together(need, payload, values)
        value, wrong = _phrase(found), [] if _is(found, bar, numbers) else [{}]
    label = f"{need['different']}s" if "different" in need else what if fact == "figure" else fact
    verdict.measured.append(f"{label} {value}")
    for figure in wrong:
        seen, test = _phrase(_number(figure[fact])) if figure else value, figure.get("test")
        verdict.faults.append(f"{name} {seen}, not {bar}" + (f" ({test})" if test else ""))


def _together(need: Mapping[str, Any], payload: Sequence[Figure], values: Sequence[float]) -> tuple[float, str]:
    if "different" in need:
        return len({figure.get(need["different"]) for figure in payload} - {None}), need["is"]
    if "share" in need:
        return sum(values) / max(sum(figure.get("of", 0) for figure in payload), 1), need["share"]
    [over] = _OVER.keys() & need.keys()
    return _OVER[over](values), need[over]


def _number(payload: Any) -> float:
    """Return a fact as a number: of several by name, their sum."""
    return sum(payload.values()) if isinstance(payload, Mapping) else payload


def _is(value: float, bar: str, names: Mapping[str, Any]) -> bool:
    """Compare a value with a bar such as ``>= 0.3`` or ``<= lease_s + 10``; an unreported name holds nothing."""
    sign, _, against = bar.partition(" ")
    terms = [float(term) if re.fullmatch(r"[0-9.]+", term) else names.get(term) for term in against.split(" + ")]
    return None not in terms and bool(_HOLDS[sign](value, sum(terms)))


def _cases(verdict: Verdict, cases: Sequence[str], payload: Sequence[Figure]) -> None:
    seen = {case: [figure["figure"] for figure in payload if figure["what"] == case] for case in cases}
    verdict.measured.append(f"{sum(set(figures) == {1} for figures in seen.values())} of {len(cases)} safe")
    verdict.faults += [f"no figure: {case}" for case, figures in seen.items() if not figures]
    verdict.faults += [f"not safe: {case}" for case, figures in seen.items() if set(figures) - {1}]


def _phrase(value: float) -> str:
    return f"{value:,.4g}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"


def other_faults(plan: Mapping[str, Any], runs: Sequence[Run]) -> list[str]:
    """Return what is wrong beside the rows: tests that failed, steps that did not run."""
    ran = {run.step for run in runs if run.tests}
    missing = [f"the step {step['name']!r} ran no test" for step in plan["step"] if step["name"] not in ran]
    return missing + [f"{module}: {name} failed" for run in runs for module, name in run.failed]


def markdown(facts: Mapping[str, Any], verdicts: Sequence[Verdict], faults: Sequence[str]) -> str:
    """Return the table as a page."""
    lines = ["# Proof", "", f"{facts['version']}, {facts['at']}; {facts['machine']}; sizes: {facts['sizes']}.", ""]
    lines += ["| # | bar | wanted | measured | holds |", "|---|---|---|---|---|"]
    for one in verdicts:
        holds = f"**no**: {'; '.join(one.faults)}" if one.faults else "yes"
        cells = (str(one.number), one.bar, one.wanted, "; ".join(one.measured) or "nothing", holds)
        lines.append(" | ".join(("", *cells, "")).strip())
    minutes = ", ".join(f"{step} {seconds / 60:.1f}" for step, seconds in facts["seconds"].items())
    lines += ["", f"Minutes of each step: {minutes or 'none ran'}."]
    lines += ["", "What is wrong beside the rows:", "", *(f"- {fault}" for fault in faults)] if faults else []
    return "\n".join(lines) + "\n"


def main(folder: Path, sizes: str) -> int:
    """Write the report beside the figures and print it; return the exit status."""
    plan = tomllib.loads(PLAN.read_text("utf-8"))
    figures, runs = read_figures(folder), read_runs(folder)
    verdicts, faults = judge(plan, sizes, figures, runs), other_faults(plan, runs)
    facts = {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "version": f"payments-core {version('payments-core')}",
        "machine": f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} cores",
        "sizes": sizes,
        "seconds": {run.step: round(run.seconds, 1) for run in runs},
    }
    page = markdown(facts, verdicts, faults)
    fields = {**facts, "rows": [vars(one) for one in verdicts], "faults": faults, "figures": figures}
    (folder / "proof.md").write_text(page, "utf-8")
    (folder / "proof.json").write_text(json.dumps(fields, indent=1) + "\n", "utf-8")
    print(page)
    print(f"Written to {folder / 'proof.md'} and proof.json.")
    return 1 if faults or any(one.faults for one in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
