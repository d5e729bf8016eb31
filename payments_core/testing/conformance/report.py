"""What became of each promise of a provider: the suite played in a process of its own, and read for people."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from xml.etree import ElementTree

from payments_core.testing.conformance import ProviderConformance
from payments_core.testing.conformance.fixtures import why_skipped

__all__ = ["NotPlayed", "Verdict", "in_words", "play", "profile_at", "promises", "skipped"]


class NotPlayed(RuntimeError):
    """The suite could not be played; it says how pytest ended."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one promise.

    Args:
        promise: The name of its test.
        state: What became of it.
        why: What each failure said, or why it was not asked for; empty when it was kept.

    """

    promise: str
    state: Literal["kept", "broken", "skipped"]
    why: Sequence[str] = ()


def promises() -> Mapping[str, str]:
    """Return every promise, by the name of its test, and what it says beyond its name."""
    return {
        name: " ".join((getattr(ProviderConformance, name).__doc__ or "").split())
        for kind in reversed(ProviderConformance.__mro__)
        for name in vars(kind)
        if name.startswith("test_")
    }


def in_words(name: str) -> str:
    """Return a promise as a sentence without its full stop."""
    return name.removeprefix("test_").replace("_", " ").capitalize()


def profile_at(place: str) -> type[ProviderConformance]:
    """Return the class at ``"package.module:Class"``."""
    module, _, name = place.partition(":")
    found: type[ProviderConformance] = getattr(import_module(module), name)
    return found


def skipped(profile: type[ProviderConformance]) -> Mapping[str, str]:
    """Return the promises that are not asked of a provider, and why."""
    return {name: why for name in promises() if (why := why_skipped(profile, name))}


def play(place: str) -> Sequence[Verdict]:
    """Play the suite and return what became of each promise.

    Args:
        place: Of the sheet, as ``"package.module:Class"``.

    Raises:
        NotPlayed: pytest could not play it.

    """
    module, _, name = place.partition(":")
    with TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
        test = folder / "test_promises.py"
        test.write_text(f"import {module} as sheet\n\n\nclass TestPromises(sheet.{name}):\n    pass\n", "utf-8")
        command = [
            sys.executable,
            "-P",
            "-m",
            "pytest",
            "-q",
            "-c",
            str(folder / "pytest.ini"),
            "-p",
            "no:cacheprovider",
        ]
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}  # whatever else is installed
        ran = subprocess.run(  # noqa: S603 - this interpreter
            [*command, f"--junitxml={folder / 'told.xml'}", str(test)],
            env={**os.environ, **alone},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode not in {0, 1}:
            raise NotPlayed((ran.stdout + ran.stderr).strip()[-1_000:])
        return _read(folder / "told.xml")


def _read(told: Path) -> Sequence[Verdict]:
    """Read pytest's own report; the cases of one promise are told together."""
    failed: dict[str, list[str]] = {}
    unasked: dict[str, list[str]] = {}
    kept: set[str] = set()
    for case in ElementTree.parse(told).iter("testcase"):  # noqa: S314 - our own
        name, _, which = str(case.get("name")).partition("[")
        if (fault := next(iter([*case.iter("failure"), *case.iter("error")]), None)) is not None:
            said = re.split(r"\n|(?<!:) assert ", str(fault.get("message")))[0]
            failed.setdefault(name, []).append(f"{which.rstrip(']')}: {said}" if which else said)
        elif (reason := case.find("skipped")) is not None:
            unasked.setdefault(name, []).append(str(reason.get("message")))
        else:
            kept.add(name)
    return [
        Verdict(name, "broken", failed[name])
        if name in failed
        else Verdict(name, "kept")
        if name in kept
        else Verdict(name, "skipped", sorted(set(unasked[name])))
        for name in promises()
        if name in failed or name in kept or name in unasked
    ]
