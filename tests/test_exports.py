"""The names a program imports from the package: complete, sorted, loaded when used, and nothing else."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import payments_core

SOURCE = ast.parse(Path(str(payments_core.__file__)).read_text("utf-8"))


def typed() -> dict[str, str]:
    """Return what a type checker sees: each name, and the module it is imported from."""
    found: dict[str, str] = {}
    for node in SOURCE.body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for imported in ast.walk(node):
                if isinstance(imported, ast.ImportFrom):
                    # `as` the same name: otherwise it would not be a re-export under --strict.
                    found |= {alias.asname or "": str(imported.module) for alias in imported.names}
    return found


def test_dunder_all_is_sorted() -> None:
    assert payments_core.__all__ == sorted(set(payments_core.__all__))


def test_lazy_names_match_those_that_type_checkers_see() -> None:
    homes = {name: f"payments_core.{home}" for name, home in vars(payments_core)["_HOMES"].items()}

    assert typed() == homes
    assert sorted(homes) == payments_core.__all__


@pytest.mark.parametrize("name", payments_core.__all__)
def test_exported_name_is_the_one_of_its_home_module(name: str) -> None:
    """And it is the one from its home, which exports it too."""
    home = importlib.import_module(typed()[name])

    assert getattr(payments_core, name) is getattr(home, name)
    assert name in home.__all__


def test_dir_lists_the_exported_names() -> None:
    assert set(payments_core.__all__) <= set(dir(payments_core))


@pytest.mark.parametrize("name", ["PayoutCleint", "money", "_HOME", "Moneys"])
def test_misspelt_name_is_an_attribute_error(name: str) -> None:
    program = f"""
import payments_core
assert not hasattr(payments_core, {name!r})
try:
    payments_core.{name}
except AttributeError as error:
    print(error)
try:
    from payments_core import {name}
except ImportError as error:
    print("cannot be imported")
"""
    if name == "money":  # a module is importable by its name, but is no name of the package before
        program = program.partition("try:\n    from")[0] + "print('cannot be imported')"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines() == [f"module 'payments_core' has no attribute {name!r}", "cannot be imported"]


def test_star_import_brings_exactly_the_exported_names() -> None:
    program = "before = set(dir()); from payments_core import *; print(*sorted(set(dir()) - before - {'before'}))"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == payments_core.__all__


@pytest.mark.parametrize(
    "module",
    ["", ".callbacks", ".provider", ".http.flow", ".engine.flow", ".http.messages", ".settings", ".plugins.hookspecs"],
)
def test_public_names_are_all_used_in_the_typing_example(module: str) -> None:
    """``tests/typing/api.py`` uses each one: what is missing there, no checker has looked at."""
    used = ast.parse((Path(__file__).parent / "typing" / "api.py").read_text("utf-8"))
    names = {node.id for node in ast.walk(used) if isinstance(node, ast.Name)}
    exported = importlib.import_module(f"payments_core{module}").__all__

    assert [name for name in exported if name not in names] == []
