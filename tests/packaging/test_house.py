"""The checkout keeps what it promises about itself: one test command, no address, no machine in any file."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROVIDERS = sorted(file.parent for file in CHECKOUT.glob("providers/[!_]*/pyproject.toml"))


def read(path: str) -> str:
    return (CHECKOUT / path).read_text("utf-8")


@pytest.mark.parametrize("lock", sorted((CHECKOUT / "locks").glob("*.txt")), ids=lambda lock: lock.stem)
def test_lock_names_no_registry(lock: Path) -> None:
    line = re.compile(r"[\w.-]+==[\w.]+( ; [\w'. <>=!()*]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")

    assert [text for text in lock.read_text("utf-8").splitlines() if not line.fullmatch(text)] == []


def test_provider_carries_the_licence() -> None:
    assert {(provider / "LICENSE").read_text("utf-8") for provider in PROVIDERS} == {read("LICENSE")}


def test_provider_is_under_the_layer_contracts() -> None:
    """The session says for each provider what these rules say for one; so they must say it of that one throughout."""
    linter = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]

    assert linter["root_packages"] == ["payments_core", "payments_mtn_momo"]
    for name in ("The core imports no provider", "Providers do not know each other"):
        contract = next(contract for contract in linter["contracts"] if contract["name"] == name)
        assert (contract.get("forbidden_modules") or contract["modules"]) == ["payments_mtn_momo"], name


@pytest.mark.parametrize("provider", [one.name for one in PROVIDERS if one.name != "mtn_momo"])
def test_provider_is_named_by_no_file_outside_its_folder(provider: str) -> None:
    """Adding one changes nothing else; only pages may name it. (What is true of one is tried with mtn_momo.)"""
    spellings = [f"payments_{provider}", f"payments-{provider.replace('_', '-')}"]

    assert [
        entry for entry in tracked_that_name(spellings) if not re.match(rf"providers/{provider}/|\S+\.md ", entry)
    ] == []


def test_tracked_files_name_no_registry_and_no_machine() -> None:
    """A clone must work where other registries are used, and tell nothing about where it was written."""
    assert tracked_that_name(["pypi" + ".org", "pythonhosted" + ".org", "/work" + "/", "/root" + "/"]) == []


def tracked_that_name(words: Sequence[str]) -> list[str]:
    """Return which of the checkout's files name one of some words."""
    try:
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [
        f"{path} names {word}"
        for path in filter(None, tracked.decode().split("\0"))
        if (CHECKOUT / path).is_file()
        for word in words
        if word in (CHECKOUT / path).read_text("utf-8", errors="replace")
    ]
