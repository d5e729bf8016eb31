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

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "payouts.py"


@pytest.mark.parametrize(
    "arguments",
    [
        ["bars", "--payouts", "10", "--only", "^raw-httpx$|^mtnmomo-py|^ours-async, 16 in flight$"],
        ["accounts", "--payouts", "10", "--only", "ours-async, 16 in flight$"],
        ["journal", "--payouts", "20", "--most", "1000", "--only", "postgres"],
        ["memory", "--most", "40"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_benchmark_set_prints_a_table_and_writes_its_figures(arguments: list[str], tmp_path: Path) -> None:
    figures, drawing = tmp_path / "figures.json", tmp_path / "figures.svg"
    outputs = ["--rounds", "1", "--json", str(figures), "--svg", str(drawing)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}

    ran = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments, *outputs], env=env, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(figures.read_text("utf-8"))
    assert found["rows"]
    assert [label for label in found["rows"] if label not in ran.stdout] == []
    assert [bar["goal"] for bar in found["bars"] if bar["goal"] not in ran.stdout] == []
    assert all(f"{label} is left out: {why}" in ran.stdout for label, why in found["skipped"].items())
    assert ET.parse(drawing).getroot().tag.endswith("svg")  # noqa: S314 - our own drawing
