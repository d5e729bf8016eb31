"""The site's pages about the Python interface name everything an application or a provider may import."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import get_args

import pytest

from payments_core import AsyncPayoutClient, PayoutClient, provider
from payments_core.plugins.manager import Plugins

API = Path(__file__).parents[2] / "docs" / "reference" / "api"
DIRECTIVE = re.compile(r"^\.\. (?:auto|py:)(\w+):: ([\w.]+)(?:\(\))?$((?:\n   .*)*)", re.MULTILINE)
MODULES = [
    "payments_core",
    "payments_core.callbacks",
    "payments_core.domain.errors",
    "payments_core.plugins.hookspecs",
    "payments_core.provider",
    "payments_core.testing.conformance",
    "payments_core.http.parsing",
    "payments_core.worker",
    "payments_mtn_momo",
    "payments_mtn_momo.emulator",
    "payments_mtn_momo.native",
]


def documented() -> dict[str, object]:
    """Return what the pages describe, by the name they give it; a module brings all it exports."""
    found: dict[str, object] = {}
    for page in sorted(API.glob("*.rst")):
        for kind, name, options in DIRECTIVE.findall(page.read_text("utf-8")):
            if kind in {"method", "property"}:
                continue
            if kind != "module":
                found[name] = value(name)
            elif ":no-members:" not in options:
                left_out = re.findall(r":exclude-members: (.+)", options)
                exported = set(importlib.import_module(name).__all__) - set(", ".join(left_out).split(", "))
                found |= {f"{name}.{one}": value(f"{name}.{one}") for one in exported}
    return found


def value(name: str) -> object:
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


@pytest.mark.parametrize("module", MODULES)
def test_public_name_is_on_a_page_of_the_site(module: str) -> None:
    """Under this name or, for what several modules export, under another one."""
    names = {f"{module}.{name}" for name in importlib.import_module(module).__all__}
    pages = documented()
    described = list(pages.values())

    assert names
    assert sorted(name for name in names - set(pages) if not any(value(name) is one for one in described)) == []


def test_client_methods_are_on_their_page_once() -> None:
    """Each method stands in one group of tasks; the asynchronous client has no method of its own."""
    page = (API / "payments_core.rst").read_text("utf-8")
    listed = re.findall(r"(?m)^\.\. auto(?:method|property):: payments_core\.PayoutClient\.(\w+)$", page)
    methods = {name for name in dir(PayoutClient) if not name.startswith("_")} - {"runtime", "work_on"}

    assert sorted(listed) == sorted(methods)
    assert {name for name in dir(AsyncPayoutClient) if not name.startswith("_")} == methods | {"runtime", "work_on"}


@pytest.mark.parametrize("union", ["SubmitOutcome", "CheckOutcome"])
def test_outcomes_are_listed_beside_their_union(union: str) -> None:
    """Each outcome that ``submit`` and ``check`` may return has a line beside the union."""
    page = (API / "provider.rst").read_text("utf-8")
    section = page.split(f".. py:type:: payments_core.provider.{union}\n")[1].split("\n..")[0]
    kinds = [kind.__name__ for kind in get_args(getattr(provider, union))]

    assert f":canonical: {' | '.join(kinds)}\n" in section
    assert re.findall(r"(?m)^   - :class:`(\w+)`: .+", section) == kinds


def test_hooks_are_all_on_a_page() -> None:
    assert {f"payments_core.plugins.hookspecs.{name}" for name in Plugins.hooks()} <= set(documented())


def test_logs_and_emulator_switches_are_on_a_page() -> None:
    """Two modules of which only a part is public."""
    assert {"payments_core.logs.configure", "payments_mtn_momo.emulator.switches.Switches"} <= set(documented())
