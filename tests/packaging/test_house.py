"""The checkout keeps what it promises about itself: one test command, no address, no machine in any file."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROVIDERS = sorted(file.parent for file in CHECKOUT.glob("providers/[!_]*/pyproject.toml"))


def read(path: str) -> str:
    return (CHECKOUT / path).read_text("utf-8")


def test_ci_runs_the_command_of_the_readme() -> None:
    commands = [line for line in read(".ci/run").splitlines() if "locks/nox.txt" in line]

    assert len(commands) == 1
    assert commands[0].strip() in read("README.md")


@pytest.mark.parametrize("lock", sorted((CHECKOUT / "locks").glob("*.txt")), ids=lambda lock: lock.stem)
def test_a_lock_says_what_and_never_from_where(lock: Path) -> None:
    line = re.compile(r"[\w.-]+==[\w.]+( ; [\w'. <>=!()]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")

    assert [text for text in lock.read_text("utf-8").splitlines() if not line.fullmatch(text)] == []


def test_every_provider_carries_the_licence() -> None:
    assert {(provider / "LICENSE").read_text("utf-8") for provider in PROVIDERS} == {read("LICENSE")}


def test_every_provider_is_under_the_layer_contracts() -> None:
    packages = {marker.parent.name for provider in PROVIDERS for marker in provider.glob("payments_*/py.typed")}
    linter = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]

    assert packages == set(linter["root_packages"]) - {"payments_core"}
    for name in ("The core imports no provider", "Providers do not know each other"):
        contract = next(contract for contract in linter["contracts"] if contract["name"] == name)
        assert packages == set(contract.get("forbidden_modules") or contract["modules"]), name


def test_no_tracked_file_names_a_registry_or_a_machine() -> None:
    """A clone must work where other registries are used, and tell nothing about where it was written."""
    try:
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    words = ["pypi" + ".org", "pythonhosted" + ".org", "/work" + "/", "/root" + "/"]
    named = [
        f"{path} names {word}"
        for path in filter(None, tracked.decode().split("\0"))
        if (CHECKOUT / path).is_file()
        for word in words
        if word in (CHECKOUT / path).read_text("utf-8", errors="replace")
    ]

    assert named == []
