"""Every public name says what it is, and what each of its arguments means."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from enum import Enum
from types import ModuleType
from typing import Any

from pydantic import BaseModel

import payments_core


def modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(payments_core.__path__, "payments_core.")]
    return [payments_core, *map(importlib.import_module, names)]


PUBLIC: dict[str, Any] = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in modules()
    for name in getattr(module, "__all__", ())
}

# What applications and authors of providers and plugins write against; the other packages are our own.
PARTS = ["callbacks", "client", "domain.errors", "domain.events", "domain.masking", "domain.money", "domain.payout"]
PARTS += ["domain.references", "engine.flow", "http.flow", "http.messages", "http.transport", "logs"]
PARTS += ["plugins.hookspecs", "provider", "settings"]
SURFACE = {"payments_core", *(f"payments_core.{part}" for part in PARTS)}


def described(thing: object) -> str:
    """Return what is written about a name: for a class also what stands at those of ours it is made from."""
    if not isinstance(thing, type):
        return inspect.getdoc(thing) or ""
    ours = [vars(cls).get("__doc__") or "" for cls in thing.__mro__ if cls.__module__.startswith("payments_core")]
    return "\n".join(text for text in ours if not text.startswith(f"{thing.__name__}("))  # a dataclass's own


def arguments(thing: object) -> set[str]:
    """Return the arguments that need words: of a class all, of a function those it has beside a single one."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return set()
    if inspect.isclass(thing) and (issubclass(thing, Enum | BaseModel) or getattr(thing, "_is_protocol", False)):
        return set()  # members and fields describe themselves, and a protocol is not called
    given = inspect.signature(thing).parameters.values()
    named = {one.name for one in given if not one.name.startswith("_")} - {"self", "cls", "args", "kwargs"}
    return named if inspect.isclass(thing) or len(named) > 1 else set()


def test_docstring_checks_find_modules() -> None:
    assert len(PUBLIC) > 150
    assert {name.rpartition(".")[0] for name in PUBLIC} >= SURFACE


def test_exports_exist() -> None:
    for module in modules():
        exported = getattr(module, "__all__", [])

        assert [name for name in exported if not hasattr(module, name)] == [], module.__name__
        assert len(set(exported)) == len(exported), module.__name__


def test_public_functions_explain_every_argument() -> None:
    surface = {name: thing for name, thing in PUBLIC.items() if name.rpartition(".")[0] in SURFACE}
    silent = {
        name: sorted(word for word in arguments(thing) if not re.search(rf"\b{word}\b", described(thing)))
        for name, thing in surface.items()
    }

    assert {name: words for name, words in silent.items() if words} == {}


def test_public_methods_are_documented() -> None:
    classes = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
    ours = {name: thing for name, thing in classes.items() if thing.__module__.startswith("payments_core")}
    silent = {name: undocumented(thing) for name, thing in ours.items()}

    assert {name: words for name, words in silent.items() if words} == {}


def undocumented(thing: type) -> list[str]:
    # A promise of the conformance suite is a test: its name says it where its docstring does not.
    own = {word: member for word, member in vars(thing).items() if not word.startswith(("_", "test_"))}
    methods = (word for word, member in own.items() if inspect.isroutine(member) or isinstance(member, property))
    return [word for word in methods if not inspect.getdoc(own[word])]
