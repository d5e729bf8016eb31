"""Shipped code uses the terms of the glossary: the check of `nox -s lint` finds a word that is not one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECK = Path(__file__).with_name("check_names.py")


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(CHECK), str(folder)], capture_output=True, text=True, check=False)


def test_check_names_reports_place_identifier_and_replacement(tmp_path: Path) -> None:
    """One line for a name, a class, an attribute and a module; none for a name of the standard library or a text."""
    package = tmp_path / "providers/acme/payments_acme"
    package.mkdir(parents=True)
    package.joinpath("heard.py").write_text("")
    package.joinpath("codec.py").write_text(
        '"""What somebody told."""\nimport string\n\n\nclass Office:\n    pass\n\n\n'
        "def read(told: dict) -> object:\n    return told.was_told_at, string.ascii_letters\n"
    )

    checked = check(tmp_path)

    assert checked.returncode == 1
    found = [line.removeprefix("providers/acme/payments_acme/").split(": ")[:2] for line in checked.stdout.splitlines()]
    assert found == [
        ["codec.py:5", "Office"],
        ["codec.py:9", "told"],
        ["codec.py:10", "told"],
        ["codec.py:10", "was_told_at"],
        ["heard.py:1", "heard"],
    ]
    assert "codec.py:5: Office: write Runtime\n" in checked.stdout


def test_check_names_finds_nothing_in_this_checkout() -> None:
    checked = check(CHECK.parents[2])

    assert (checked.returncode, checked.stdout.strip()) == (0, "")
