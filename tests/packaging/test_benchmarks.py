"""The benchmarks run: no figure is judged here, as no test depends on time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [sys.executable, str(BENCHMARKS / program), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bars", "--payouts", "10", "--only", "^raw-httpx$|^mtnmomo-py|^ours-async, 16 in flight$"],
        pytest.param(["accounts", "--payouts", "10", "--only", "ours-async, 16 in flight$"], marks=pytest.mark.proof),
        ["journal", "--payouts", "20", "--most", "1000", "--only", "postgres"],
        pytest.param(["memory", "--most", "40"], marks=pytest.mark.proof),
    ],
    ids=lambda arguments: arguments[0],
)
def test_benchmark_set_prints_a_table_and_writes_its_figures(arguments: list[str], tmp_path: Path) -> None:
    figures, drawing = tmp_path / "figures.json", tmp_path / "figures.svg"
    outputs = ["--rounds", "1", "--json", str(figures), "--svg", str(drawing)]

    ran = run("payouts.py", *arguments, *outputs)

    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(figures.read_text("utf-8"))
    assert found["rows"]
    assert [label for label in found["rows"] if label not in ran.stdout] == []
    assert [bar["goal"] for bar in found["bars"] if bar["goal"] not in ran.stdout] == []
    assert all(f"{label} is left out: {why}" in ran.stdout for label, why in found["skipped"].items())
    assert ET.parse(drawing).getroot().tag.endswith("svg")  # noqa: S314 - our own drawing


def test_benchmark_of_lists_fills_a_journal_and_prints_the_slowest_pages() -> None:
    ran = run("listing.py", "--payouts", "500", "--slowest", "2")

    assert ran.returncode == 0, ran.stderr
    summaries = [line for line in ran.stdout.splitlines() if "pages, median" in line]
    assert [line.split(":")[0] for line in summaries] == ["sqlite", "postgresql"]
