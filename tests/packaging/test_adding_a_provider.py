"""Adding a provider to this repository changes nothing outside its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def test_new_provider_changes_no_file_outside_its_folder(tmp_path: Path) -> None:
    """Made from the template, installed, and with every page generated anew: all that is new is in its folder."""
    house = tmp_path / "house"
    try:
        git(tmp_path, "clone", "--quiet", str(CHECKOUT), str(house))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    for changed in git(CHECKOUT, "ls-files", "-z", "--modified", "--others", "--exclude-standard").split("\0"):
        if changed and (CHECKOUT / changed).is_file():  # what is being worked on
            (house / changed).parent.mkdir(parents=True, exist_ok=True)
            (house / changed).write_bytes((CHECKOUT / changed).read_bytes())
    git(house, "add", "--all")
    made = house / "providers" / "orange_money"
    python("providers/_template/new.py", "orange_money", str(made.parent), cwd=house)
    settings = (made / "payments_orange_money" / "settings.py").read_text("utf-8")
    assert '"https://api.orange-money.example"' in settings, "a host's name has no underscore"
    installed = tmp_path / "site" / "payments_orange_money-0.1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: payments-orange-money\nVersion: 0.1.0\n", "utf-8")
    plugin = "[payments_core]\norange_money = payments_orange_money.plugin\n"
    (installed / "entry_points.txt").write_text(plugin, "utf-8")

    python("docs/reference/generate.py", cwd=house, paths=[installed.parent, made])

    assert (made / "docs" / "orange_money-reference.md").is_file()
    outside = git(house, "status", "--porcelain", "--untracked-files=all").splitlines()
    unstaged = [line[3:] for line in outside if line[1] != " "]
    assert [path for path in unstaged if not path.startswith("providers/orange_money/")] == []
    assert unstaged


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout


def python(*words: str, cwd: Path, paths: list[Path] | None = None) -> None:
    result = os.pathsep.join(filter(None, [*map(str, paths or []), os.environ.get("PYTHONPATH", "")]))
    subprocess.run([sys.executable, "-P", *words], cwd=cwd, env={**os.environ, "PYTHONPATH": result}, check=True)
