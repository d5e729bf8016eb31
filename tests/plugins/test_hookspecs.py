"""Every hook says what it is for, when it is called, whether it may raise, and what its arguments are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pluggy
import pytest

from payments_core.plugins import hookspecs
from payments_core.plugins.manager import Plugins

# Name and arguments are what other people's plugins are written against: hooks and arguments are only ever added.
HOOKS = {
    "payments_providers": (),
    "payments_choose_account": ("order", "accounts"),
    "payments_resolve_secret": ("reference",),
    "payments_before_submit": ("payout",),
    "payments_needs_approval": ("payout",),
    "payments_approve_batch": ("batch", "actor"),
    "payments_payout_changed": ("payout", "event"),
    "payments_cli_commands": (),
}
FIRST_RESULT = {"payments_choose_account", "payments_resolve_secret"}


def hook(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(hookspecs, name)
    return function


def test_hookspecs_keep_every_released_hook() -> None:
    found = {name: tuple(inspect.signature(hook(name)).parameters) for name in Plugins.hooks()}

    assert found == HOOKS


@pytest.mark.parametrize("name", HOOKS)
def test_hookspec_is_documented(name: str) -> None:
    text = inspect.getdoc(hook(name)) or ""

    assert "Called " in text
    assert "ay raise" in text or "exception" in text
    for argument in HOOKS[name]:
        assert f"\n    {argument}: " in text, f"{argument} is not described"


def test_hookspecs_with_firstresult() -> None:
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    specs = {name: getattr(manager.hook, name).spec for name in HOOKS}

    assert {name for name, spec in specs.items() if spec and spec.opts["firstresult"]} == FIRST_RESULT


@pytest.mark.parametrize("name", HOOKS)
def test_hookspec_itself_is_never_called(name: str) -> None:
    with pytest.raises(NotImplementedError):
        hook(name)(**dict.fromkeys(HOOKS[name]))
